"""Sharing: catalogue entries, contracts, and parcels of records, open or sealed."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from blockpool.access_signing import contract_parameters, sign_contract
from blockpool.answers import TransactionRejected, VerifiedReceipt
from blockpool.exchange import Operation, Pause
from blockpool.journal import Journal
from blockpool.operations import queries
from blockpool.operations.members import sealing_keys
from blockpool.operations.proofs import newest_header, state_entry
from blockpool.operations.session import KnownDataset, Session
from blockpool.record_keys import KeyMaker
from blockpool.record_memory import RecordMemory
from blockpool.sealing import Commitments, commitment_kind, sign_sealed_parcel
from blockpool.signing import (
    DatasetDefinition,
    RecordBody,
    RecordId,
    SignedTransaction,
    encode_record,
    group_records,
    repeatable_nonce,
    sign_dataset,
    sign_parcel,
    source_links,
)
from blockpool.window import Window
from chain.access.policy import contract_hash
from chain.errors import ErrorCode, PoolError, Refusal
from chain.facts import unpack
from chain.granularity import Granularity
from chain.limits import KIB, LIMITS
from chain.messages import sentence
from chain.primitives.types import verify_dataset_id
from chain.schema import RecordCheck, record_rules
from chain.state.entries import DatasetEntry, OwnerAct, dataset_key, erasure_key
from sealing import sealed_overhead_size

_PROBED = 64
"""Unknown parcels in a row after which an earlier run is taken to have sent no more."""
_KNOWN_S = 60.0
LOOKED_UP = 512
"""Records that are compared with the memory at a time."""
_CONTRADICTIONS = frozenset(
    {
        ErrorCode.OPEN_PARCEL_REQUIRED,
        ErrorCode.SEALING_REQUIRED,
        ErrorCode.WRONG_GRANULARITY,
        ErrorCode.ENVELOPE_VALIDATORS,
        ErrorCode.ENVELOPE_KEY,
        ErrorCode.KEYS_MISSING,
        ErrorCode.KEY_MISMATCH,
    }
)
"""Refusals of a parcel that say that its dataset, or who validates, is no longer what is known."""
_KNOWN_DATASETS = 1024
_QUICK_SIZE_BYTES = 64 * KIB
_ATTEMPTS = 64
"""Times that the same records were refused in parcels of the same submission, before another is made."""
_ENTRY_ATTEMPTS = 8
_ENTRY_PAUSE_S = 0.2


def define(session: Session, definition: DatasetDefinition) -> Operation[VerifiedReceipt | None]:
    """Register a dataset, or update its entry to the next version; None if the catalogue says the same already."""
    version = 1
    try:
        present = yield from queries.dataset(session, definition.dataset)
    except PoolError as error:
        if error.code is not ErrorCode.NOT_FOUND:
            raise
    else:
        said = {name: getattr(present, name) for name in definition.__dataclass_fields__}
        if definition == DatasetDefinition(
            **said | {"description": present.description.wire(), "granularity": present.granularity.wire()}
        ):
            return None
        version = present.version + 1
    session.datasets.pop(definition.dataset, None)
    return (yield from session.commit(sign_dataset(session.genesis, session.identity, definition, version)))


def deploy(
    session: Session, contract: str, source: str, parameters: str | Mapping[str, Any]
) -> Operation[VerifiedReceipt | None]:
    """Deploy a contract, or update it to the next version; None if the same is deployed already."""
    version, text = 1, contract_parameters(parameters)
    try:
        present = yield from queries.contract(session, contract)
    except PoolError as error:
        if error.code is not ErrorCode.NOT_FOUND:
            raise
    else:
        if present.hash == contract_hash(session.genesis.chain_id, source, text).hex():
            return None
        version = present.version + 1
    signed = sign_contract(session.genesis, session.identity, contract, source, text, version)
    return (yield from session.commit(signed))


@dataclass(frozen=True, slots=True)
class SubmissionOptions:
    """How records are shared."""

    parcel_records: int
    """Records in a parcel, 1 to 4,096."""
    idempotency_key: str | None = None
    """Names a repeatable submission to an open dataset."""
    commitments: Commitments = "whole"
    """Of sealed parcels."""
    sealed: bool | None = None
    """None for what the dataset's sharing class demands."""
    journal: Path | None = None
    """Folder that remembers what was shared."""
    anew: bool = False
    """Forget what the journal knows, and share the records once more."""
    derived_from: tuple[RecordId, ...] = ()
    """Records that these were made from."""
    in_flight: int | None = None
    """Parcels that wait for their commit at the same time; None for as many as keep the network busy."""
    key_secret: bytes | None = None
    """Blinds the keys of sealed records."""
    memory: Path | None = None
    """File that remembers which records were shared, by their keys."""

    @property
    def is_repeatable(self) -> bool:
        """Whether an earlier run may have committed the same transactions."""
        return self.idempotency_key is not None or self.journal is not None


