"""Reading whole datasets: open ones, and sealed ones under a granted request.

A reading is driven in three steps that may overlap: ``chunks`` lists what is to be read, ``fetch`` gets and verifies
the parcels of a chunk with their keys, ``records`` opens one parcel. The clients fetch ahead while they hand records
out, so a reading holds a few chunks in memory however long it is.
"""

from collections.abc import Callable, Iterator, Sequence
from json.encoder import encode_basestring as json_string
from typing import NamedTuple, Protocol

import msgspec

from blockpool.access_signing import verify_parcel_ids
from blockpool.answers import ParcelSummary, Record, VerifiedReceipt
from blockpool.exchange import Emit, Operation, Stream
from blockpool.operations.correcting import CorrectionLookup
from blockpool.operations.key_shares import OnCulprit, ShareCollector
from blockpool.operations.listing import Chunks, ParcelListing
from blockpool.operations.parcels import Parcel, listed_parcel, parcel_of, part_granted
from blockpool.operations.proofs import newest_header, state_entry
from blockpool.operations.session import Session
from blockpool.read_reporter import ReadReporter
from blockpool.signing import RecordId
from chain.access.policy import granted_fields, verify_covered, verify_grant, wanted_records
from chain.blocks import BlockHeader
from chain.errors import ErrorCode, InvariantBroken, PoolError
from chain.granularity import Part
from chain.record_keys import split_keys
from chain.state.entries import (
    PresentRecord,
    RecordPlaces,
    RequestEntry,
    RequestTerms,
    record_key_key,
    request_key,
)
from sealing import KemPrivateKey, ParcelCipher

Place = ParcelSummary | VerifiedReceipt
"""A parcel to be read: as it was listed, or as it was named and found."""

_NAMED_PARCELS_MAX = 100_000

_objects = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Opened(NamedTuple):
    """A verified parcel, and what opens its records if they are sealed."""

    parcel: Parcel
    cipher: ParcelCipher | None
    corrected: RecordPlaces
    """Which of its records were corrected since."""


class ReadPlan(Protocol):
    """What is read, and how."""

    def chunks(self) -> Stream[Sequence[Place]]:
        """Emit lists of ``Place`` in chain order."""
        ...

    def fetch(self, chunk: Sequence[Place]) -> Operation[list[Opened]]:
        """Get and verify the parcels of a chunk."""
        ...

    def records(self, opened: Opened) -> Iterator[Record]:
        """The records of a parcel."""
        ...


class OpenReading:
    """Reads an open dataset.

    Args:
        session: whom to ask.
        dataset: which dataset.
        since: height; parcels of later blocks alone are read.
    """

    def __init__(self, session: Session, dataset: str, since: int = 0) -> None:
        self._session = session
        self._dataset = dataset
        self._since = since
        self._listing = ParcelListing(session, dataset, since + 1 if since else 0)
        self._corrections: CorrectionLookup | None = None
        self.erased: list[bytes] = []
        """Ids of parcels that are left out because they were erased, which is proven."""
        self.erased_records: list[RecordId] = []
        """Records of other parcels that are left out for the same."""
        self.cursor: int | None = None
        """Height of the newest block when reading began, up to which this reading goes: give it back as ``since``, to
        read what came later. None before."""

    @property
    def record_count(self) -> int:
        """Records that will be read, erased ones included, proven; 0 while that is not known."""
        return self._listing.record_count

    def chunks(self) -> Stream[Sequence[Place]]:
        """Emit lists of ``ParcelSummary``."""
        header = yield from newest_header(self._session)
        self.cursor = max(self._since, header.height)
        self._corrections = CorrectionLookup(self._session, self._dataset, header)
        yield from self._listing.chunks(header)

    def fetch(self, chunk: Sequence[Place]) -> Operation[list[Opened]]:
        """Get and verify the parcels.

        Raises:
            PoolError: code ``access_denied`` for a sealed one.
        """
        if self._corrections is None:
            raise InvariantBroken("parcels are fetched for a reading that has not begun")
        found = []
        for place in chunk:
            parcel = yield from _listed(self._session, self._dataset, place, self.erased)
            if parcel is None:
                continue
            if parcel.is_sealed:
                detail = f"parcel {parcel.id.hex()[:16]} of {self._dataset} is sealed: request access, then read it"
                raise PoolError(ErrorCode.ACCESS_DENIED, detail)
            found.append(Opened(parcel, None, (yield from self._corrections.of(parcel.id))))
        return found

    def records(self, opened: Opened) -> Iterator[Record]:
        """The records of a parcel."""
        for index, body in enumerate(opened.parcel.bodies):
            if body is None:
                self.erased_records.append(RecordId(opened.parcel.id, index))
            else:
                yield opened.parcel.record(index, body, opened.corrected)


