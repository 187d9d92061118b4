"""How a method is declared once for both clients.

A method of ``blockpool.methods`` says what is to be done, without doing any I/O; the decorator says how its client
carries that out. ``Client`` gives what comes of it, ``AsyncClient`` the same to be awaited.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, cast, overload

from blockpool.answers import BlockEvent, VerifiedReceipt
from blockpool.events import EventFeed
from blockpool.exchange import Operation, Stream
from blockpool.operations.reading import OpenReading, SealedReading
from blockpool.operations.submitting import Submission
from blockpool.reading import AsyncReading, AsyncRecords, Reading, Records

if TYPE_CHECKING:
    from blockpool.client import AsyncClient, Client

P = ParamSpec("P")
T = TypeVar("T")
Plain = TypeVar("Plain", covariant=True)
Async = TypeVar("Async", covariant=True)


class Declared(Protocol[P, Plain, Async]):
    """A method that gives ``Plain`` from a ``Client`` and ``Async`` from an ``AsyncClient``."""

    @overload
    def __get__(self, client: Client, owner: object = None, /) -> Callable[P, Plain]: ...
    @overload
    def __get__(self, client: AsyncClient, owner: object = None, /) -> Callable[P, Async]: ...


def result(method: Callable[Concatenate[Any, P], Operation[T]]) -> Declared[P, T, Coroutine[Any, Any, T]]:
    """What an operation ends in."""
    return _carried_out("run", method)


def items(method: Callable[Concatenate[Any, P], Stream[T]]) -> Declared[P, Iterator[T], AsyncGenerator[T]]:
    """What a stream emits, one by one."""
    return _carried_out("iterate", method)


def records(method: Callable[Concatenate[Any, P], OpenReading]) -> Declared[P, Records, AsyncRecords]:
    """The records of a reading, fetched ahead, with what is told of it."""
    return _carried_out("records", method)


def reading(method: Callable[Concatenate[Any, P], SealedReading]) -> Declared[P, Reading, AsyncReading]:
    """The same of sealed records."""
    return _carried_out("reading", method)


def receipts(
    method: Callable[Concatenate[Any, P], Submission],
) -> Declared[P, Iterator[VerifiedReceipt], AsyncGenerator[VerifiedReceipt]]:
    """The receipts of a submission, in order."""
    return _carried_out("submit", method)


def events(
    method: Callable[Concatenate[Any, P], EventFeed],
) -> Declared[P, Generator[BlockEvent], AsyncGenerator[BlockEvent]]:
    """What a feed gives, without end."""
    return _carried_out("events", method)


def collected(
    stream: Declared[P, Iterator[T], AsyncGenerator[T]],
) -> Declared[P, list[T], Coroutine[Any, Any, list[T]]]:
    """All that another method gives, as one list."""
    return _carried_out("collect", cast(Callable[..., Any], stream))


def _carried_out(how: str, method: Callable[..., Any]) -> Any:
    @wraps(method)
    def call(client: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(client._runner, how)(method(client, *args, **kwargs))

    return call
