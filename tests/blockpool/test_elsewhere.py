"""A node that leaves payloads to others is followed to those, and what they give is verified as ever."""

from typing import Any

import pytest
from msgspec.structs import replace

from blockpool.operations.parcels import parcel_of
from blockpool.operations.reading import OpenReading
from chain.erasure import payload_dropped
from chain.errors import ErrorCode, PoolError
from chain.genesis import MemberObject
from chain.ledger import Ledger
from chain.primitives.encoding import encode
from chain.storage.blocks import Location
from chain.transactions.registry import check_stored
from tests.blockpool.ledger_node import Body, LedgerNode, Nodes
from tests.ledgers import caught_up
from tests.networks import TestNetwork
from tests.refusals import refuses


class Addressed(TestNetwork):
    """Its nodes' APIs have addresses."""

    def _member(self, name: str) -> MemberObject:
        member = super()._member(name)
        return (
            member
            if member.node is None
            else replace(member, node=replace(member.node, api_url=f"http://{name}.example/"))
        )


NETWORK = Addressed()
PLACE = Location(2, 0)


class World:
    """A chain, and the same without one payload."""

    def __init__(self) -> None:
        self.whole = NETWORK.ledger()
        NETWORK.commit(self.whole, [NETWORK.dataset()])
        parcel = NETWORK.parcel([b'{"n":1}', b'{"n":2}'])
        NETWORK.commit(self.whole, [parcel])
        self.id = NETWORK.id_of(parcel)
        self.dropper = caught_up(self.whole)
        blocks = self.dropper.blocks
        stored = blocks.transaction(PLACE)
        assert stored is not None
        blocks.drop([(PLACE, payload_dropped(check_stored(NETWORK.chain_id, stored)))])


@pytest.fixture(scope="module")
def world() -> World:
    return World()


class DroppingNode(LedgerNode):
    """Names who has what it has not, as the API does."""

    def _body(self, request: Any) -> Body:
        try:
            return super()._body(request)
        except PoolError as error:
            if error.code is ErrorCode.PAYLOAD_NOT_KEPT:
                error.context["holders"] = "a outsider nobody"
            raise


def forger(ledger: Ledger, id_: bytes) -> LedgerNode:
    def change(path: str, body: Body) -> Body:
        if path != f"/v1/transactions/{id_.hex()}/raw":
            return body
        stored = ledger.blocks.transaction(PLACE)
        assert stored is not None
        return encode(replace(stored, payload=stored.payload.replace(b'{"n":1}', b'{"n":9}')))

    return LedgerNode(ledger, change=change)


def bodies(nodes: Nodes, id_: bytes) -> tuple[bytes, ...]:
    receipt = nodes.run(nodes.session.receipt(id_))
    return nodes.run(parcel_of(nodes.session, None, receipt)).bodies


def test_s66_a_client_goes_on_to_who_has_it(world: World) -> None:
    dropper, keeper = DroppingNode(world.dropper), LedgerNode(world.whole)
    nodes = Nodes(NETWORK, [dropper, keeper])
    assert bodies(nodes, world.id) == (b'{"n":1}', b'{"n":2}')
    reading = OpenReading(nodes.session, "a.flights")
    opened = [item for chunk in nodes.items(reading.chunks()) for item in nodes.run(reading.fetch(chunk))]
    assert [record.body for item in opened for record in reading.records(item)] == [b'{"n":1}', b'{"n":2}']
    assert nodes.session.nodes.urls[0] == "http://node-0", "it has failed in nothing"
    assert set(keeper.asked) == {f"/v1/transactions/{world.id.hex()}/raw"}


def test_s66_members_that_are_named_are_found_by_the_genesis_file(world: World) -> None:
    nodes = Nodes(NETWORK, [DroppingNode(world.dropper)])
    nodes.nodes["http://a.example"] = LedgerNode(world.whole)
    assert bodies(nodes, world.id) == (b'{"n":1}', b'{"n":2}')


def test_s66_what_a_holder_gives_is_verified(world: World) -> None:
    nodes = Nodes(NETWORK, [DroppingNode(world.dropper), forger(world.whole, world.id)])
    nodes.nodes["http://a.example"] = LedgerNode(world.whole)
    assert bodies(nodes, world.id) == (b'{"n":1}', b'{"n":2}')
    nodes.nodes["http://a.example"] = forger(world.whole, world.id)
    with refuses(ErrorCode.PAYLOAD_NOT_KEPT):
        bodies(nodes, world.id)


def test_who_finds_nobody_is_told_so_after_each_was_asked_once(world: World) -> None:
    dropper, down = DroppingNode(world.dropper), LedgerNode(world.whole, is_up=False)
    nodes = Nodes(NETWORK, [dropper, DroppingNode(world.dropper), down])
    nodes.nodes["http://a.example"] = down
    with refuses(ErrorCode.PAYLOAD_NOT_KEPT):
        bodies(nodes, world.id)
    assert dropper.asked.count(f"/v1/transactions/{world.id.hex()}/raw") == 1
