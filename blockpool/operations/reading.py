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
from blockpool.operations.parcels import Parcel, listed_parcel, parcel_of
from blockpool.operations.proofs import newest_header, state_entry
from blockpool.operations.session import Session
from blockpool.read_reporter import ReadReporter
from blockpool.signing import RecordId
from chain.access.policy import verify_covered, verify_grant
from chain.errors import ErrorCode, InvariantBroken, PoolError
from chain.state.entries import RecordPlaces, RequestEntry, request_key
from chain.transactions.sealed import decode_envelope
from sealing import KemPrivateKey, ParcelContext, RecordCipher

Place = ParcelSummary | VerifiedReceipt
"""A parcel to be read: as it was listed, or as it was named and found."""

_NAMED_PARCELS_MAX = 100_000

_objects = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Opened(NamedTuple):
    """A verified parcel, and what opens its records if they are sealed."""

    parcel: Parcel
    cipher: RecordCipher | None
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
        self._fields = _allowed_fields(entry.decision.fields, self._wanted_fields)
        self.request = entry
        self._corrections = CorrectionLookup(self._session, terms.dataset, header)
        self.log = ReadReporter(self._session.genesis, terms.dataset, self._request_id)
        named = self._named if self._named is not None else terms.parcels
        if named:
            yield from self._named_chunks(named)
        elif self._named is None:
            first = max(terms.from_height, self._since + 1 if self._since else 0)
            self._listing = ParcelListing(self._session, terms.dataset, first, terms.until_height)
            yield from self._listing.chunks(header)

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
        sealed = [parcel for parcel in parcels if parcel.is_sealed]
        seeds = (yield from self.shares.seeds(sealed)) if sealed else []
        ciphers = {parcel.id: _cipher(parcel, seed) for parcel, seed in zip(sealed, seeds, strict=True)}
        opened = []
        for parcel in parcels:
            opened.append(Opened(parcel, ciphers.get(parcel.id), (yield from self._corrections.of(parcel.id))))
        return opened

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


def _allowed_fields(granted: tuple[str, ...] | None, wanted: Sequence[str] | None) -> frozenset[str] | None:
    if wanted is None:
        return None if granted is None else frozenset(granted)
    if granted is not None and (more := set(wanted) - set(granted)):
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


def _cipher(parcel: Parcel, seed: bytes) -> RecordCipher:
    header = parcel.header
    context = ParcelContext(header.chain_id, header.dataset, header.records_root)
    return RecordCipher(context, seed, decode_envelope(header.envelope).commitments)
