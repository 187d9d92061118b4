"""Payloads that a node leaves to others: its blocks are whole without, and what is missing can be put back."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from audit.chain import ChainAudit
from chain.erasure import payload_dropped
from chain.errors import ErrorCode, PoolError
from chain.examination.facts import Examiner
from chain.ledger import Ledger
from chain.packages import BlockPackage, ErasedParcel, open_package
from chain.storage.blocks import Location, Reviewed
from chain.storage.database import MemoryDatabase
from chain.storage.head import MemoryHead
from chain.transactions.base import DroppedPayload, ErasedPayload
from chain.transactions.registry import check_stored
from tests.chain.access_world import ScriptedPolicy
from tests.ledgers import audited, packages_of, take
from tests.networks import TestNetwork
from tests.refusals import refuses

RECORDS = (b'{"n":41}', b'{"n":42}', b'{"n":43}')
PLACE = Location(2, 1)


def drop(ledger: Ledger, *places: Location) -> None:
    """As a node's policy has it."""
    for place in places:
        stored = ledger.blocks.transaction(place)
        assert stored is not None
        ledger.blocks.drop([(place, payload_dropped(check_stored(ledger.chain_id, stored)))])


class Story:
    """A block with three parcels, of which the second is dropped."""

    def __init__(self, network: TestNetwork) -> None:
        self.network = network
        self.databases = MemoryDatabase(), MemoryDatabase(), MemoryHead()
        self.ledger = Ledger(network.genesis, *self.databases)
        self.ledger.open()
        network.commit(self.ledger, [network.dataset()])
        self.parcel = network.parcel(RECORDS)
        self.id = network.id_of(self.parcel)
        parcels = [network.parcel([b'{"n":7}']), self.parcel, network.parcel([b'{"n":"refused"}'])]
        network.commit(self.ledger, parcels)
        drop(self.ledger, PLACE)

    def package(self) -> BlockPackage:
        return packages_of(self.ledger)[2]


@pytest.fixture
def story(network: TestNetwork) -> Story:
    return Story(network)


def test_s66_what_is_dropped_is_said_and_not_taken_for_empty(story: Story) -> None:
    with pytest.raises(PoolError) as caught:
        story.ledger.blocks.transaction(PLACE)
    assert caught.value.code is ErrorCode.PAYLOAD_NOT_KEPT
    assert caught.value.context == {"height": 2, "position": 1}
    kept = story.ledger.blocks.dropped_payload(PLACE)
    assert kept is not None
    assert (kept.size_bytes, len(kept.leaves), kept.sealed_shares) == (len(story.parcel.payload), 3, ())
    head = story.ledger.blocks.transaction_head(PLACE)
    assert head is not None
    assert (head.header, head.signature) == (story.parcel.header, story.parcel.signature)


def test_a_ledger_opens_on_dropped_payloads_even_without_a_state(story: Story) -> None:
    blocks, _, head = story.databases
    again = Ledger(story.network.genesis, blocks, MemoryDatabase(), head)
    again.open()
    assert again.tip == story.ledger.tip


def test_nodes_and_auditors_take_its_blocks(story: Story) -> None:
    copy = story.network.ledger()
    for package in packages_of(story.ledger)[1:]:
        take(copy, package)
    assert copy.tip == story.ledger.tip
    assert copy.blocks.dropped_payload(PLACE) == story.ledger.blocks.dropped_payload(PLACE)


@pytest.mark.parametrize("is_examined", [False, True])
def test_s66_an_audit_counts_what_is_not_kept_and_holds(story: Story, is_examined: bool) -> None:
    auditor, examiner = ChainAudit(story.network.genesis), Examiner(story.network.genesis)
    for height, package in enumerate(packages_of(story.ledger)):
        facts = examiner.examine(height, package) if is_examined and height else None
        assert facts is not None or not is_examined or not height
        auditor.add(package, facts)
    report = auditor.report
    assert (report.records, report.records_verified, report.records_not_kept, report.records_hash_only) == (5, 1, 3, 4)
    assert (report.records_missing, report.records_wrong, report.is_complete) == (0, 0, True)


