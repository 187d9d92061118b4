"""Erasure by the record: its body goes from every store, its place and the other records stay."""

import zlib
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from audit.chain import ChainAudit
from chain.erasure import ErasureProof, bodies_left, checked_at, payload_dropped
from chain.errors import ErrorCode
from chain.ledger import Ledger
from chain.packages import BlockPackage, open_package, read_package, verify_erased
from chain.primitives.encoding import encode
from chain.primitives.places import places_of
from chain.proofs.merkle import MerkleTree, verify_inclusion
from chain.state.entries import OwnerAct, RecordPlaces, erased_records_key, record_erasure_key
from chain.storage.blocks import Location
from chain.storage.database import MemoryDatabase
from chain.storage.head import HeadFile, MemoryHead
from chain.storage.level import LevelDatabase
from chain.transactions.base import CheckedTransaction, ErasedPayload
from chain.transactions.parcel import record_leaf
from tests.ledgers import audited, memory_ledger, packages_of
from tests.networks import TestNetwork
from tests.refusals import refuses

RECORDS = (b'{"n":41}', b'{"n":42}', b'{"n":43}')
PLACE = Location(2, 1)


class Story:
    """A parcel of three records, of which the second is erased."""

    def __init__(self, network: TestNetwork, ledger: Ledger | None = None) -> None:
        self.network = network
        self.ledger = ledger or network.ledger()
        network.commit(self.ledger, [network.dataset()])
        self.parcel = network.parcel(RECORDS)
        self.id = network.id_of(self.parcel)
        network.commit(self.ledger, [network.parcel([b'{"n":7}']), self.parcel])

    def erase(self, *records: int, **changes: Any) -> list[str]:
        executed = self.network.commit(self.ledger, [self.network.erase(self.id, records=records, **changes)])
        return [outcome.code for outcome in executed.outcomes]

    def checked(self, ledger: Ledger | None = None) -> CheckedTransaction:
        ledger = ledger or self.ledger
        found = checked_at(ledger.chain_id, ledger.blocks, PLACE)
        assert found is not None
        return found

    def left(self, ledger: Ledger | None = None) -> tuple[bytes | None, ...]:
        return bodies_left(self.checked(ledger))

    def kept(self) -> ErasedPayload:
        kept = self.ledger.blocks.erased_payload(PLACE)
        assert kept is not None
        return kept


@pytest.fixture
def story(network: TestNetwork) -> Story:
    story = Story(network)
    assert story.erase(1) == ["ok"]
    return story


def take_all(story: Story, packages: list[BlockPackage]) -> Ledger:
    """A node that fetches the chain, as ``node.catch_up`` does."""
    copy = story.network.ledger()
    for package in packages:
        block, transactions = open_package(copy.chain_id, package)
        verify_erased(story.ledger.trust, package, block, transactions)
        assert block.certificate is not None
        copy.commit(copy.check_certified(block, transactions), block.certificate)
    return copy


def test_the_body_goes_and_the_others_stay(story: Story) -> None:
    assert story.left() == (RECORDS[0], None, RECORDS[2])
    kept = story.kept()
    assert (kept.size_bytes, kept.places) == (len(story.parcel.payload), b"\2")
    assert RECORDS[1] not in encode(kept)
    proof = MerkleTree(list(kept.leaves)).inclusion_proof(2)
    header = story.checked().header
    leaf = record_leaf(story.network.chain_id, RECORDS[2])
    verify_inclusion(leaf, 2, 3, proof, header.records_root)  # type: ignore[attr-defined]


def test_the_state_says_of_each_record_why(story: Story) -> None:
    entry = story.ledger.entry(record_erasure_key(story.id, 1), OwnerAct)
    assert entry is not None
    assert (entry.dataset, entry.legal_basis, entry.height) == ("a.flights", "PIPL 47", 3)
    assert story.ledger.entry(record_erasure_key(story.id, 0), OwnerAct) is None
    assert story.ledger.entry(erased_records_key(story.id), RecordPlaces) == RecordPlaces(b"\2")


@pytest.mark.parametrize(
    ("records", "changes", "code"),
    [
        ((1,), {}, "record_erased"),
        ((0, 1), {}, "record_erased"),
        ((3,), {}, "unknown_source"),
        ((0,), {"member": "b"}, "not_owner"),
        ((0,), {"member": "b", "dataset": "b.flights"}, "unknown_parcel"),
    ],
)
def test_what_may_not_be_erased_stays(story: Story, records: tuple[int, ...], changes: Any, code: str) -> None:
    member = changes.pop("member", "a")
    transaction = story.network.erase(story.id, member, records=records, **changes)
    executed = story.network.commit(story.ledger, [transaction])
    assert [outcome.code for outcome in executed.outcomes] == [code]
    assert story.left() == (RECORDS[0], None, RECORDS[2])


