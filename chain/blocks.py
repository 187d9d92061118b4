"""Blocks, proposals and certificates: the shapes, and the bytes that are hashed and signed."""

from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from chain.access.decision import AccessVerdict
from chain.facts import Facts, unpack, verify
from chain.limits import LIMITS
from chain.messages import denial, sentence
from chain.primitives.crypto import Hash, domain, hash_tagged
from chain.primitives.encoding import Wire, decode, encode
from chain.primitives.types import OPTIONAL_NAME_PATTERN, Hash32, Name, Signature, Unsigned

Version = Annotated[int, Meta(ge=1, le=2**16 - 1)]
"""Of the protocol."""


class BlockHeader(Wire, frozen=True):
    """What the validators agree on. Its exact bytes are hashed; the hash is voted on."""

    version: Version
    """Of the protocol whose rules this block follows; see ``chain.protocol``."""
    height: Unsigned
    """Genesis is 0."""
    parent_hash: Hash32
    """Hash of the block at ``height - 1``; zeros for genesis."""
    time_ms: Unsigned
    """Proposer's clock, milliseconds since 1970; never less than the parent's."""
    proposer: Annotated[str, Meta(pattern=OPTIONAL_NAME_PATTERN)]
    """Member that built the block; empty for genesis."""
    transaction_count: Annotated[int, Meta(ge=0, le=LIMITS.block_transactions)]
    """Leaves under ``tx_root`` and ``result_root``."""
    tx_root: Hash32
    """RFC 6962 root over the transaction ids in order."""
    result_root: Hash32
    """RFC 6962 root over the encoded outcomes in the same order."""
    state_root: Hash32
    """Sparse Merkle root of the state after this block."""
    history_root: Hash32
    """RFC 6962 root over the hashes of all earlier blocks; ``height`` leaves."""
    validators_hash: Hash32
    """Hash of the validator set that votes on this block."""
    next_validators_hash: Hash32
    """Hash of the set that votes on the next block, as the state after this one has it."""
    next_version: Version
    """Of the protocol whose rules the next block follows, as the state after this one has it."""

    @property
    def hands_over(self) -> bool:
        """Whether another set, or other rules, begin with the next block."""
        return self.next_validators_hash != self.validators_hash or self.next_version != self.version


class Outcome(Wire, frozen=True):
    """What became of one transaction; a leaf under ``result_root``."""

    transaction_id: Hash32
    code: Annotated[str, Meta(min_length=1, max_length=64)]
    """``ok`` or an error code."""
    facts: Facts
    """What exactly was wrong, or why the request was denied or revoked; empty otherwise."""
    fuel: Unsigned
    """Contract fuel used; 0 without a contract call."""
    verdict: AccessVerdict | None = None
    """What this transaction has led to for the request that it makes or answers; None for other transactions."""

    def __post_init__(self) -> None:
        if self.facts:
            verify(self.facts)

    @property
    def is_ok(self) -> bool:
        """Whether the transaction took effect."""
        return self.code == OK

    @property
    def sentence(self) -> str:
        """Why the transaction was rejected, or the request denied or revoked, for people; empty otherwise."""
        return denial(self.facts) if self.is_ok else sentence(self.code, unpack(self.facts))


OK = "ok"


class Certificate(Wire, frozen=True):
    """The commit votes that finalise a block."""

    height: Unsigned
    view: Unsigned
    """View in which the votes were given."""
    block_hash: Hash32
    votes: Annotated[tuple[tuple[Name, Signature], ...], Meta(max_length=LIMITS.validators)]
    """(validator, signature over ``commit_message``), strictly ascending by name."""


class Proposal(Wire, frozen=True):
    """A block as the primary proposes it: the header's bytes and the ids of its transactions, whose bodies travel
    apart.
    """

    header: Annotated[bytes, Meta(max_length=1024)]
    transaction_ids: Annotated[tuple[Hash32, ...], Meta(max_length=LIMITS.block_transactions)]


class Block(Wire, frozen=True):
    """A finalised block as nodes keep it and send it to each other; transactions follow in the order of
    ``outcomes``.
    """

    header: Annotated[bytes, Meta(max_length=1024)]
    """Exact bytes of the ``BlockHeader``."""
    certificate: Certificate | None
    """None for genesis only."""
    outcomes: Annotated[tuple[Outcome, ...], Meta(max_length=LIMITS.block_transactions)]


class FinalHeader(Wire, frozen=True):
    """A finalised block without its outcomes: its first two fields."""

    header: Annotated[bytes, Meta(max_length=1024)]
    certificate: Certificate | None


@dataclass(frozen=True, slots=True)
class LedgerTip:
    """The newest block. It is durable, unless it was committed without and ``make_durable`` is still to come."""

    height: int
    block_hash: Hash
    header: BlockHeader
    certificate: Certificate | None
    """None for genesis."""
    state: bytes = field(default=b"", compare=False)
    """Reference to the root of the state after it (``chain.state.tree``); empty while the state is not there yet."""


def decode_header(data: bytes) -> BlockHeader:
    """The block header in ``data``; raises ``EncodingError``. Whether this program knows the rules of its version is
    not known yet (``chain.proofs.trust.TrustHistory``).
    """
    return decode(BlockHeader, data)


def block_hash(chain_id: bytes, header: bytes) -> Hash:
    """Hash of a block: of its header's exact bytes."""
    return hash_tagged("block", chain_id, header)


def commit_message(chain_id: bytes, height: int, view: int, hash_: Hash) -> bytes:
    """The bytes that a commit vote signs."""
    return domain("commit", chain_id) + encode((height, view, hash_))
