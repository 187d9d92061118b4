"""Members as the state has them, proven: who signs what, and to whose keys parcels are sealed."""

from collections.abc import Mapping

from blockpool.exchange import Operation, UntrueAnswer
from blockpool.operations.proofs import newest_header, state_entry
from blockpool.operations.session import KnownMember, Session
from chain.blocks import BlockHeader
from chain.errors import ErrorCode, PoolError
from chain.state.entries import PROTOCOL_KEY, ProtocolEntry, member_key
from chain.state.members import Member


def member_at(session: Session, name: str, height: int) -> Operation[Member]:
    """A member whose keys answer for ``height``. The entry may be of a later block: a key that was registered stays in
    it, and its period never changes for blocks that there are.

    Raises:
        PoolError: code ``unknown_member``; what does not verify.
    """
    known = session.members.get(name)
    if known is None or known.height < height:
        header = yield from newest_header(session)
        if header.height < height:
            raise UntrueAnswer(ErrorCode.NOT_READY, f"it is at block {header.height}, behind {height}")
        known = yield from _learned(session, name, header)
    return known.member


def sealing_keys(session: Session) -> Operation[Mapping[str, bytes]]:
    """KEM public keys of the validators, by name, that a parcel's key is split among.

    Raises:
        PoolError: code ``no_contracts`` if nothing can be sealed on this network.
    """
    header = yield from newest_header(session)
    protocol = yield from state_entry(session, PROTOCOL_KEY, ProtocolEntry, header)
    if protocol is None or protocol.engine is None or protocol.kem_suite is None:
        raise PoolError(ErrorCode.NO_CONTRACTS, "this network runs no contracts: nothing can be sealed")
    keys = {}
    for name in session.trust.validators_at(header.height + 1).names:
        known = yield from _learned(session, name, header)
        if known.member.kem_key is None:
            raise PoolError(ErrorCode.NO_CONTRACTS, f"{name} has no key to seal to")
        keys[name] = known.member.kem_key
    return keys


def newest_member(session: Session, name: str, header: BlockHeader) -> Operation[Member]:
    """A member after a block that is verified.

    Raises:
        PoolError: code ``unknown_member``; what does not verify.
    """
    return (yield from _learned(session, name, header)).member


def _learned(session: Session, name: str, header: BlockHeader) -> Operation[KnownMember]:
    member = yield from state_entry(session, member_key(name), Member, header)
    if member is None:
        raise PoolError(ErrorCode.UNKNOWN_MEMBER, f"{name} is no member of this pool")
    known = session.members[name] = KnownMember(header.height, member)
    return known
