"""What a replica must remember over restarts: its own votes at one height, and the blocks they bind it to.

| key | value | written |
|---|---|---|
| `votes` | `VoteRecord` of the height in flight | before any statement of ours is sent |
| `proposal/0`, `proposal/1` | `Proposal` | before we prepare a block that neither holds |

Two slots for proposals are enough: one for the block that our prepared certificate binds us to, one for that of our
latest prepare. A crash between the writes of one batch leaves `votes` older than the proposals. That loses at most
the proposal of an unprepared vote, never a vote. Values of an old height are overwritten later.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from chain.blocks import Proposal
from chain.errors import InvariantBroken
from chain.primitives.crypto import verify_signature
from chain.primitives.encoding import EncodingError, Wire, decode
from chain.primitives.types import Unsigned
from consensus.messages import Commit, Prepare, PreparedCertificate, Statement, ViewChangeVote, signed_message

T = TypeVar("T")

VOTES_KEY = b"votes"
PROPOSAL_KEYS = (b"proposal/0", b"proposal/1")


class VoteRecord(Wire, frozen=True):
    """A replica's own latest votes at one height."""

    height: Unsigned
    prepare: Prepare | None
    """Latest prepare; its view is the highest in which we voted."""
    commit: Commit | None
    """Latest commit."""
    view_change: ViewChangeVote | None
    """Latest view-change vote; we vote in no view below it."""
    prepared: PreparedCertificate | None
    """The prepared certificate of the highest view we know; what our view changes claim."""


def load_vote_record(memory: Mapping[bytes, bytes]) -> VoteRecord | None:
    """Our vote record, or None for a replica that never voted.

    Raises:
        InvariantBroken: the value is damaged. Voting without it could contradict what we signed.
    """
    value = memory.get(VOTES_KEY)
    return None if value is None else _load(VoteRecord, value)


def is_forgotten(record: VoteRecord | None, statement: Statement) -> bool:
    """Whether ``statement``, which this replica has signed, is newer than its record. Votes are durable before they are
    sent, so a part of the record was lost then.
    """
    if record is None or statement.height != record.height:
        return record is None or statement.height > record.height
    match statement:
        case Prepare():
            known: Statement | None = record.prepare
        case Commit():
            known = record.commit
        case ViewChangeVote():
            known = record.view_change
    return known is None or statement.view > known.view


def is_own_memory(memory: Mapping[bytes, bytes], chain_id: bytes, me: str, public_keys: Iterable[bytes]) -> bool:
    """Whether this replica signed everything in ``memory``, on this chain, with keys of its own. True for an empty
    memory.
    """
    try:
        record = load_vote_record(memory)
        load_proposals(memory)
    except InvariantBroken:
        return False
    keys = tuple(public_keys)
    statements = (record.prepare, record.commit, record.view_change) if record is not None else ()
    return all(is_signed_by(statement, chain_id, me, keys) for statement in statements if statement is not None)


def is_signed_by(statement: Statement, chain_id: bytes, me: str, public_keys: Iterable[bytes]) -> bool:
    """Whether a statement is by ``me`` and signed with one of these keys: a validator's changes at a hand-over."""
    message = signed_message(chain_id, statement)
    return statement.validator == me and any(verify_signature(key, message, statement.signature) for key in public_keys)


def load_proposals(memory: Mapping[bytes, bytes]) -> tuple[Proposal | None, Proposal | None]:
    """The two proposals kept, in the order of ``PROPOSAL_KEYS``.

    Raises:
        InvariantBroken: a value is damaged.
    """
    first, second = (memory.get(key) for key in PROPOSAL_KEYS)
    return (None if first is None else _load(Proposal, first), None if second is None else _load(Proposal, second))


def _load(type_: type[T], value: bytes) -> T:
    try:
        return decode(type_, value)
    except EncodingError as error:
        raise InvariantBroken(f"consensus memory is damaged: {error.detail}") from error
