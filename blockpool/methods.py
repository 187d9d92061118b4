"""The methods of both clients, each declared once: its arguments, its results, its errors."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from blockpool import declaring
from blockpool.access_signing import AccessTerms, ReaderKey
from blockpool.answers import (
    BlockAnswer,
    CatalogueEntry,
    ContractAnswer,
    NodeStatus,
    ReadSummary,
    RecordAnswer,
    RequestState,
    TransactionAnswer,
    VerifiedReceipt,
)
from blockpool.events import EventFeed
from blockpool.exchange import Operation, Stream
from blockpool.operations import (
    access,
    correcting,
    disclosing,
    erasure,
    evidence_files,
    finding,
    history,
    key_history,
    member_keys,
    members,
    provenance,
    queries,
    reading,
    submitting,
)
from blockpool.operations.access import AccessRequest
from blockpool.operations.finding import FoundRecord
from blockpool.operations.key_history import KeyHistory
from blockpool.operations.key_shares import OnCulprit
from blockpool.operations.parcels import Parcel
from blockpool.operations.session import Session
from blockpool.operations.submitting import Submission, SubmissionOptions
from blockpool.provenance import DEFAULT_BOUNDS, Provenance, ProvenanceBounds
from blockpool.reading import Read
from blockpool.record_keys import KeyValue
from blockpool.sealing import Commitments
from blockpool.signing import PARCEL_RECORDS, DatasetDefinition, RecordBody, RecordId, SignedTransaction
from chain.access.decision import RequestStatus
from chain.packages import BlockPackage
from chain.primitives.crypto import Signer
from chain.primitives.types import Answer as AnswerName
from chain.proofs.history import TreeHead
from sealing import KemPrivateKey


class Methods:
    """What ``Client`` and ``AsyncClient`` can do."""

    _session: Session

    @declaring.result
    def status(self) -> Operation[NodeStatus]:
        """What the node says about itself."""
        return queries.status(self._session)

    @declaring.result
    def sealing_keys(self) -> Operation[Mapping[str, bytes]]:
        """KEM keys of the validators, by name, for ``sign_sealed_parcel``; proven. Raises ``no_contracts``."""
        return members.sealing_keys(self._session)

    @declaring.result
    def datasets(self) -> Operation[tuple[CatalogueEntry, ...]]:
        """The catalogue, as the node gives it."""
        return queries.datasets(self._session)

    @declaring.result
    def dataset(self, dataset: str) -> Operation[CatalogueEntry]:
        """One catalogue entry, as the node gives it; raises ``not_found``."""
        return queries.dataset(self._session, dataset)

    @declaring.result
    def block(self, height: int | None = None) -> Operation[BlockAnswer]:
        """The block at ``height`` (the newest by default), as the node gives it."""
        return queries.block(self._session, height)

    @declaring.result
    def transaction(self, transaction_id: bytes) -> Operation[TransactionAnswer]:
        """Where a transaction stands, as the node gives it."""
        return queries.transaction(self._session, transaction_id)

    @declaring.result
    def record(self, record: RecordId) -> Operation[RecordAnswer]:
        """A record, as the node gives it. ``evidence`` proves it."""
        return queries.record(self._session, record)

    @declaring.result
    def receipt(self, transaction_id: bytes) -> Operation[VerifiedReceipt]:
        """The verified receipt of a committed transaction, accepted or not; raises ``not_found``."""
        return self._session.receipt(transaction_id)

    @declaring.result
    def evidence(self, record: RecordId, tree: TreeHead | None = None) -> Operation[bytes]:
        """A record's evidence file (JSON), verified. Anyone can verify it again offline: ``verify_evidence``.

        Args:
            record: which record.
            tree: head of a checkpoint that you hold: what came of the record is then as of that checkpoint.
        """
        return evidence_files.record_evidence(self._session, record, tree)

    @declaring.result
    def read_evidence(self, request_id: bytes, tree: TreeHead | None = None) -> Operation[bytes]:
        """The evidence file of a read: request, decision, answers, read reports. ``tree`` as in ``evidence``."""
        return evidence_files.read_evidence(self._session, request_id, tree)

    @declaring.result
    def no_grant_evidence(
        self,
        dataset: str,
        reader: str,
        from_height: int = 1,
        until_height: int | None = None,
        tree: TreeHead | None = None,
    ) -> Operation[bytes]:
        """The evidence file that a member had no grant on a dataset from one height to another, by default the newest;
        raises ``not_absent`` where it had one.
        """
        return evidence_files.no_grant_evidence(self._session, dataset, reader, from_height, until_height, tree)

    @declaring.result
    def no_read_evidence(
        self, parcel_id: bytes, from_height: int = 1, until_height: int | None = None, tree: TreeHead | None = None
    ) -> Operation[bytes]:
        """The evidence file that no read report for a sealed parcel was committed from one height to another, by
        default the newest; raises ``not_absent`` where there is one.
        """
        return evidence_files.no_read_evidence(self._session, parcel_id, from_height, until_height, tree)

    @declaring.result
    def define(self, definition: DatasetDefinition) -> Operation[VerifiedReceipt | None]:
        """Register a dataset or update its entry; None if the catalogue says the same already."""
        return submitting.define(self._session, definition)

    @declaring.result
    def deploy(
        self, contract: str, source: str, parameters: str | Mapping[str, Any] = "{}"
    ) -> Operation[VerifiedReceipt | None]:
        """Deploy an access contract or update it; None if the same is deployed already.

        Args:
            contract: ``owner.name``, where the owner is the identity's member.
            source: Python source text; docs/contracts.md says what of.
            parameters: JSON object that the contract finds in ``ctx.parameters``; parts that name a contract of the
                library get its source.

        Raises:
            TransactionRejected: ``bad_contract``, with the line in its detail.
        """
        return submitting.deploy(self._session, contract, source, parameters)

    @declaring.result
    def contracts(self) -> Operation[tuple[ContractAnswer, ...]]:
        """The deployed contracts without their sources, as the node gives them."""
        return queries.contracts(self._session)

    @declaring.result
    def contract(self, contract: str) -> Operation[ContractAnswer]:
        """One contract with its source, as the node gives it; raises ``not_found``."""
        return queries.contract(self._session, contract)

    @declaring.result
    def commit(self, transaction: SignedTransaction) -> Operation[VerifiedReceipt]:
        """Send a signed transaction and wait until it is final. Safe to repeat: the same bytes are the same
        transaction.

        Raises:
            TransactionRejected: the validators refused it, with the verified receipt that proves so.
            PoolError: anything else; after ``timeout`` or ``unreachable`` it may still commit.
        """
        return self._session.commit(transaction)

    @declaring.receipts
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
        anew: bool = False,
        derived_from: Sequence[RecordId] = (),
        in_flight: int | None = None,
        key_secret: bytes | None = None,
        memory: Path | None = None,
    ) -> Submission:
        """Share records: cut into parcels, sealed unless the dataset is open, signed, committed and verified. Gives the
        receipts in order, each as it comes; ``submit`` gives all of them as a list. Nothing is sent until you iterate.

        Args:
            records: bodies as bytes (sent verbatim), text or JSON objects; read as they are needed.
            dataset: a dataset that the identity's member owns.
            parcel_records: records in a parcel, 1 to 4,096.
            idempotency_key: names this submission to an open dataset. Repeating it with the same key and records after
                an interruption commits nothing twice. Without one, every call shares the records anew.
            commitments: for sealed parcels, ``whole`` or ``fields``. With ``fields`` the records are JSON objects, of
                which single fields can be disclosed later; text must be compact then.
            sealed: None for what the catalogue demands, which is proven by the state that a quorum has signed, and kept
                for a minute or until the validators refuse a parcel for it; True to send no plaintext whatever it says.
            journal: folder for this submission alone, which remembers what was shared. Repeating the submission, with
                more records at its end or parcels of another size, shares what is new and nothing twice; one process
                at a time.
            anew: forget what the journal knows, and share the records once more.
            derived_from: records, at most 256, that all of these were made from; every parcel names them.
            in_flight: parcels that wait for their commit at the same time; None for as many as keep the network busy.
                With more than 1 they may change places on the chain. When one fails, those after it that are in flight
                are given up: they may still commit.
            key_secret: 32 bytes of the owner's that blind the keys of sealed records; needed where these have keys.
            memory: file of this dataset's alone that remembers what was shared, by key: of records with keys only those
                are shared that are new or changed. In the place of ``journal`` and ``idempotency_key``.

        Raises:
            TransactionRejected: the validators refused a parcel; earlier ones are committed.
            PoolError: among others ``schema_violation`` and ``bad_sealing``, with ``record_index``, for records that
                cannot be sealed: validators cannot check these, so it is done here.
        """
        options = SubmissionOptions(
            parcel_records,
            idempotency_key,
            commitments,
            sealed,
            journal,
            anew,
            tuple(derived_from),
            in_flight,
            key_secret,
            memory,
        )
        return Submission(self._session, dataset, options, records)

    submit = declaring.collected(submit_stream)

    @declaring.result
    def erase(
        self, parcel: bytes, legal_basis: str, reason: str = "", records: Sequence[int] = ()
    ) -> Operation[VerifiedReceipt]:
        """Have every node drop the payload of a parcel, and the shares of its key, for good, or the bodies of some of
        its records. What was signed can still be proved, and the other records be read.

        Args:
            parcel: transaction id of a parcel of this member's datasets.
            records: places of records in it; none for the whole parcel.
            legal_basis: the law or order by which it has to go, 1 to 2,000 characters; it stays on the chain.
            reason: at most 300 characters, which stay too.

        Raises:
            TransactionRejected: the validators refused it.
            PoolError: codes ``unknown_parcel``, ``unknown_source``, ``not_owner``, ``parcel_erased``,
                ``record_erased``: nothing was sent.
        """
        return erasure.erase(self._session, parcel, legal_basis, reason, records)

    @declaring.result
    def member_keys(self, name: str) -> Operation[member_keys.MemberKeys]:
        """The keys of a member after the newest block, when each begins and ends, and which may change the others;
        proven. Raises ``unknown_member``.
        """
        return member_keys.member_keys(self._session, name)

    @declaring.result
    def change_keys(
        self,
        new: Sequence[Signer] = (),
        retired: Sequence[bytes] = (),
        *,
        person: str,
        reason: str = "",
        successor: Signer | None = None,
    ) -> Operation[VerifiedReceipt]:
        """Change the keys of this client's member. Its identity signs with the governance key, or with the successor,
        which takes that one's place. What retired keys have signed stays valid.

        Args:
            new: system keys that sign from the next block on; each proves that it is held, so its signer is needed.
            retired: ids (16 bytes each) of system keys that sign up to the block of this change, and never after.
            person: who has decided it, 1 to 2,000 characters; it stays on the chain.
            reason: at most 300 characters, which stay too.
            successor: the next successor; given if and only if the present one signs.

        Raises:
            TransactionRejected: the validators refused it.
            PoolError: codes ``bad_request``, ``too_large``: nothing was sent.
        """
        return member_keys.change_keys(self._session, new, retired, person, reason, successor)

    @declaring.result
    def correct(
        self, record: RecordId, body: RecordBody, legal_basis: str, reason: str, *, key_secret: bytes | None = None
    ) -> Operation[VerifiedReceipt]:
        """Commit the record that takes the place of one that was wrong. The old one stays, and every proof of it says
        from then on what it was corrected by. ``Client.provenance`` names who has read it.

        Args:
            record: the one that was wrong, of this member's datasets.
            body: the one that takes its place.
            legal_basis: by which law, order or finding, 1 to 2,000 characters; it stays on the chain.
            reason: what was wrong, 1 to 300 characters, which stay too.
            key_secret: as in ``submit_stream``.

        Raises:
            TransactionRejected: the validators refused it.
            PoolError: codes ``unknown_parcel``, ``unknown_source``, ``not_owner``, ``parcel_erased``,
                ``record_corrected``, ``schema_violation``: nothing was sent.
        """
        return correcting.correct(self._session, record, body, legal_basis, reason, key_secret)

    @declaring.result
    def find(
        self,
        dataset: str,
        key: Mapping[str, KeyValue] | Sequence[KeyValue],
        *,
        key_secret: bytes | None = None,
    ) -> Operation[FoundRecord]:
        """The present record of a key: the newest that was shared with it. That there is no newer one, or none at all,
        is proven by the state after the newest block.

        Args:
            dataset: one whose schema names key fields.
            key: values of the key fields, by name or in the schema's order.
            key_secret: the owner's, with which the keys of sealed records are blinded.

        Raises:
            PoolError: codes ``unknown_dataset``, ``bad_request`` (no keys, or other fields), ``key_secret_needed``.
        """
        return finding.find(self._session, dataset, key, key_secret)

    @declaring.result
    def key_history(
        self, dataset: str, key: Mapping[str, KeyValue], *, key_secret: bytes | None = None
    ) -> Operation[KeyHistory]:
        """All records that a key has had in a dataset, and which of them are erased; proven to be all.

        Args:
            dataset: one whose schema names key fields.
            key: values of the key fields, by name.
            key_secret: as in ``find``.

        Raises:
            PoolError: codes as of ``find``.
        """
        return key_history.key_history(self._session, dataset, key, key_secret)

    @declaring.records
    def records(self, dataset: str, *, since: int = 0) -> reading.OpenReading:
        """The records of an open dataset in chain order, each verified: an iterator, which also tells what was left out
        because it was erased. Proven to be all of them up to the newest block when it begins.

        Args:
            dataset: which dataset.
            since: ``cursor`` of an earlier reading: only what came later is read. 0 for all.
        """
        return reading.OpenReading(self._session, dataset, since)

    @declaring.result
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
        keys: Sequence[bytes] = (),
        records: Sequence[RecordId] = (),
        fields: Sequence[str] = (),
    ) -> Operation[AccessRequest]:
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
            keys: of the records wanted, 24 bytes each (``find`` gives them); a dataset that is opened by records.
            records: ids of the records wanted; the same.
            fields: the fields wanted, all of each column; a dataset that is opened by columns.

        Raises:
            TransactionRejected: it is no request that could be decided on, such as for an open dataset.
        """
        terms = AccessTerms(
            dataset,
            purpose,
            parcels,
            from_height,
            until_height,
            until_ms,
            legal_basis,
            case_number,
            person,
            keys,
            records,
            fields,
        )
        return access.request(self._session, terms, reader_key, time.time_ns() // 1_000_000)

    @declaring.result
    def answer(
        self, request_id: bytes, dataset: str, answer: AnswerName, reason: str = ""
    ) -> Operation[VerifiedReceipt]:
        """Answer a request: ``approve`` or ``refuse`` if the contract asks this member; ``revoke`` also as the owner or
        as the reader. The verdict that it leads to is in the receipt's outcome.
        """
        return access.answer(self._session, request_id, dataset, answer, reason)

    @declaring.items
    def requests(
        self,
        dataset: str | None = None,
        reader: str | None = None,
        status: RequestStatus | None = None,
        approver: str | None = None,
    ) -> Stream[RequestState]:
        """Requests in chain order, as the node gives them: of a dataset, by a reader, with a status, that a member is
        asked to answer.
        """
        return queries.requests(self._session, dataset, reader, status, approver)

    @declaring.result
    def request_view(self, request_id: bytes, wait_s: float = 0) -> Operation[RequestState]:
        """A request as it stands, as the node gives it; with ``wait_s``, once it is no longer being asked about, or
        after so many seconds.
        """
        return queries.request_view(self._session, request_id, wait_s)

    @declaring.items
    def reads(self, dataset: str) -> Stream[ReadSummary]:
        """Every request, answer and read report of a dataset in chain order, as the node gives them. ``blockpool
        audit reads`` proves that none is left out.
        """
        return queries.reads(self._session, dataset)

    @declaring.result
    def read_history(
        self,
        dataset: str,
        reader: str = "",
        parcel_id: bytes | None = None,
        on_read: history.OnRead = lambda done, total: None,
    ) -> Operation[history.ProvenReads]:
        """All reads of a dataset up to the newest block, proven: none is left out and none made up.

        Args:
            dataset: which dataset.
            reader: a member, to be told what it was granted.
            parcel_id: a parcel of the dataset, to be told which requests and read reports name it.
            on_read: called with the number of transactions verified so far, and of all.
        """
        return history.read_history(self._session, dataset, reader, parcel_id, on_read)

    @declaring.result
    def provenance(
        self,
        record: RecordId,
        bounds: ProvenanceBounds = DEFAULT_BOUNDS,
        on_parcel: provenance.OnParcel = lambda count: None,
    ) -> Operation[Provenance]:
        """Where a record comes from, who used it and what they made of it, as far as ``bounds`` allow. Everything in
        it is proven, and that no use is left out, up to the newest block; what no node could prove is among its gaps.

        Args:
            record: where to begin.
            bounds: how far to go.
            on_parcel: called with the number of parcels looked at so far.
        """
        return provenance.provenance(self._session, record, bounds, on_parcel)

    @declaring.reading
    def read(
        self,
        request_id: bytes,
        reader_key: KemPrivateKey,
        *,
        parcels: Sequence[bytes] | None = None,
        fields: Sequence[str] | None = None,
        since: int = 0,
        on_parcel: Callable[[Parcel], None] | None = None,
        on_culprit: OnCulprit | None = None,
    ) -> reading.SealedReading:
        """Read what a granted request covers, in chain order: an iterator of records with their plaintexts. Nothing is
        asked until you iterate. Report it afterwards with ``acknowledge``.

        Everything is checked before it is handed out: the grant and the list of parcels against the state, each parcel
        against signature and receipt, each key share and each plaintext against what its owner committed to.

        The validators give keys of what was granted and of nothing else: records, and columns of which all fields are.
        ``closed`` tells which parcels were left out because they can only be opened with more than that.

        Args:
            request_id: transaction id of the request.
            reader_key: the key pair that it names.
            parcels: transaction ids; None for all that it covers up to the newest block.
            fields: fields of JSON objects to hand out, of those that the grant allows; None for all of these.
            since: ``cursor`` of an earlier reading: only what came later is read. 0 for all.
            on_parcel: called with each parcel before its records.
            on_culprit: called with the member's name and the error for every wrong key share, from another thread.
                Others are used in its place; ``culprits`` keeps them too.

        Raises (while iterating):
            PoolError: ``access_denied``, ``approval_pending``, ``grant_expired``, ``grant_revoked``, ``not_covered``;
                ``not_enough_shares``, which names the validators that gave none; ``bad_sealing`` with the owner as
                ``culprit``.
        """
        return reading.SealedReading(
            self._session, request_id, reader_key, parcels, fields, since, on_parcel, on_culprit
        )

    @declaring.result
    def acknowledge(self, reading_: Read) -> Operation[list[VerifiedReceipt]]:
        """Commit read reports of what a read has handed out so far and was not reported yet: which parcels, how many
        records, and a digest of them before fields were left out. One for every 1,024 parcels. Safe to repeat.
        """
        return reading.acknowledge(self._session, reading_.log)

    @declaring.result
    def disclose(
        self, record: RecordId, request_id: bytes, reader_key: KemPrivateKey, names: Sequence[str] = ()
    ) -> Operation[bytes]:
        """Prove fields of a sealed record, or the whole of it, to somebody who may not read it: an evidence file for
        ``verify_evidence``.

        Args:
            record: which record.
            request_id: a granted request that covers it; the owner's own is granted without a contract.
            reader_key: the key pair that the request names.
            names: fields to show; none for a record that is committed to as a whole.
        """
        return disclosing.disclose(self._session, record, request_id, reader_key, names)

    @declaring.items
    def chain(self, first_height: int = 0) -> Stream[BlockPackage]:
        """All blocks with their transactions, as the node gives them, for ``audit.chain.ChainAudit`` to verify."""
        return queries.chain(self._session, first_height)

    @declaring.events
    def events(self, from_height: int | None = None) -> EventFeed:
        """Blocks as they are committed, each height once and in order, as the node gives them; from ``from_height``
        on or from now. Never ends by itself: a lost connection is taken up again where it broke off.
        """
        return EventFeed(self._session.nodes, self._session.policy, from_height)
