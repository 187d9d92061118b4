"""The demo's last part: what an auditor can find out and prove alone, also about what is not there any more."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from blockpool import Client, DatasetDefinition, ErrorCode, Identity, PoolError, RecordId, verify_evidence
from blockpool.watched_node import WatchedNode
from blockpool.watching import Report, Watch
from chain.proofs.trust import TrustHistory
from cli.audit.report import investigate_source
from cli.audit.reporting.page import render
from cli.demo.data import LEGAL_BASIS, SEALED_DATASET
from cli.demo.disks import read_all
from cli.demo.narrator import Narrator
from cli.evidence import verification_lines
from cli.homes import SYSTEM_KEY
from cli.processes import LocalNetwork
from cli.provenance.tree import ProvenanceTree

_OWNER = "aviation"
_READER = "meteorology"
_NEVER = "registry"
"""A member that never asks."""
_BULLETINS = "meteorology.bulletins"
_BULLETIN = {"text_zh": "雷暴期间航班延误通报", "text_en": "Delays during the thunderstorm"}
_ERASURE_BASIS = "PIPL art. 47 个人信息保护法第四十七条"
_SAMPLES = 10
_TIMEOUT_S = 20.0
REPORT_FILE = "report.html"


@dataclass
class ProofStory:
    """The stages about provenance, checkpoints, absences, erasure and the report."""

    narrator: Narrator
    network: LocalNetwork
    totals: dict[str, int]
    """Records that were shared before, by dataset."""

    def run(self, flight: RecordId, reading: RecordId) -> None:
        """All stages.

        Args:
            flight: a sealed record that has been read.
            reading: an open record.
        """
        self.trace(flight, reading)
        self.watch()
        self.erase(flight)
        self.report()

    def trace(self, flight: RecordId, reading: RecordId) -> None:
        """Something new is made of two records, and each knows of the other."""
        narrator, genesis = self.narrator, self.network.genesis
        with narrator.stage("Make a bulletin of a flight and a reading, and trace the flight"):
            with self._client(_READER) as client:
                client.define(
                    DatasetDefinition(
                        _BULLETINS, title_zh="气象通报", title_en="Bulletins", sharing="open", legal_basis=LEGAL_BASIS
                    )
                )
                (receipt,) = client.submit([_BULLETIN], _BULLETINS, derived_from=[flight, reading])
                graph = client.provenance(flight)
            narrator.show(ProvenanceTree(graph, genesis).tree())
            narrator.claim(
                f"of {len(graph.parcels)} parcels the bulletin is one, and nothing is left out",
                receipt.transaction_id in graph.parcels and not graph.gaps,
            )

    def watch(self) -> None:
        """All nodes tell one history, and a proof from its checkpoint."""
        narrator, genesis = self.narrator, self.network.genesis
        with narrator.stage("Watch all nodes: one history, cosigned; and prove that something never happened"):
            look = self._look()
            newest = look.newest
            for view in look.views:
                narrator.say(f"{view.url}: {view.state}{f', {view.detail}' if view.detail else ''}")
            is_one = not look.alarms and all(view.state == "agrees" for view in look.views)
            narrator.claim("all nodes tell one history", is_one)
            if newest is None:
                return
            validators = genesis.validators
            cosigners = newest.cosigners(validators.names)
            narrator.claim(
                f"{len(cosigners)} of {len(validators)} validators have cosigned its first {newest.head.size} blocks",
                len(cosigners) >= validators.quorum,
            )
            with Client(self.network.urls, genesis) as client:
                until = newest.head.size - 1
                evidence = client.no_grant_evidence(SEALED_DATASET, _NEVER, until_height=until, tree=newest.head)
                refusal = self._refusal_of_grant(client, until)
            steps = verify_evidence(evidence, genesis, newest.head)
            narrator.show(*verification_lines(steps, None))
            narrator.claim(
                f"that {_NEVER} never had a grant on the flights is proven in {len(evidence):,} bytes", bool(steps)
            )
            narrator.claim(f"of {_READER} nobody can prove that", refusal is ErrorCode.NOT_ABSENT)

    def erase(self, flight: RecordId) -> None:
        """The content of a parcel goes, the proof of it stays."""
        narrator, genesis = self.narrator, self.network.genesis
        with narrator.stage("Erase the parcel of that flight: gone from every disk, still provable"):
            with self._client(_OWNER) as client:
                sample = [RecordId(flight.transaction_id, index) for index in range(_SAMPLES)]
                bodies = [client.record(record).body for record in sample]
                before = self._count_on_disks(bodies)
                client.erase(flight.transaction_id, _ERASURE_BASIS, "the flight's crew asked for it")
                self.network.settle()
                narrator.claim("its sealed records were on every disk", all(before.values()))
                after = self._wait_until_gone(bodies)
                narrator.claim("after the erasure none is on any", not any(after.values()))
                narrator.claim("no node hands it out any more", self._is_gone_everywhere(flight))
                steps = verify_evidence(client.evidence(flight), genesis)
            narrator.show(*verification_lines(steps, None))
            narrator.claim("its place, its signature and its erasure are proven", bool(steps))

    def report(self) -> None:
        """For an official who would rather look at a page."""
        narrator, network = self.narrator, self.network
        with narrator.stage("Write the auditor's report: one page in Chinese and English"):
            findings = investigate_source(network.nodes[_NEVER].url, network.genesis, overdue_days=7)
            path = network.folder / REPORT_FILE
            path.write_bytes(render(findings))
            audited = findings.report
            narrator.say(f"[dim]{path}, {path.stat().st_size:,} bytes[/]")
            narrator.say(f"{audited.records_verified:,} records verified, {audited.records_hash_only:,} by hash only")
            narrator.claim("every block holds, contracts run again", findings.failure is None)
            narrator.claim(
                "every record is counted: verified, or erased under its legal basis",
                audited.records == sum(self.totals.values()) + 1
                and audited.is_complete
                and set(audited.records_erased) == {_ERASURE_BASIS},
            )

    # Parts

    def _client(self, member: str) -> Client:
        identity = Identity.load(self.network.folder / member / SYSTEM_KEY, self.network.genesis)
        return Client(self.network.urls_from(member), self.network.genesis, identity)

    def _look(self) -> Report:
        """Look until all show a checkpoint of everything: validators cosign what has rested for a while."""
        height = self.network.settle()
        trust = TrustHistory(self.network.genesis)
        nodes = [WatchedNode(url, trust) for url in self.network.urls]
        try:
            deadline_s = time.monotonic() + _TIMEOUT_S
            while True:
                look = Watch(trust, nodes, None).look()
                is_complete = look.newest is not None and look.newest.head.size > height
                is_shown = all(view.state == "agrees" for view in look.views)
                if (is_complete and is_shown) or time.monotonic() > deadline_s:
                    return look
                time.sleep(0.2)
        finally:
            for node in nodes:
                node.close()

    def _refusal_of_grant(self, client: Client, until: int) -> ErrorCode | None:
        try:
            client.no_grant_evidence(SEALED_DATASET, _READER, until_height=until)
        except PoolError as error:
            return error.code
        return None

    def _count_on_disks(self, bodies: Sequence[bytes]) -> Counter[str]:
        """How many of these are found in the files of each node."""
        found: Counter[str] = Counter()
        for node in self.network.nodes.values():
            content = read_all(node.home / "data")
            found[node.member] = sum(body in content for body in bodies)
        return found

    def _wait_until_gone(self, bodies: Sequence[bytes]) -> Counter[str]:
        """The same, once the nodes have had time to rewrite their files."""
        deadline_s = time.monotonic() + _TIMEOUT_S
        while any((found := self._count_on_disks(bodies)).values()) and time.monotonic() < deadline_s:
            time.sleep(0.2)
        return found

    def _is_gone_everywhere(self, record: RecordId) -> bool:
        """Whether every node says that the record was erased."""
        codes: set[ErrorCode | None] = set()
        for url in self.network.urls:
            with Client(url) as client:
                try:
                    client.record(record)
                except PoolError as error:
                    codes.add(error.code)
                else:
                    codes.add(None)
        return codes == {ErrorCode.PARCEL_ERASED}
