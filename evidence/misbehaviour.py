"""Evidence of misbehaviour: two things that one member has signed and that no honest member, its memory intact, signs
both.

Either two votes of a validator (``consensus.evidence`` has the rule), or two checkpoints
(``chain.proofs.checkpoints.is_contradiction``): other roots at one size, or a smaller size at a later time, with which
history was cut off. The first checkpoint may also be one that a quorum of validators has cosigned: a member that signs
another root at that size has been overruled by them all. Nobody has to be believed, the file speaks for itself.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta

from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import Hash, verify_signature
from chain.primitives.types import Name, Unsigned
from chain.proofs.checkpoints import (
    CHECKPOINT_SIZE_BYTES_MAX,
    Checkpoint,
    Cosignature,
    encode_checkpoint,
    is_contradiction,
    parse_checkpoint,
)
from chain.proofs.trust import TrustHistory
from consensus.evidence import is_contradiction as is_vote_contradiction
from consensus.messages import Commit, Prepare, Statement, ViewChangeVote, signed_message
from evidence.parts import EvidenceFile, Hex32, Part, SignatureBytes, encode_evidence, file_head
from evidence.verification import Verifier, bad_evidence

MISBEHAVIOUR_STEPS = ("chain", "accused", "first", "second", "contradiction")
"""Titles of the verification's steps in their order."""

Note = Annotated[str, Meta(max_length=CHECKPOINT_SIZE_BYTES_MAX)]
"""A checkpoint's exact text."""


class StatementPart(Part, frozen=True):
    """A vote of the accused: for a block (``prepare``, ``commit``), or for the next view (``view-change``)."""

    kind: Literal["prepare", "commit", "view-change"]
    height: Unsigned
    view: Unsigned
    block_hash: Hex32 | None
    """The block voted for. ``view-change``: the block last seen prepared, None for none."""
    prepared_view: Unsigned | None
    """``view-change``: in which view that was. None for none, and for other kinds."""
    signature: SignatureBytes


class VoteParts(Part, frozen=True):
    """Two votes of the accused."""

    first: StatementPart
    second: StatementPart


class CheckpointParts(Part, frozen=True):
    """Two checkpoints: the second signed by the accused, the first by the accused or by a quorum of validators."""

    first: Note
    second: Note


class MisbehaviourEvidence(EvidenceFile, frozen=True, tag_field="kind", tag="misbehaviour"):
    """The file; either ``votes`` or ``checkpoints`` is there, the other is None."""

    member: Name
    """The accused."""
    votes: VoteParts | None
    checkpoints: CheckpointParts | None


def make_vote_evidence(trust: TrustHistory, first: Statement, second: Statement) -> bytes:
    """The file that convicts a validator of two votes.

    Raises:
        PoolError: as the verification would.
    """
    parts = VoteParts(_statement_part(first), _statement_part(second))
    head = file_head(trust, first.height)
    return _made(trust, MisbehaviourEvidence(*head, first.validator, parts, None))


def make_checkpoint_evidence(trust: TrustHistory, member: str, first: Checkpoint, second: Checkpoint) -> bytes:
    """The file that convicts a validator or witness of a checkpoint.

    Raises:
        PoolError: as the verification would.
    """
    parts = CheckpointParts(*(encode_checkpoint(checkpoint, trust).decode() for checkpoint in (first, second)))
    head = file_head(trust, max(first.head.size, second.head.size) - 1)
    return _made(trust, MisbehaviourEvidence(*head, member, None, parts))


def verify_misbehaviour(file: MisbehaviourEvidence, verifier: Verifier) -> Iterator[str]:
    """Verify a file: what each of ``MISBEHAVIOUR_STEPS`` has found, as it passes.

    Raises:
        PoolError: at the first step that fails: codes ``wrong_chain``, ``unknown_member``, ``bad_signature``,
            ``bad_checkpoint``, ``bad_evidence``.
    """
    yield verifier.verify_chain(file)
    if file.votes is not None and file.checkpoints is None:
        yield from _verify_votes(file.member, file.votes, verifier.trust)
    elif file.checkpoints is not None and file.votes is None:
        yield from _verify_checkpoints(file.member, file.checkpoints, verifier.trust)
    else:
        raise bad_evidence("the file has to hold either votes or checkpoints")


def proved_misbehaviour(file: MisbehaviourEvidence) -> str:
    """What a verified file proves, in one sentence."""
    what = "votes" if file.votes is not None else "checkpoints"
    return f"{file.member} has signed two {what} that no honest member signs both"


def _made(trust: TrustHistory, file: MisbehaviourEvidence) -> bytes:
    for _ in verify_misbehaviour(file, Verifier(trust.copy())):
        pass
    return encode_evidence(file)


# Votes