def test_records_are_named_in_order(network: TestNetwork) -> None:
    story = Story(network)
    for records in ((1, 0), (1, 1)):
        with refuses(ErrorCode.BAD_REQUEST):
            story.erase(*records)


def test_an_erased_record_is_not_corrected_any_more(story: Story) -> None:
    def correct(index: int) -> str:
        correction = story.network.correction(story.id, index, b'{"n":44}')
        return story.network.commit(story.ledger, [correction]).outcomes[0].code

    assert (correct(1), correct(0)) == ("record_erased", "ok")


def test_more_goes_later_and_then_all(story: Story) -> None:
    assert story.erase(0) == ["ok"]
    assert story.left() == (None, None, RECORDS[2])
    assert story.erase() == ["ok"]
    assert story.left() == (None, None, None)
    assert story.kept().places == story.kept().left == b""
    assert story.erase(2) == ["parcel_erased"]


def test_several_erasures_in_the_block_of_the_parcel(network: TestNetwork) -> None:
    ledger = network.ledger()
    network.commit(ledger, [network.dataset()])
    parcel = network.parcel(RECORDS)
    id_ = network.id_of(parcel)
    erasures = [network.erase(id_, records=records) for records in ((0,), (2,))]
    network.commit(ledger, [network.parcel([b'{"n":7}']), parcel, *erasures])
    checked = checked_at(ledger.chain_id, ledger.blocks, PLACE)
    assert checked is not None
    assert bodies_left(checked) == (None, RECORDS[1], None)


def test_s116_a_node_that_was_away_erases_as_it_catches_up(story: Story) -> None:
    """From a peer that has erased already, and from one that has not."""
    new = packages_of(story.ledger)[1:]
    assert story.left(take_all(story, new)) == (RECORDS[0], None, RECORDS[2])
    other = Story(story.network)
    old = [read_package(other.ledger.blocks, height) for height in (1, 2)]
    assert other.left() == RECORDS
    copy = take_all(other, [package for package in old if package is not None])
    copied = Story.checked(other, copy)
    assert copied.records == RECORDS


def _without_proof(story: Story, package: BlockPackage) -> BlockPackage:
    return replace(package, erasures=None)


def _one_more_gone(story: Story, package: BlockPackage) -> BlockPackage:
    """Another record is held back that nobody has erased."""
    kept = package.erased[0].payload
    left = kept.left.replace(b"\xc4\x08" + RECORDS[0], b"\xc4\x00")
    assert left != kept.left
    erased = replace(package.erased[0], payload=replace(kept, places=places_of((0, 1)), left=left))
    return replace(package, erased=(erased,))


def _claiming_more(story: Story, package: BlockPackage) -> BlockPackage:
    """The same, with a forged value for the state's entry."""
    assert package.erasures is not None
    forged = ErasureProof(places_of((0, 1)), package.erasures.proofs[0].proof)
    package = _one_more_gone(story, package)
    return replace(package, erasures=replace(package.erasures, proofs=(forged,)))


def _as_if_all(story: Story, package: BlockPackage) -> BlockPackage:
    """All of the parcel is held back, with the proof for the one record."""
    kept = package.erased[0].payload
    whole = replace(package.erased[0], payload=ErasedPayload(kept.size_bytes, kept.leaves))
    return replace(package, erased=(whole,))


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        (_without_proof, ErrorCode.PAYLOAD_MISMATCH),
        (_one_more_gone, ErrorCode.PAYLOAD_MISMATCH),
        (_claiming_more, ErrorCode.BAD_PROOF),
        (_as_if_all, ErrorCode.BAD_PROOF),
    ],
)
def test_s115_nobody_loses_a_record_that_was_not_erased(story: Story, lie: Any, code: ErrorCode) -> None:
    package = lie(story, packages_of(story.ledger)[2])
    block, transactions = open_package(story.network.chain_id, package)
    with refuses(code):
        verify_erased(story.ledger.trust, package, block, transactions)


