"""All records of a key: none is left out, however many stand in one block."""

import pytest

from blockpool.operations.key_history import KeyHistory, key_history
from blockpool.signing import RecordId
from chain.errors import ErrorCode
from tests.blockpool.ledger_node import Body, LedgerNode, Nodes
from tests.chain.test_record_keys import Story, record
from tests.networks import TestNetwork
from tests.refusals import refuses

NETWORK = TestNetwork()
KEY = {"id": "A", "day": "1"}


class World(Story):
    """The key stands in three blocks: alone, twice, and in a correction."""

    def __init__(self) -> None:
        super().__init__(NETWORK)
        parcels = [
            self.parcel(record("B", 1, 0), record("A", 1, 1)),
            self.parcel(record("A", 1, 2)),
            self.parcel(record("A", 2, 0), record("C", 1, 0), record("A", 1, 3)),
        ]
        ids = list(map(NETWORK.id_of, parcels))
        assert self.outcomes(parcels[0]) == ["ok"]
        assert self.outcomes(NETWORK.erase(ids[0], records=(0,))) == ["ok"]
        assert self.outcomes(*parcels[1:]) == ["ok", "ok"]
        (key,) = self.keys([record("A", 1, 4)])
        correction = NETWORK.correction(ids[1], 0, record("A", 1, 4), key=key)
        assert self.outcomes(correction) == ["ok"]
        places = zip((*ids, NETWORK.id_of(correction)), (1, 0, 2, 0), strict=True)
        self.records = tuple(RecordId(*place) for place in places)

    def history(self, *nodes: LedgerNode, **values: str) -> KeyHistory:
        asked = Nodes(NETWORK, list(nodes) or [LedgerNode(self.ledger)])
        return asked.run(key_history(asked.session, "a.flights", KEY | values))


@pytest.fixture
def world() -> World:
    return World()


def test_all_records_of_a_key_are_named_in_order(world: World) -> None:
    found = world.history()
    assert (found.records, found.erased, found.height) == (world.records, frozenset(), world.ledger.tip.height)
    assert world.history(id="nobody").records == ()


def test_what_is_erased_is_told_apart(world: World) -> None:
    first, second, third, fourth = world.records
    erasures = [NETWORK.erase(first.transaction_id, records=(1,)), NETWORK.erase(second.transaction_id)]
    assert world.outcomes(*erasures) == ["ok", "ok"]
    found = world.history()
    assert (found.records, found.present) == (world.records, (third, fourth))


def test_a_node_that_leaves_a_parcel_out_is_found_out(world: World) -> None:
    hidden = world.records[1].transaction_id.hex()

    def change(path: str, body: Body) -> Body:
        if path.endswith("/parcels") and isinstance(body, dict):
            return body | {"parcels": [item for item in body["parcels"] if item["transaction_id"] != hidden]}
        return body

    with refuses(ErrorCode.BAD_PROOF):
        world.history(LedgerNode(world.ledger, change=change))
