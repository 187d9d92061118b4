"""Evidence files: a self-contained answer to "where does this record come from?", checked offline from genesis alone.

JSON, so that people can read it; every byte string that is hashed or signed is in it verbatim. ``verify_evidence`` goes
through numbered steps and yields each one as it passes; the first that fails raises.

Of a sealed record the file holds the ciphertext: it proves who shared it, when and in which place, not what it says.
``contracts.disclosures`` proves that, with the same steps but one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from chain import state
from chain.blocks import Block, BlockHeader, Certificate, Outcome, block_hash, decode_header
from chain.crypto import Hash, verify_signature
from chain.encoding import decode, encode
from chain.errors import ErrorCode, PoolError
from chain.genesis import Genesis
from chain.json_text import decode_json_file
from chain.ledger import Ledger
from chain.limits import LIMITS
from chain.members import Member, signing_key
from chain.merkle import leaf_hash, verify_inclusion
from chain.receipts import ReceiptMaker
from chain.schema import compile_schema
from chain.state import DatasetEntry
from chain.state_tree import StateProof, verify_state_proof
from chain.storage.blocks import Location
from chain.transactions import (
    ParcelHeader,
    decode_records,
    decode_transaction_header,
    parcel_leaves,
    record_proof,
    signing_message,
    transaction_id,
)
from chain.types import Unsigned
from chain.validators import verify_certificate

FORMAT: Literal["blockpool-evidence/1"] = "blockpool-evidence/1"
STEPS = ("chain", "block", "quorum", "order", "record", "member", "signature", "dataset")
"""Titles of the verification's steps in their order."""

_HASH_HEX = r"\A[0-9a-f]{64}\Z"

Hex32 = Annotated[str, Meta(pattern=_HASH_HEX)]
Proof = Annotated[tuple[Hex32, ...], Meta(max_length=64)]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the file's objects. Byte strings are base64, hashes hexadecimal."""


class RecordPart(_Part, frozen=True):
    """The record, and its place in its parcel."""

    transaction_id: Hex32
    index: Annotated[int, Meta(ge=0, lt=LIMITS.transaction_records)]
    body: Annotated[bytes, Meta(max_length=LIMITS.record_size_bytes)]
    proof: Proof
    """From the record's leaf to the parcel's ``records_root``."""


class ParcelPart(_Part, frozen=True):
    """What the sharing member signed."""

    header: Annotated[bytes, Meta(max_length=LIMITS.header_size_bytes)]
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class VotePart(_Part, frozen=True):
    """One validator's commit vote."""

    validator: str
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class CertificatePart(_Part, frozen=True):
    """The quorum that finalised the block."""

    view: Unsigned
    votes: Annotated[tuple[VotePart, ...], Meta(max_length=LIMITS.validators)]


class BlockPart(_Part, frozen=True):
    """The block that ordered the parcel, and the parcel's outcome in it."""

    header: Annotated[bytes, Meta(max_length=1024)]
    certificate: CertificatePart
    outcome: Annotated[bytes, Meta(max_length=4096)]
    outcome_index: Unsigned
    outcome_proof: Proof
    """From the outcome to the header's ``result_root``."""


class EntryPart(_Part, frozen=True):
    """A state entry after the block."""

    value: bytes
    proof: bytes
    """Encoded ``StateProof`` to the header's ``state_root``."""


class ParcelEvidence(_Part, frozen=True):
    """What files of every kind prove of the parcel: ordered, accepted, and signed by the dataset's owner."""

    format: Literal["blockpool-evidence/1"]
    chain_id: Hex32
    parcel: ParcelPart
    block: BlockPart
    member: EntryPart
    """The sharing member's entry: which keys sign for it."""
    dataset: EntryPart
    """The catalogue entry: owner, schema, sharing class."""


class RecordEvidence(ParcelEvidence, frozen=True, tag_field="kind", tag="record"):
    """A record's evidence."""

    record: RecordPart


class Step(NamedTuple):
    """One step of a verification that has passed."""

    number: int
    title: str
    detail: str


