"""The parcels of a dataset, with proof that none is left out.

Whoever lists parcels could leave one out. But the state counts them: ``usage/DATASET`` after block ``h`` says how many
there are up to ``h``. So each page of a list is compared with that count before anything of it is used, and a node
whose list is shorter is passed over. Each parcel's own receipt then shows that it stands where the list has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Protocol, TypeVar

from blockpool.answers import ParcelPage, ParcelSummary
from blockpool.exchange import Emit, Operation, Request, UntrueAnswer, reader
from blockpool.operations.proofs import header_at, newest_header, state_entry
from blockpool.operations.session import Session
from chain.blocks import BlockHeader
from chain.errors import ErrorCode
from chain.limits import LIMITS
from chain.state import DatasetUsage, usage_key

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
        self._from_height = from_height
        self._until_height = until_height
        self._parcels_before = 0
        """Accepted parcels below ``from_height``."""
        self._listed = 0
        """Accepted parcels in the pages so far."""
        self._last_place = (from_height, -1)
        """(height, index) of the last parcel listed."""
        self.record_count = 0
        """Records in all these parcels, proven; known once the listing has begun."""

    def chunks(self, newest: BlockHeader | None = None) -> Operation[None]:
        """Emit lists of up to 8 ``ParcelSummary``: what is fetched together. By the end, none is left out.

        Args:
            newest: the newest block's verified header, if it was just asked for.
        """
        end = newest or (yield from newest_header(self._session))
        if self._until_height and self._until_height < end.height:
            end = yield from header_at(self._session, self._until_height)
        if self._from_height > end.height:
            return
        usage = yield from self._usage(end)
        before = DatasetUsage(0, 0, 0, 0)
        if self._from_height > 1:
            before = yield from self._usage((yield from header_at(self._session, self._from_height - 1)))
        self._parcels_before = before.parcels
        self.record_count = usage.records - before.records
        after = f"{self._from_height - 1}.{LIMITS.block_transactions - 1}" if self._from_height else None
        chunks = Chunks()
        is_last = False
        while not is_last:
            page = yield from self._page(after, end, usage.parcels)
            accepted = _accepted(page, end.height)
            for chunk in chunks.of(accepted):
                yield Emit(chunk)
            is_last, after = _is_last(page, end), page.next
            self._listed += len(accepted)
            if page.parcels:
                self._last_place = (page.parcels[-1].height, page.parcels[-1].index)

    def _page(self, after: str | None, end: BlockHeader, parcels_at_end: int) -> Operation[ParcelPage]:
        def check(page: ParcelPage) -> Operation[None]:
            self._verify_order(page)
            if _is_last(page, end):
                self._verify_count(page, end.height, parcels_at_end)
                return
            height = page.parcels[-1].height - 1  # of the last block, more may be on the next page
            if height >= self._last_place[0]:
                usage = yield from self._usage((yield from header_at(self._session, height)))
                self._verify_count(page, height, usage.parcels)

        parameters: dict[str, str | int] = {"limit": PAGE_PARCELS} | ({} if after is None else {"after": after})
        request = Request("GET", f"/v1/datasets/{self._dataset}/parcels", parameters)
        return self._session.exchange(request, reader(ParcelPage), check)

    def _verify_order(self, page: ParcelPage) -> None:
        """Nothing is listed twice, and the list goes on."""
        places = [self._last_place, *((parcel.height, parcel.index) for parcel in page.parcels)]
        if any(earlier >= later for earlier, later in pairwise(places)):
            raise UntrueAnswer(ErrorCode.BAD_PROOF, f"its list of {self._dataset} is not in chain order")
        if page.next is not None and not page.parcels:
            raise UntrueAnswer(ErrorCode.MALFORMED, f"its list of {self._dataset} has an empty page with more to come")

    def _verify_count(self, page: ParcelPage, height: int, counted: int) -> None:
        """The lists so far have as many parcels up to ``height`` as the state counts there."""
        listed = self._listed + len(_accepted(page, height))
        wanted = counted - self._parcels_before
        if listed != wanted:
            raise UntrueAnswer(
                ErrorCode.BAD_PROOF,
                f"it lists {listed} parcels of {self._dataset} up to block {height}, the state counts {wanted}",
            )

    def _usage(self, header: BlockHeader) -> Operation[DatasetUsage]:
        found = yield from state_entry(self._session, usage_key(self._dataset), DatasetUsage, header)
        return found or DatasetUsage(0, 0, 0, 0)


def _accepted(page: ParcelPage, until_height: int) -> list[ParcelSummary]:
    return [parcel for parcel in page.parcels if parcel.code == "ok" and parcel.height <= until_height]


def _is_last(page: ParcelPage, end: BlockHeader) -> bool:
    return page.next is None or (bool(page.parcels) and page.parcels[-1].height > end.height)
