"""A member's keys: which it has, proven, and changing one's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from blockpool.answers import VerifiedReceipt
from blockpool.exchange import Operation
from blockpool.operations.members import newest_member
from blockpool.operations.proofs import newest_header, state_entry
from blockpool.operations.session import Session
from blockpool.signing import signed
from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.primitives.crypto import Signer, key_id
from chain.primitives.typed import typed
from chain.state.entries import Governance, governance_key
from chain.state.members import Member, MemberKey
from chain.transactions.member import MEMBER, prove_key

KeyUse = Literal["system", "governance", "successor"]
"""What a key is for. One that was a governance key has ended, and counts as a system key that has."""


@dataclass(frozen=True, slots=True)
class MemberKeys:
    """A member's keys after a block; proven."""

    height: int
    """Of that block."""
    member: Member
    governance: Governance | None
    """Which of them may change the others; None if none may."""

    def use_of(self, key: MemberKey) -> KeyUse:
        """What one of its keys is for."""
        id_ = key_id(key.public_key)
        if self.governance is not None and id_ == self.governance.key_id:
            return "governance"
        return "successor" if self.governance is not None and id_ == self.governance.successor_id else "system"

    def signing_next(self) -> tuple[MemberKey, ...]:
        """Its system keys that sign in the next block or later."""
        height = self.height + 1
        return tuple(
            key
            for key in self.member.keys
            if self.use_of(key) == "system" and (key.until_height == 0 or key.until_height >= height)
        )


def member_keys(session: Session, name: str) -> Operation[MemberKeys]:
    """The keys of a member after the newest block.

    Raises:
        PoolError: code ``unknown_member``; what does not verify.
    """
    header = yield from newest_header(session)
    member = yield from newest_member(session, name, header)
    governance = yield from state_entry(session, governance_key(name), Governance, header)
    return MemberKeys(header.height, member, governance)


def change_keys(
    session: Session,
    new: Sequence[Signer],
    retired: Sequence[bytes],
    person: str,
    reason: str,
    successor: Signer | None,
) -> Operation[VerifiedReceipt]:
    """Change the keys of the session's member; it signs with its governance key or with the successor.

    Raises:
        PoolError: codes ``bad_request``, ``too_large``: nothing was sent.
        TransactionRejected: the validators refused it.
    """
    identity, chain_id = session.identity, session.genesis.chain_id
    person, reason = typed(person), typed(reason)
    if not person:
        raise PoolError(ErrorCode.BAD_REQUEST, "a change of keys names the person who has decided it")
    for name, text, length in (("person", person, LIMITS.text_length), ("reason", reason, LIMITS.reason_length)):
        if len(text) > length:
            raise PoolError(ErrorCode.TOO_LARGE, f"{name} has {len(text)} characters; at most {length}")
    if max(len(new), len(retired)) > LIMITS.member_change_keys:
        raise PoolError(ErrorCode.TOO_LARGE, f"at most {LIMITS.member_change_keys} keys at once")
    transaction = MEMBER.sign(
        identity.sender(session.genesis),
        new_keys=tuple(prove_key(chain_id, identity.member, signer) for signer in new),
        retired_keys=tuple(retired),
        successor=None if successor is None else prove_key(chain_id, identity.member, successor),
        person=person,
        reason=reason,
    )
    return (yield from session.commit(signed(session.genesis, transaction)))
