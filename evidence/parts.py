"""What evidence files are made of. A file is JSON, so that people can read it: byte strings are base64, hashes
hexadecimal, and every byte string that is hashed or signed is in it verbatim.
"""

import json
from typing import Annotated, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from chain.blocks import Certificate, block_hash, decode_header
from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.primitives.crypto import Hash
from chain.primitives.encoding import decode, encode
from chain.primitives.json_text import decode_json_file
from chain.primitives.types import Unsigned
from chain.proofs.handover import HandOver
from chain.proofs.merkle import MAX_PROOF_LENGTH
from chain.proofs.trust import TrustHistory
from chain.proofs.validators import ValidatorsEntry

FORMAT: Literal["blockpool-evidence/2"] = "blockpool-evidence/2"

Hex32 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Proof = Annotated[tuple[Hex32, ...], Meta(max_length=MAX_PROOF_LENGTH)]
HeaderBytes = Annotated[bytes, Meta(max_length=LIMITS.header_size_bytes)]
"""Exact bytes of a transaction's header; their hash is its id."""
Height = Annotated[int, Meta(ge=1, le=2**63 - 1)]
"""Of a block that somebody had to commit: all but genesis."""
SignatureBytes = Annotated[bytes, Meta(min_length=64, max_length=64)]

LISTED_MAX = 64
"""Transactions that one list of a file holds; of more than these only the number is proven."""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the file's objects: no member may be missing, and none may be there that the type does not have."""


class VotePart(Part, frozen=True):
    """One validator's commit vote."""

    validator: Annotated[str, Meta(max_length=LIMITS.name_length)]
    signature: SignatureBytes


class CertificatePart(Part, frozen=True):
    """The quorum that finalised a block, as JSON has it everywhere; height and hash are the block's."""

    view: Unsigned
    votes: Annotated[tuple[VotePart, ...], Meta(max_length=LIMITS.validators)]

    @classmethod
    def of(cls, certificate: Certificate) -> "CertificatePart":
        """The JSON form of a certificate."""
        return cls(certificate.view, tuple(VotePart(member, signature) for member, signature in certificate.votes))

    def certificate(self, height: int, block_hash: Hash) -> Certificate:
        """The certificate that this is of the block with this hash."""
        return Certificate(
            height, self.view, block_hash, tuple((vote.validator, vote.signature) for vote in self.votes)
        )


class InclusionPart(Part, frozen=True):
    """A block's place in the history that a checkpoint names."""

    tree_size: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    """The checkpoint's size: number of blocks, genesis included."""
    proof: Proof
    """From the block's hash, the leaf at its height, to the checkpoint's root."""


class BlockPart(Part, frozen=True):
    """A final block."""

    header: Annotated[bytes, Meta(max_length=1024)]
    """Exact bytes of the ``BlockHeader``."""
    certificate: CertificatePart
    inclusion: InclusionPart | None
    """Saves the certificate's signatures for whoever holds the checkpoint of that size; nobody else looks at it."""


class TransactionPart(Part, frozen=True):
    """A transaction with its outcome in a block."""

    header: HeaderBytes
    signature: SignatureBytes
    outcome: Annotated[bytes, Meta(max_length=4096)]
    """Encoded ``Outcome``."""
    index: Unsigned
    """Place of the transaction in its block."""
    proof: Proof
    """From the outcome to the block header's ``result_root``."""


class CommittedPart(Part, frozen=True):
    """A transaction, and the block that it stands in."""

    block: BlockPart
    transaction: TransactionPart


class EntryPart(Part, frozen=True):
    """A state entry after a block, or that there is none. Which key and which block is the place's where it stands."""

    value: bytes | None
    """None: there is no such entry."""
    proof: bytes
    """Encoded ``StateProof`` to the block header's ``state_root``."""


class HandOverPart(Part, frozen=True):
    """Who signs from the next block on: see ``chain.proofs.trust``."""

    header: Annotated[bytes, Meta(max_length=1024)]
    """Exact bytes of the last ``BlockHeader`` of the old set."""
    certificate: CertificatePart
    """The old set's, for that block."""
    validators: Annotated[bytes, Meta(max_length=32 * 1024)]
    """Encoded ``ValidatorsEntry``: the new set, whose hash the header names."""

    @classmethod
    def of(cls, handover: HandOver) -> "HandOverPart":
        """The JSON form of a hand-over."""
        return cls(handover.header, CertificatePart.of(handover.certificate), encode(handover.validators))

    def handover(self, chain_id: bytes) -> HandOver:
        """The hand-over that this is, not verified; raises ``malformed``, ``not_canonical``."""
        hash_ = block_hash(chain_id, self.header)
        certificate = self.certificate.certificate(decode_header(self.header).height, hash_)
        return HandOver(self.header, certificate, decode(ValidatorsEntry, self.validators))


class EvidenceFile(Part, frozen=True):
    """What a file of every kind begins with; ``kind`` is the tag of its type."""

    format: Literal["blockpool-evidence/2"]
    chain_id: Hex32
    handovers: tuple[HandOverPart, ...]
    """All from genesis up to the last block of the file, in their order; none in a file for a checkpoint's holder, who
    needs the validators of no block.
    """


class FileHead(NamedTuple):
    """The fields of ``EvidenceFile``."""

    format: Literal["blockpool-evidence/2"]
    chain_id: str
    handovers: tuple[HandOverPart, ...]


File = TypeVar("File", bound=EvidenceFile)


def file_head(trust: TrustHistory, height: int) -> FileHead:
    """What a file begins with that speaks of blocks up to ``height``."""
    return FileHead(FORMAT, trust.chain_id.hex(), tuple(map(HandOverPart.of, trust.handovers_until(height))))


def hex_proof(hashes: tuple[bytes, ...] | list[bytes]) -> tuple[str, ...]:
    """A proof as files have it."""
    return tuple(item.hex() for item in hashes)


def plain_proof(hashes: tuple[str, ...]) -> list[bytes]:
    """The hashes of a file's proof."""
    return [bytes.fromhex(item) for item in hashes]


def parse_evidence(type_: type[File], content: bytes) -> File:
    """Read a file without believing it: it has exactly the members of its type, each spelled as it has to be.

    Args:
        type_: of the files that are wanted, or a union of such types.
        content: of the file.

    Raises:
        PoolError: code ``bad_evidence``.
    """
    file = decode_json_file(type_, content, ErrorCode.BAD_EVIDENCE)
    # Base64 can spell the same bytes in several ways, of which one is written.
    if json.loads(content) != json.loads(msgspec.json.encode(file)):
        raise PoolError(ErrorCode.BAD_EVIDENCE, "a value is not spelled as it has to be")
    return file


def encode_evidence(file: EvidenceFile) -> bytes:
    """A file's bytes: indented JSON, by one space a level, since there are many."""
    return msgspec.json.format(msgspec.json.encode(file), indent=1) + b"\n"