def make_record_evidence(ledger: Ledger, id_: Hash, index: int) -> bytes:
    """The evidence file of record ``index`` of the parcel ``id_``.

    Raises:
        PoolError: code ``not_found`` if there is no such record, or the parcel was rejected.
    """
    location = ledger.blocks.location(id_)
    transaction = ledger.blocks.transaction(location) if location else None
    if location is None or transaction is None:
        raise PoolError(ErrorCode.NOT_FOUND, f"no transaction {id_.hex()}")
    header = decode_transaction_header(ledger.chain_id, transaction.header)
    if not isinstance(header, ParcelHeader) or index >= header.record_count:
        raise PoolError(ErrorCode.NOT_FOUND, f"transaction {id_.hex()} has no record {index}")
    block = ledger.block_at(location.height)
    outcome = block.outcomes[location.position]
    if not outcome.is_ok:
        raise PoolError(ErrorCode.NOT_FOUND, f"the parcel was rejected ({outcome.code}): {outcome.reason}")
    records = decode_records(header, transaction.payload)
    file = RecordEvidence(
        format=FORMAT,
        chain_id=ledger.chain_id.hex(),
        record=RecordPart(id_.hex(), index, records[index], _hex(record_proof(header, records, index))),
        parcel=ParcelPart(transaction.header, transaction.signature),
        block=_block_part(block, location),
        member=_entry_part(ledger, state.member_key(header.member), location.height),
        dataset=_entry_part(ledger, state.dataset_key(header.dataset), location.height),
    )
    return encode_evidence(file)


def encode_evidence(file: ParcelEvidence) -> bytes:
    """The file's bytes: indented JSON."""
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def parse_evidence(content: bytes) -> RecordEvidence:
    """Read a record's evidence file without believing it.

    Raises:
        PoolError: code ``bad_evidence``.
    """
    return decode_json_file(RecordEvidence, content, ErrorCode.BAD_EVIDENCE)


def verify_evidence(content: bytes, genesis: Genesis) -> Iterator[Step]:
    """Verify a record's evidence file from genesis alone, yielding each step as it passes.

    Raises:
        PoolError: at the first step that fails, with ``step`` and ``step_title`` in its context.
    """
    return numbered(STEPS, lambda: verify_record(parse_evidence(content), genesis))


def numbered(titles: Sequence[str], verify: Callable[[], Iterator[str]]) -> Iterator[Step]:
    """The steps of a verification: what each has found, with its number and title.

    Args:
        titles: of the steps in their order.
        verify: starts it; what it raises before its first step belongs to that step.

    Raises:
        PoolError: as ``verify`` does, with ``step`` and ``step_title`` in its context.
    """
    number = 0
    try:
        for number, detail in enumerate(verify(), start=1):
            yield Step(number, titles[number - 1], detail)
    except PoolError as error:
        context = error.context | {"step": number + 1, "step_title": titles[number]}
        raise PoolError(error.code, error.detail, **context) from None


def verify_record(file: RecordEvidence, genesis: Genesis) -> Iterator[str]:
    """Verify a record's evidence: what each of ``STEPS`` has found, as it passes."""
    record = file.record

    def verify_place(parcel_id: Hash, parcel: ParcelHeader) -> str:
        if record.transaction_id != parcel_id.hex():
            raise PoolError(ErrorCode.BAD_EVIDENCE, "the record's id does not name this parcel")
        leaf = parcel_leaves(parcel, [record.body])[0]
        verify_inclusion(leaf, record.index, parcel.record_count, _unhex(record.proof), parcel.records_root)
        size = f"sealed, {len(record.body)} bytes with its seal" if parcel.envelope else f"{len(record.body)} bytes"
        return f"record {record.index + 1} of {parcel.record_count}, {size}"

    return verify_parcel(file, genesis, verify_place, record.body)


