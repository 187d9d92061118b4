"""The demo's stages in their order. Each says what it does, does it, and checks what it claims."""

import base64
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

from blockpool import Client, Identity, NodeStatus, PoolError, RecordId, Step
from chain.proofs.trust import TrustHistory
from cli.audit.chain import audit_in_memory, audit_tables
from cli.audit.sources import open_url
from cli.demo.access import AccessStory
from cli.demo.data import CONTRACT, SharedFile, contract_source
from cli.demo.narrator import Narrator
from cli.demo.proof import ProofStory
from cli.demo.submitting import ConcurrentSubmission, SubmissionResult
from cli.evidence import verification_lines
from cli.homes import SYSTEM_KEY
from cli.output import grid
from cli.processes import LocalNetwork, NodeProcess
from evidence.kinds import verify_any_evidence

EVIDENCE_FILE = "weather.evidence.json"
_PROVEN_DATASET = "meteorology.weather"
_GAP_MAX_S = 3.0


@dataclass
class Story:
    """The demo: what it works on and what it has measured."""

    narrator: Narrator
    network: LocalNetwork
    files: list[SharedFile]
    totals: dict[str, int]
    """Records in the files, by dataset."""
    measured: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        """All stages."""
        self.show_members()
        self.start_nodes()
        self.define_datasets()
        sharing, victim = self.share_and_kill()
        self.restart(victim)
        self.count_everywhere()
        self.audit()
        self.prove(sharing.records[_PROVEN_DATASET])
        flight = AccessStory(self.narrator, self.network, self.files, self.measured).run()
        ProofStory(self.narrator, self.network, self.totals).run(flight, sharing.records[_PROVEN_DATASET])

    def show_members(self) -> None:
        """Who takes part."""
        with self.narrator.stage("Four departments and a company, each with its own keys"):
            validators = self.network.genesis.validators
            table = grid("member", "title", "kind", "API")
            for member in self.network.genesis.founders:
                node = self.network.nodes.get(member.name)
                title = f"{member.title_zh} {member.title_en}"
                table.add_row(member.name, title, member.kind, node.url if node else "no node")
            self.narrator.show(table)
            self.narrator.say(
                f"Chain id {self.network.genesis.chain_id.hex()[:16]}…; {validators.quorum} of {len(validators)} "
                f"decide, {validators.max_faulty} may crash, lie or collude."
            )

    def start_nodes(self) -> None:
        """The daemons."""
        with self.narrator.stage("Start four nodes, separate processes linked by TLS 1.3"):
            self.network.start()
            pids = ", ".join(f"{node.member} {node.pid}" for node in self.network.nodes.values())
            self.narrator.say(f"Processes: {pids}")
            self.narrator.claim("all four nodes are ready", all(status.is_ready for status in self.statuses().values()))

    def define_datasets(self) -> None:
        """The catalogue."""
        with self.narrator.stage("Define the datasets: schema, titles, sharing class, contract"):
            with self._client_of("aviation") as client:
                deployed = client.deploy(CONTRACT, contract_source())
            fuel = deployed.outcome.fuel if deployed else 0
            self.narrator.say(f"aviation deploys {CONTRACT}: Python, {fuel:,} units of fuel to load. It says:")
            summary = contract_source().partition("\n")[0].strip('"')
            self.narrator.say(f"[dim]{summary}[/]")
            for file in self.files:
                with self._client_of(file.member) as client:
                    client.define(file.definition)
            self.network.settle()
            with Client(self.network.urls) as client:
                entries = client.datasets()
            table = grid(
                "dataset", "title", "owner", "sharing", "records to share", right=frozenset({"records to share"})
            )
            for entry in entries:
                total = f"{self.totals[entry.dataset]:,}"
                table.add_row(entry.dataset, f"{entry.title_zh} {entry.title_en}", entry.owner, entry.sharing, total)
            self.narrator.show(table)
            self.narrator.claim(
                "the catalogue lists all four", {entry.dataset for entry in entries} == set(self.totals)
            )

    def share_and_kill(self) -> tuple[SubmissionResult, NodeProcess]:
        """The stream, and the loss of the primary in the middle of it."""
        with self.narrator.stage("Share everything, and kill the primary in mid-stream"):
            before = next(iter(self.statuses().values()))
            victim = self.network.nodes[before.primary]
            self.narrator.say(
                f"View {before.view}: {before.primary} orders. Every parcel is signed by its owner, and every"
            )
            self.narrator.say("receipt is verified here. The flights are sealed by aviation before they leave; of all")
            self.narrator.say("others the validators check each record against its schema.")
            sharing = ConcurrentSubmission(self.narrator, self.network, self.totals, victim).run(self.files)
            after = next(iter(self.statuses().values()))
            self.measured["service_gap_s"] = round(sharing.gap_s, 3)
            self.narrator.say(
                f"View change: {before.primary} (view {before.view}) → {after.primary} (view {after.view})."
            )
            total = sum(self.totals.values())
            self.narrator.claim(
                f"the primary was killed with {sharing.committed_at_kill:,} of {total:,} records committed",
                victim.pid is None and 0 < sharing.committed_at_kill < total,
            )
            self.narrator.claim(
                "the others chose another primary", after.view > before.view and after.primary != before.primary
            )
            self.narrator.claim(
                f"the service gap was {sharing.gap_s:.2f} s, under {_GAP_MAX_S:.0f} s", 0 < sharing.gap_s < _GAP_MAX_S
            )
            self.narrator.claim("every record has a verified receipt", dict(sharing.committed) == self.totals)
        return sharing, victim

    def restart(self, victim: NodeProcess) -> None:
        """The lost node comes back."""
        with self.narrator.stage(
            f"Restart {victim.member}: it fetches what it missed, block by block with certificates"
        ):
            target = self.network.settle()
            started_s = time.monotonic()
            victim.start()
            victim.wait_ready()
            self.network.settle()
            height = victim.height()
            self.measured["restart_s"] = round(time.monotonic() - started_s, 3)
            self.narrator.claim(
                f"{victim.member} is back at height {height}, the others are at {target}", height >= target
            )

    def count_everywhere(self) -> None:
        """Nothing was lost."""
        with self.narrator.stage("Count the records on every node"):
            datasets = list(self.totals)
            heads = [dataset.partition(".")[2] for dataset in datasets]
            table = grid("node", *heads, "height", "block", right=frozenset({*heads, "height"}))
            table.add_row("(files)", *(f"{self.totals[dataset]:,}" for dataset in datasets), "", "", style="dim")
            counts, tips = {}, set()
            for member, node in self.network.nodes.items():
                with Client(node.url) as client:
                    counts[member] = {entry.dataset: entry.totals.records for entry in client.datasets()}
                    status = client.status()
                tips.add((status.height, status.block_hash))
                shown = (f"{counts[member].get(dataset, 0):,}" for dataset in datasets)
                table.add_row(member, *shown, str(status.height), status.block_hash[:16])
            self.narrator.show(table)
            self.narrator.claim(
                "no record was lost, and none was committed twice", all(c == self.totals for c in counts.values())
            )
            self.narrator.claim("all four nodes hold the same last block", len(tips) == 1)

    def audit(self) -> None:
        """One node's whole chain, believed in nothing."""
        with self.narrator.stage("Audit the whole chain of one node, from the genesis file alone"):
            url = self.network.nodes["registry"].url
            started_s = time.monotonic()
            with open_url(url) as source:
                report, failure = audit_in_memory(self.network.genesis, source)
            self.narrator.show(*audit_tables(report, failure, time.monotonic() - started_s))
            self.narrator.claim("every block holds", failure is None)
            self.narrator.claim("the audit counted every record", dict(report.records_by_dataset) == self.totals)

    def prove(self, record: RecordId) -> None:
        """One record's origin, shown to someone who trusts nobody."""
        with self.narrator.stage("Prove one reading's origin offline, then flip one byte"):
            path = self.network.folder / EVIDENCE_FILE
            with Client(self.network.urls, self.network.genesis) as client:
                path.write_bytes(client.evidence(record))
            reading = _body_of(path.read_bytes())
            self.narrator.say(
                f"{reading['origin']} at {reading['time_hour']}: {reading['temp']} °F, {reading['pressure']} mbar"
            )
            self.narrator.say(f"[dim]{path}, {path.stat().st_size:,} bytes[/]")
            passed, refusal = self._verify(path)
            self.narrator.show(*verification_lines(passed, refusal))
            self.narrator.claim(
                "the evidence is verified with the genesis file alone", refusal is None and bool(passed)
            )
            forged = path.with_name("weather.forged.json")
            forged.write_bytes(flip_byte(path.read_bytes()))
            self.narrator.say(f"\n  One byte flipped: pressure {_body_of(forged.read_bytes())['pressure']} mbar")
            passed, refusal = self._verify(forged)
            self.narrator.show(*verification_lines(passed, refusal))
            self.narrator.claim("the forged evidence is refused", refusal is not None)

    def statuses(self) -> dict[str, NodeStatus]:
        """What each running node says about itself."""
        found = {}
        for member, node in self.network.nodes.items():
            if node.pid is not None:
                with Client(node.url) as client:
                    found[member] = client.status()
        return found

    def _client_of(self, member: str) -> Client:
        identity = Identity.load(self.network.folder / member / SYSTEM_KEY, self.network.genesis)
        return Client(self.network.urls_from(member), self.network.genesis, identity)

    def _verify(self, path: Path) -> tuple[list[Step], PoolError | None]:
        passed: list[Step] = []
        try:
            passed.extend(verify_any_evidence(path.read_bytes(), TrustHistory(self.network.genesis)))
        except PoolError as error:
            return passed, error
        return passed, None


def flip_byte(evidence: bytes) -> bytes:
    """An evidence file whose record differs in one bit of one byte: the last digit of the pressure."""
    file = json.loads(evidence)
    body = bytearray(base64.b64decode(file["record"]["body"]))
    place = body.index(b",", body.index(b'"pressure":')) - 1
    body[place] ^= 1
    file["record"]["body"] = base64.b64encode(body).decode()
    return json.dumps(file, indent=2).encode()


def _body_of(evidence: bytes) -> dict[str, object]:
    body: dict[str, object] = json.loads(base64.b64decode(json.loads(evidence)["record"]["body"]))
    return body
