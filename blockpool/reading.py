"""A read under way: iterate it for the records, then acknowledge it."""

from collections.abc import AsyncGenerator, Iterator
from typing import Self

from blockpool.answers import Record
from blockpool.operations.reading import SealedReading
from blockpool.read_reporter import ReadReporter
from chain.errors import ErrorCode, PoolError
from chain.state.entries import RequestEntry


class Read:
    """What both forms of a read tell of it."""

    def __init__(self, plan: SealedReading) -> None:
        self._plan = plan

    @property
    def request(self) -> RequestEntry | None:
        """The request with the grant, proven; None until the first record was asked for."""
        return self._plan.request

    @property
    def culprits(self) -> list[tuple[str, PoolError]]:
        """Members that gave wrong key shares, and what was wrong with them."""
        return self._plan.shares.culprits

    @property
    def erased(self) -> list[bytes]:
        """Ids of the parcels that were left out because they were erased, which is proven."""
        return self._plan.erased

    @property
    def expected_records(self) -> int:
        """How many records there are, erased ones included, proven; 0 until the first was asked for, and where parcels
        are named.
        """
        return self._plan.record_count

    @property
    def returned_records(self) -> int:
        """How many records were handed out."""
        return self._plan.log.record_count if self._plan.log else 0

    @property
    def log(self) -> ReadReporter:
        """What is to be reported; raises ``bad_request`` before the first record was asked for."""
        if self._plan.log is None:
            raise PoolError(ErrorCode.BAD_REQUEST, "nothing was read yet")
        return self._plan.log


class Reading(Read):
    """An iterator of records. Dropping it ends the read; what was handed out can be acknowledged all the same."""

    def __init__(self, plan: SealedReading, records: Iterator[Record]) -> None:
        super().__init__(plan)
        self._records = records

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Record:
        return next(self._records)


class AsyncReading(Read):
    """An asynchronous iterator of records. Close it (``contextlib.aclosing``) if you stop before its end."""

    def __init__(self, plan: SealedReading, records: AsyncGenerator[Record]) -> None:
        super().__init__(plan)
        self._records = records

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Record:
        return await anext(self._records)

    async def aclose(self) -> None:
        """End the read; what was handed out can be acknowledged all the same."""
        await self._records.aclose()