def _verify_votes(member: str, votes: VoteParts, trust: TrustHistory) -> Iterator[str]:
    height = votes.first.height
    key = trust.validators_at(height).key_of(member)
    if key is None:
        raise PoolError(ErrorCode.UNKNOWN_MEMBER, f"{member} is no validator at height {height}")
    yield f"{member}, a validator"
    statements = []
    for part in (votes.first, votes.second):
        statement = _statement(member, part)
        if not verify_signature(key, signed_message(trust.chain_id, statement), statement.signature):
            raise PoolError(ErrorCode.BAD_SIGNATURE, f"the {part.kind} is not signed by {member}")
        statements.append(statement)
        yield _described_vote(part)
    if not is_vote_contradiction(*statements):
        raise bad_evidence("an honest validator may sign both")
    yield "no honest validator signs both"


def _statement_part(statement: Statement) -> StatementPart:
    height, view, signature = statement.height, statement.view, statement.signature
    if isinstance(statement, ViewChangeVote):
        block = _hex(statement.prepared_hash)
        return StatementPart("view-change", height, view, block, statement.prepared_view, signature)
    kind: Literal["prepare", "commit"] = "prepare" if isinstance(statement, Prepare) else "commit"
    return StatementPart(kind, height, view, statement.block_hash.hex(), None, signature)


def _statement(member: str, part: StatementPart) -> Statement:
    """The statement that a part stands for; raises ``bad_evidence`` for fields that its kind does not have."""
    hash_ = None if part.block_hash is None else bytes.fromhex(part.block_hash)
    if part.kind == "view-change":
        if (hash_ is None) != (part.prepared_view is None):
            raise bad_evidence("a view-change vote names a prepared block with its view, or neither")
        return ViewChangeVote(part.height, part.view, part.prepared_view, hash_, member, part.signature)
    if hash_ is None or part.prepared_view is not None:
        raise bad_evidence(f"a {part.kind} vote names a block, and no prepared view")
    kind = Prepare if part.kind == "prepare" else Commit
    return kind(part.height, part.view, hash_, member, part.signature)


def _described_vote(part: StatementPart) -> str:
    block = "no block" if part.block_hash is None else f"block {part.block_hash[:16]}"
    if part.kind == "view-change":
        where = "" if part.prepared_view is None else f" in view {part.prepared_view}"
        return f"at height {part.height}: enters view {part.view}, and has seen {block} prepared{where}"
    return f"{part.kind} at height {part.height}, view {part.view}: {block}"


def _hex(hash_: Hash | None) -> str | None:
    return None if hash_ is None else hash_.hex()


# Checkpoints


def _verify_checkpoints(member: str, parts: CheckpointParts, trust: TrustHistory) -> Iterator[str]:
    is_validator = trust.has_voted(member)
    if not is_validator and not trust.has_witnessed(member):
        raise PoolError(ErrorCode.UNKNOWN_MEMBER, f"{member} is neither validator nor witness")
    yield f"{member}, a {'validator' if is_validator else 'witness'}"
    first = parse_checkpoint(parts.first.encode(), trust)
    voters = trust.signers_of(first.head.size)
    is_quorum = len(first.cosigners(voters.names)) >= voters.quorum
    if not _signed_by(first, member) and not is_quorum:
        raise bad_evidence(f"the first is signed neither by {member} nor by a quorum")
    yield _described_checkpoint(first)
    second = parse_checkpoint(parts.second.encode(), trust)
    if not _signed_by(second, member):
        raise bad_evidence(f"the second is not signed by {member}")
    yield _described_checkpoint(second)
    yield _contradiction(first, second, member)


def _contradiction(first: Checkpoint, second: Checkpoint, member: str) -> str:
    """How the two contradict each other; raises ``bad_evidence`` if they do not."""
    if first.head.size == second.head.size and first.head.root != second.head.root:
        whose = "its own" if _signed_by(first, member) else "the quorum's"
        return f"another history than {whose} at {first.head.size} blocks"
    pairs = ((one, other) for one in _signed_by(first, member) for other in _signed_by(second, member))
    if any(is_contradiction(one, other) for one, other in pairs):
        sizes = sorted((first.head.size, second.head.size))
        return f"cut off: {sizes[0]} blocks, after it had seen {sizes[1]}"
    raise bad_evidence("an honest member may sign both")


def _signed_by(checkpoint: Checkpoint, member: str) -> list[Cosignature]:
    return [signature for signature in checkpoint.signatures if signature.member == member]


def _described_checkpoint(checkpoint: Checkpoint) -> str:
    signers = sorted({signature.member for signature in checkpoint.signatures})
    return f"{checkpoint.head.size} blocks, root {checkpoint.head.root.hex()[:16]}, signed by {', '.join(signers)}"
