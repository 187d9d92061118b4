"""The demo's second half: sealed flights are read, or not; the reads are proven and audited."""

import json
import time
from collections import Counter
from dataclasses import dataclass, field

from rich.text import Text

from audit.reads import FoundReads, Wanted
from audit.replay import Replay
from audit.walk import walk
from blockpool import (
    AccessRequest,
    Client,
    ErrorCode,
    Identity,
    KemPrivateKey,
    PoolError,
    RecordId,
    load_kem_key,
    verify_evidence,
)
from chain.access.history import ReadFilter
from cli.audit.bar import AuditBar
from cli.audit.reads import collect_from
from cli.audit.reads_view import read_lines
from cli.audit.sources import open_url
from cli.demo.data import COMPANY, SEALED_DATASET, SharedFile
from cli.demo.disks import read_all
from cli.demo.narrator import Narrator
from cli.evidence import verification_lines
from cli.homes import READER_KEY, SYSTEM_KEY
from cli.network_policy import NetworkPolicy
from cli.output import progress
from cli.processes import LocalNetwork
from records.sources import record_bodies

_OWNER = "aviation"
_READER = "meteorology"
_NEVER = "registry"
"""A member that never asks."""
_SAMPLES = 25
DISCLOSURE_FILE = "delay.disclosure.json"


