"""The client for ordinary, blocking programs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from blockpool.reading import Reading
from blockpool.runner import Runner
from blockpool.sealing import Commitments
from blockpool.signing import PARCEL_RECORDS, DatasetDefinition, RecordBody, RecordId, SignedTransaction
from chain.genesis import Genesis
from chain.packages import BlockPackage
from chain.primitives.types import Answer as AnswerName
from chain.proofs.history import TreeHead
from chain.proofs.trust import TrustHistory
from chain.state.entries import RequestStatus
from sealing import KemPrivateKey


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
        self._session = Session(
            nodes, retry or RetryPolicy(), TrustHistory(genesis) if genesis is not None else None, identity
        )
        self._runner = Runner(urls)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._runner.close()

    def status(self) -> NodeStatus:
        """What the node says about itself."""
        return self._runner.run(queries.status(self._session))

    def sealing_keys(self) -> Mapping[str, bytes]:
        """KEM keys of the validators, by name, for ``sign_sealed_parcel``; proven. Raises ``no_contracts``."""
        return self._runner.run(members.sealing_keys(self._session))

    def datasets(self) -> tuple[Dataset, ...]:
        """The catalogue, as the node gives it."""
        return self._runner.run(queries.datasets(self._session))

    def dataset(self, dataset: str) -> Dataset:
        """One catalogue entry, as the node gives it; raises ``not_found``."""
        return self._runner.run(queries.dataset(self._session, dataset))

    def block(self, height: int | None = None) -> BlockAnswer:
        """The block at ``height`` (the newest by default), as the node gives it."""
        return self._runner.run(queries.block(self._session, height))

    def transaction(self, transaction_id: bytes) -> TransactionAnswer:
        """Where a transaction stands, as the node gives it."""
        return self._runner.run(queries.transaction(self._session, transaction_id))

    def record(self, record: RecordId) -> RecordAnswer:
        """A record, as the node gives it. ``evidence`` proves it."""
        return self._runner.run(queries.record(self._session, record))

    def receipt(self, transaction_id: bytes) -> VerifiedReceipt:
        """The verified receipt of a committed transaction, accepted or not; raises ``not_found``."""
        return self._runner.run(self._session.receipt(transaction_id))

    def evidence(self, record: RecordId, tree: TreeHead | None = None) -> bytes:
        """A record's evidence file (JSON), verified. Anyone can verify it again offline: ``verify_evidence``.

        Args:
            record: which record.
            tree: head of a checkpoint that you hold: what came of the record is then as of that checkpoint.
        """
        return self._runner.run(evidence_files.record_evidence(self._session, record, tree))

    def read_evidence(self, request_id: bytes, tree: TreeHead | None = None) -> bytes:
        """The evidence file of a read: request, decision, answers, read reports. ``tree`` as in ``evidence``."""
        return self._runner.run(evidence_files.read_evidence(self._session, request_id, tree))

    def no_grant_evidence(
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
        return self._runner.run(
            evidence_files.no_grant_evidence(self._session, dataset, reader, from_height, until_height, tree)
        )

    def no_read_evidence(
        self,
        parcel_id: bytes,
        from_height: int = 1,
        until_height: int | None = None,
        tree: TreeHead | None = None,
    ) -> bytes:
        """The evidence file that no read report for a sealed parcel was committed from one height to another, by
        default the newest; raises ``not_absent`` where there is one.
        """
        return self._runner.run(
            evidence_files.no_read_evidence(self._session, parcel_id, from_height, until_height, tree)
        )

    def define(self, definition: DatasetDefinition) -> VerifiedReceipt | None:
        """Register a dataset or update its entry; None if the catalogue says the same already."""
        return self._runner.run(submitting.define(self._session, definition))

    def deploy(self, contract: str, source: str, parameters: str | Mapping[str, Any] = "{}") -> VerifiedReceipt | None:
        """Deploy an access contract or update it; None if the same is deployed already.

        Args:
            contract: ``owner.name``, where the owner is the identity's member.
            source: Python source text; docs/contracts.md says what of.
            parameters: JSON object that the contract finds in ``ctx.parameters``; parts that name a contract of the
                library get its source.

        Raises:
            TransactionRejected: ``bad_contract``, with the line in its detail.
        """
        return self._runner.run(submitting.deploy(self._session, contract, source, parameters))

    def contracts(self) -> tuple[ContractAnswer, ...]:
        """The deployed contracts without their sources, as the node gives them."""
        return self._runner.run(queries.contracts(self._session))

    def contract(self, contract: str) -> ContractAnswer:
        """One contract with its source, as the node gives it; raises ``not_found``."""
        return self._runner.run(queries.contract(self._session, contract))

    def commit(self, transaction: SignedTransaction) -> VerifiedReceipt:
        """Send a signed transaction and wait until it is final. Safe to repeat: the same bytes are the same
        transaction.

        Raises:
            TransactionRejected: the validators refused it, with the verified receipt that proves so.
            PoolError: anything else; after ``timeout`` or ``unreachable`` it may still commit.
        """
        return self._runner.run(self._session.commit(transaction))

    def submit(
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
    ) -> list[VerifiedReceipt]:
        """Share records: cut into parcels, sealed unless the dataset is open, signed, committed and verified. See
        ``submit_stream`` for the arguments.
        """
        stream = self.submit_stream(
            records,
            dataset,
            parcel_records=parcel_records,
            idempotency_key=idempotency_key,
            commitments=commitments,
            sealed=sealed,
            journal=journal,
            derived_from=derived_from,
        )
        return list(stream)

    def submit_stream(
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
    ) -> Iterator[VerifiedReceipt]:
        """Share records one parcel after the other, giving each receipt as it comes. Nothing is sent until you iterate.

        Args:
            records: bodies as bytes (sent verbatim), text or JSON objects; read as they are needed.
            dataset: a dataset that the identity's member owns.
            parcel_records: records in a parcel, 1 to 4,096.
            idempotency_key: names this submission to an open dataset. Repeating it with the same key and records after
                an interruption commits nothing twice. Without one, every call shares the records anew.
            commitments: for sealed parcels, ``whole`` or ``fields``. With ``fields`` the records are JSON objects, of
                which single fields can be disclosed later; text must be compact then.
            sealed: None for what the catalogue demands, which is proven by the state that a quorum has signed; True
                to send no plaintext whatever it says.
            journal: folder for this submission alone, which makes it repeatable even if it is sealed: the signed
                parcels are kept there, and sent again as they are. Remove it once the submission is complete, or when
                the validators have refused a parcel.
            derived_from: records, at most 256, that all of these were made from; every parcel names them.

        Raises:
            TransactionRejected: the validators refused a parcel; earlier ones are committed.
            PoolError: among others ``schema_violation`` and ``bad_sealing``, with ``record_index``, for records that
                cannot be sealed: validators cannot check these, so it is done here.
        """
        options = SubmissionOptions(parcel_records, idempotency_key, commitments, sealed, journal, tuple(derived_from))
        submission = self._runner.run(submitting.begin_submission(self._session, dataset, options))
        probe = ResumeProbe(in_flight=1) if options.is_repeatable else None
        for group in submission.groups(records):
            yield self._runner.run(submission.commit(submission.sign(*group), probe))

    def erase(self, parcel: bytes, legal_basis: str, reason: str = "") -> VerifiedReceipt:
        """Have every node drop the payload of a parcel, and the shares of its key, for good. What was signed of it can
        still be proved.

        Args:
            parcel: transaction id of a parcel of this member's datasets.
            legal_basis: the law or order by which it has to go, 1 to 2,000 characters; it stays on the chain.
            reason: at most 300 characters, which stay too.

        Raises:
            TransactionRejected: the validators refused it.
            PoolError: codes ``unknown_parcel``, ``not_owner``, ``parcel_erased``: nothing was sent.
        """
        return self._runner.run(erasure.erase(self._session, parcel, legal_basis, reason))

    def records(self, dataset: str, *, erased: list[bytes] | None = None) -> Iterator[Record]:
        """All records of an open dataset in chain order, each verified; proven to be all of them up to the newest
        block when it begins, but for those that were erased.

        Args:
            dataset: which dataset.
            erased: takes the ids of the parcels that are left out because they were erased, which is proven.
        """
        return self._runner.read(reading.OpenReading(self._session, dataset, erased))

    def request(
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
        """Ask to read a dataset that is not open. The verdict is final, proven and part of the answer: a denial is no
        error (but ``raise_for_denial`` makes it one).

        Args:
            dataset: which dataset.
            purpose: what for, 1 to 200 characters.
            reader_key: key that the validators shall seal key shares to.
            parcels: transaction ids of the parcels wanted, at most 256; none for all in the range of heights.
            from_height: first block whose parcels are wanted.
            until_height: last such block; 0 for no end, parcels to come included.
            until_ms: how long access is wanted, milliseconds since 1970; 0 for as long as it is given.
            legal_basis: the law or agreement that it rests on.
            case_number: the reader's own.
            person: who answers for it on the reader's side.

        Raises:
            TransactionRejected: it is no request that could be decided on, such as for an open dataset.
        """
        terms = RequestTerms(
            dataset, purpose, parcels, from_height, until_height, until_ms, legal_basis, case_number, person
        )
        return self._runner.run(access.request(self._session, terms, reader_key, time.time_ns() // 1_000_000))

    def answer(self, request_id: bytes, dataset: str, answer: AnswerName, reason: str = "") -> VerifiedReceipt:
        """Answer a request: ``approve`` or ``refuse`` if the contract asks this member; ``revoke`` also as the owner or
        as the reader. The verdict that it leads to is in the receipt's outcome.
        """
        return self._runner.run(access.answer(self._session, request_id, dataset, answer, reason))

    def requests(
        self,
        dataset: str | None = None,
        reader: str | None = None,
        status: RequestStatus | None = None,
        approver: str | None = None,
    ) -> Iterator[RequestState]:
        """Requests in chain order, as the node gives them: of a dataset, by a reader, with a status, that a member is
        asked to answer.
        """
        return self._runner.iterate(queries.requests(self._session, dataset, reader, status, approver))

    def request_view(self, request_id: bytes, wait_s: float = 0) -> RequestState:
        """A request as it stands, as the node gives it; with ``wait_s``, once it is no longer being asked about, or
        after so many seconds.
        """
        return self._runner.run(queries.request_view(self._session, request_id, wait_s))

    def reads(self, dataset: str) -> Iterator[ReadSummary]:
        """Every request, answer and read report of a dataset in chain order, as the node gives them. ``blockpool
        audit reads`` proves that none is left out.
        """
        return self._runner.iterate(queries.reads(self._session, dataset))

    def read_history(
        self,
        dataset: str,
        reader: str = "",
        parcel_id: bytes | None = None,
        on_read: history.OnRead = lambda done, total: None,
    ) -> history.ProvenReads:
        """All reads of a dataset up to the newest block, proven: none is left out and none made up.

        Args:
            dataset: which dataset.
            reader: a member, to be told what it was granted.
            parcel_id: a parcel of the dataset, to be told which requests and read reports name it.
            on_read: called with the number of transactions verified so far, and of all.
        """
        return self._runner.run(history.read_history(self._session, dataset, reader, parcel_id, on_read))

    def provenance(
        self,
        record: RecordId,
        bounds: ProvenanceBounds = DEFAULT_BOUNDS,
        on_parcel: provenance.OnParcel = lambda count: None,
    ) -> Provenance:
        """Where a record comes from, who used it and what they made of it, as far as ``bounds`` allow. Everything in
        it is proven, and that no use is left out, up to the newest block; what no node could prove is among its gaps.

        Args:
            record: where to begin.
            bounds: how far to go.
            on_parcel: called with the number of parcels looked at so far.
        """
        return self._runner.run(provenance.provenance(self._session, record, bounds, on_parcel))

    def read(
        self,
        request_id: bytes,
        reader_key: KemPrivateKey,
        *,
        parcels: Sequence[bytes] | None = None,
        fields: Sequence[str] | None = None,
        on_parcel: Callable[[Parcel], None] | None = None,
        on_culprit: OnCulprit | None = None,
    ) -> Reading:
        """Read what a granted request covers, in chain order: an iterator of records with their plaintexts. Nothing is
        asked until you iterate. Report it afterwards with ``acknowledge``.

        Everything is checked before it is handed out: the grant and the list of parcels against the state, each parcel
        against signature and receipt, each key share and each plaintext against what its owner committed to.

        The fields that the grant allows are applied to what is handed out. That is the reader's duty, which this
        method fulfils; whoever holds the key could see all fields.

        Args:
            request_id: transaction id of the request.
            reader_key: the key pair that it names.
            parcels: transaction ids; None for all that it covers up to the newest block.
            fields: fields of JSON objects to hand out, of those that the grant allows; None for all of these.
            on_parcel: called with each parcel before its records.
            on_culprit: called with the member's name and the error for every wrong key share, from another thread.
                Others are used in its place; ``culprits`` keeps them too.

        Raises (while iterating):
            PoolError: ``access_denied``, ``approval_pending``, ``grant_expired``, ``grant_revoked``, ``not_covered``;
                ``not_enough_shares``, which names the validators that gave none; ``bad_sealing`` with the owner as
                ``culprit``.
        """
        plan = reading.SealedReading(self._session, request_id, reader_key, parcels, fields, on_parcel, on_culprit)
        return Reading(plan, self._runner.read(plan))

    def acknowledge(self, reading_: Reading) -> list[VerifiedReceipt]:
        """Commit read reports of what a read has handed out so far and was not reported yet: which parcels, how many
        records, and a digest of them before fields were left out. One for every 1,024 parcels. Safe to repeat.
        """
        return self._runner.run(reading.acknowledge(self._session, reading_.log))

    def disclose(
        self, record: RecordId, request_id: bytes, reader_key: KemPrivateKey, names: Sequence[str] = ()
    ) -> bytes:
        """Prove fields of a sealed record, or the whole of it, to somebody who may not read it: an evidence file for
        ``verify_evidence``.

        Args:
            record: which record.
            request_id: a granted request that covers it; the owner's own is granted without a contract.
            reader_key: the key pair that the request names.
            names: fields to show; none for a record that is committed to as a whole.
        """
        return self._runner.run(disclosing.disclose(self._session, record, request_id, reader_key, names))

    def chain(self, first_height: int = 0) -> Iterator[BlockPackage]:
        """All blocks with their transactions, as the node gives them, for ``audit.chain.ChainAudit`` to verify."""
        return self._runner.iterate(queries.chain(self._session, first_height))

    def events(self, from_height: int | None = None) -> Iterator[BlockSummary]:
        """Blocks as they are committed, each height once and in order, as the node gives them; from ``from_height``
        on or from now. Never ends by itself: a lost connection is taken up again where it broke off.
        """
        return self._runner.events(EventFeed(self._session.nodes, self._session.policy, from_height))
