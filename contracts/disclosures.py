"""Disclosure evidence: a file that proves single fields of one sealed record, or a whole one, to a third party.

It is a record's evidence (``chain.evidence``) with a disclosure (``contracts.sealing.disclosure``) in place of the
ciphertext: everything that makes the parcel's header true, and what opens some commitments under it. Whoever holds the
genesis file checks it offline, and learns nothing about what is withheld but how many fields there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chain.crypto import Hash
from chain.errors import ErrorCode, PoolError
from chain.evidence import (
    STEPS,
    ParcelEvidence,
    RecordEvidence,
    Step,
    encode_evidence,
    numbered,
    parse_evidence,
    verify_parcel,
    verify_record,
)
from chain.genesis import Genesis
from chain.json_text import decode_json_file
from chain.sealed import decode_envelope
from chain.transactions import ParcelHeader, decode_transaction_header, transaction_id
from contracts.sealing.commitments import Field
from contracts.sealing.context import ParcelContext
from contracts.sealing.disclosure import Disclosure, FieldDisclosure, RecordDisclosure, disclose, verify_disclosure
from contracts.sealing.disclosure_json import (
    FieldDisclosureObject,
    RecordDisclosureObject,
    disclosure_object,
    plain_disclosure,
)

DISCLOSURE_STEPS = tuple("disclosure" if title == "record" else title for title in STEPS)
"""Titles of the verification's steps in their order."""


class DisclosureEvidence(ParcelEvidence, frozen=True, tag_field="kind", tag="disclosure"):
    """A disclosure's evidence."""

    disclosure: FieldDisclosureObject | RecordDisclosureObject


def make_disclosure_evidence(
    genesis: Genesis, record_evidence: bytes, bodies: Sequence[bytes], seed: bytes, names: Sequence[str] = ()
) -> bytes:
    """Make the evidence file that discloses fields of a sealed record, or all of it. It is verified before it is
    returned.

    Args:
        genesis: of the chain.
        record_evidence: the record's own evidence file, from any node.
        bodies: sealed bodies of all records of its parcel, from any node.
        seed: of the parcel: the owner has it, and so has a granted reader.
        names: fields to show; none if the parcel commits to its records as a whole.

    Raises:
        PoolError: codes ``bad_request`` (fields named or not named against the kind of commitment, or the parcel is
            open), ``not_found`` (no such field), ``payload_mismatch`` (the bodies are others), ``bad_sealing``, and
            whatever does not hold of ``record_evidence``.
    """
    file = parse_evidence(record_evidence)
    header = decode_transaction_header(genesis.chain_id, file.parcel.header)
    if not isinstance(header, ParcelHeader) or not header.envelope:
        raise PoolError(ErrorCode.BAD_REQUEST, "the record is not sealed: its own evidence shows it as it is")
    parcel_id = transaction_id(genesis.chain_id, file.parcel.header)
    commitments = decode_envelope(header.envelope).commitments
    disclosure = disclose(bodies, seed, _context(header), commitments, parcel_id, file.record.index, names)
    content = encode_evidence(
        DisclosureEvidence(
            format=file.format,
            chain_id=file.chain_id,
            parcel=file.parcel,
            block=file.block,
            member=file.member,
            dataset=file.dataset,
            disclosure=disclosure_object(disclosure),
        )
    )
    for _ in verify_any_evidence(content, genesis):
        pass
    return content


def parse_any_evidence(content: bytes) -> RecordEvidence | DisclosureEvidence:
    """Read an evidence file of either kind without believing it.

    Raises:
        PoolError: code ``bad_evidence``.
    """
    file: RecordEvidence | DisclosureEvidence = decode_json_file(
        RecordEvidence | DisclosureEvidence,  # type: ignore[arg-type]  # a union is a fine decoding target
        content,
        ErrorCode.BAD_EVIDENCE,
    )
    return file


def verify_any_evidence(content: bytes, genesis: Genesis) -> Iterator[Step]:
    """Verify an evidence file of either kind from genesis alone, yielding each step as it passes.

    Raises:
        PoolError: at the first step that fails, with ``step`` and ``step_title`` in its context.
    """
    try:
        file = parse_any_evidence(content)
    except PoolError as error:
        raise PoolError(error.code, error.detail, step=1, step_title=STEPS[0]) from None
    if isinstance(file, RecordEvidence):
        yield from numbered(STEPS, lambda: verify_record(file, genesis))
    else:
        yield from numbered(DISCLOSURE_STEPS, lambda: _verify_disclosure(file, genesis))


def disclosed_content(file: DisclosureEvidence) -> list[Field] | bytes:
    """What a file discloses: fields with their values as JSON text, or the whole record. Believe it once the file is
    verified.
    """
    disclosure = file.disclosure
    if isinstance(disclosure, RecordDisclosureObject):
        return disclosure.record
    return [Field(field.name, field.value.encode()) for field in disclosure.fields]


def _verify_disclosure(file: DisclosureEvidence, genesis: Genesis) -> Iterator[str]:
    """What each of ``DISCLOSURE_STEPS`` has found, as it passes."""

    def verify_content(parcel_id: Hash, parcel: ParcelHeader) -> str:
        if not parcel.envelope:
            raise PoolError(ErrorCode.BAD_DISCLOSURE, "the parcel is not sealed")
        disclosure = plain_disclosure(file.disclosure)
        verify_disclosure(disclosure, _context(parcel), parcel_id, parcel.record_count)
        return _summary(disclosure, parcel)

    return verify_parcel(file, genesis, verify_content)


def _context(header: ParcelHeader) -> ParcelContext:
    return ParcelContext(header.chain_id, header.dataset, header.records_root)


def _summary(disclosure: Disclosure, parcel: ParcelHeader) -> str:
    place = f"sealed record {disclosure.place.index + 1} of {parcel.record_count}"
    match disclosure:
        case FieldDisclosure():
            names = ", ".join(field.name for field in disclosure.fields)
            return f"{len(disclosure.fields)} of {disclosure.field_count} fields of {place}: {names}"
        case RecordDisclosure():
            return f"{place} as a whole, {len(disclosure.record)} bytes"