@dataclass
class AccessStory:
    """The stages about reading what is not open."""

    narrator: Narrator
    network: LocalNetwork
    files: list[SharedFile]
    measured: dict[str, float]
    _flights: list[bytes] = field(default_factory=list)
    """The plaintexts, as their owner has them."""

    def run(self) -> RecordId:
        """All stages; returns a flight that was read."""
        sealed = next(file for file in self.files if file.is_sealed)
        self._flights = list(record_bodies(sealed.source))
        record = self.read_for_a_warning()
        self.ask_and_wait()
        self.search_disks()
        self.disclose(record)
        self.audit_reads()
        return record

    def read_for_a_warning(self) -> RecordId:
        """A purpose that the contract knows, and one that it does not."""
        narrator = self.narrator
        with (
            narrator.stage("Meteorology reads the sealed flights for a storm warning"),
            self._client(_READER) as client,
        ):
            started_s = time.monotonic()
            granted = self._request(client, _READER, "storm warning", "Wang Fang")
            narrator.claim("the contract grants it at once", granted.is_granted)
            reading = client.read(granted.id, self._key(_READER))
            records = list(reading)
            seconds = time.monotonic() - started_s
            self.measured["read_records_per_s"] = round(len(records) / seconds)
            reports = client.acknowledge(reading)
            narrator.say(f"Key shares of {self.network.genesis.validators.quorum} validators open each parcel.")
            narrator.claim(
                f"meteorology holds all {len(records):,} flights, byte for byte as aviation had them "
                f"({seconds:.2f} s from the request on)",
                Counter(record.body for record in records) == Counter(self._flights),
            )
            narrator.claim("its read report with their digest is on the chain", len(reports) == 1)
            denied = self._request(client, _READER, "marketing", "Wang Fang")
            narrator.claim("for marketing it is denied, on the chain", denied.verdict.verdict == "deny")
            narrator.claim(
                "and no validator gives a key share for that",
                self._refusal(client, _READER, denied) is ErrorCode.ACCESS_DENIED,
            )
        return records[0].id

    def ask_and_wait(self) -> None:
        """A request on which the owner decides."""
        narrator, company = self.narrator, COMPANY.name
        with (
            narrator.stage("A company asks, waits for the owner's approval, and loses it again"),
            self._client(company) as client,
            self._client(_OWNER) as owner,
        ):
            asked = self._request(client, company, "route planning", "Li Lei")
            narrator.claim("the contract asks the owner", asked.verdict.verdict == "ask")
            narrator.claim(
                "until then there is nothing to read",
                self._refusal(client, company, asked) is ErrorCode.APPROVAL_PENDING,
            )
            owner.answer(asked.id, SEALED_DATASET, "approve", "agreed by telephone")
            reading = client.read(asked.id, self._key(company))
            first = [next(reading) for _ in range(_SAMPLES)]
            client.acknowledge(reading)
            plain = set(self._flights)
            narrator.claim(f"{_OWNER} approves, and {company} reads", all(record.body in plain for record in first))
            owner.answer(asked.id, SEALED_DATASET, "revoke", "the routes are planned")
            narrator.claim(
                "once it is revoked, no key share is given any more",
                self._refusal(client, company, asked) is ErrorCode.GRANT_REVOKED,
            )

    def search_disks(self) -> None:
        """What the nodes' operators could find on their own disks."""
        narrator = self.narrator
        with narrator.stage("Search every node's disk for the plaintext"):
            step = max(1, len(self._flights) // _SAMPLES)
            sealed = [body[body.index(b'"carrier"') : body.index(b',"air_time"')] for body in self._flights[::step]]
            weather = next(file for file in self.files if file.member == _READER)
            known = next(record_bodies(weather.source))
            found_sealed = found_open = size_bytes = 0
            for node in self.network.nodes.values():
                content = read_all(node.home / "data")
                size_bytes += len(content)
                found_sealed += sum(needle in content for needle in sealed)
                found_open += known in content
            nodes = len(self.network.nodes)
            narrator.say(
                f"{size_bytes:,} bytes in the data folders of {nodes} nodes, {len(sealed)} flights looked for."
            )
            narrator.claim("an open weather reading is found on every disk", found_open == nodes)
            narrator.claim("no sealed flight is found on any", found_sealed == 0)

    def disclose(self, record: RecordId) -> None:
        """One field of one record, for somebody who may read none."""
        narrator = self.narrator
        names = ("carrier", "flight", "dep_delay")
        with narrator.stage("Prove one flight's delay to someone who may not read the flights"):
            path = self.network.folder / DISCLOSURE_FILE
            with self._client(_OWNER) as client:
                own = self._request(client, _OWNER, "certificate of delay", "Zhao Yun")
                path.write_bytes(client.disclose(record, own.id, self._key(_OWNER), names))
            steps = verify_evidence(path.read_bytes(), self.network.genesis)
            narrator.show(*verification_lines(steps, None))
            narrator.claim("the delay is verified with the genesis file alone", bool(steps))
            shown = [item["name"] for item in json.loads(path.read_bytes())["disclosure"]["fields"]]
            narrator.claim(f"it shows {len(names)} fields and no other", sorted(shown) == sorted(names))
            narrator.claim("with another delay it is refused", self._is_refused(_with_longer_delay(path.read_bytes())))

    def audit_reads(self) -> None:
        """Who read what and why, from the genesis file alone."""
        narrator, genesis = self.narrator, self.network.genesis
        with narrator.stage("List every read, and decide every verdict again"):
            url = self.network.nodes["airports"].url
            found = collect_from(url, genesis, Wanted(ReadFilter(SEALED_DATASET, _NEVER), None))
            everyone = collect_from(url, genesis, Wanted(ReadFilter(SEALED_DATASET), None))
            for read in everyone.reads:
                narrator.show(*read_lines(read), Text())
            narrator.claim(
                f"{_listed(everyone)} requests, answers and read reports are listed, and none is left out",
                [read.status for read in everyone.reads] == ["granted", "denied", "revoked", "granted"],
            )
            narrator.claim(
                f"{_NEVER} never had a grant: proven by the state",
                not found.reads and all(proof.grants == 0 for proof in found.proofs),
            )
            with open_url(url) as source, progress() as bar:
                replay = Replay(genesis, NetworkPolicy(genesis.chain_id, bar.console.print))
                shown = AuditBar(bar, "Replaying verdicts", source.newest)
                failure = walk(replay, source.blocks(0), source.newest, shown)
            narrator.claim(
                f"{replay.report.contract_calls} contract calls give the same verdicts again",
                failure is None and not replay.differences and replay.report.contract_calls > 0,
            )

    # Parts

    def _client(self, member: str) -> Client:
        identity = Identity.load(self.network.folder / member / SYSTEM_KEY, self.network.genesis)
        urls = self.network.urls_from(member) if member in self.network.nodes else self.network.urls
        return Client(urls, self.network.genesis, identity)

    def _key(self, member: str) -> KemPrivateKey:
        return load_kem_key(self.network.folder / member / READER_KEY)

    def _request(self, client: Client, member: str, purpose: str, person: str) -> AccessRequest:
        asked = client.request(
            SEALED_DATASET,
            purpose,
            self._key(member),
            legal_basis="Demonstration 演示",
            case_number="2026-117",
            person=person,
        )
        verdict = f"{asked.verdict.verdict}{f' ({asked.reason})' if asked.reason else ''}"
        self.narrator.say(f"{member} asks to read for {purpose!r}: [bold]{verdict}[/]")
        return asked

    def _refusal(self, client: Client, member: str, asked: AccessRequest) -> ErrorCode | None:
        """Why nothing can be read under this request."""
        try:
            next(client.read(asked.id, self._key(member)), None)
        except PoolError as error:
            return error.code
        return None

    def _is_refused(self, content: bytes) -> bool:
        try:
            verify_evidence(content, self.network.genesis)
        except PoolError:
            return True
        return False


def _listed(found: FoundReads) -> int:
    return sum(proof.transactions for proof in found.proofs)


def _with_longer_delay(disclosure: bytes) -> bytes:
    """A disclosure that claims a delay of ten times as many minutes."""
    file = json.loads(disclosure)
    (delay,) = (item for item in file["disclosure"]["fields"] if item["name"] == "dep_delay")
    delay["value"] += "0"
    return json.dumps(file).encode()