def verify_parcel(
    file: ParcelEvidence,
    genesis: Genesis,
    verify_content: Callable[[Hash, ParcelHeader], str],
    open_body: bytes | None = None,
) -> Iterator[str]:
    """Verify what files of every kind prove, yielding what each step has found.

    Args:
        file: not believed.
        genesis: of the chain.
        verify_content: step 5, the file's own: given the parcel's id and header, which steps 1 to 4 have shown to be
            in the chain; says what it has found.
        open_body: the record's body, for the dataset's schema if the parcel is open; None if there is none to check.

    Raises:
        PoolError: at the first step that fails.
    """
    chain_id = genesis.chain_id

    # 1. The file speaks of this chain.
    if file.chain_id != chain_id.hex():
        raise PoolError(
            ErrorCode.WRONG_CHAIN, f"evidence of chain {file.chain_id[:16]}, the genesis is {chain_id.hex()[:16]}"
        )
    yield f"{chain_id.hex()[:16]}, network {genesis.file.network}"

    # 2. The block's header hashes to what the certificate names, and names the validators that genesis founds.
    header, hash_ = decode_header(file.block.header), block_hash(chain_id, file.block.header)
    if header.validators_hash != genesis.validators.hash(chain_id):
        raise PoolError(ErrorCode.BAD_EVIDENCE, "the block was made by validators that genesis does not name")
    yield f"height {header.height}, hash {hash_.hex()[:16]}, proposed by {header.proposer}"

    # 3. A quorum of those validators committed that block.
    votes = tuple((vote.validator, vote.signature) for vote in file.block.certificate.votes)
    certificate = Certificate(header.height, file.block.certificate.view, hash_, votes)
    verify_certificate(chain_id, certificate, genesis.validators, header.height, hash_)
    yield f"{len(votes)} of {len(genesis.validators)} validators: {', '.join(name for name, _ in votes)}"

    # 4. The block holds the parcel, with the outcome that it took effect.
    parcel_id = transaction_id(chain_id, file.parcel.header)
    verify_inclusion(
        leaf_hash(file.block.outcome),
        file.block.outcome_index,
        header.transaction_count,
        _unhex(file.block.outcome_proof),
        header.result_root,
    )
    outcome = decode(Outcome, file.block.outcome)
    if outcome.transaction_id != parcel_id or not outcome.is_ok:
        raise PoolError(ErrorCode.BAD_EVIDENCE, "the outcome is another transaction's, or a rejection")
    yield f"transaction {file.block.outcome_index + 1} of {header.transaction_count} in the block, accepted"

    # 5. What the file says of the parcel's content is so: the record, or a part of it, is under the parcel's root.
    parcel = decode_transaction_header(chain_id, file.parcel.header)
    if not isinstance(parcel, ParcelHeader):
        raise PoolError(ErrorCode.BAD_EVIDENCE, "the transaction is no parcel")
    yield verify_content(parcel_id, parcel)

    # 6. The member that shared it is in the state, and its key was valid at that height.
    member = decode(Member, _entry(file.member, chain_id, header, state.member_key(parcel.member)))
    public_key = signing_key(member, parcel.member, parcel.key_id, header.height)
    yield f"{member.name} ({member.title_zh} {member.title_en}), key {parcel.key_id.hex()[:16]}"

    # 7. That key signed the parcel.
    if not verify_signature(public_key, signing_message(chain_id, file.parcel.header), file.parcel.signature):
        raise PoolError(ErrorCode.BAD_SIGNATURE, f"the signature of {parcel.member} does not verify")
    yield f"Ed25519 by {parcel.member} over the parcel's header"

    # 8. The dataset is in the catalogue, owned by that member, and its schema accepts the record if that is open.
    entry = decode(DatasetEntry, _entry(file.dataset, chain_id, header, state.dataset_key(parcel.dataset)))
    if entry.owner != parcel.member:
        raise PoolError(ErrorCode.NOT_OWNER, f"{parcel.dataset} belongs to {entry.owner}")
    # A dataset updated later in the same block shows its newer schema here; the outcome vouches for the older one.
    is_schema_known = bool(entry.schema) and entry.updated_height < header.height
    if open_body is not None and is_schema_known and not parcel.envelope:
        offence = compile_schema(entry.schema).check([open_body])
        if offence is not None:
            raise offence
    yield f"{entry.dataset} ({entry.title_zh} {entry.title_en}), version {entry.version}, {entry.sharing}"


def _entry(part: EntryPart, chain_id: bytes, header: BlockHeader, key: bytes) -> bytes:
    verify_state_proof(chain_id, header.state_root, key, part.value, decode(StateProof, part.proof))
    return part.value


def _block_part(block: Block, location: Location) -> BlockPart:
    receipt = ReceiptMaker(block).receipt(location.position)
    certificate = receipt.certificate
    votes = tuple(VotePart(member, signature) for member, signature in certificate.votes)
    return BlockPart(
        receipt.header, CertificatePart(certificate.view, votes), receipt.outcome, receipt.index, _hex(receipt.proof)
    )


def _entry_part(ledger: Ledger, key: bytes, height: int) -> EntryPart:
    value, proof = ledger.state_proof(key, height)
    if value is None:
        raise PoolError(ErrorCode.NOT_FOUND, f"{key.decode()} is not in the state at height {height}")
    return EntryPart(value, encode(proof))


def _hex(hashes: tuple[bytes, ...] | list[bytes]) -> tuple[str, ...]:
    return tuple(item.hex() for item in hashes)


def _unhex(hashes: tuple[str, ...]) -> list[bytes]:
    return [bytes.fromhex(item) for item in hashes]
