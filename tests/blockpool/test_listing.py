"""Lists of parcels against the state's counters, for chains of any shape and any parcel left out."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockpool.operations.listing import CHUNK_PARCELS, PAGE_PARCELS, Chunks, ParcelListing
from chain.errors import ErrorCode
from chain.ledger import Ledger
from tests.blockpool.ledger_node import LedgerNode, Nodes
from tests.networks import TestNetwork
from tests.refusals import refuses

NETWORK = TestNetwork()
DATASET = "a.flights"


def chain_of(counts: list[int], rejected_every: int = 0) -> Ledger:
    """A ledger with so many parcels of ``a.flights`` in its blocks from 2 on, and other datasets' between them."""
    ledger = NETWORK.ledger()
    NETWORK.commit(ledger, [NETWORK.dataset(), NETWORK.dataset(name="other")])
    made = 0
    for count in counts:
        block = [NETWORK.parcel(dataset="a.other")]
        for _ in range(count):
            made += 1
            is_rejected = rejected_every and made % rejected_every == 0
            block.append(NETWORK.parcel([b"no JSON" if is_rejected else b'{"n":1}']))
        NETWORK.commit(ledger, block)
    return ledger


def listed(nodes: Nodes, from_height: int = 0, until_height: int = 0) -> list[tuple[int, int]]:
    chunks = nodes.items(ParcelListing(nodes.session, DATASET, from_height, until_height).chunks())
    assert all(1 <= len(chunk) <= CHUNK_PARCELS for chunk in chunks)
    return [(parcel.height, parcel.index) for chunk in chunks for parcel in chunk]


def accepted(ledger: Ledger, from_height: int = 0, until_height: int = 0) -> list[tuple[int, int]]:
    places = ledger.blocks.parcels(DATASET, None, 10_000)
    return [
        (place.height, place.position)
        for place in places
        if ledger.block_at(place.height).outcomes[place.position].is_ok
        and from_height <= place.height <= (until_height or place.height)
    ]


@given(
    counts=st.lists(st.integers(min_value=0, max_value=5), max_size=8),
    rejected_every=st.integers(min_value=0, max_value=4),
    heights=st.tuples(st.integers(min_value=0, max_value=10), st.integers(min_value=0, max_value=10)),
)
@settings(max_examples=60)
def test_every_parcel_of_a_range_is_listed(counts: list[int], rejected_every: int, heights: tuple[int, int]) -> None:
    ledger = chain_of(counts, rejected_every)
    nodes = Nodes(NETWORK, [LedgerNode(ledger)])
    assert listed(nodes, *heights) == accepted(ledger, *heights)


@pytest.fixture(scope="module")
def long_chain() -> Ledger:
    """Three pages of parcels, in blocks that do not end where pages do; one block is longer than a page."""
    return chain_of([10, 30, 40, PAGE_PARCELS + 20, 5])


def test_lists_of_many_pages(long_chain: Ledger) -> None:
    nodes = Nodes(NETWORK, [LedgerNode(long_chain)])
    assert listed(nodes) == accepted(long_chain)
    assert listed(nodes, 3, 5) == accepted(long_chain, 3, 5)
    assert sum(path.endswith("/parcels") for path in nodes.nodes["http://node-0"].asked) >= 6


@pytest.mark.parametrize("dropped", [0, 9, 10, 62, 63, 64, 79, 80, 127, 128, 150, 168])
def test_a_parcel_dropped_anywhere_is_missed(long_chain: Ledger, dropped: int) -> None:
    missing = accepted(long_chain)[dropped]

    def drop(path: str, body: Any) -> Any:
        if not path.endswith("/parcels"):
            return body
        kept = [parcel for parcel in body["parcels"] if (parcel["height"], parcel["index"]) != missing]
        return body | {"parcels": kept}

    liar = LedgerNode(long_chain, change=drop)
    with refuses(ErrorCode.BAD_PROOF):
        listed(Nodes(NETWORK, [liar]))
    assert listed(Nodes(NETWORK, [liar, LedgerNode(long_chain)])) == accepted(long_chain)


def test_the_number_of_records_is_known_beforehand(long_chain: Ledger) -> None:
    nodes = Nodes(NETWORK, [LedgerNode(long_chain)])
    listing = ParcelListing(nodes.session, DATASET, 3, 5)
    nodes.items(listing.chunks())
    assert listing.record_count == len(accepted(long_chain, 3, 5))


def test_a_node_that_is_behind_is_passed_over(long_chain: Ledger) -> None:
    nodes = Nodes(NETWORK, [LedgerNode(chain_of([3])), LedgerNode(long_chain)])
    nodes.session.saw(long_chain.tip.height)
    assert listed(nodes) == accepted(long_chain)


def test_an_empty_page_with_more_to_come_is_refused(long_chain: Ledger) -> None:
    def stall(path: str, body: Any) -> Any:
        return {"parcels": [], "next": "1.0"} if path.endswith("/parcels") else body

    with refuses(ErrorCode.MALFORMED):
        listed(Nodes(NETWORK, [LedgerNode(long_chain, change=stall)]))


class Counted:
    def __init__(self, record_count: int) -> None:
        self.record_count = record_count


@given(st.lists(st.lists(st.integers(min_value=0, max_value=4096), max_size=20), max_size=5))
def test_chunks_grow_and_are_bounded(pages: list[list[int]]) -> None:
    chunks = Chunks()
    cut = [[parcel.record_count for parcel in chunk] for page in pages for chunk in chunks.of([*map(Counted, page)])]
    assert [count for chunk in cut for count in chunk] == [count for page in pages for count in page]
    assert all(len(chunk) == 1 or sum(chunk) <= 4096 for chunk in cut)
    assert [len(chunk) <= most for chunk, most in zip(cut, (1, 2, 4, *[8] * len(cut)), strict=False)] == [True] * len(
        cut
    )
