"""The parcels of a dataset, with proof that none is left out.

Whoever lists parcels could leave one out. But the state counts them: ``dataset-totals/DATASET`` after block ``h`` says
how many there are up to ``h``. So each stretch of a list is compared with that count before anything of it is used,
and a node whose list is shorter is passed over. Each parcel's own receipt then shows that it stands where the list has
it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Protocol, TypeVar

from blockpool.answers import ParcelPage, ParcelSummary
from blockpool.exchange import Emit, NodeRequest, Operation, Stream, UntrueAnswer, reader
from blockpool.operations.proofs import header_at, newest_header, state_entry
from blockpool.operations.session import Session
from chain.blocks import BlockHeader
from chain.errors import ErrorCode
from chain.limits import LIMITS
from chain.state.entries import DatasetTotals, dataset_totals_key

PAGE_PARCELS = 64
CHUNK_PARCELS = 8
"""Parcels that are fetched together, once a read is under way; at first fewer, so that it begins soon."""
_CHUNK_RECORDS = 4096


class _Counted(Protocol):
    """A parcel whose number of records is known; 0 if it is not."""

    @property
    def record_count(self) -> int: ...


Listed = TypeVar("Listed", bound=_Counted)


class Chunks:
    """Cuts parcels into lists that are fetched together, which bounds what is in memory at once."""

    def __init__(self) -> None:
        self._parcels_max = 1

    def of(self, parcels: Sequence[Listed]) -> Iterator[list[Listed]]:
        """The next parcels, cut."""
        start = 0
        while start < len(parcels):
            end, records = start, 0
            while end < len(parcels) and end - start < self._parcels_max:
                records += parcels[end].record_count
                if records > _CHUNK_RECORDS and end > start:
                    break
                end += 1
            yield list(parcels[start:end])
            self._parcels_max = min(2 * self._parcels_max, CHUNK_PARCELS)
            start = end


class ParcelListing:
    """The accepted parcels of a dataset in a range of heights, in chain order.

    Args:
        session: whom to ask.
        dataset: which dataset.
        from_height: first height.
        until_height: last height; 0 for that of the newest block when the listing begins.
    """

    def __init__(self, session: Session, dataset: str, from_height: int = 0, until_height: int = 0) -> None:
        self._session = session
        self._dataset = dataset
        self._until_height = until_height
        self._next_height = from_height
        """All parcels of the blocks before it were listed."""
        self._parcels_before = 0
        """Accepted parcels in the blocks before it, as the state counts them."""
        self.record_count = 0
        """Records in all these parcels, proven; known once the listing has begun."""

    def chunks(self, newest: BlockHeader | None = None) -> Stream[list[ParcelSummary]]:
        """Emit lists of up to 8 ``ParcelSummary``: what is fetched together. Before one is emitted, all of its blocks
        are known to be listed in full.

        Args:
            newest: the newest block's verified header, if it was just asked for.
        """
        end = newest or (yield from newest_header(self._session))
        if self._until_height and self._until_height < end.height:
            end = yield from header_at(self._session, self._until_height)
        if self._next_height > end.height:
            return
        totals = yield from self._dataset_totals(end)
        if self._next_height > 1:
            before = yield from self._dataset_totals((yield from header_at(self._session, self._next_height - 1)))
            self._parcels_before = before.parcels
            self.record_count = totals.records - before.records
        else:
            self.record_count = totals.records
        chunks = Chunks()
        while self._next_height <= end.height:
            accepted = yield from self._stretch(end, totals.parcels)
            for chunk in chunks.of(accepted):
                yield Emit(chunk)

    def _stretch(self, end: BlockHeader, parcels_at_end: int) -> Operation[list[ParcelSummary]]:
        """The accepted parcels of the next blocks, as many as a page has in full; one at least."""
        accepted: list[ParcelSummary] = []
        last_height = end.height

        def check(page: ParcelPage) -> Operation[None]:
            """All of this stretch stands or falls with the node that gave its first page."""
            nonlocal last_height
            listed = list(page.parcels)
            self._verify_order(listed, page)
            while not (is_last := _is_last(page, end)) and listed[-1].height == self._next_height:
                page = yield from self._page(f"{listed[-1].height}.{listed[-1].index}")  # a block longer than a page
                listed += page.parcels
                self._verify_order(listed, page)
            last_height = end.height if is_last else listed[-1].height - 1
            accepted[:] = [parcel for parcel in listed if parcel.code == "ok" and parcel.height <= last_height]
            counted = parcels_at_end
            if not is_last:
                counted = (yield from self._dataset_totals((yield from header_at(self._session, last_height)))).parcels
            self._verify_count(len(accepted), last_height, counted)

        start = f"{self._next_height - 1}.{LIMITS.block_transactions - 1}" if self._next_height else None
        yield from self._page(start, check)
        self._next_height = last_height + 1
        self._parcels_before += len(accepted)
        return accepted

    def _page(
        self, after: str | None, check: Callable[[ParcelPage], Operation[None]] | None = None
    ) -> Operation[ParcelPage]:
        parameters: dict[str, str | int] = {"limit": PAGE_PARCELS} | ({} if after is None else {"after": after})
        request = NodeRequest("GET", f"/v1/datasets/{self._dataset}/parcels", parameters)
        return self._session.exchange(request, reader(ParcelPage), check)

    def _verify_order(self, listed: Sequence[ParcelSummary], page: ParcelPage) -> None:
        """Nothing is listed twice or from before, and the list goes on."""
        places = [(self._next_height, -1), *((parcel.height, parcel.index) for parcel in listed)]
        if any(earlier >= later for earlier, later in pairwise(places)):
            raise UntrueAnswer(ErrorCode.BAD_PROOF, f"its list of {self._dataset} is not in chain order")
        if page.next is not None and not page.parcels:
            raise UntrueAnswer(ErrorCode.MALFORMED, f"its list of {self._dataset} has an empty page with more to come")

    def _verify_count(self, listed: int, height: int, counted: int) -> None:
        """There are as many accepted parcels up to ``height`` as the state counts there."""
        if self._parcels_before + listed != counted:
            raise UntrueAnswer(
                ErrorCode.BAD_PROOF,
                f"it lists {listed} parcels of {self._dataset} in blocks {self._next_height} to {height}, "
                f"the state counts {counted - self._parcels_before}",
            )

    def _dataset_totals(self, header: BlockHeader) -> Operation[DatasetTotals]:
        found = yield from state_entry(self._session, dataset_totals_key(self._dataset), DatasetTotals, header)
        return found or DatasetTotals(0, 0, 0, 0)


def _is_last(page: ParcelPage, end: BlockHeader) -> bool:
    return page.next is None or (bool(page.parcels) and page.parcels[-1].height > end.height)