@pytest.mark.parametrize(
    "changes",
    [
        {"places": b"\2\0"},
        {"places": b"\x0a"},
        {"places": b""},
        {"left": b""},
        {"places": b"\3"},
        {"places": b"\1"},
        {"leaves": (bytes(32),) * 3},
    ],
)
def test_s115_what_is_left_must_be_what_was_signed(story: Story, changes: Any) -> None:
    package = packages_of(story.ledger)[2]
    changed = replace(package.erased[0], payload=replace(package.erased[0].payload, **changes))
    with refuses(ErrorCode.PAYLOAD_MISMATCH):
        open_package(story.network.chain_id, replace(package, erased=(changed,)))


@pytest.mark.parametrize("body", [b'{"n":99}', b'{"n":4}'])
def test_s115_another_body_is_no_record_that_is_left(story: Story, body: bytes) -> None:
    package = packages_of(story.ledger)[2]
    kept = package.erased[0].payload
    left = kept.left.replace(b"\xc4\x08" + RECORDS[0], b"\xc4%c" % len(body) + body)
    changed = replace(package.erased[0], payload=replace(kept, left=left))
    with refuses(ErrorCode.PAYLOAD_MISMATCH):
        open_package(story.network.chain_id, replace(package, erased=(changed,)))


@pytest.mark.parametrize("is_state_lost", [False, True])
def test_a_ledger_opens_again(network: TestNetwork, is_state_lost: bool) -> None:
    blocks, states, anchor = MemoryDatabase(), MemoryDatabase(), MemoryHead()
    first = Ledger(network.genesis, blocks, states, anchor)
    first.open()
    story = Story(network, first)
    story.erase(1)
    again = Ledger(network.genesis, blocks, MemoryDatabase() if is_state_lost else states, anchor)
    again.open()
    assert again.tip == first.tip
    assert story.left(again) == (RECORDS[0], None, RECORDS[2])


def test_an_audit_counts_the_record_alone_as_erased(story: Story) -> None:
    report = audited(ChainAudit(story.network.genesis), packages_of(story.ledger)).report
    assert (report.records, report.records_verified, dict(report.records_erased)) == (4, 3, {"PIPL 47": 1})
    assert (report.records_missing, report.is_complete) == (0, True)
    assert report.record_bytes == sum(map(len, (b'{"n":7}', RECORDS[0], RECORDS[2])))
    short = audited(ChainAudit(story.network.genesis), packages_of(story.ledger)[:-1]).report
    assert (short.records_missing, short.is_complete) == (1, False)


class TestLeftToOthers:
    """A node that does not keep a payload, and records of it are erased."""

    def test_what_is_left_is_dropped_and_comes_back(self, story: Story) -> None:
        blocks = story.ledger.blocks
        given = story.checked()
        blocks.drop([(PLACE, payload_dropped(given))])
        assert (blocks.erased_payload(PLACE), blocks.dropped_payload(PLACE) is None) == (None, False)
        assert story.ledger.restore([(PLACE, given)]) == {PLACE}
        assert story.left() == (RECORDS[0], None, RECORDS[2])

    def test_s117_a_payload_that_comes_back_whole_is_without_what_is_erased(self, network: TestNetwork) -> None:
        """It was on its way while the block that erases was committed."""
        story = Story(network)
        given = story.checked()
        story.ledger.blocks.drop([(PLACE, payload_dropped(given))])
        story.erase(1)
        assert story.ledger.blocks.unpurged(9) == [(PLACE, 1)], "what was dropped may be in the files"
        assert story.ledger.restore([(PLACE, given)]) == {PLACE}
        assert story.left() == (RECORDS[0], None, RECORDS[2])
        assert story.ledger.blocks.purge(story.ledger.blocks.unpurged(9))
        assert story.left() == (RECORDS[0], None, RECORDS[2])

    def test_one_of_which_more_is_gone_is_not_taken(self, network: TestNetwork) -> None:
        """From a peer that is ahead, or that lies."""
        ahead = Story(network)
        behind = take_all(ahead, packages_of(ahead.ledger)[1:])
        ahead.erase(1)
        kept = payload_dropped(ahead.checked(behind))
        behind.blocks.drop([(PLACE, kept)])
        assert behind.restore([(PLACE, ahead.checked())]) == set()
        assert behind.blocks.dropped_payload(PLACE) == kept


