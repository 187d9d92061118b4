"""Who used a parcel: the lists that the block store keeps are those that the state has in one hash."""

import pytest

from chain.errors import ErrorCode
from chain.state.entries import EMPTY_HISTORY, DerivedParcels, ReadHistory, derived_key
from chain.storage.blocks import Location
from tests.chain.access_world import AccessWorld

DATASET = "a.flights"


def listed(world: AccessWorld, places: list[Location]) -> ReadHistory:
    """The history of the transactions at these places."""
    ids = [world.ledger.block_at(place.height).outcomes[place.position].transaction_id for place in places]
    return world.history_of(*ids)


@pytest.fixture
def world() -> AccessWorld:
    return AccessWorld()


def test_the_list_of_a_parcels_reads_is_its_history_in_the_state(world: AccessWorld) -> None:
    network = world.network
    first, second = world.accept(network.sealed_parcel(), network.sealed_parcel())
    everything, _ = world.ask()
    named, _ = world.ask("c", parcels=(second,))
    world.accept(network.read_report(everything, [first, second]), network.read_report(named, [second], "c"))
    world.commit(network.read_report(named, [first], "c"))  # rejected: the request does not name it
    for parcel, count in ((first, 1), (second, 3)):
        places = world.ledger.blocks.parcel_reads(DATASET, parcel, None, 100)
        assert listed(world, places) == world.parcel_reads(parcel).history
        assert len(places) == count
        assert world.ledger.blocks.parcel_reads(DATASET, parcel, places[0], 100) == places[1:]
        assert world.ledger.blocks.parcel_reads(DATASET, parcel, None, 1) == places[:1]


def test_what_names_a_parcel_under_another_dataset_is_not_among_its_reads(world: AccessWorld) -> None:
    network = world.network
    (parcel,) = world.accept(network.sealed_parcel())
    world.accept(network.request("b", "c.secret", parcels=(parcel,)))
    assert world.ledger.blocks.parcel_reads(DATASET, parcel, None, 100) == []
    assert world.parcel_reads(parcel).history == EMPTY_HISTORY
    places = world.ledger.blocks.parcel_reads("c.secret", parcel, None, 100)
    assert listed(world, places) == world.parcel_reads(parcel, "c.secret").history != EMPTY_HISTORY


def test_the_list_of_what_was_made_of_a_parcel_is_its_history_in_the_state(world: AccessWorld) -> None:
    network = world.network
    world.accept(network.dataset("b", "delays"), network.dataset("b", "storms"))
    (source,) = world.accept(network.sealed_parcel([b'{"n":1}', b'{"n":2}']))
    made = network.parcel(member="b", dataset="b.delays", derived_from=((source, 0), (source, 1)))
    again = network.parcel(member="b", dataset="b.storms", derived_from=((source, 1), (network.id_of(made), 0)))
    world.accept(made)
    world.accept(again)
    world.commit(network.parcel([b"no JSON"], "b", "b.delays", derived_from=((source, 0),)))  # rejected
    world.refuse(network.parcel(member="b", dataset="b.delays", derived_from=((source, 2),)), ErrorCode.UNKNOWN_SOURCE)
    blocks = world.ledger.blocks
    for parcel, expected in ((source, [made, again]), (network.id_of(made), [again]), (network.id_of(again), [])):
        entry = world.ledger.entry(derived_key(parcel), DerivedParcels) or DerivedParcels()
        assert listed(world, blocks.derived(parcel, None, 100)) == entry.history
        assert entry.history == world.history_of(*map(network.id_of, expected))