class ResumeProbe:
    """Decides whether a repeatable submission asks for a parcel before it sends it.

    It asks until it has met so many unknown parcels in a row that what comes after them was hardly ever sent. Asking
    only saves the upload; sending a committed parcel again is harmless.
    """

    def __init__(self, misses: int = _PROBED) -> None:
        self._misses_left = self._misses = misses

    @property
    def is_active(self) -> bool:
        """Whether to ask."""
        return self._misses_left > 0

    def saw(self, *, known: bool) -> None:
        """Note an answer."""
        self._misses_left = self._misses if known else self._misses_left - 1


class Sealing(NamedTuple):
    """What a parcel is sealed with."""

    kem_keys: Mapping[str, bytes]
    """Of the validators, by name."""
    schema: RecordCheck
    """What validators cannot check."""
    granularity: Granularity
    """What the dataset's parcels are opened by."""

    @property
    def overhead_size(self) -> int:
        """Bytes that sealing adds to a record."""
        return sealed_overhead_size(self.granularity, len(self.kem_keys))


class Form(NamedTuple):
    """How parcels of a dataset are made."""

    sealing: Sealing | None
    """None for open ones."""
    keys: KeyMaker


@dataclass(slots=True)
class Group:
    """What one parcel will hold."""

    first: int
    """Number of its first record in the submission, from 0."""
    records: list[bytes]
    """Record bodies."""
    keys: bytes | None = None
    """Of the records, 24 bytes each; None until the parcel is signed: they are made once."""