class SealedReading:
    """Reads what a granted request covers.

    Args:
        session: whom to ask.
        request_id: transaction id of the request.
        reader_key: the key that the request names.
        parcels: which parcels; None for all that the request covers.
        fields: which fields of JSON objects; None for all that the grant allows.
        since: height; parcels of later blocks alone are read.
        on_parcel: told of each parcel before its records are handed out.
        on_culprit: told of each wrong key share.
    """

    def __init__(
        self,
        session: Session,
        request_id: bytes,
        reader_key: KemPrivateKey,
        parcels: Sequence[bytes] | None = None,
        fields: Sequence[str] | None = None,
        since: int = 0,
        on_parcel: Callable[[Parcel], None] | None = None,
        on_culprit: OnCulprit | None = None,
    ) -> None:
        verify_parcel_ids([request_id, *(parcels or ())], _NAMED_PARCELS_MAX + 1)
        self._session = session
        self._request_id = request_id
        self._reader_key = reader_key
        self._named = parcels
        self._wanted_fields = fields
        self._since = since
        self._on_parcel = on_parcel
        self._fields: frozenset[str] | None = None
        self._is_named = False
        self._listing: ParcelListing | None = None
        self._corrections: CorrectionLookup | None = None
        self.shares = ShareCollector(session, request_id, reader_key, on_culprit)
        self.request: RequestEntry | None = None
        """The request as it stood when reading began, proven."""
        self.log: ReadReporter | None = None
        """What was handed out; None before reading has begun."""
        self.erased: list[bytes] = []
        """Ids of parcels that are left out because they were erased, which is proven."""
        self.erased_records: list[RecordId] = []
        """Records of other parcels that are left out for the same."""
        self.closed: list[bytes] = []
        """Ids of parcels that are left out because they can only be opened with more than was granted."""
        self.cursor: int | None = None
        """As of ``OpenReading``."""

    @property
    def record_count(self) -> int:
        """Records that will be read; 0 while that is not known, and for parcels that are named."""
        return self._listing.record_count if self._listing else 0

    def chunks(self) -> Stream[Sequence[Place]]:
        """Check the grant as the state has it, then emit lists of what it covers."""
        header = yield from newest_header(self._session)
        entry = yield from state_entry(self._session, request_key(self._request_id), RequestEntry, header)
        if entry is None:
            id_ = self._request_id.hex()[:16]
            raise PoolError(ErrorCode.UNKNOWN_REQUEST, f"there is no request {id_} up to block {header.height}")
        terms = entry.terms
        verify_grant(entry.decision, header.time_ms)
        if terms.kem_key != self._reader_key.public_key.encoded:
            raise PoolError(ErrorCode.BAD_KEY, "the request names another reader's key than this")
        self.cursor = max(self._since, header.height)
        granted = granted_fields(terms, entry.decision)
        self._fields = _allowed_fields(granted, self._wanted_fields)
        self.request = entry
        self._corrections = CorrectionLookup(self._session, terms.dataset, header)
        opened = () if granted is None else tuple(sorted(granted))
        self.log = ReadReporter(self._session.genesis, terms.dataset, self._request_id, opened)
        named = self._named if self._named is not None else terms.parcels
        if terms.keys and not named and self._named is None:
            named = yield from self._present_parcels(terms, header)
            if not named:
                return
        self._is_named = bool(named)
        if named:
            yield from self._named_chunks(named)
        elif self._named is None:
            first = max(terms.from_height, self._since + 1 if self._since else 0)
            self._listing = ParcelListing(self._session, terms.dataset, first, terms.until_height)
            yield from self._listing.chunks(header)

    def _present_parcels(self, terms: RequestTerms, header: BlockHeader) -> Operation[list[bytes]]:
        """The parcels of the present records of the keys that are asked for, proven."""
        found: dict[bytes, None] = {}
        for key in terms.keys:
            present = yield from state_entry(self._session, record_key_key(terms.dataset, key), PresentRecord, header)
            if present is not None:
                found[present.transaction_id] = None
        return list(found)

    def _named_chunks(self, ids: Sequence[bytes]) -> Stream[Sequence[Place]]:
        receipts = []
        for id_ in ids:
            receipt = yield from self._session.receipt(id_)
            if not receipt.outcome.is_ok:
                raise PoolError(
                    ErrorCode.NOT_FOUND, f"parcel {id_.hex()[:16]} was rejected: {receipt.outcome.sentence}"
                )
            receipts.append(receipt)
        receipts = [receipt for receipt in receipts if receipt.height > self._since]
        receipts.sort(key=lambda receipt: (receipt.height, receipt.receipt.index))
        for chunk in Chunks().of(receipts):
            yield Emit(chunk)

    def fetch(self, chunk: Sequence[Place]) -> Operation[list[Opened]]:
        """Get the parcels of a chunk and their keys, and verify all.

        Raises:
            PoolError: codes ``not_covered``, and as ``ShareCollector.seeds``.
        """
        if self.request is None or self._corrections is None:
            raise InvariantBroken("parcels are fetched for a reading that has not begun")
        parcels = []
        for place in chunk:
            parcel = yield from _listed(self._session, None, place, self.erased)
            if parcel is None:
                continue
            verify_covered(self.request.terms, parcel.id, parcel.header.dataset, parcel.height)
            parcels.append(parcel)
        sealed = [(parcel, part) for parcel in parcels if parcel.is_sealed and (part := self._part(parcel))]
        ciphers = (yield from self.shares.ciphers(sealed)) if sealed else []
        by_id = {parcel.id: cipher for (parcel, _), cipher in zip(sealed, ciphers, strict=True)}
        opened = []
        for parcel in parcels:
            if parcel.is_sealed and parcel.id not in by_id:
                continue
            opened.append(Opened(parcel, by_id.get(parcel.id), (yield from self._corrections.of(parcel.id))))
        return opened

    def _part(self, parcel: Parcel) -> Part | None:
        """What the grant opens of a parcel; None if that is nothing, and the parcel was not named."""
        entry = self.request
        if entry is None:
            raise InvariantBroken("a part of a parcel is asked for by a reading that has not begun")
        wanted = wanted_records(entry.terms, parcel.id, split_keys(parcel.header.record_keys))
        if not self._is_named and wanted == frozenset():
            return None
        try:
            return part_granted(entry, parcel)
        except PoolError:
            if self._is_named:
                raise
            self.closed.append(parcel.id)
            return None

    def records(self, opened: Opened) -> Iterator[Record]:
        """Open the records of a parcel one by one; each is noted as handed out before it is.

        Raises:
            PoolError: code ``bad_sealing`` with the owner as ``culprit``.
        """
        parcel, cipher, corrected = opened
        log, fields = self.log, self._fields
        if log is None:
            raise InvariantBroken("records are opened of a reading that has not begun")
        if self._on_parcel is not None:
            self._on_parcel(parcel)
        for index, body in enumerate(parcel.bodies):
            if body is None:
                self.erased_records.append(RecordId(parcel.id, index))
                continue
            plaintext = body if cipher is None else cipher.open(index, body)
            if plaintext is None:
                continue
            log.returned(parcel.id, index, plaintext)
            shown = plaintext if fields is None else keep_fields(plaintext, fields)
            yield parcel.record(index, shown, corrected)


