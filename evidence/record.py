"""Evidence of a record: who shared it, in which parcel, when it was ordered and by which quorum, under which dataset,
schema and contract. And what came of it up to a height: is it erased or corrected, who read its parcel, what was made
of it.

Of a sealed record the file holds the ciphertext: it proves who shared it, when and in which place, not what it says.
``evidence.disclosure`` proves that. Of an erased record it holds the leaf alone, and says so.
"""

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.limits import LIMITS
from chain.primitives.crypto import Hash
from chain.primitives.places import has_place
from chain.proofs.merkle import inclusion_proof, verify_inclusion
from chain.state.entries import OwnerAct, erasure_key, record_erasure_key
from chain.storage.blocks import Location
from chain.transactions.correction import CorrectionHeader
from chain.transactions.parcel import ParcelHeader, decode_content, parcel_leaves, record_proof
from chain.transactions.registry import decode_stored
from evidence.making import PartMaker
from evidence.parcel import FinalParcel, ParcelEvidence, make_parcel_parts, verify_parcel
from evidence.parts import Hex32, Part, Proof, encode_evidence, hex_proof, parse_evidence, plain_proof
from evidence.uses import ProvenUses, UsesPart, make_uses, verify_uses
from evidence.verification import Verifier, bad_evidence

RECORD_STEPS = ("chain", "block", "quorum", "order", "record", "member", "signature", "dataset", "uses")
"""Titles of the verification's steps in their order."""


class RecordPart(Part, frozen=True):
    """The record, and its place in its parcel."""

    transaction_id: Hex32
    index: Annotated[int, Meta(ge=0, lt=LIMITS.transaction_records)]
    body: Annotated[bytes, Meta(max_length=LIMITS.record_size_bytes)] | None
    """As it stands in the parcel: a sealed one sealed. None for an erased record."""
    leaf: Hex32 | None
    """The leaf hash of an erased record, which is all that is left of it; otherwise None, it follows from the body."""
    proof: Proof
    """From the leaf to the parcel's ``records_root``."""


class RecordEvidence(ParcelEvidence, frozen=True, tag_field="kind", tag="record"):
    """A record's evidence."""

    record: RecordPart
    uses: UsesPart


def make_record_evidence(ledger: Ledger, id_: Hash, index: int, tree_size: int | None = None) -> bytes:
    """The evidence file of record ``index`` of the parcel ``id_``.

    Args:
        ledger: where it is taken from.
        id_: transaction id of the parcel.
        index: of the record in it.
        tree_size: of the checkpoint that the auditor holds; see ``PartMaker``.

    Raises:
        PoolError: codes ``not_found`` if there is no such record up to the checkpoint, or the parcel was rejected;
            ``parcel_erased`` if it was erased after the checkpoint, as of which its content would have to be shown.
    """
    maker = PartMaker(ledger, tree_size)
    location = maker.location(id_)
    header = maker.header(location)
    if not isinstance(header, ParcelHeader) or not 0 <= index < header.record_count:
        raise PoolError(ErrorCode.NOT_FOUND, f"transaction {id_.hex()} has no record {index}")
    parts = make_parcel_parts(maker, location, header)
    file = RecordEvidence(
        *maker.head,
        block=parts.block,
        parcel=parts.parcel,
        member=parts.member,
        dataset=parts.dataset,
        contract=parts.contract,
        record=_record_part(maker, id_, header, location, index),
        uses=make_uses(maker, id_, header, index),
    )
    return encode_evidence(file)


def parse_record_evidence(content: bytes) -> RecordEvidence:
    """Read a record's evidence file without believing it; raises ``bad_evidence``."""
    return parse_evidence(RecordEvidence, content)


def verify_record(file: RecordEvidence, verifier: Verifier) -> Iterator[str]:
    """Verify a record's evidence: what each of ``RECORD_STEPS`` has found, as it passes."""
    record = file.record
    proven: list[FinalParcel] = []

    def verify_place(parcel: FinalParcel) -> str:
        proven.append(parcel)
        return _verify_place(record, parcel)

    yield from verify_parcel(file, verifier, verify_place, record.body)

    # 9. What came of it up to a height, all of it.
    uses = verify_uses(verifier, file.uses, proven[0], record.index)
    erasure = uses.since.erasure
    if record.body is None and erasure is None:
        raise bad_evidence("the record's body is left out, but neither it nor its parcel was erased")
    if record.body is not None and erasure is not None:
        raise PoolError(ErrorCode.PARCEL_ERASED, f"erased at height {erasure.height}: its content is not to be shown")
    yield describe_uses(uses)


def describe_uses(uses: ProvenUses) -> str:
    """What came of a record, in words."""
    readers = "too many to list" if uses.readers is None else ", ".join(uses.readers)
    reads = f"{uses.reads.requests} requests and {uses.reads.read_reports} read reports name its parcel"
    by = f" (read by {readers})" if uses.reads.read_reports else ""
    made = f"{uses.derived_parcels} parcels were made from its parcel"
    own = f", {uses.record_parcels} from the record itself" if uses.derived_parcels and uses.record_parcels else ""
    return f"{uses.since}; {reads}{by}; {made}{own}"


def _verify_place(record: RecordPart, parcel: FinalParcel) -> str:
    header = parcel.header
    if record.transaction_id != parcel.id.hex():
        raise bad_evidence("the record's id does not name this parcel")
    place = f"record {record.index + 1} of {header.record_count}"
    if record.body is not None and record.leaf is None:
        leaf = parcel_leaves(header, [record.body])[0]
        size = f"{len(record.body)} bytes"
        found = f"{place}, sealed, {size} with its seal" if header.envelope else f"{place}, {size}"
    elif record.body is None and record.leaf is not None:
        leaf = bytes.fromhex(record.leaf)
        found = f"{place}, erased: its leaf is here, its content is not"
    else:
        raise bad_evidence("a record has either its body or, once erased, its leaf")
    if isinstance(header, CorrectionHeader):
        parcel_id, index = header.corrected
        found += f"; corrects {parcel_id.hex()}/{index} ({header.legal_basis}: {header.reason})"
    verify_inclusion(leaf, record.index, header.record_count, plain_proof(record.proof), header.records_root)
    return found


def _record_part(maker: PartMaker, id_: Hash, header: ParcelHeader, location: Location, index: int) -> RecordPart:
    """The record from the payload, or from what its erasure has left."""
    blocks = maker.ledger.blocks
    erased, stored = blocks.erased_payload(location), blocks.transaction(location)
    if erased is None:
        records = decode_stored(maker.chain_id, stored).records if stored is not None else ()
        if len(records) != header.record_count:
            raise PoolError(ErrorCode.DATABASE_DAMAGED, f"the payload of {id_.hex()} is incomplete")
        return RecordPart(id_.hex(), index, records[index], None, hex_proof(record_proof(header, records, index)))
    proof = hex_proof(inclusion_proof(erased.leaves, index))
    if erased.places and not has_place(erased.places, index):
        body = decode_content(header, erased.left).records[index]
        return RecordPart(id_.hex(), index, body, None, proof)
    keys = erasure_key(id_), record_erasure_key(id_, index)
    if all(maker.value(key, maker.height, OwnerAct) is None for key in keys):
        raise PoolError(ErrorCode.PARCEL_ERASED, f"after height {maker.height}: ask without that checkpoint")
    return RecordPart(id_.hex(), index, None, erased.leaves[index].hex(), proof)