class ParcelSubmission:
    """One submission: cuts records into parcels, signs (and seals) them, commits them.

    Made by ``Submission.begin``; closed when it is over.
    """

    def __init__(self, submission: "Submission", form: Form) -> None:
        self._submission = submission
        self._session, self._dataset, options, self._records = submission
        self._options = options
        self._sealing, self._keys = form
        self._probe = ResumeProbe() if options.is_repeatable else None
        self._in_flight = 0
        self.window = Window(options.in_flight)
        self._memory: RecordMemory | None = None
        if options.memory is not None and self._keys.fields:
            self._memory = RecordMemory(options.memory, self._keys, is_anew=options.anew)
        self.unchanged = 0
        """Records that were left out, since they were shared before as they are."""
        self._journal: Journal | None = None
        if options.journal is not None:
            kind = " ".join(
                [f"sealed {options.commitments}" if self._sealing else "open", *map(str, options.derived_from)]
            )
            genesis, member = self._session.genesis, self._session.identity.member
            self._journal = Journal(options.journal, genesis, member, self._dataset, kind, is_anew=options.anew)

    @property
    def is_sealed(self) -> bool:
        """Whether the next parcel is sealed."""
        return self._sealing is not None

    def close(self) -> None:
        """Let go of the journal."""
        if self._journal is not None:
            self._journal.close()
        self._let_go_of_memory()

    def _let_go_of_memory(self) -> None:
        memory, self._memory = self._memory, None
        if memory is not None:
            memory.close()

    def groups(self) -> Iterator[Group]:
        """What the parcels will hold, as they are asked for.

        Raises:
            PoolError: code ``bad_request`` where fewer records come than were shared before.
        """
        overhead = self._sealing.overhead_size if self._sealing else 0
        size_max_bytes = LIMITS.record_size_bytes - overhead
        bodies: Iterator[bytes] = (encode_record(record, size_max_bytes) for record in self._records)
        if self._memory is not None:
            bodies = self._changed(bodies, self._memory)
        lengths = dict(self._journal.lengths) if self._journal else {}
        first = 0
        for group in group_records(bodies, self._options.parcel_records, overhead, lengths):
            yield Group(first, group)
            first += len(group)
        before = max((start + count for start, count in lengths.items()), default=0)
        if first < before:
            detail = f"{before:,} records were shared before, these are only {first:,}: what is missing stays shared"
            raise PoolError(ErrorCode.BAD_REQUEST, detail)

    def _changed(self, bodies: Iterator[bytes], memory: RecordMemory) -> Iterator[bytes]:
        """The records that were not shared before as they are."""
        while chunk := list(islice(bodies, LOOKED_UP)):
            changed = memory.changed(chunk)
            self.unchanged += len(chunk) - len(changed)
            yield from changed

    def is_quick(self, group: Group) -> bool:
        """Whether signing takes well under a millisecond."""
        return not self.is_sealed and sum(map(len, group.records)) < _QUICK_SIZE_BYTES

    @contextmanager
    def timed(self, parcel: SignedTransaction, clock: Callable[[], float]) -> Iterator[None]:
        """While a parcel is committed: what that takes decides how many are in flight."""
        started_s = clock()
        self.window.sent(len(parcel.content))
        self._in_flight += 1
        try:
            yield
            self.window.committed(clock() - started_s, self._in_flight)
        finally:
            self._in_flight -= 1

    def sign(self, group: Group) -> SignedTransaction:
        """The parcel's transaction; without content if an earlier run has noted its id alone. Sealing is pure
        computation: it may run in another thread.

        Raises:
            PoolError: codes ``schema_violation`` and ``bad_sealing``, with ``record_index`` counted over the whole
                submission; as the journal.
        """
        if self._journal is None:
            return self._sign(group)
        return self._journal.transaction(group.first, group.records, lambda: self._sign(group), is_kept=self.is_sealed)

    def _sign(self, group: Group, attempt: int = 0) -> SignedTransaction:
        first, records = group.first, group.records
        session, options, sealing = self._session, self._options, self._sealing
        if sealing is None:
            nonce = None
            if options.is_repeatable:
                run = ""
                if self._journal is not None:
                    run, attempt = self._journal.run, self._journal.refusals[first]
                names = [self._dataset, options.idempotency_key or "", run, str(attempt or "")]
                nonce = repeatable_nonce(session.genesis, " ".join(filter(None, names)), first, records)
            return sign_parcel(
                session.genesis,
                session.identity,
                self._dataset,
                records,
                nonce=nonce,
                derived_from=options.derived_from,
                keys=self._keys_of(group),
            )
        try:
            violation = sealing.schema.check(records)
            if violation is not None:
                raise violation
            genesis, identity, keys = session.genesis, session.identity, sealing.kem_keys
            return sign_sealed_parcel(
                genesis,
                identity,
                self._dataset,
                records,
                keys,
                options.commitments,
                options.derived_from,
                self._keys_of(group),
                sealing.granularity,
            )
        except PoolError as error:
            raise _located(error, first) from None

    def _keys_of(self, group: Group) -> bytes:
        if group.keys is None:
            try:
                group.keys = self._keys.of(group.records)
            except PoolError as error:
                raise _located(error, group.first) from None
        return group.keys

    def commit(self, parcel: SignedTransaction, group: Group) -> Operation[VerifiedReceipt]:
        """Commit a group's parcel, unless an earlier run has done so. One that was refused then is signed anew: why it
        was may have been mended. If the dataset is no longer shared as it was, the group is signed again as it is now.

        Raises:
            PoolError: code ``parcel_erased`` if an earlier run has shared these records and they were erased since.
        """
        for attempt in range(1, _ATTEMPTS):
            found = yield from self._found(parcel)
            if found is None or found.outcome.is_ok:
                break
            self._refused(group)
            parcel = self._sign(group, attempt) if self._journal is None else self.sign(group)
        if found is not None:
            yield from self._verify_not_erased(parcel, group)
            receipt = replace(found, is_earlier=True)
        else:
            receipt = yield from self._commit(parcel, group)
        if self._journal is not None:
            self._journal.committed(group.first)
        if self._memory is not None:
            self._memory.shared(self._keys_of(group), group.records)
        return receipt

    def _commit(self, parcel: SignedTransaction, group: Group) -> Operation[VerifiedReceipt]:
        if not parcel.content:
            if self.is_sealed:
                detail = (
                    f"parcel {parcel.transaction_id.hex()} was committed by an earlier run, and no node knows it yet"
                )
                raise PoolError(ErrorCode.NOT_FOUND, detail)
            parcel = self._sign(group)
        try:
            return (yield from self._session.commit(parcel))
        except TransactionRejected as rejected:
            if rejected.code not in _CONTRADICTIONS:
                self._refused(group)
                raise
        except PoolError as error:
            if error.code not in _CONTRADICTIONS:
                raise
        self._refused(group)
        self._session.datasets.pop(self._dataset, None)
        was_sealed, before = self.is_sealed, self._keys.identity
        self._sealing, self._keys = yield from self._submission.form()
        if self._keys.identity != before:
            group.keys = None
            self._let_go_of_memory()
        if self._journal is not None and self.is_sealed != was_sealed:
            detail = f"{self._dataset} is shared in another way since this submission began: submit the rest again"
            raise PoolError(ErrorCode.BAD_REQUEST, detail)
        return (yield from self._session.commit(self.sign(group)))

    def _found(self, parcel: SignedTransaction) -> Operation[VerifiedReceipt | None]:
        """The receipt of a parcel that an earlier run has committed; None without one, or if asking is not worth it."""
        probe = self._probe
        if parcel.content and not (probe is not None and probe.is_active):
            return None
        try:
            found = yield from self._session.receipt(parcel.transaction_id, parcel.record_count)
        except PoolError as error:
            if error.code is not ErrorCode.NOT_FOUND:
                raise
            found = None
        if probe is not None:
            probe.saw(known=found is not None)
        return found

    def _verify_not_erased(self, parcel: SignedTransaction, group: Group) -> Operation[None]:
        header = yield from newest_header(self._session)
        if (yield from state_entry(self._session, erasure_key(parcel.transaction_id), OwnerAct, header)) is None:
            return
        first, records = group.first, group.records
        detail = (
            f"records {first + 1:,} to {first + len(records):,} were shared by an earlier run in parcel "
            f"{parcel.transaction_id.hex()}, which was erased since: they are not shared again unless that is asked for"
        )
        raise PoolError(ErrorCode.PARCEL_ERASED, detail, parcel=parcel.transaction_id.hex())

    def _refused(self, group: Group) -> None:
        if self._journal is not None:
            self._journal.refused(group.first)


