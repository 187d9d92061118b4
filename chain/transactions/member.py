"""``member``: a member changes its own keys.

Two keys are kept offline for it. The *governance key* adds and retires system keys. Its *successor* was named before it
is needed: it alone takes the governance key's place, and names the next one as it does. So a stolen governance key can
be used against its member, but never take the member away from whoever holds the successor.

Old keys are never removed: each keeps the heights at which it could sign, and they never change for blocks that there
are. What a retired key has signed can be verified for ever.
"""

from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from chain.errors import ErrorCode, PoolError, Refusal
from chain.limits import LIMITS
from chain.primitives.crypto import Signer, domain, key_id, verify_public_key, verify_signature
from chain.primitives.encoding import Wire
from chain.primitives.types import KeyId, PublicKey, Reason, Signature, Text
from chain.state.entries import Governance, governance_key, member_key
from chain.state.members import Member, MemberKey, registered_key
from chain.transactions.base import CheckedTransaction, Header, Index, TransactionType
from chain.transactions.context import Effect, ExecutionContext


class NewKey(Wire, frozen=True):
    """A key to be registered, with the proof that somebody holds it."""

    public_key: PublicKey
    proof: Signature
    """Its signature over ``H-domain("member-key") | member's name``: no other member can register it as its own."""


class MemberHeader(Header, frozen=True, tag=13):
    """Changes the signer's own keys. Signed by its governance key, or by the successor, which takes its place."""

    new_keys: Annotated[tuple[NewKey, ...], Meta(max_length=LIMITS.member_change_keys)]
    """System keys that sign from the next block on."""
    retired_keys: Annotated[tuple[KeyId, ...], Meta(max_length=LIMITS.member_change_keys)]
    """System keys that sign up to this block, and never after."""
    successor: NewKey | None
    """The next successor, where the present one signs; else None."""
    person: Annotated[Text, Meta(min_length=1)]
    """Who has decided it."""
    reason: Reason


def prove_key(chain_id: bytes, member: str, signer: Signer) -> NewKey:
    """A key as ``member`` has it registered."""
    return NewKey(signer.public_key, signer.sign(_message(chain_id, member)))


def _message(chain_id: bytes, member: str) -> bytes:
    return domain("member-key", chain_id) + member.encode()


def _check(header: MemberHeader) -> None:
    new = _new_keys(header)
    if not new and not header.retired_keys:
        raise PoolError(ErrorCode.BAD_REQUEST, "it changes nothing")
    named = [key_id(key.public_key) for key in new] + list(header.retired_keys)
    if len(set(named)) != len(named):
        raise PoolError(ErrorCode.BAD_REQUEST, "a key is named twice")
    message = _message(header.chain_id, header.member)
    for key in new:
        verify_public_key(key.public_key)
        if not verify_signature(key.public_key, message, key.proof):
            raise PoolError(ErrorCode.BAD_SIGNATURE, "a new key does not prove that somebody holds it")


def _new_keys(header: MemberHeader) -> tuple[NewKey, ...]:
    return header.new_keys if header.successor is None else (*header.new_keys, header.successor)


def _execute(context: ExecutionContext, checked: CheckedTransaction, header: MemberHeader) -> Effect:
    name = header.member
    governance = context.state.read(governance_key(name), Governance)
    member = context.state.read(member_key(name), Member)
    if governance is None or header.key_id not in (governance.key_id, governance.successor_id):
        raise Refusal(ErrorCode.NOT_GOVERNANCE_KEY, member=name, key_id=header.key_id)
    takes_over = header.key_id == governance.successor_id
    if takes_over != (header.successor is not None):
        raise Refusal(ErrorCode.SUCCESSOR_MISMATCH, member=name, key_id=header.key_id)
    keys = {key_id(key.public_key): key for key in (member.keys if member else ())}
    for retired in header.retired_keys:
        key = registered_key(member, name, retired)
        if retired in (governance.key_id, governance.successor_id):
            raise Refusal(ErrorCode.NOT_SYSTEM_KEY, member=name, key_id=retired)
        if not key.is_valid_at(context.height + 1):
            raise Refusal(ErrorCode.REVOKED_KEY, member=name, key_id=retired, height=context.height + 1)
        keys[retired] = replace(key, until_height=context.height)
    for new in _new_keys(header):
        if key_id(new.public_key) in keys:
            raise Refusal(ErrorCode.KEY_KNOWN, member=name, key_id=key_id(new.public_key))
        keys[key_id(new.public_key)] = MemberKey(new.public_key, from_height=context.height + 1)
    limit = context.limits.member_keys if takes_over else context.limits.member_keys_in_service
    if header.new_keys or takes_over:
        _verify_room(name, len(keys), limit)
    changed = Governance(governance.key_id, governance.successor_id, governance.since_height, governance.changes + 1)
    if header.successor is not None:
        keys[governance.key_id] = replace(keys[governance.key_id], until_height=context.height)
        successor_id = key_id(header.successor.public_key)
        changed = Governance(header.key_id, successor_id, context.height + 1, governance.changes + 1)
    if member is not None:
        context.state.write(member_key(name), replace(member, keys=tuple(keys.values())))
    context.state.write(governance_key(name), changed)
    return Effect()


def _verify_room(member: str, count: int, limit: int) -> None:
    """A stolen governance key can register many keys: the last places are the successor's."""
    if count > limit:
        raise Refusal(ErrorCode.TOO_MANY_KEYS, member=member, found=count, limit=limit)


MEMBER = TransactionType(
    name="member",
    header=MemberHeader,
    execute=_execute,
    check=_check,
    index=lambda header: Index(proofs=len(_new_keys(header))),
)
