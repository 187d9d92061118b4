"""Erasure: the payload goes, and everything that was proved by it can still be proved."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from audit.chain import ChainAudit
from chain.erasure import ErasedParcelPart, ErasureProof, ErasureProofs
from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.packages import BlockPackage, ErasedParcel, open_package, read_package, verify_erased
from chain.primitives.encoding import decode, encode
from chain.proofs.merkle import MerkleTree, verify_inclusion
from chain.state.entries import OwnerAct, dataset_key, erasure_key
from chain.storage.database import MemoryDatabase
from chain.storage.head import HeadFile, MemoryHead
from chain.storage.level import LevelDatabase
from chain.transactions.base import ErasedPayload, Transaction
from chain.transactions.parcel import record_leaf
from chain.transactions.registry import decode_transaction
from tests.ledgers import audited, memory_ledger, packages_of, take
from tests.networks import TestNetwork
from tests.refusals import refuses

RECORDS = (b'{"n":41}', b'{"n":42}', b'{"n":43}')


class Story:
    """A parcel that is shared, kept beside others, and erased two blocks later."""

    def __init__(self, network: TestNetwork, ledger: Ledger | None = None) -> None:
        self.network = network
        self.ledger = ledger or network.ledger()
        network.commit(self.ledger, [network.dataset()])
        self.parcel = network.parcel(RECORDS)
        self.other = network.parcel([b'{"n":7}'])
        self.id = network.id_of(self.parcel)
        self.refused = network.parcel([b'{"n":"refused"}'])
        network.commit(self.ledger, [self.other, self.parcel, self.refused])
        network.commit(self.ledger, [network.parcel([b'{"n":8}'])])

    def erase(self) -> "Story":
        self.network.commit(self.ledger, [self.network.erase(self.id)])
        return self

    def package(self, height: int = 2) -> BlockPackage:
        return packages_of(self.ledger)[height]


@pytest.fixture
def story(network: TestNetwork) -> Story:
    return Story(network).erase()


def location_of(story: Story) -> Any:
    location = story.ledger.blocks.location(story.id)
    assert location is not None
    return location


def test_the_payload_goes_and_its_leaves_stay(story: Story) -> None:
    blocks, location = story.ledger.blocks, location_of(story)
    stored, kept = blocks.transaction(location), blocks.erased_payload(location)
    assert stored is not None
    assert (stored.header, stored.payload) == (story.parcel.header, b"")
    assert kept is not None
    assert kept.size_bytes == len(story.parcel.payload)
    header = decode_transaction(story.network.chain_id, encode(story.parcel)).header
    proof = MerkleTree(list(kept.leaves)).inclusion_proof(1)
    leaf = record_leaf(story.network.chain_id, RECORDS[1])
    verify_inclusion(leaf, 1, len(RECORDS), proof, header.records_root)  # type: ignore[union-attr]


def test_only_the_erased_parcel_loses_its_payload(story: Story) -> None:
    payloads = [transaction.payload for transaction in story.ledger.blocks.transactions(2)]
    assert payloads == [story.other.payload, b"", b""], "the last was rejected"
    assert list(story.ledger.blocks.erased_payloads(2)) == [1, 2]


def test_the_state_says_why(story: Story) -> None:
    entry = story.ledger.entry(erasure_key(story.id), OwnerAct)
    assert entry is not None
    assert (entry.dataset, entry.legal_basis, entry.height) == ("a.flights", "PIPL 47", 4)


def test_a_refused_erasure_erases_nothing(network: TestNetwork) -> None:
    story = Story(network)
    executed = network.commit(story.ledger, [network.erase(story.id, "b", "b.flights"), network.erase(story.id, "b")])
    assert [outcome.code for outcome in executed.outcomes] == ["unknown_parcel", "not_owner"]
    stored = story.ledger.blocks.transaction(location_of(story))
    assert stored == story.parcel


def test_a_parcel_erased_in_its_own_block_is_never_written(network: TestNetwork) -> None:
    written: list[bytes | None] = []

    class Watched(MemoryDatabase):
        def write(self, batch: Any, *, sync: bool) -> None:
            written.extend(value for _, value in batch)
            super().write(batch, sync=sync)

    ledger = memory_ledger(network.genesis, blocks=Watched())
    network.commit(ledger, [network.dataset()])
    parcel = network.parcel(RECORDS)
    network.commit(ledger, [parcel, network.erase(network.id_of(parcel))])
    location = ledger.blocks.location(network.id_of(parcel))
    assert location is not None
    assert ledger.blocks.erased_payload(location) is not None
    assert parcel.payload not in written


@pytest.mark.parametrize("is_state_lost", [False, True])
def test_a_ledger_with_erased_parcels_opens_again(network: TestNetwork, is_state_lost: bool) -> None:
    blocks, states, anchor = MemoryDatabase(), MemoryDatabase(), MemoryHead()
    first = Ledger(network.genesis, blocks, states, anchor)
    first.open()
    story = Story(network, first).erase()
    again = Ledger(network.genesis, blocks, MemoryDatabase() if is_state_lost else states, anchor)
    again.open()
    assert again.tip == story.ledger.tip
    assert again.dataset_totals("a.flights") == story.ledger.dataset_totals("a.flights")


def test_a_node_that_fetches_the_chain_needs_no_payload(story: Story) -> None:
    copy = story.network.ledger()
    for package in packages_of(story.ledger)[1:]:
        block, transactions = open_package(copy.chain_id, package)
        verify_erased(copy.trust, package, block, transactions)
        assert block.certificate is not None
        copy.commit(copy.check_certified(block, transactions), block.certificate)
    assert copy.tip.block_hash == story.ledger.tip.block_hash
    assert copy.blocks.erased_payloads(2) == story.ledger.blocks.erased_payloads(2)
    again = read_package(copy.blocks, 2, copy.prove_erasures)
    assert again == story.package(2), "it hands on what it was given"


def test_what_cannot_be_proved_yet_is_not_handed_out(story: Story) -> None:
    assert story.ledger.prove_erasures([ErasedParcelPart(story.network.id_of(story.other), b"")]) is None
    assert read_package(story.ledger.blocks, 2, lambda parcels: None) is None
    unproved = read_package(story.ledger.blocks, 2)
    assert unproved is not None
    assert (len(unproved.erased), unproved.erasures) == (2, None)


def _without_proof(story: Story, package: BlockPackage) -> BlockPackage:
    return replace(package, erasures=None)


def _without_one_proof(story: Story, package: BlockPackage) -> BlockPackage:
    return replace(package, erasures=replace(package.erasures, proofs=()))


def _with_proof_of_another_key(story: Story, package: BlockPackage) -> BlockPackage:
    _, proof = story.ledger.state_proof(dataset_key("a.flights"))
    return replace(package, erasures=replace(package.erasures, proofs=(ErasureProof(b"", proof),)))


def _from_before_the_erasure(story: Story, package: BlockPackage) -> BlockPackage:
    """Certified, and true: it proves that the parcel was not erased."""
    block = story.ledger.block_at(3)
    _, proof = story.ledger.state_proof(erasure_key(story.id), 3)
    assert block.certificate is not None
    return replace(package, erasures=ErasureProofs(block.header, block.certificate, (ErasureProof(b"", proof),)))


def _with_uncertified_header(story: Story, package: BlockPackage) -> BlockPackage:
    forged = replace(story.ledger.tip.header, state_root=bytes(32))
    return replace(package, erasures=replace(package.erasures, header=encode(forged)))


def _with_too_few_votes(story: Story, package: BlockPackage) -> BlockPackage:
    assert package.erasures is not None
    certificate = replace(package.erasures.certificate, votes=package.erasures.certificate.votes[:2])
    return replace(package, erasures=replace(package.erasures, certificate=certificate))


def _of_another_parcel(story: Story, package: BlockPackage) -> BlockPackage:
    """The body of a parcel that nobody has erased is held back."""
    transaction = decode(Transaction, package.transactions[0])
    header = decode_transaction(story.network.chain_id, package.transactions[0])
    leaves = tuple(record_leaf(story.network.chain_id, body) for body in (b'{"n":7}',))
    erased = ErasedParcel(0, ErasedPayload(header.payload_size_bytes, leaves))
    bare = encode(replace(transaction, payload=b""))
    return BlockPackage(package.block, (bare, *package.transactions[1:]), (erased, *package.erased), package.erasures)


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        (_without_proof, ErrorCode.PAYLOAD_MISMATCH),
        (_without_one_proof, ErrorCode.PAYLOAD_MISMATCH),
        (_of_another_parcel, ErrorCode.PAYLOAD_MISMATCH),
        (_with_proof_of_another_key, ErrorCode.BAD_PROOF),
        (_from_before_the_erasure, ErrorCode.BAD_PROOF),
        (_with_uncertified_header, ErrorCode.BAD_CERTIFICATE),
        (_with_too_few_votes, ErrorCode.BAD_CERTIFICATE),
    ],
)
def test_s57_nobody_loses_a_payload_that_was_not_erased(
    story: Story, lie: Callable[[Story, BlockPackage], BlockPackage], code: ErrorCode
) -> None:
    package = lie(story, story.package())
    block, transactions = open_package(story.network.chain_id, package)
    with refuses(code):
        verify_erased(story.ledger.trust, package, block, transactions)


def _with_other_leaf(package: BlockPackage) -> BlockPackage:
    kept = package.erased[0].payload
    return replace(package, erased=(ErasedParcel(1, replace(kept, leaves=(bytes(32), *kept.leaves[1:]))),))


def _with_leaf_too_few(package: BlockPackage) -> BlockPackage:
    kept = package.erased[0].payload
    return replace(package, erased=(ErasedParcel(1, replace(kept, leaves=kept.leaves[:-1])),))


def _named_twice(package: BlockPackage) -> BlockPackage:
    return replace(package, erased=package.erased * 2)


def _beyond_the_block(package: BlockPackage) -> BlockPackage:
    return replace(package, erased=(*package.erased, replace(package.erased[0], index=3)))


def _of_one_with_payload(package: BlockPackage) -> BlockPackage:
    return replace(package, erased=(replace(package.erased[0], index=0),))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_with_other_leaf, ErrorCode.PAYLOAD_MISMATCH),
        (_with_leaf_too_few, ErrorCode.PAYLOAD_MISMATCH),
        (_of_one_with_payload, ErrorCode.PAYLOAD_MISMATCH),
        (_named_twice, ErrorCode.BAD_BLOCK),
        (_beyond_the_block, ErrorCode.BAD_BLOCK),
    ],
)
def test_s57_what_stays_must_be_what_was_signed(
    story: Story, change: Callable[[BlockPackage], BlockPackage], code: ErrorCode
) -> None:
    with refuses(code):
        open_package(story.network.chain_id, change(story.package()))


def test_a_wrong_length_does_not_execute(story: Story) -> None:
    package = story.package()
    kept = package.erased[0].payload
    longer = ErasedParcel(1, replace(kept, size_bytes=kept.size_bytes + 1))
    lie = replace(package, erased=(longer, *package.erased[1:]))
    copy = story.network.ledger()
    take(copy, story.package(1))
    block, transactions = open_package(copy.chain_id, lie)
    with pytest.raises(PoolError, match="another state_root"):
        copy.check_certified(block, transactions)


class TestAudit:
    def audited(self, story: Story, packages: list[BlockPackage]) -> ChainAudit:
        return audited(ChainAudit(story.network.genesis), packages)

    def test_s57_erased_records_are_counted_by_legal_basis_and_never_as_verified(self, story: Story) -> None:
        report = self.audited(story, packages_of(story.ledger)).report
        assert (report.records, report.records_verified, report.records_hash_only) == (6, 2, 4)
        assert (dict(report.records_erased), report.records_rejected) == ({"PIPL 47": 3}, 1)
        assert (report.records_missing, report.records_wrong, report.is_complete) == (0, 0, True)
        assert report.record_bytes == sum(map(len, (b'{"n":7}', b'{"n":8}')))

    def test_what_nothing_erases_is_missing(self, story: Story) -> None:
        report = self.audited(story, packages_of(story.ledger)[:-1]).report
        assert (report.records_missing, report.records_hash_only, report.records_verified) == (3, 4, 2)
        assert dict(report.awaiting_erasure) == {story.id: b"\7"}
        assert not report.is_complete

    def test_an_erasure_needs_no_proof_of_its_own(self, story: Story) -> None:
        unproved = [replace(package, erasures=None) for package in packages_of(story.ledger)]
        assert dict(self.audited(story, unproved).report.records_erased) == {"PIPL 47": 3}

    @pytest.mark.parametrize("wrong", [b'{"n":99}', b"rubbish!"])
    def test_a_wrong_body_is_counted_and_the_audit_goes_on(self, network: TestNetwork, wrong: bytes) -> None:
        story = Story(network)
        packages = packages_of(story.ledger)
        payload = story.parcel.payload.replace(RECORDS[1], wrong)
        changed = encode(replace(story.parcel, payload=payload))
        packages[2] = replace(
            packages[2], transactions=(packages[2].transactions[0], changed, *packages[2].transactions[2:])
        )
        report = self.audited(story, packages).report
        assert (report.height, report.records, report.records_wrong, report.records_verified) == (3, 6, 3, 2)
        assert report.wrong_parcels == [story.id]
        assert not report.is_complete

    def test_a_wrong_body_of_a_refused_parcel_keeps_its_outcome(self, network: TestNetwork) -> None:
        story = Story(network)
        packages = packages_of(story.ledger)
        changed = encode(replace(story.refused, payload=story.refused.payload.replace(b"refused", b"changed")))
        packages[2] = replace(packages[2], transactions=(*packages[2].transactions[:2], changed), erased=())
        report = self.audited(story, packages).report
        assert (report.records_wrong, report.outcomes["schema_violation"]) == (1, 1)

    def test_a_payload_that_is_simply_gone_ends_it(self, network: TestNetwork) -> None:
        story = Story(network)
        packages = packages_of(story.ledger)
        bare = encode(replace(story.parcel, payload=b""))
        packages[2] = replace(
            packages[2], transactions=(packages[2].transactions[0], bare, *packages[2].transactions[2:])
        )
        with pytest.raises(PoolError) as caught:
            self.audited(story, packages)
        assert caught.value.context["height"] == 2


class TestFiles:
    """LevelDB keeps what was deleted until a compaction passes; purging has it pass."""

    SECRET = b'"n":314159, "who":"Zhang San"'

    def ledger(self, network: TestNetwork, path: Path) -> Ledger:
        engines = LevelDatabase(path / "blocks"), LevelDatabase(path / "state")
        ledger = Ledger(network.genesis, *engines, HeadFile(path / "HEAD"))
        ledger.open()
        return ledger

    def files_with_it(self, path: Path) -> list[str]:
        return [file.name for file in path.rglob("*") if file.is_file() and self.SECRET in file.read_bytes()]

    def shared(self, network: TestNetwork, path: Path) -> tuple[Ledger, bytes]:
        ledger = self.ledger(network, path)
        parcel = network.parcel([b"{%b}" % self.SECRET, b'{"n":2}'])
        network.commit(ledger, [network.dataset(), parcel])
        return ledger, network.id_of(parcel)

    @pytest.mark.parametrize("is_compacted", [False, True])
    def test_s57_the_bytes_are_gone_from_every_file(
        self, network: TestNetwork, tmp_path: Path, is_compacted: bool
    ) -> None:
        ledger, id_ = self.shared(network, tmp_path)
        if is_compacted:
            ledger.blocks.purge([])
            ledger.close()
            ledger = self.ledger(network, tmp_path)  # what was in the log is in a table now
        network.commit(ledger, [network.erase(id_)])
        assert self.files_with_it(tmp_path), "the deletion alone does not remove them"
        places = ledger.blocks.unpurged(10)
        assert places == [(ledger.blocks.location(id_), 0)]
        assert ledger.blocks.purge(places)
        assert self.files_with_it(tmp_path) == []
        assert ledger.blocks.unpurged(10) == []
        ledger.close()

    def test_s57_what_a_reader_holds_goes_once_it_lets_go(self, network: TestNetwork, tmp_path: Path) -> None:
        ledger, id_ = self.shared(network, tmp_path)
        ledger.close()
        engine = LevelDatabase(tmp_path / "blocks")
        ledger = Ledger(network.genesis, engine, LevelDatabase(tmp_path / "state"), HeadFile(tmp_path / "HEAD"))
        ledger.open()
        reader = engine.scan(b"a", b"z")
        next(reader)
        network.commit(ledger, [network.erase(id_)])
        places = ledger.blocks.unpurged(10)
        assert not ledger.blocks.purge(places)
        assert ledger.blocks.unpurged(10) == places, "a restart goes on with it"
        del reader
        assert ledger.blocks.purge(places)
        assert self.files_with_it(tmp_path) == []
        ledger.close()

    def test_what_was_to_be_purged_is_known_after_a_restart(self, network: TestNetwork, tmp_path: Path) -> None:
        ledger, id_ = self.shared(network, tmp_path)
        network.commit(ledger, [network.erase(id_)])
        ledger.close()
        again = self.ledger(network, tmp_path)
        assert again.blocks.purge(again.blocks.unpurged(10))
        assert self.files_with_it(tmp_path) == []
        again.close()