class Submission(NamedTuple):
    """What is to be shared, and how."""

    session: Session
    dataset: str
    options: SubmissionOptions
    records: Iterable[RecordBody]

    def begin(self) -> Operation[ParcelSubmission]:
        """Raises as ``form``, and ``bad_request`` or ``too_large`` (too many sources)."""
        options = self.options
        commitment_kind(options.commitments)
        source_links(options.derived_from)
        if options.anew and options.journal is None and options.memory is None:
            raise PoolError(ErrorCode.BAD_REQUEST, "without a journal every submission is anew")
        if options.memory is not None and (options.journal is not None or options.idempotency_key is not None):
            raise PoolError(ErrorCode.BAD_REQUEST, "records with keys are remembered by these: no journal, no key")
        if options.in_flight is not None and options.in_flight < 1:
            raise PoolError(ErrorCode.BAD_REQUEST, "at least one parcel is in flight")
        _ = self.session.identity  # nothing is asked for a submission that could not be signed
        return ParcelSubmission(self, (yield from self.form()))

    def form(self) -> Operation[Form]:
        """How parcels are made; raises as ``sealing``, and ``key_secret_needed``."""
        sealing = yield from self.sealing()
        _, entry, _ = yield from known_dataset(self.session, self.dataset)
        chain_id, secret = self.session.genesis.chain_id, self.options.key_secret
        keys = KeyMaker(chain_id, self.dataset, entry.schema, secret, sealing is not None)
        return Form(sealing, keys)

    def sealing(self) -> Operation[Sealing | None]:
        """How parcels are sealed, None for open ones. It goes by the dataset's entry in the state, which is proven: a
        node that says ``open`` of what is not would otherwise be sent the plaintext.

        Raises:
            PoolError: codes ``unknown_dataset``, ``not_owner``, ``open_parcel_required``, ``bad_request``.
        """
        options = self.options
        _, entry, kem_keys = yield from known_dataset(self.session, self.dataset)
        if entry.owner != self.session.identity.member:  # what validators would refuse, every node has seen by then
            raise Refusal(ErrorCode.NOT_OWNER, dataset=self.dataset, owner=entry.owner)
        if not (entry.sharing != "open" if options.sealed is None else options.sealed):
            return None
        if kem_keys is None:
            raise Refusal(ErrorCode.OPEN_PARCEL_REQUIRED, dataset=self.dataset)
        if options.idempotency_key is not None and options.journal is None:
            raise PoolError(
                ErrorCode.BAD_REQUEST,
                "a sealed parcel is random, so a key cannot make the submission repeatable: give a journal instead",
            )
        return Sealing(kem_keys, record_rules(entry.schema), entry.granularity)


