"""Sharing: catalogue entries, contracts, and parcels of records, open or sealed."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from blockpool.sealing import SEALED_RECORD_SIZE_MAX_BYTES, Commitments, commitment_kind, sign_sealed_parcel
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
from chain.limits import KIB, LIMITS
from chain.messages import sentence
from chain.primitives.types import verify_dataset_id
from chain.schema import RecordSchema, compile_schema
from chain.state.entries import DatasetEntry, dataset_key
from chain.transactions.sealed import SEALED_OVERHEAD_SIZE

_PROBED = 64
"""Unknown parcels in a row after which an earlier run is taken to have sent no more."""
_KNOWN_S = 60.0
_CONTRADICTIONS = frozenset(
    {
        ErrorCode.OPEN_PARCEL_REQUIRED,
        ErrorCode.SEALING_REQUIRED,
        ErrorCode.ENVELOPE_VALIDATORS,
        ErrorCode.ENVELOPE_KEY,
    }
)
"""Refusals of a parcel that say that its dataset, or who validates, is no longer what is known."""
_KNOWN_DATASETS = 1024
_QUICK_SIZE_BYTES = 64 * KIB
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
        names = definition.__dataclass_fields__
        if all(getattr(present, name) == getattr(definition, name) for name in names):
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
    """Folder that makes a sealed submission repeatable."""
    derived_from: tuple[RecordId, ...] = ()
    """Records that these were made from."""
    in_flight: int | None = None
    """Parcels that wait for their commit at the same time; None for as many as keep the network busy."""

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
    schema: RecordSchema | None
    """What validators cannot check."""


Group = tuple[int, int, list[bytes]]
"""Position of a parcel, number of its first record, record bodies."""


class ParcelSubmission:
    """One submission: cuts records into parcels, signs (and seals) them, commits them.

    Made by ``Submission.begin``.
    """

    def __init__(self, submission: "Submission", sealing: Sealing | None) -> None:
        self._submission = submission
        self._session, self._dataset, options, self._records = submission
        self._options = options
        self._sealing = sealing
        self._probe = ResumeProbe() if options.is_repeatable else None
        self._in_flight = 0
        self.window = Window(options.in_flight)
        self._journal: Journal | None = None
        if options.journal is not None:
            kind = f"sealed {options.commitments}" if sealing else "open"
            parts = [kind, str(options.parcel_records), *map(str, options.derived_from)]
            genesis, member = self._session.genesis, self._session.identity.member
            self._journal = Journal(options.journal, genesis, member, self._dataset, " ".join(parts))

    @property
    def is_sealed(self) -> bool:
        """Whether the next parcel is sealed."""
        return self._sealing is not None

    def groups(self) -> Iterator[Group]:
        """What the parcels will hold, as they are asked for."""
        overhead = SEALED_OVERHEAD_SIZE if self.is_sealed else 0
        size_max_bytes = SEALED_RECORD_SIZE_MAX_BYTES if self.is_sealed else LIMITS.record_size_bytes
        bodies = (encode_record(record, size_max_bytes) for record in self._records)
        first = 0
        for position, group in enumerate(group_records(bodies, self._options.parcel_records, overhead)):
            yield position, first, group
            first += len(group)

    def is_quick(self, group: Group) -> bool:
        """Whether signing takes well under a millisecond."""
        return not self.is_sealed and self._journal is None and sum(map(len, group[2])) < _QUICK_SIZE_BYTES

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

    def sign(self, position: int, first: int, group: list[bytes]) -> SignedTransaction:
        """The parcel's transaction. Sealing is pure computation: it may run in another thread.

        Raises:
            PoolError: codes ``schema_violation`` and ``bad_sealing``, with ``record_index`` counted over the whole
                submission; as the journal.
        """
        if self._journal is None:
            return self._sign(position, first, group)
        return self._journal.transaction(position, group, lambda: self._sign(position, first, group))

    def _sign(self, position: int, first: int, group: list[bytes]) -> SignedTransaction:
        session, options, sealing = self._session, self._options, self._sealing
        if sealing is None:
            nonce = None
            if options.idempotency_key is not None:
                key = f"{self._dataset} {options.idempotency_key}"
                nonce = repeatable_nonce(session.genesis, key, position, group)
            return sign_parcel(
                session.genesis, session.identity, self._dataset, group, nonce=nonce, derived_from=options.derived_from
            )
        try:
            violation = sealing.schema.check(group) if sealing.schema is not None else None
            if violation is not None:
                raise violation
            genesis, identity, keys = session.genesis, session.identity, sealing.kem_keys
            return sign_sealed_parcel(
                genesis, identity, self._dataset, group, keys, options.commitments, options.derived_from
            )
        except PoolError as error:
            raise _located(error, first) from None

    def commit(self, parcel: SignedTransaction, group: Group) -> Operation[VerifiedReceipt]:
        """Commit a group's parcel, unless an earlier run has done so. If the dataset is no longer shared as it was, the
        group is signed again as it is now.
        """
        probe = self._probe
        if probe is not None and probe.is_active:
            try:
                found = yield from self._session.receipt(parcel.transaction_id, parcel.record_count)
            except PoolError as error:
                if error.code is not ErrorCode.NOT_FOUND:
                    raise
                probe.saw(known=False)
            else:
                probe.saw(known=True)
                if not found.outcome.is_ok:
                    raise TransactionRejected(found)
                return replace(found, is_earlier=True)
        try:
            return (yield from self._session.commit(parcel))
        except PoolError as error:
            if error.code not in _CONTRADICTIONS or self._journal is not None:
                raise
        self._session.datasets.pop(self._dataset, None)
        self._sealing = yield from self._submission.sealing()
        return (yield from self._session.commit(self._sign(*group)))


class Submission(NamedTuple):
    """What is to be shared, and how."""

    session: Session
    dataset: str
    options: SubmissionOptions
    records: Iterable[RecordBody]

    def begin(self) -> Operation[ParcelSubmission]:
        """Raises as ``sealing``, and ``bad_request`` or ``too_large`` (too many sources)."""
        options = self.options
        commitment_kind(options.commitments)
        source_links(options.derived_from)
        if options.in_flight is not None and options.in_flight < 1:
            raise PoolError(ErrorCode.BAD_REQUEST, "at least one parcel is in flight")
        _ = self.session.identity  # nothing is asked for a submission that could not be signed
        return ParcelSubmission(self, (yield from self.sealing()))

    def sealing(self) -> Operation[Sealing | None]:
        """How parcels are sealed, None for open ones. It goes by the dataset's entry in the state, which is proven: a
        node that says ``open`` of what is not would otherwise be sent the plaintext.

        Raises:
            PoolError: codes ``unknown_dataset``, ``not_owner``, ``open_parcel_required``, ``bad_request``.
        """
        options = self.options
        _, entry, kem_keys = yield from _known_dataset(self.session, self.dataset)
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
        return Sealing(kem_keys, compile_schema(entry.schema) if entry.schema else None)


def _known_dataset(session: Session, dataset: str) -> Operation[KnownDataset]:
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
