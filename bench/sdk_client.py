"""A program that shares records through the package: what it gets, and what that costs it. It runs in a process of its
own.
"""

import asyncio
import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench.records import flight_records, record_groups
from bench.workload import DIFFERENT_PARCELS
from blockpool import AsyncClient, Client, Identity, load_genesis
from chain.primitives.crypto import Ed25519Signer

_GROUP = 100
"""Records between two looks at the clock."""


@dataclass(frozen=True, slots=True)
class Program:
    """Who shares where."""

    url: str
    genesis: Path
    member: str
    seed: bytes
    """Of the key that signs."""
    dataset: str

    @property
    def identity(self) -> Identity:
        """Who signs."""
        return Identity(self.member, Ed25519Signer(self.seed))

    def client(self) -> Client:
        """A blocking client; close it."""
        return Client(self.url, load_genesis(self.genesis), self.identity)

    def async_client(self) -> AsyncClient:
        """An asyncio client; close it."""
        return AsyncClient(self.url, load_genesis(self.genesis), self.identity)


class Shared(NamedTuple):
    """What a run of a program came to."""

    records: int
    seconds: float
    cpu_seconds: float
    """Processor time of the program."""

    @property
    def per_second(self) -> float:
        """Records a second."""
        return self.records / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Processor time a record, milliseconds."""
        return self.cpu_seconds * 1000 / self.records


def calls(program: Program, at_once: int, duration_s: float) -> Shared:
    """One record a call, so many callers at once in threads."""
    with program.client() as client, ThreadPoolExecutor(at_once) as threads:
        client.submit([_record(0)], program.dataset)
        clock = _Clock(duration_s)

        def caller(number: int) -> int:
            return sum(len(client.submit([_record(number)], program.dataset)) for _ in clock.until_over())

        return clock.shared(sum(threads.map(caller, range(at_once))))


def async_calls(program: Program, at_once: int, duration_s: float) -> Shared:
    """One record a call, so many callers at once in tasks."""

    async def main() -> Shared:
        async with program.async_client() as client:
            await client.submit([_record(0)], program.dataset)
            clock = _Clock(duration_s)

            async def caller(number: int) -> int:
                return sum([len(await client.submit([_record(number)], program.dataset)) for _ in clock.until_over()])

            return clock.shared(sum(await asyncio.gather(*map(caller, range(at_once)))))

    return asyncio.run(main())


def submission(program: Program, parcel_records: int, duration_s: float) -> Shared:
    """One submission with defaults, of parcels of ``parcel_records``."""
    with program.client() as client:
        client.submit([_record(0)], program.dataset)
        clock = _Clock(duration_s)
        stream = client.submit_stream(_records(clock), program.dataset, parcel_records=parcel_records)
        return clock.shared(sum(receipt.record_count for receipt in stream))


def async_submission(program: Program, parcel_records: int, duration_s: float) -> Shared:
    """The same for asyncio."""

    async def main() -> Shared:
        async with program.async_client() as client:
            await client.submit([_record(0)], program.dataset)
            clock = _Clock(duration_s)
            stream = client.submit_stream(_records(clock), program.dataset, parcel_records=parcel_records)
            return clock.shared(sum([receipt.record_count async for receipt in stream]))

    return asyncio.run(main())


def _records(clock: "_Clock") -> Iterator[bytes]:
    """Records in groups, as long as there is time."""
    groups = itertools.cycle(record_groups(_GROUP, DIFFERENT_PARCELS))
    return itertools.chain.from_iterable(group for group, _ in zip(groups, clock.until_over(), strict=False))


def _record(number: int) -> bytes:
    records = flight_records()
    return records[number % len(records)]


class _Clock:
    """From now on, for a while."""

    def __init__(self, duration_s: float) -> None:
        self._started_s, self._cpu_s = time.monotonic(), time.process_time()
        self._end_s = self._started_s + duration_s

    def until_over(self) -> Iterator[None]:
        """Once more, as long as there is time."""
        while time.monotonic() < self._end_s:
            yield

    def shared(self, records: int) -> Shared:
        """So many records were committed by now."""
        return Shared(records, time.monotonic() - self._started_s, time.process_time() - self._cpu_s)