class TestFiles:
    SECRET = b'"n":314159, "who":"Zhang San"'
    OTHER = b'{"n":271828, "who":"Li Si"}'

    def ledger(self, network: TestNetwork, path: Path) -> Ledger:
        engines = LevelDatabase(path / "blocks"), LevelDatabase(path / "state")
        ledger = Ledger(network.genesis, *engines, HeadFile(path / "HEAD"))
        ledger.open()
        return ledger

    def holding(self, path: Path, text: bytes) -> list[str]:
        return [file.name for file in path.rglob("*") if file.is_file() and text in file.read_bytes()]

    def bodies(self, ledger: Ledger, id_: bytes) -> tuple[bytes | None, ...]:
        location = ledger.blocks.location(id_)
        checked = None if location is None else checked_at(ledger.chain_id, ledger.blocks, location)
        assert checked is not None
        return bodies_left(checked)

    def test_s118_the_bytes_of_one_after_the_other_go_from_every_file(
        self, network: TestNetwork, tmp_path: Path
    ) -> None:
        ledger = self.ledger(network, tmp_path)
        parcel = network.parcel([b"{%b}" % self.SECRET, self.OTHER, b'{"n":2}'])
        id_ = network.id_of(parcel)
        network.commit(ledger, [network.dataset(), parcel])
        network.commit(ledger, [network.erase(id_, records=(0,))])
        assert self.holding(tmp_path, self.SECRET), "the deletion alone does not remove them"
        ledger.close()
        ledger = self.ledger(network, tmp_path)
        assert ledger.blocks.purge(ledger.blocks.unpurged(9)), "a restart goes on with it"
        assert (self.holding(tmp_path, self.SECRET), ledger.blocks.unpurged(9)) == ([], [])
        assert self.bodies(ledger, id_) == (None, self.OTHER, b'{"n":2}')
        network.commit(ledger, [network.erase(id_, records=(1,))])
        assert ledger.blocks.purge(ledger.blocks.unpurged(9))
        assert self.holding(tmp_path, self.OTHER) == []
        assert self.bodies(ledger, id_) == (None, None, b'{"n":2}')
        network.commit(ledger, [network.erase(id_)])
        assert ledger.blocks.purge(ledger.blocks.unpurged(9))
        assert self.bodies(ledger, id_) == (None, None, None)
        ledger.close()

    def test_s118_whatever_was_left_in_between_is_purged(self, network: TestNetwork) -> None:
        """A small database is compacted as a whole, so the files alone would not show it."""
        purged: list[bytes] = []

        class Watched(MemoryDatabase):
            def purge(self, keys: Any) -> bool:
                purged.extend(keys)
                return True

        story = Story(network, memory_ledger(network.genesis, blocks=Watched()))
        assert (story.erase(1), story.erase(0)) == (["ok"], ["ok"])
        blocks = story.ledger.blocks
        assert blocks.purge(blocks.unpurged(9))
        place = b"%b%b" % ((2).to_bytes(8, "big"), (1).to_bytes(4, "big"))
        assert {b"p" + place, b"f" + place + b"\0\1"} <= set(purged)
        assert b"f" + place + b"\0\2" not in purged, "that is what is left now"
        assert story.left() == (None, None, RECORDS[2])

    def test_s118_what_is_erased_during_a_purge_has_a_mark_of_its_own(
        self, network: TestNetwork, tmp_path: Path
    ) -> None:
        ledger = self.ledger(network, tmp_path)
        parcel = network.parcel([b"{%b}" % self.SECRET, self.OTHER])
        id_ = network.id_of(parcel)
        network.commit(ledger, [network.dataset(), parcel, network.erase(id_, records=(0,))])
        begun = ledger.blocks.unpurged(9)
        network.commit(ledger, [network.erase(id_, records=(1,))])
        assert ledger.blocks.purge(begun)
        location = ledger.blocks.location(id_)
        assert ledger.blocks.unpurged(9) == [(location, 2)]
        ledger.close()

    def test_s118_in_frames_too(self, network: TestNetwork, tmp_path: Path) -> None:
        ledger = self.ledger(network, tmp_path)
        parcel = network.parcel([b"{%b}" % self.SECRET, self.OTHER])
        id_ = network.id_of(parcel)
        network.commit(ledger, [network.dataset(), parcel])
        for _ in range(4):
            network.commit(ledger, [network.parcel([b'{"n":1}'])])
        database = ledger.blocks._database
        assert database.freeze(4, lambda first, last: []) == 4
        network.commit(ledger, [network.erase(id_, records=(0,))])
        assert ledger.blocks.purge(ledger.blocks.unpurged(9))
        assert self.bodies(ledger, id_) == (None, self.OTHER)
        frames = [value for key, value in database._database.scan(b"z", b"{")]
        assert len(frames) > 1
        assert not any(self.SECRET in zlib.decompress(value) for value in frames)
        ledger.close()
