"""Carries operations out over httpx, for blocking programs: adds no rule of its own."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from threading import Event
from typing import TypeVar

import httpx

from blockpool.answers import BlockSummary, Record, VerifiedReceipt
from blockpool.events import EventFeed
from blockpool.exchange import Answer, Emit, Operation, Pause, Reply, Request, Send, Stream, Unreachable
from blockpool.operations.reading import Opened, Place, ReadPlan, SealedReading
from blockpool.operations.submitting import Submission
from blockpool.over_httpx import ReplyReader, arguments, client_settings, describe
from blockpool.pipeline import Stopped, in_order
from blockpool.reading import Reading

T = TypeVar("T")


class Runner:
    """Connections to nodes.

    Args:
        urls: base URLs of all of them.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self._http = httpx.Client(**client_settings(urls))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def run(self, operation: Operation[T], stop: Event | None = None) -> T:
        """Carry out an operation that gives one result; raises ``Stopped`` once ``stop`` is set."""
        answer: Answer = None
        try:
            while True:
                answer = self._do(operation.send(answer), stop)
        except StopIteration as end:
            result: T = end.value
            return result

    def iterate(self, operation: Stream[T], stop: Event | None = None) -> Iterator[T]:
        """Carry out an operation that gives many items."""
        answer: Answer = None
        try:
            while True:
                action = operation.send(answer)
                if isinstance(action, Emit):
                    answer = None
                    yield action.item
                else:
                    answer = self._do(action, stop)
        except StopIteration:
            return

    def read(self, plan: ReadPlan) -> Iterator[Record]:
        """Carry out a reading, fetching ahead in threads; they end with the iterator."""

        def chunks(stop: Event) -> Iterator[Sequence[Place]]:
            return self.iterate(plan.chunks(), stop)

        def fetch(chunk: Sequence[Place], stop: Event) -> list[Opened]:
            return self.run(plan.fetch(chunk), stop)

        with closing(in_order(chunks, fetch)) as fetched:
            for opened in chain.from_iterable(fetched):
                yield from plan.records(opened)

    def reading(self, plan: SealedReading) -> Reading:
        """Carry out a reading, and tell of it."""
        return Reading(plan, self.read(plan))

    def submit(self, submission: Submission) -> Iterator[VerifiedReceipt]:
        """Carry out a submission, several parcels at once in threads."""
        stop = Event()
        begun = self.run(submission.begin())
        waiting: deque[Future[VerifiedReceipt]] = deque()
        threads = ThreadPoolExecutor(submission.options.in_flight, "blockpool-submit")
        try:
            for group in begun.groups():
                waiting.append(threads.submit(self.run, begun.commit(begun.sign(*group)), stop))
                if len(waiting) >= submission.options.in_flight:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            stop.set()
            threads.shutdown(cancel_futures=True)

    def collect(self, stream: Iterator[T]) -> list[T]:
        """All that a stream gives."""
        return list(stream)

    def events(self, feed: EventFeed) -> Iterator[BlockSummary]:
        """Follow a feed."""
        while True:
            url, pause_s, request = feed.connection()
            time.sleep(pause_s)
            try:
                with self._http.stream(**arguments(url, request)) as response:
                    if response.status_code == 200:
                        feed.opened()
                        yield from filter(None, map(feed.take_line, response.iter_lines()))
                        feed.lost("the stream ended")
                    else:
                        feed.refused(_read(request, response))
            except httpx.RequestError as error:
                feed.lost(describe(error))

    def _do(self, action: Send | Pause, stop: Event | None) -> Answer:
        if stop is not None and stop.is_set():
            raise Stopped
        if isinstance(action, Pause):
            if stop is None:
                time.sleep(action.seconds)
            else:
                stop.wait(action.seconds)
        elif isinstance(action, Send):
            try:
                with self._http.stream(**arguments(action.url, action.request)) as response:
                    return _read(action.request, response)
            except httpx.RequestError as error:
                return Unreachable(describe(error))
        return None


def _read(request: Request, response: httpx.Response) -> Reply:
    reader = ReplyReader(request)
    for piece in response.iter_bytes():
        reader.take(piece)
    return reader.reply(response)