def acknowledge(session: Session, log: ReadReporter) -> Operation[list[VerifiedReceipt]]:
    """Commit the read reports of everything that was handed out and not reported yet."""
    receipts = []
    for signed in log.unreported(session.identity):
        receipts.append((yield from session.commit(signed)))
        log.reported(signed)
    return receipts


def keep_fields(body: bytes, fields: frozenset[str]) -> bytes:
    """A JSON object with these fields only, their values as they stand; what is no JSON object has none of them."""
    try:
        members = _objects.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return b"{}"
    kept = (json_string(name).encode() + b":" + bytes(value) for name, value in members.items() if name in fields)
    return b"{%b}" % b",".join(kept)


def _allowed_fields(granted: frozenset[str] | None, wanted: Sequence[str] | None) -> frozenset[str] | None:
    if wanted is None:
        return None if granted is None else frozenset(granted)
    if granted is not None and (more := set(wanted) - granted):
        raise PoolError(ErrorCode.NOT_COVERED, f"the grant does not cover the field {min(more)!r}")
    return frozenset(wanted)


def _listed(session: Session, dataset: str | None, place: Place, erased: list[bytes]) -> Operation[Parcel | None]:
    """A parcel; None if it was erased and only listed. Whoever names an erased parcel is told so.

    Raises:
        PoolError: code ``parcel_erased`` for one that was named.
    """
    if isinstance(place, VerifiedReceipt):
        return (yield from parcel_of(session, dataset, place))
    try:
        return (yield from listed_parcel(session, dataset, place))
    except PoolError as error:
        if error.code is not ErrorCode.PARCEL_ERASED:
            raise
        erased.append(bytes.fromhex(place.transaction_id))
        return None