def test_what_is_put_back_is_as_if_it_had_stayed(story: Story) -> None:
    blocks = story.ledger.blocks
    blocks.restore([(PLACE, story.parcel.payload)])
    assert blocks.transaction(PLACE) == story.parcel
    assert not story.package().dropped
    report = audited(ChainAudit(story.network.genesis), packages_of(story.ledger)).report
    assert (report.records_verified, report.records_not_kept) == (4, 0)


def test_s57_a_dropped_payload_that_is_erased_stays_erased(story: Story) -> None:
    network, blocks = story.network, story.ledger.blocks
    network.commit(story.ledger, [network.erase(story.id)])
    erased = blocks.erased_payload(PLACE)
    assert erased is not None
    assert len(erased.leaves) == 3
    blocks.restore([(PLACE, story.parcel.payload)])
    assert blocks.transaction(PLACE) == replace(story.parcel, payload=b"")
    assert blocks.dropped_payload(PLACE) is None
    report = audited(ChainAudit(network.genesis), packages_of(story.ledger)).report
    assert (dict(report.records_erased), report.records_not_kept) == ({"PIPL 47": 3}, 0)


def test_what_is_erased_is_not_dropped_afterwards(network: TestNetwork) -> None:
    story = Story(network)
    blocks = story.ledger.blocks
    kept = blocks.dropped_payload(PLACE)
    assert kept is not None
    network.commit(story.ledger, [network.erase(story.id)])
    blocks.drop([(PLACE, kept)])
    assert blocks.dropped_payload(PLACE) is None


def with_kept(package: BlockPackage, **changes: object) -> BlockPackage:
    (parcel,) = package.dropped
    return replace(package, dropped=(replace(parcel, payload=replace(parcel.payload, **changes)),))


def with_other_leaf(package: BlockPackage) -> BlockPackage:
    leaves = package.dropped[0].payload.leaves
    return with_kept(package, leaves=(leaves[1], leaves[0], *leaves[2:]))


def of_one_with_payload(package: BlockPackage) -> BlockPackage:
    return replace(package, dropped=(replace(package.dropped[0], index=0),))


def erased_as_well(package: BlockPackage) -> BlockPackage:
    kept = package.dropped[0].payload
    return replace(package, erased=(ErasedParcel(1, ErasedPayload(kept.size_bytes, kept.leaves)),))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (with_other_leaf, ErrorCode.PAYLOAD_MISMATCH),
        (lambda package: with_kept(package, sealed_shares=(b"share",)), ErrorCode.PAYLOAD_MISMATCH),
        (of_one_with_payload, ErrorCode.PAYLOAD_MISMATCH),
        (erased_as_well, ErrorCode.BAD_BLOCK),
    ],
)
def test_s66_what_is_kept_must_be_what_was_signed(
    story: Story, change: Callable[[BlockPackage], BlockPackage], code: ErrorCode
) -> None:
    with refuses(code):
        open_package(story.network.chain_id, change(story.package()))


def test_s66_sealed_shares_stay_and_are_those_that_were_signed() -> None:
    network = TestNetwork(has_contracts=True, policy=ScriptedPolicy({}))
    ledger = network.ledger()
    network.commit(ledger, [network.dataset(sharing="closed")])
    parcel = network.sealed_parcel([b'{"n":1}'])
    network.commit(ledger, [parcel])
    place = Location(2, 0)
    shares = network.checked(parcel).sealed_shares
    assert len(shares) == 4
    drop(ledger, place)
    kept = ledger.blocks.dropped_payload(place)
    assert kept is not None
    assert kept.sealed_shares == shares
    package = packages_of(ledger)[2]
    _, (checked,) = open_package(network.chain_id, package)
    assert checked.sealed_shares == shares
    assert isinstance(checked.absent and checked.absent.kept, DroppedPayload)
    with refuses(ErrorCode.PAYLOAD_MISMATCH):
        open_package(network.chain_id, with_kept(package, sealed_shares=(shares[1], shares[0], *shares[2:])))


def test_how_far_a_policy_was_carried_out_is_known_of_that_policy_alone(story: Story) -> None:
    blocks = story.ledger.blocks
    assert blocks.reviewed("own") == Reviewed(0, 0)
    blocks.review("own", Reviewed(7, 5))
    assert blocks.reviewed("own") == Reviewed(7, 5)
    assert blocks.reviewed("all") == Reviewed(0, 0)
