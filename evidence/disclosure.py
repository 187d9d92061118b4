"""Evidence of what single fields of one sealed record say, or the whole of it, to a third party.

It is a record's evidence with a disclosure (``sealing.disclosure``) in place of the ciphertext: everything
that makes the parcel's header true, and what opens some commitments under it. Whoever holds the genesis file checks it
offline, and learns nothing about what is withheld but how many fields there are.
"""

from collections.abc import Iterator, Sequence

from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import Hash
from chain.proofs.trust import TrustHistory
from chain.transactions.base import transaction_id
from chain.transactions.parcel import ParcelHeader
from chain.transactions.registry import decode_transaction_header
from chain.transactions.sealed import decode_envelope
from evidence.parcel import FinalParcel, ParcelEvidence, verify_parcel
from evidence.parts import encode_evidence
from evidence.record import RECORD_STEPS, parse_record_evidence
from evidence.uses import SincePart, verify_since
from evidence.verification import Verifier, numbered
from sealing.commitments import Field
from sealing.context import ParcelContext
from sealing.disclosure import Disclosure, FieldDisclosure, RecordDisclosure, disclose, verify_disclosure
from sealing.disclosure_json import FieldDisclosureObject, RecordDisclosureObject, disclosure_object, plain_disclosure
from sealing.parcels import ParcelCipher

_RECORD_STEPS = tuple("disclosure" if title == "record" else title for title in RECORD_STEPS if title != "uses")
DISCLOSURE_STEPS = (*_RECORD_STEPS, "since")
"""Titles of the verification's steps in their order."""


class DisclosureEvidence(ParcelEvidence, frozen=True, tag_field="kind", tag="disclosure"):
    """A disclosure's evidence."""

    disclosure: FieldDisclosureObject | RecordDisclosureObject
    since: SincePart
    """Of the record's uses no more than whether it still stands: who read it is not for everybody."""


def make_disclosure_evidence(
    trust: TrustHistory,
    record_evidence: bytes,
    bodies: Sequence[bytes],
    key: bytes | ParcelCipher,
    names: Sequence[str] = (),
    leaves: Sequence[Hash] | None = None,
) -> bytes:
    """Make the evidence file that discloses fields of a sealed record, or all of it. It is verified before it is
    returned.

    Args:
        trust: of the chain.
        record_evidence: the record's own evidence file, from any node.
        bodies: sealed bodies of all records of its parcel, from any node; empty ones for records that were erased.
        key: the parcel's seed, if it is opened whole; else what opens it, or the part that was granted.
        names: fields to show; none if the parcel commits to its records as a whole.
        leaves: of all records, where some bodies are not there.

    Raises:
        PoolError: codes ``bad_request`` (fields named or not named against the kind of commitment, or the parcel is
            open), ``not_found`` (no such field), ``payload_mismatch`` (the bodies are others), ``bad_sealing``, and
            whatever does not hold of ``record_evidence``.
    """
    file = parse_record_evidence(record_evidence)
    header = decode_transaction_header(trust.chain_id, file.parcel.header)
    if not isinstance(header, ParcelHeader) or not header.envelope:
        raise PoolError(ErrorCode.BAD_REQUEST, "the record is not sealed: its own evidence shows it as it is")
    parcel_id = transaction_id(trust.chain_id, file.parcel.header)
    commitments = decode_envelope(header.envelope).commitments
    disclosure = disclose(bodies, key, _context(header), commitments, parcel_id, file.record.index, names, leaves)
    made = DisclosureEvidence(
        format=file.format,
        chain_id=file.chain_id,
        handovers=file.handovers,
        block=file.block,
        parcel=file.parcel,
        member=file.member,
        dataset=file.dataset,
        contract=file.contract,
        disclosure=disclosure_object(disclosure),
        since=SincePart(**{name: getattr(file.uses, name) for name in SincePart.__struct_fields__}),
    )
    for _ in numbered(DISCLOSURE_STEPS, lambda: verify_disclosed(made, Verifier(trust.copy()))):
        pass
    return encode_evidence(made)


def disclosed_content(file: DisclosureEvidence) -> list[Field] | bytes:
    """What a file discloses: fields with their values as JSON text, or the whole record. Believe it once the file is
    verified.
    """
    disclosure = file.disclosure
    if isinstance(disclosure, RecordDisclosureObject):
        return disclosure.record
    return [Field(field.name, field.value.encode()) for field in disclosure.fields]


def verify_disclosed(file: DisclosureEvidence, verifier: Verifier) -> Iterator[str]:
    """Verify a disclosure's evidence: what each of ``DISCLOSURE_STEPS`` has found, as it passes."""
    proven: list[FinalParcel] = []

    def verify_content(parcel: FinalParcel) -> str:
        proven.append(parcel)
        header = parcel.header
        if not header.envelope:
            raise PoolError(ErrorCode.BAD_DISCLOSURE, "the parcel is not sealed")
        disclosure = plain_disclosure(file.disclosure)
        verify_disclosure(disclosure, _context(header), parcel.id, header.record_count)
        return _found(disclosure, header)

    yield from verify_parcel(file, verifier, verify_content)

    # 9. Whether the record still stands.
    yield str(verify_since(verifier, file.since, proven[0], plain_disclosure(file.disclosure).place.index))


def _context(header: ParcelHeader) -> ParcelContext:
    return ParcelContext(header.chain_id, header.dataset, header.records_root)


def _found(disclosure: Disclosure, parcel: ParcelHeader) -> str:
    place = f"sealed record {disclosure.place.index + 1} of {parcel.record_count}"
    match disclosure:
        case FieldDisclosure():
            names = ", ".join(field.name for field in disclosure.fields)
            return f"{len(disclosure.fields)} of {disclosure.field_count} fields of {place}: {names}"
        case RecordDisclosure():
            return f"{place} as a whole, {len(disclosure.record)} bytes"
