"""The client for ordinary, blocking programs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from blockpool.answers import (
    BlockAnswer,
    BlockSummary,
    Dataset,
    NodeStatus,
    Record,
    RecordAnswer,
    TransactionAnswer,
    VerifiedReceipt,
)
from blockpool.events import EventFeed
from blockpool.exchange import Answer, Emit, NodePool, Operation, Pause, Reply, Request, RetryPolicy, Send, Unreachable
from blockpool.identity import Identity
from blockpool.operations import Operations, ResumeProbe
from blockpool.over_httpx import ReplyReader, arguments, client_settings, describe
from blockpool.signing import PARCEL_RECORDS, DatasetDefinition, RecordBody, RecordId, SignedTransaction
from chain.genesis import Genesis
from chain.packages import BlockPackage

T = TypeVar("T")


class Client:
    """A connection to a pool through one or several of its nodes. Use it in one thread, and close it (or use ``with``).

    No node is believed where proof is possible: receipts, records and evidence are verified against ``genesis``.
    Proxies named in the environment are not used.

    Args:
        urls: base URLs of nodes; the first that answers is used, the others when it fails.
        genesis: the network's genesis file, obtained from someone you trust. Needed for all that signs or verifies.
        identity: who signs. Needed for ``submit``, ``define`` and ``commit``'s transactions.
        retry: how long and how often to try.

    Every method raises ``PoolError`` with a stable code: a node's refusal, ``unreachable``, or what did not verify.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        genesis: Genesis | None = None,
        identity: Identity | None = None,
        *,
        retry: RetryPolicy | None = None,
    ) -> None:
        urls = [urls] if isinstance(urls, str) else list(urls)
        nodes = NodePool(urls, time.monotonic)
        self._operations = Operations(nodes, retry or RetryPolicy(), genesis, identity)
        self._http = httpx.Client(**client_settings(urls))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def status(self) -> NodeStatus:
        """What the node says about itself."""
        return self._run(self._operations.status())

    def datasets(self) -> tuple[Dataset, ...]:
        """The catalogue, as the node gives it."""
        return self._run(self._operations.datasets())

    def dataset(self, dataset: str) -> Dataset:
        """One catalogue entry, as the node gives it; raises ``not_found``."""
        return self._run(self._operations.dataset(dataset))

    def block(self, height: int | None = None) -> BlockAnswer:
        """The block at ``height`` (the newest by default), as the node gives it."""
        return self._run(self._operations.block(height))

    def transaction(self, transaction_id: bytes) -> TransactionAnswer:
        """Where a transaction stands, as the node gives it."""
        return self._run(self._operations.transaction(transaction_id))

    def record(self, record: RecordId) -> RecordAnswer:
        """A record, as the node gives it. ``evidence`` proves it."""
        return self._run(self._operations.record(record))

    def receipt(self, transaction_id: bytes) -> VerifiedReceipt:
        """The verified receipt of a committed transaction, accepted or not; raises ``not_found``."""
        return self._run(self._operations.receipt(transaction_id))

    def evidence(self, record: RecordId) -> bytes:
        """A record's evidence file (JSON), verified. Anyone can verify it again offline: ``verify_evidence``."""
        return self._run(self._operations.evidence(record))

    def define(self, definition: DatasetDefinition) -> VerifiedReceipt | None:
        """Register a dataset or update its entry; None if the catalogue says the same already."""
        return self._run(self._operations.define(definition))

    def commit(self, transaction: SignedTransaction) -> VerifiedReceipt:
        """Send a signed transaction and wait until it is final. Safe to repeat: the same bytes are the same
        transaction.

        Raises:
            TransactionRejected: the validators refused it, with the verified receipt that proves so.
            PoolError: anything else; after ``timeout`` or ``unreachable`` it may still commit.
        """
        return self._run(self._operations.commit(transaction))

    def submit(
        self,
        records: Iterable[RecordBody],
        dataset: str,
        *,
        parcel_records: int = PARCEL_RECORDS,
        idempotency_key: str | None = None,
    ) -> list[VerifiedReceipt]:
        """Share records: cut into parcels, signed, committed and verified. See ``submit_stream`` for the arguments."""
        return list(
            self.submit_stream(records, dataset, parcel_records=parcel_records, idempotency_key=idempotency_key)
        )

    def submit_stream(
        self,
        records: Iterable[RecordBody],
        dataset: str,
        *,
        parcel_records: int = PARCEL_RECORDS,
        idempotency_key: str | None = None,
    ) -> Iterator[VerifiedReceipt]:
        """Share records one parcel after the other, giving each receipt as it comes. Nothing is sent until you iterate.

        Args:
            records: bodies as bytes (sent verbatim), text or JSON objects; read as they are needed.
            dataset: a dataset that the identity's member owns.
            parcel_records: records in a parcel, 1 to 4,096.
            idempotency_key: names this submission. Repeating it with the same key and records after an interruption
                commits nothing twice. Without one, every call shares the records anew.

        Raises:
            TransactionRejected: the validators refused a parcel; earlier ones are committed.
        """
        probe = None if idempotency_key is None else ResumeProbe(in_flight=1)
        for parcel in self._operations.signed_parcels(records, dataset, parcel_records, idempotency_key):
            yield self._run(self._operations.commit_parcel(parcel, probe))

    def records(self, dataset: str) -> Iterator[Record]:
        """All records of a dataset in chain order. Each is verified; that none is left out is only the node's word."""
        return self._iterate(self._operations.records(dataset))

    def chain(self, first_height: int = 0) -> Iterator[BlockPackage]:
        """All blocks with their transactions, as the node gives them, for ``chain.audit.ChainAudit`` to verify."""
        return self._iterate(self._operations.chain(first_height))

    def events(self, from_height: int | None = None) -> Iterator[BlockSummary]:
        """Blocks as they are committed, each height once and in order, as the node gives them; from ``from_height``
        on or from now. Never ends by itself: a lost connection is taken up again where it broke off.
        """
        feed = EventFeed(self._operations.nodes, self._operations.policy, from_height)
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

    def _run(self, operation: Operation[T]) -> T:
        """Carry out an operation that gives one result."""
        answer: Answer = None
        try:
            while True:
                answer = self._do(operation.send(answer))
        except StopIteration as end:
            result: T = end.value
            return result

    def _iterate(self, operation: Operation[None]) -> Iterator[Any]:
        """Carry out an operation that gives many items."""
        answer: Answer = None
        try:
            while True:
                action = operation.send(answer)
                if isinstance(action, Emit):
                    answer = None
                    yield action.item
                else:
                    answer = self._do(action)
        except StopIteration:
            return

    def _do(self, action: Send | Pause | Emit) -> Answer:
        if isinstance(action, Pause):
            time.sleep(action.seconds)
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
