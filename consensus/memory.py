"""What a replica must not forget: its own statements at one height, and the blocks they bind it to.

| key | value | written |
|---|---|---|
| `votes` | `Sworn` of the height in flight | before any statement of ours is sent |
| `proposal/0`, `proposal/1` | `Proposal` | before we prepare a block that neither holds |

Two places for proposals suffice: one for the block that a prepared certificate of ours binds us to, the other for the
block of our latest prepare. A crash between the writes of one batch leaves `votes` older than the proposals, which
costs at most the proposal of an unprepared vote, never a statement. Values of an old height are overwritten later.
"""

from __future__ import annotations

from collections.abc import Mapping
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


class Sworn(Wire, frozen=True):
    """A replica's own latest statements at one height."""

    height: Unsigned
    prepare: Prepare | None
    """Latest prepare; its view is the highest in which we voted."""
    commit: Commit | None
    """Latest commit."""
    view_change: ViewChangeVote | None
    """Latest view-change vote: we vote in no view below it."""
    prepared: PreparedCertificate | None
    """The prepared certificate of the highest view we know; what our view changes claim."""


def load_sworn(memory: Mapping[bytes, bytes]) -> Sworn | None:
    """Our last statements, or None for a replica that never voted.

    Raises:
        InvariantBroken: the value is damaged. Voting without it could contradict what we signed.
    """
    value = memory.get(VOTES_KEY)
    return None if value is None else _load(Sworn, value)


def is_forgotten(sworn: Sworn | None, statement: Statement) -> bool:
    """Whether ``statement``, which this replica has signed, is newer than what it remembers: memory was lost then,
    since everything is durable before it is sent.
    """
    if sworn is None or statement.height != sworn.height:
        return sworn is None or statement.height > sworn.height
    match statement:
        case Prepare():
            known: Statement | None = sworn.prepare
        case Commit():
            known = sworn.commit
        case ViewChangeVote():
            known = sworn.view_change
    return known is None or statement.view > known.view


def is_own_memory(memory: Mapping[bytes, bytes], chain_id: bytes, me: str, public_key: bytes) -> bool:
    """Whether all that ``memory`` holds was sworn by this replica, on this chain. Empty memory is anybody's."""
    try:
        sworn = load_sworn(memory)
        load_proposals(memory)
    except InvariantBroken:
        return False
    statements = (sworn.prepare, sworn.commit, sworn.view_change) if sworn is not None else ()
    return all(
        statement.validator == me
        and verify_signature(public_key, signed_message(chain_id, statement), statement.signature)
        for statement in statements
        if statement is not None
    )


def load_proposals(memory: Mapping[bytes, bytes]) -> tuple[Proposal | None, Proposal | None]:
    """The two proposals kept, in the order of ``PROPOSAL_KEYS``.

    Raises:
        InvariantBroken: a value is damaged.
    """
    first, second = (memory.get(key) for key in PROPOSAL_KEYS)
    return (
        None if first is None else _load(Proposal, first),
        None if second is None else _load(Proposal, second),
    )


def _load(type_: type[T], value: bytes) -> T:
    try:
        return decode(type_, value)
    except EncodingError as error:
        raise InvariantBroken(f"consensus memory is damaged: {error.detail}") from error