def known_dataset(session: Session, dataset: str) -> Operation[KnownDataset]:
    """What was proven of a dataset, for a minute: whoever changes how it is shared may rely on that. A submission that
    the validators refuse for it has it looked up again.
    """
    now_s = session.nodes.clock()
    known = session.datasets.get(dataset)
    if known is None or now_s - known.since_s > _KNOWN_S:
        entry = yield from _catalogue_entry(session, dataset)
        kem_keys = None if entry.sharing == "open" else (yield from sealing_keys(session))
        if len(session.datasets) >= _KNOWN_DATASETS:
            session.datasets.clear()
        known = session.datasets[dataset] = KnownDataset(now_s, entry, kem_keys)
    return known


def _catalogue_entry(session: Session, dataset: str) -> Operation[DatasetEntry]:
    """The proven entry of a dataset. One that was defined just now may not have reached every node."""
    verify_dataset_id(dataset)
    for _ in range(_ENTRY_ATTEMPTS):
        header = yield from newest_header(session)
        entry = yield from state_entry(session, dataset_key(dataset), DatasetEntry, header)
        if entry is not None:
            return entry
        yield Pause(_ENTRY_PAUSE_S)
    raise PoolError(ErrorCode.UNKNOWN_DATASET, f"{dataset} is not in the catalogue up to block {header.height}")


def _located(error: PoolError, first: int) -> PoolError:
    """The error with the record counted from the start of the submission."""
    index = error.context.get("record_index")
    if not isinstance(index, int):
        return error
    detail = error.detail
    if isinstance(error, Refusal):
        detail = sentence(error.code, unpack(error.facts) | {"record_index": first + index})
    return PoolError(error.code, detail, **(error.context | {"record_index": first + index}))
