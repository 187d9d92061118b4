"""The client for asyncio programs. It is ``Client`` with ``await``: arguments, results and errors are described
there.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from blockpool.access_signing import ReaderKey, RequestTerms
from blockpool.answers import (
    BlockAnswer,
    BlockSummary,
    ContractAnswer,
    Dataset,
    NodeStatus,
    ReadSummary,
    Record,
    RecordAnswer,
    RequestState,
    TransactionAnswer,
    VerifiedReceipt,
)
from blockpool.async_runner import AsyncRunner
from blockpool.events import EventFeed
from blockpool.exchange import NodePool, RetryPolicy
from blockpool.identity import Identity
from blockpool.operations import (
    access,
    disclosing,
    erasure,
    evidence_files,
    history,
    members,
    provenance,
    queries,
    reading,
    submitting,
)
from blockpool.operations.access import AccessRequest
from blockpool.operations.key_shares import OnCulprit
from blockpool.operations.parcels import Parcel
from blockpool.operations.session import Session
from blockpool.operations.submitting import ResumeProbe, SubmissionOptions
from blockpool.provenance import DEFAULT_BOUNDS, Provenance, ProvenanceBounds
from blockpool.reading import AsyncReading
from blockpool.sealing import Commitments
from blockpool.signing import PARCEL_RECORDS, DatasetDefinition, RecordBody, RecordId, SignedTransaction
from chain.genesis import Genesis
from chain.packages import BlockPackage
from chain.primitives.types import Answer as AnswerName
from chain.proofs.history import TreeHead
from chain.proofs.trust import TrustHistory
from chain.state.entries import RequestStatus
from sealing import KemPrivateKey

PARCELS_IN_FLIGHT = 4
"""Parcels of one submission that wait for their commit at the same time."""


class AsyncClient:
    """A connection to a pool from one event loop. Close it, or use ``async with``. See ``Client``."""

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
        self._session = Session(
            nodes, retry or RetryPolicy(), TrustHistory(genesis) if genesis is not None else None, identity
        )
        self._runner = AsyncRunner(urls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._runner.close()

    async def status(self) -> NodeStatus:
        """What the node says about itself."""
        return await self._runner.run(queries.status(self._session))

    async def sealing_keys(self) -> Mapping[str, bytes]:
        """KEM keys of the validators, by name, for ``sign_sealed_parcel``; proven. Raises ``no_contracts``."""
        return await self._runner.run(members.sealing_keys(self._session))

    async def datasets(self) -> tuple[Dataset, ...]:
        """The catalogue, as the node gives it."""
        return await self._runner.run(queries.datasets(self._session))

    async def dataset(self, dataset: str) -> Dataset:
        """One catalogue entry, as the node gives it; raises ``not_found``."""
        return await self._runner.run(queries.dataset(self._session, dataset))

    async def block(self, height: int | None = None) -> BlockAnswer:
        """The block at ``height`` (the newest by default), as the node gives it."""
        return await self._runner.run(queries.block(self._session, height))

    async def transaction(self, transaction_id: bytes) -> TransactionAnswer:
        """Where a transaction stands, as the node gives it."""
        return await self._runner.run(queries.transaction(self._session, transaction_id))

    async def record(self, record: RecordId) -> RecordAnswer:
        """A record, as the node gives it. ``evidence`` proves it."""
        return await self._runner.run(queries.record(self._session, record))

    async def receipt(self, transaction_id: bytes) -> VerifiedReceipt:
        """The verified receipt of a committed transaction, accepted or not; raises ``not_found``."""
        return await self._runner.run(self._session.receipt(transaction_id))

    async def evidence(self, record: RecordId, tree: TreeHead | None = None) -> bytes:
        """A record's evidence file (JSON), verified.

        Args:
            record: which record.
            tree: head of a checkpoint that you hold: what came of the record is then as of that checkpoint.
        """
        return await self._runner.run(evidence_files.record_evidence(self._session, record, tree))

    async def read_evidence(self, request_id: bytes, tree: TreeHead | None = None) -> bytes:
        """The evidence file of a read: request, decision, answers, read reports. ``tree`` as in ``evidence``."""
        return await self._runner.run(evidence_files.read_evidence(self._session, request_id, tree))

    async def no_grant_evidence(
        self,
        dataset: str,
        reader: str,
        from_height: int = 1,
        until_height: int | None = None,
        tree: TreeHead | None = None,
    ) -> bytes:
        """The evidence file that a member had no grant on a dataset from one height to another, by default the newest;
        raises ``not_absent`` where it had one.
        """
        return await self._runner.run(
            evidence_files.no_grant_evidence(self._session, dataset, reader, from_height, until_height, tree)
        )

    async def no_read_evidence(
        self,
        parcel_id: bytes,
        from_height: int = 1,
        until_height: int | None = None,
        tree: TreeHead | None = None,
    ) -> bytes:
        """The evidence file that no read report for a sealed parcel was committed from one height to another, by
        default the newest; raises ``not_absent`` where there is one.
        """
        return await self._runner.run(
            evidence_files.no_read_evidence(self._session, parcel_id, from_height, until_height, tree)
        )

    async def define(self, definition: DatasetDefinition) -> VerifiedReceipt | None:
        """Register a dataset or update its entry; None if the catalogue says the same already."""
        return await self._runner.run(submitting.define(self._session, definition))

    async def deploy(
        self, contract: str, source: str, parameters: str | Mapping[str, Any] = "{}"
    ) -> VerifiedReceipt | None:
        """Deploy an access contract or update it; None if the same is deployed already."""
        return await self._runner.run(submitting.deploy(self._session, contract, source, parameters))

    async def contracts(self) -> tuple[ContractAnswer, ...]:
        """The deployed contracts without their sources, as the node gives them."""
        return await self._runner.run(queries.contracts(self._session))

    async def contract(self, contract: str) -> ContractAnswer:
        """One contract with its source, as the node gives it; raises ``not_found``."""
        return await self._runner.run(queries.contract(self._session, contract))

    async def commit(self, transaction: SignedTransaction) -> VerifiedReceipt:
        """Send a signed transaction and wait until it is final."""
        return await self._runner.run(self._session.commit(transaction))

    async def submit(
        self,
        records: Iterable[RecordBody],
        dataset: str,
        *,
        parcel_records: int = PARCEL_RECORDS,
        idempotency_key: str | None = None,
        commitments: Commitments = "whole",
        sealed: bool | None = None,
        journal: Path | None = None,
        derived_from: Sequence[RecordId] = (),
        in_flight: int = PARCELS_IN_FLIGHT,
    ) -> list[VerifiedReceipt]:
        """Share records: cut into parcels, sealed unless the dataset is open, signed, committed and verified."""
        stream = self.submit_stream(
            records,
            dataset,
            parcel_records=parcel_records,
            idempotency_key=idempotency_key,
            commitments=commitments,
            sealed=sealed,
            journal=journal,
            derived_from=derived_from,
            in_flight=in_flight,
        )
        return [receipt async for receipt in stream]

    async def submit_stream(
        self,
        records: Iterable[RecordBody],
        dataset: str,
        *,
        parcel_records: int = PARCEL_RECORDS,
        idempotency_key: str | None = None,
        commitments: Commitments = "whole",
        sealed: bool | None = None,
        journal: Path | None = None,
        derived_from: Sequence[RecordId] = (),
        in_flight: int = PARCELS_IN_FLIGHT,
    ) -> AsyncGenerator[VerifiedReceipt]:
        """Share records, with up to ``in_flight`` parcels waiting for their commit; gives the receipts in order.

        When a parcel fails, those after it that are in flight are given up: they may still commit.
        """
        options = SubmissionOptions(parcel_records, idempotency_key, commitments, sealed, journal, tuple(derived_from))
        submission = await self._runner.run(submitting.begin_submission(self._session, dataset, options))
        probe = ResumeProbe(in_flight) if options.is_repeatable else None
        waiting: deque[asyncio.Task[VerifiedReceipt]] = deque()
        try:
            for group in submission.groups(records):
                # Sealing and writing a journal take milliseconds: the loop goes on meanwhile, and sends what is ready.
                parcel = await asyncio.to_thread(submission.sign, *group)
                waiting.append(asyncio.create_task(self._runner.run(submission.commit(parcel, probe))))
                if len(waiting) >= in_flight:
                    yield await waiting.popleft()
            while waiting:
                yield await waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def erase(self, parcel: bytes, legal_basis: str, reason: str = "") -> VerifiedReceipt:
        """Have every node drop the payload of a parcel for good."""
        return await self._runner.run(erasure.erase(self._session, parcel, legal_basis, reason))

    async def records(self, dataset: str, *, erased: list[bytes] | None = None) -> AsyncGenerator[Record]:
        """All records of an open dataset in chain order, each verified, none left out but those that were erased."""
        async with aclosing(self._runner.read(reading.OpenReading(self._session, dataset, erased))) as found:
            async for record in found:
                yield record

    async def request(
        self,
        dataset: str,
        purpose: str,
        reader_key: ReaderKey,
        *,
        parcels: Sequence[bytes] = (),
        from_height: int = 0,
        until_height: int = 0,
        until_ms: int = 0,
        legal_basis: str = "",
        case_number: str = "",
        person: str = "",
    ) -> AccessRequest:
        """Ask to read a dataset that is not open. A denial is an answer, not an error."""
        terms = RequestTerms(
            dataset, purpose, parcels, from_height, until_height, until_ms, legal_basis, case_number, person
        )
        return await self._runner.run(access.request(self._session, terms, reader_key, time.time_ns() // 1_000_000))

    async def answer(self, request_id: bytes, dataset: str, answer: AnswerName, reason: str = "") -> VerifiedReceipt:
        """Answer a request: ``approve``, ``refuse`` or ``revoke``."""
        return await self._runner.run(access.answer(self._session, request_id, dataset, answer, reason))

    async def requests(
        self,
        dataset: str | None = None,
        reader: str | None = None,
        status: RequestStatus | None = None,
        approver: str | None = None,
    ) -> AsyncGenerator[RequestState]:
        """Requests in chain order, as the node gives them."""
        operation = queries.requests(self._session, dataset, reader, status, approver)
        async with aclosing(self._runner.iterate(operation)) as found:
            async for view in found:
                yield view

    async def request_view(self, request_id: bytes, wait_s: float = 0) -> RequestState:
        """A request as it stands, as the node gives it; with ``wait_s``, once it is no longer being asked about."""
        return await self._runner.run(queries.request_view(self._session, request_id, wait_s))

    async def reads(self, dataset: str) -> AsyncGenerator[ReadSummary]:
        """Every request, answer and read report of a dataset in chain order, as the node gives them."""
        async with aclosing(self._runner.iterate(queries.reads(self._session, dataset))) as found:
            async for summary in found:
                yield summary

    async def read_history(
        self,
        dataset: str,
        reader: str = "",
        parcel_id: bytes | None = None,
        on_read: history.OnRead = lambda done, total: None,
    ) -> history.ProvenReads:
        """All reads of a dataset up to the newest block, proven: none is left out and none made up."""
        return await self._runner.run(history.read_history(self._session, dataset, reader, parcel_id, on_read))

    async def provenance(
        self,
        record: RecordId,
        bounds: ProvenanceBounds = DEFAULT_BOUNDS,
        on_parcel: provenance.OnParcel = lambda count: None,
    ) -> Provenance:
        """Where a record comes from, who used it and what they made of it, proven."""
        return await self._runner.run(provenance.provenance(self._session, record, bounds, on_parcel))

    def read(
        self,
        request_id: bytes,
        reader_key: KemPrivateKey,
        *,
        parcels: Sequence[bytes] | None = None,
        fields: Sequence[str] | None = None,
        on_parcel: Callable[[Parcel], None] | None = None,
        on_culprit: OnCulprit | None = None,
    ) -> AsyncReading:
        """Read what a granted request covers: an asynchronous iterator of records with their plaintexts."""
        plan = reading.SealedReading(self._session, request_id, reader_key, parcels, fields, on_parcel, on_culprit)
        return AsyncReading(plan, self._runner.read(plan))

    async def acknowledge(self, reading_: AsyncReading) -> list[VerifiedReceipt]:
        """Commit read reports of what a read has handed out so far and was not reported yet."""
        return await self._runner.run(reading.acknowledge(self._session, reading_.log))

    async def disclose(
        self, record: RecordId, request_id: bytes, reader_key: KemPrivateKey, names: Sequence[str] = ()
    ) -> bytes:
        """Prove fields of a sealed record, or the whole of it, to somebody who may not read it."""
        return await self._runner.run(disclosing.disclose(self._session, record, request_id, reader_key, names))

    async def chain(self, first_height: int = 0) -> AsyncGenerator[BlockPackage]:
        """All blocks with their transactions, as the node gives them."""
        async with aclosing(self._runner.iterate(queries.chain(self._session, first_height))) as found:
            async for package in found:
                yield package

    async def events(self, from_height: int | None = None) -> AsyncGenerator[BlockSummary]:
        """Blocks as they are committed, each height once and in order; never ends by itself."""
        feed = EventFeed(self._session.nodes, self._session.policy, from_height)
        async with aclosing(self._runner.events(feed)) as events:
            async for event in events:
                yield event
