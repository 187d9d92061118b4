"""Correcting as clients meet it: what reading says of corrected records is proven, and what is wrong is not sent."""

import pytest

from blockpool.identity import Identity
from blockpool.operations import correcting
from blockpool.operations.reading import OpenReading
from blockpool.signing import RecordId, sign_correction
from chain.errors import ErrorCode
from chain.ledger import Ledger
from chain.transactions.parcel import open_content
from tests.blockpool.ledger_node import Body, LedgerNode, Nodes
from tests.networks import TestNetwork
from tests.refusals import refuses

NETWORK = TestNetwork()


class World:
    """Two parcels of a dataset; the second record of the first was corrected."""

    def __init__(self) -> None:
        self.ledger: Ledger = NETWORK.ledger()
        NETWORK.commit(self.ledger, [NETWORK.dataset()])
        parcels = [NETWORK.parcel([b'{"n":1}', b'{"n":2}']), NETWORK.parcel([b'{"n":3}'])]
        NETWORK.commit(self.ledger, parcels)
        self.first, self.second = map(NETWORK.id_of, parcels)
        correction = NETWORK.correction(self.first, 1, b'{"n":22}')
        self.correction = NETWORK.id_of(correction)
        NETWORK.commit(self.ledger, [correction])


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def read(nodes: Nodes, reading: OpenReading) -> list[tuple[bytes, bool]]:
    """The bodies that a reading gives, and whether each was corrected."""
    chunks = nodes.items(reading.chunks())
    opened = [item for chunk in chunks for item in nodes.run(reading.fetch(chunk))]
    return [(record.body, record.is_corrected) for item in opened for record in reading.records(item)]


def test_a_reading_says_which_records_were_corrected(world: World) -> None:
    nodes = Nodes(NETWORK, [LedgerNode(world.ledger)])
    expected = [(b'{"n":1}', False), (b'{"n":2}', True), (b'{"n":3}', False), (b'{"n":22}', False)]
    assert read(nodes, OpenReading(nodes.session, "a.flights")) == expected


def test_s70_a_node_that_hides_a_correction_is_not_believed(world: World) -> None:
    def change(path: str, body: Body) -> Body:
        return body | {"value": None} if "/corrected-records/" in path else body

    lying, honest = LedgerNode(world.ledger, change=change), LedgerNode(world.ledger)
    nodes = Nodes(NETWORK, [lying, honest])
    assert (b'{"n":2}', True) in read(nodes, OpenReading(nodes.session, "a.flights"))
    alone = Nodes(NETWORK, [lying])
    with refuses(ErrorCode.BAD_PROOF):
        read(alone, OpenReading(alone.session, "a.flights"))


def test_where_nothing_was_corrected_one_proof_says_so() -> None:
    ledger = NETWORK.ledger()
    NETWORK.commit(ledger, [NETWORK.dataset()])
    for number in range(20):
        NETWORK.commit(ledger, [NETWORK.parcel([b'{"n":%d}' % number])])
    node = LedgerNode(ledger)
    nodes = Nodes(NETWORK, [node])
    assert len(read(nodes, OpenReading(nodes.session, "a.flights"))) == 20
    assert not [path for path in node.asked if "corrected-records" in path]


def test_what_would_be_refused_is_not_sent(world: World) -> None:
    nodes = Nodes(NETWORK, [LedgerNode(world.ledger)], "a")
    cases = {
        (world.first, 1): ErrorCode.RECORD_CORRECTED,
        (world.first, 2): ErrorCode.UNKNOWN_SOURCE,
        (bytes(32), 0): ErrorCode.UNKNOWN_PARCEL,
    }
    for (parcel, index), code in cases.items():
        with refuses(code):
            nodes.run(correcting.correct(nodes.session, RecordId(parcel, index), b'{"n":5}', "law", "wrong"))
    with refuses(ErrorCode.SCHEMA_VIOLATION):
        nodes.run(correcting.correct(nodes.session, RecordId(world.first, 0), b'{"n":"5"}', "law", "wrong"))
    stranger = Nodes(NETWORK, [LedgerNode(world.ledger)], "b")
    with refuses(ErrorCode.NOT_OWNER):
        stranger.run(correcting.correct(stranger.session, RecordId(world.first, 0), b'{"n":5}', "law", "wrong"))


@pytest.mark.parametrize(
    ("basis", "reason", "code"),
    [
        ("", "wrong", ErrorCode.BAD_REQUEST),
        ("law", " ", ErrorCode.BAD_REQUEST),
        ("law" * 1000, "wrong", ErrorCode.TOO_LARGE),
        ("law", "w" * 301, ErrorCode.TOO_LARGE),
    ],
)
def test_a_correction_says_why_in_bounds(basis: str, reason: str, code: ErrorCode) -> None:
    content = open_content(NETWORK.chain_id, [b'{"n":5}'])
    with refuses(code):
        sign_correction(
            NETWORK.genesis,
            Identity("a", NETWORK.system["a"]),
            "a.flights",
            content,
            RecordId(bytes(32), 0),
            basis,
            reason,
        )
