"""The payload of a parcel that was rejected is kept by nobody; that it was rejected can be proved as ever."""

from typing import Any

import pytest
from msgspec.structs import replace

from audit.chain import ChainAudit
from chain.arrival import open_past
from chain.blocks import Block, Outcome
from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.packages import BlockPackage, ErasedParcel, open_package, verify_erased
from chain.primitives.encoding import decode, encode
from chain.proofs.merkle import inclusion_proof, verify_inclusion
from chain.storage.blocks import Location
from chain.storage.database import MemoryDatabase
from chain.storage.head import MemoryHead
from chain.transactions.base import ErasedPayload, Transaction
from chain.transactions.parcel import record_leaf
from chain.transactions.registry import decode_transaction
from tests.ledgers import audited, memory_ledger, packages_of, take
from tests.networks import TestNetwork
from tests.refusals import refuses

SECRET = b'{"n":"Zhang San"}'
"""Against the schema, which wants a number."""
PLACE, ACCEPTED = Location(2, 1), Location(2, 0)


class WatchedDatabase(MemoryDatabase):
    """Remembers every value that was ever written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, batch: Any, *, sync: bool) -> None:
        self.written.extend(value for _, value in batch if value is not None)
        super().write(batch, sync=sync)


class Story:
    """A block with a parcel that is accepted and one that is rejected, and a block after it."""

    def __init__(self, network: TestNetwork) -> None:
        self.network = network
        self.databases = WatchedDatabase(), MemoryDatabase(), MemoryHead()
        self.ledger = Ledger(network.genesis, *self.databases)
        self.ledger.open()
        network.commit(self.ledger, [network.dataset()])
        self.accepted, self.rejected = network.parcel([b'{"n":7}']), network.parcel([SECRET])
        self.outcomes = network.commit(self.ledger, [self.accepted, self.rejected]).outcomes
        network.commit(self.ledger, [network.parcel([b'{"n":8}'])])

    def package(self) -> BlockPackage:
        return packages_of(self.ledger)[2]

    def with_payloads(self) -> BlockPackage:
        """As a node would hand it out that keeps what it should not."""
        return replace(self.package(), transactions=(encode(self.accepted), encode(self.rejected)), erased=())


@pytest.fixture
def story(network: TestNetwork) -> Story:
    return Story(network)


def test_s98_what_is_rejected_is_never_written_and_its_leaves_stay(story: Story) -> None:
    assert [outcome.code for outcome in story.outcomes] == ["ok", "schema_violation"]
    assert not [value for value in story.databases[0].written if b"Zhang San" in value]
    blocks = story.ledger.blocks
    assert blocks.transaction(PLACE) == replace(story.rejected, payload=b"")
    kept = blocks.erased_payload(PLACE)
    assert kept is not None
    assert (kept.size_bytes, len(kept.leaves)) == (0, 1)
    header: Any = decode_transaction(story.network.chain_id, encode(story.rejected)).header
    leaf = record_leaf(story.network.chain_id, SECRET)
    verify_inclusion(leaf, 0, 1, inclusion_proof(kept.leaves, 0), header.records_root)
    assert blocks.transaction(ACCEPTED) == story.accepted
    assert not blocks.unpurged(1), "there is nothing to compact: nobody can have nodes compact by being refused"


def test_s98_it_opens_again_without(story: Story) -> None:
    again = Ledger(story.network.genesis, story.databases[0], MemoryDatabase(), story.databases[2])
    again.open()
    assert again.tip.header == story.ledger.tip.header


@pytest.mark.parametrize("comes_whole", [False, True])
def test_s98_who_takes_the_chain_keeps_none_of_it_either(story: Story, comes_whole: bool) -> None:
    database = WatchedDatabase()
    copy = memory_ledger(story.network.genesis, blocks=database)
    packages = packages_of(story.ledger)
    if comes_whole:
        packages[2] = story.with_payloads()
    for package in packages[1:]:
        block, transactions = open_package(copy.chain_id, package)
        verify_erased(copy.trust, package, block, transactions)
        take(copy, package)
    assert copy.tip.header == story.ledger.tip.header
    assert copy.blocks.erased_payloads(2) == story.ledger.blocks.erased_payloads(2)
    assert not [value for value in database.written if b"Zhang San" in value]


@pytest.mark.parametrize("comes_whole", [False, True])
def test_s98_nor_who_fills_in_the_past(story: Story, comes_whole: bool) -> None:
    package = story.with_payloads() if comes_whole else story.package()
    past = open_past(story.ledger.trust, story.ledger.state_value, package, 2)
    assert [(kept.location, kept.payload.size_bytes) for kept in past.erased(story.ledger.state_value)] == (
        [(PLACE, 0)]
    )


def bare(story: Story, outcome: Outcome, size_bytes: int) -> BlockPackage:
    """The accepted parcel without its payload, and with an outcome that says why."""
    package = story.package()
    block = decode(Block, package.block)
    transactions = (encode(replace(story.accepted, payload=b"")), package.transactions[1])
    kept = ErasedPayload(size_bytes, (record_leaf(story.network.chain_id, b'{"n":7}'),))
    lie = encode(replace(block, outcomes=(outcome, block.outcomes[1])))
    return replace(package, block=lie, transactions=transactions, erased=(ErasedParcel(0, kept), *package.erased))


def test_s98_nobody_loses_a_payload_by_being_told_that_it_was_rejected(story: Story) -> None:
    rejected = story.outcomes[1]
    lie = bare(story, replace(rejected, transaction_id=story.outcomes[0].transaction_id), 0)
    copy = story.network.ledger()
    take(copy, packages_of(story.ledger)[1])
    block, transactions = open_package(copy.chain_id, lie)
    verify_erased(copy.trust, lie, block, transactions)
    with pytest.raises(PoolError, match="gives another result_root"):
        copy.check_certified(block, transactions)
    with pytest.raises(PoolError, match="with other outcomes"):
        open_past(story.ledger.trust, story.ledger.state_value, lie, 2)


def test_s98_nor_without_being_told(story: Story) -> None:
    lie = bare(story, story.outcomes[0], len(story.accepted.payload))
    block, transactions = open_package(story.network.chain_id, lie)
    with refuses(ErrorCode.PAYLOAD_MISMATCH):
        verify_erased(story.ledger.trust, lie, block, transactions)


@pytest.mark.parametrize("is_rejected", [False, True])
def test_s98_a_length_stays_where_the_state_vouches_for_it(story: Story, is_rejected: bool) -> None:
    package = story.package()
    kept = package.erased[0].payload
    lie = (
        replace(package, erased=(ErasedParcel(1, replace(kept, size_bytes=1)),))
        if is_rejected
        else bare(story, story.outcomes[0], 0)
    )
    with refuses(ErrorCode.PAYLOAD_MISMATCH):
        open_package(story.network.chain_id, lie)


def test_s98_an_audit_counts_it_and_holds(story: Story) -> None:
    report = audited(ChainAudit(story.network.genesis), packages_of(story.ledger)).report
    assert (report.records, report.records_verified, report.records_rejected, report.is_complete) == (3, 2, 1, True)


def test_a_transaction_without_payload_is_rejected_as_ever(story: Story) -> None:
    network = story.network
    network.commit(story.ledger, [network.dataset(member="b", dataset="a.flights")])
    package = packages_of(story.ledger)[-1]
    assert decode(Block, package.block).outcomes[0].code == "not_owner"
    assert (package.erased, decode(Transaction, package.transactions[0]).payload) == ((), b"")
