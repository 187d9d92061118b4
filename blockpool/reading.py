"""A read under way: iterate it for the records; one of sealed records is then acknowledged."""

from collections.abc import AsyncGenerator, Generator
from typing import Generic, Self, TypeVar

from blockpool.answers import Record
from blockpool.operations.reading import OpenReading, SealedReading
from blockpool.read_reporter import ReadReporter
from blockpool.signing import RecordId
from chain.errors import ErrorCode, PoolError
from chain.state.entries import RequestEntry

Plan = TypeVar("Plan", bound=OpenReading | SealedReading)


class _Told(Generic[Plan]):
    """What every read tells of itself."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    @property
    def erased(self) -> list[bytes]:
        """Ids of the parcels that were left out because they were erased, which is proven."""
        return self._plan.erased

    @property
    def erased_records(self) -> list[RecordId]:
        """Records of other parcels that were left out for the same."""
        return self._plan.erased_records

    @property
    def expected_records(self) -> int:
        """How many records there are, erased ones included, proven; 0 until the first was asked for, and where parcels
        are named.
        """
        return self._plan.record_count

    @property
    def cursor(self) -> int:
        """Height up to which it goes: given back as ``since``, it brings what came later. Raises ``bad_request`` before
        the first record was asked for.
        """
        if self._plan.cursor is None:
            raise PoolError(ErrorCode.BAD_REQUEST, "nothing was read yet")
        return self._plan.cursor


class _Iterator:
    """Its records, one by one."""

    _records: Generator[Record]

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Record:
        return next(self._records)

    def close(self) -> None:
        """End the read before its end; so does dropping it."""
        self._records.close()


class _AsyncIterator:
    """The same asynchronously. Close it (``contextlib.aclosing``) if you stop before its end."""

    _records: AsyncGenerator[Record]

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Record:
        return await anext(self._records)

    async def aclose(self) -> None:
        """End the read."""
        await self._records.aclose()


class Records(_Told[OpenReading], _Iterator):
    """An iterator of open records."""

    def __init__(self, plan: OpenReading, records: Generator[Record]) -> None:
        super().__init__(plan)
        self._records = records


class AsyncRecords(_Told[OpenReading], _AsyncIterator):
    """An asynchronous iterator of open records."""

    def __init__(self, plan: OpenReading, records: AsyncGenerator[Record]) -> None:
        super().__init__(plan)
        self._records = records


class Read(_Told[SealedReading]):
    """What both forms of a read of sealed records tell of it."""

    @property
    def request(self) -> RequestEntry | None:
        """The request with the grant, proven; None until the first record was asked for."""
        return self._plan.request

    @property
    def culprits(self) -> list[tuple[str, PoolError]]:
        """Members that gave wrong key shares, and what was wrong with them."""
        return self._plan.shares.culprits

    @property
    def closed(self) -> list[bytes]:
        """Ids of the parcels that were left out because they can only be opened with more than was granted."""
        return self._plan.closed

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


class Reading(Read, _Iterator):
    """An iterator of records. Dropping it ends the read; what was handed out can be acknowledged all the same."""

    def __init__(self, plan: SealedReading, records: Generator[Record]) -> None:
        super().__init__(plan)
        self._records = records


class AsyncReading(Read, _AsyncIterator):
    """An asynchronous iterator of records. Dropping it ends the read; what was handed out can be acknowledged."""

    def __init__(self, plan: SealedReading, records: AsyncGenerator[Record]) -> None:
        super().__init__(plan)
        self._records = records
