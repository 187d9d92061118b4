"""Erased parcels as clients meet them: a node's word that one is gone counts for nothing, the state's proof does."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from blockpool.identity import Identity
from blockpool.operations import erasure
from blockpool.operations.parcels import parcel_of
from blockpool.operations.reading import OpenReading
from blockpool.signing import RecordId, sign_erasure
from chain.erasure import LeftParcel
from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.limits import LIMITS
from chain.primitives.encoding import decode, encode
from tests.blockpool.ledger_node import Body, LedgerNode, Nodes
from tests.networks import TestNetwork
from tests.refusals import refuses

NETWORK = TestNetwork()


class World:
    """Three parcels of a dataset, the second of which was erased."""

    def __init__(self) -> None:
        self.ledger: Ledger = NETWORK.ledger()
        NETWORK.commit(self.ledger, [NETWORK.dataset()])
        parcels = [NETWORK.parcel([b'{"n":%d}' % number]) for number in (1, 2, 3)]
        for parcel in parcels:
            NETWORK.commit(self.ledger, [parcel])
        self.first, self.erased, self.third = map(NETWORK.id_of, parcels)
        self.rejected = NETWORK.parcel([b"no JSON"])
        NETWORK.commit(self.ledger, [NETWORK.erase(self.erased), self.rejected])


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def read(nodes: Nodes, reading: OpenReading) -> list[bytes]:
    """The bodies that a reading gives."""
    chunks = nodes.items(reading.chunks())
    opened = [item for chunk in chunks for item in nodes.run(reading.fetch(chunk))]
    return [record.body for item in opened for record in reading.records(item)]


def test_a_reading_leaves_out_what_was_erased_and_says_so(world: World) -> None:
    nodes = Nodes(NETWORK, [LedgerNode(world.ledger)])
    reading = OpenReading(nodes.session, "a.flights")
    assert read(nodes, reading) == [b'{"n":1}', b'{"n":3}']
    assert reading.erased == [world.erased]


def liar(world: World, parcel: bytes) -> LedgerNode:
    """A node that says of a parcel that it was erased."""

    def change(path: str, body: Body) -> Body:
        if path == f"/v1/transactions/{parcel.hex()}/raw":
            raise PoolError(ErrorCode.PARCEL_ERASED, "invented")
        return body

    return LedgerNode(world.ledger, change=change)


def test_s57_a_node_that_only_says_so_is_passed_over(world: World) -> None:
    nodes = Nodes(NETWORK, [liar(world, world.third), LedgerNode(world.ledger)])
    reading = OpenReading(nodes.session, "a.flights")
    assert read(nodes, reading) == [b'{"n":1}', b'{"n":3}']
    assert reading.erased == [world.erased]
    alone = Nodes(NETWORK, [liar(world, world.third)])
    with refuses(ErrorCode.BAD_PROOF):
        read(alone, OpenReading(alone.session, "a.flights"))


def test_whoever_names_an_erased_parcel_is_told_why_it_is_gone(world: World) -> None:
    nodes = Nodes(NETWORK, [LedgerNode(world.ledger)])
    receipt = nodes.run(nodes.session.receipt(world.erased))
    with refuses(ErrorCode.PARCEL_ERASED, "PIPL 47") as caught:
        nodes.run(parcel_of(nodes.session, None, receipt))
    assert (caught.value.context["height"], caught.value.context["legal_basis"]) == (5, "PIPL 47")


@pytest.mark.parametrize(
    ("name", "member", "code"),
    [
        ("erased", "a", ErrorCode.PARCEL_ERASED),
        ("rejected", "a", ErrorCode.UNKNOWN_PARCEL),
        ("dataset", "a", ErrorCode.UNKNOWN_PARCEL),
        ("nothing", "a", ErrorCode.UNKNOWN_PARCEL),
        ("first", "b", ErrorCode.NOT_OWNER),
    ],
)
def test_what_cannot_be_erased_is_not_even_sent(world: World, name: str, member: str, code: ErrorCode) -> None:
    dataset = world.ledger.block_at(1).outcomes[0].transaction_id
    parcel = {
        "erased": world.erased,
        "rejected": NETWORK.id_of(world.rejected),
        "dataset": dataset,
        "nothing": bytes(32),
        "first": world.first,
    }[name]
    node = LedgerNode(world.ledger)
    nodes = Nodes(NETWORK, [node], member)
    with refuses(code):
        nodes.run(erasure.erase(nodes.session, parcel, "PIPL 47", ""))
    assert "/v1/transactions" not in node.asked


class Records:
    """A parcel of three records, of which the second was erased, in a dataset of two parcels."""

    def __init__(self) -> None:
        self.ledger: Ledger = NETWORK.ledger()
        parcel = NETWORK.parcel([b'{"n":%d}' % number for number in (1, 2, 3)])
        self.id = NETWORK.id_of(parcel)
        NETWORK.commit(self.ledger, [NETWORK.dataset(), parcel, NETWORK.parcel([b'{"n":4}'])])
        NETWORK.commit(self.ledger, [NETWORK.erase(self.id, records=(1,))])


@pytest.fixture(scope="module")
def records() -> Records:
    return Records()


def test_a_reading_leaves_out_the_one_record(records: Records) -> None:
    nodes = Nodes(NETWORK, [LedgerNode(records.ledger)])
    reading = OpenReading(nodes.session, "a.flights")
    assert read(nodes, reading) == [b'{"n":1}', b'{"n":3}', b'{"n":4}']
    assert (reading.erased, reading.erased_records) == ([], [RecordId(records.id, 1)])


def _one_more_gone(body: Body) -> Body:
    assert isinstance(body, bytes)
    left = decode(LeftParcel, body)
    bare = left.payload.left.replace(b'\xc4\x07{"n":3}', b"\xc4\x00")
    assert bare != left.payload.left
    return encode(replace(left, payload=replace(left.payload, places=b"\6", left=bare)))


def _another_record(body: Body) -> Body:
    assert isinstance(body, bytes)
    return body.replace(b'{"n":3}', b'{"n":9}')


@pytest.mark.parametrize(("lie", "code"), [(_one_more_gone, "bad_proof"), (_another_record, "payload_mismatch")])
def test_s115_a_node_that_leaves_out_more_or_gives_another_is_passed_over(
    records: Records, lie: Callable[[Body], Body], code: str
) -> None:
    def change(path: str, body: Body) -> Body:
        return lie(body) if path.endswith("/left") else body

    lying = LedgerNode(records.ledger, change=change)
    nodes = Nodes(NETWORK, [lying, LedgerNode(records.ledger)])
    reading = OpenReading(nodes.session, "a.flights")
    assert read(nodes, reading) == [b'{"n":1}', b'{"n":3}', b'{"n":4}']
    alone = Nodes(NETWORK, [lying])
    with refuses(ErrorCode(code)):
        read(alone, OpenReading(alone.session, "a.flights"))


@pytest.mark.parametrize(("places", "code"), [((1,), ErrorCode.RECORD_ERASED), ((0, 3), ErrorCode.UNKNOWN_SOURCE)])
def test_records_that_cannot_be_erased_are_not_even_sent(
    records: Records, places: tuple[int, ...], code: ErrorCode
) -> None:
    node = LedgerNode(records.ledger)
    nodes = Nodes(NETWORK, [node], "a")
    with refuses(code):
        nodes.run(erasure.erase(nodes.session, records.id, "PIPL 47", "", places))
    assert "/v1/transactions" not in node.asked


@pytest.mark.parametrize(
    ("legal_basis", "reason", "code"),
    [
        ("", "", ErrorCode.BAD_REQUEST),
        (" ", "why", ErrorCode.BAD_REQUEST),
        ("x" * (LIMITS.text_length + 1), "", ErrorCode.TOO_LARGE),
        ("PIPL 47", "x" * (LIMITS.reason_length + 1), ErrorCode.TOO_LARGE),
    ],
)
def test_an_erasure_states_its_legal_basis(legal_basis: str, reason: str, code: ErrorCode) -> None:
    identity = Identity("a", NETWORK.system["a"])
    with refuses(code):
        sign_erasure(NETWORK.genesis, identity, "a.flights", bytes(32), legal_basis, reason)
