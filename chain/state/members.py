"""Members of the pool: organisations, their keys, and the node that some of them run."""

from typing import Annotated, Literal

from msgspec import Meta

from chain.errors import ErrorCode, Refusal
from chain.limits import LIMITS
from chain.primitives.crypto import key_id
from chain.primitives.encoding import Wire
from chain.primitives.kem import KemKey
from chain.primitives.types import KeyId, Name, PublicKey, Title, Unsigned
from chain.proofs.validators import Validator, ValidatorSet
from chain.state.entries import member_key
from chain.state.working import StateReader

MemberKind = Literal["government", "enterprise", "social", "public"]
"""政府部门, 企业, 社会组织, 公共机构."""


class MemberKey(Wire, frozen=True):
    """A key that signs transactions for a member, and the heights at which it may."""

    public_key: PublicKey
    from_height: Unsigned = 0
    """First block in which its transactions may stand."""
    until_height: Unsigned = 0
    """Last such block; 0 for no end."""

    def is_valid_at(self, height: int) -> bool:
        """Whether a transaction in the block at ``height`` may be signed with it."""
        return self.from_height <= height and (self.until_height == 0 or height <= self.until_height)


class NodeRecord(Wire, frozen=True):
    """Where a member's node listens, and the certificate that its links are pinned to."""

    address: Annotated[str, Meta(max_length=255)]
    """``host:port`` for other nodes."""
    api_url: Annotated[str, Meta(max_length=255)]
    """Base URL of its HTTP API; empty if it is not offered to other members."""
    tls_certificate: Annotated[bytes, Meta(max_length=4096)]
    """X.509 certificate, DER."""


class Member(Wire, frozen=True):
    """A member's entry in the state, under ``member/NAME``."""

    name: Name
    kind: MemberKind
    title_zh: Title
    title_en: Title
    roles: Annotated[tuple[Name, ...], Meta(max_length=16)]
    """Functions that access contracts may refer to, such as ``statistics``."""
    keys: Annotated[tuple[MemberKey, ...], Meta(max_length=LIMITS.member_keys)]
    consensus_key: PublicKey | None
    """Ed25519 key that signs its node's votes; None for a member that does not vote."""
    kem_key: KemKey | None
    """Key of its node that shares of parcels' keys are sealed to; validators have one where parcels are sealed."""
    node: NodeRecord | None
    """None for a member without a node."""
    witness_key: PublicKey | None = None
    """Ed25519 key with which it cosigns checkpoints without a vote; None for a member that is no witness."""

    def key_by_id(self, id_: KeyId) -> MemberKey | None:
        """The transaction key with this id."""
        for key in self.keys:
            if key_id(key.public_key) == id_:
                return key
        return None

    @property
    def validator(self) -> Validator | None:
        """This member as a validator, if it votes."""
        return Validator(self.name, self.consensus_key) if self.consensus_key else None


def registered_key(member: Member | None, name: str, id_: KeyId) -> MemberKey:
    """The key of ``name`` with this id, whether it may sign at present or not.

    Raises:
        Refusal: codes ``unknown_member``, ``unknown_key``.
    """
    if member is None:
        raise Refusal(ErrorCode.UNKNOWN_MEMBER, member=name)
    key = member.key_by_id(id_)
    if key is None:
        raise Refusal(ErrorCode.UNKNOWN_KEY, member=name, key_id=id_)
    return key


def signing_key(member: Member | None, name: str, id_: KeyId, height: int) -> bytes:
    """The public key that checks a transaction of ``name`` in the block at ``height``.

    Raises:
        Refusal: codes ``unknown_member``, ``unknown_key``, ``revoked_key``.
    """
    key = registered_key(member, name, id_)
    if not key.is_valid_at(height):
        raise Refusal(ErrorCode.REVOKED_KEY, member=name, key_id=id_, height=height)
    return key.public_key


def kem_keys(read: StateReader, validators: ValidatorSet) -> dict[str, bytes]:
    """Encoded KEM public keys, by name, of the validators that have one."""
    members = (read(member_key(name), Member) for name in validators.names)
    return {member.name: member.kem_key for member in members if member and member.kem_key}
