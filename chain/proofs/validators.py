"""Who votes at a height, and what makes a certificate."""

from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import pairwise
from typing import Annotated

from msgspec import Meta

from chain.blocks import Certificate, commit_message
from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.primitives.crypto import Hash, hash_tagged, verify_signature
from chain.primitives.encoding import Wire, encode
from chain.primitives.quorum import max_faulty, quorum
from chain.primitives.types import Name, PublicKey


class Validator(Wire, frozen=True):
    """One voting member."""

    member: Name
    """The member's name."""
    public_key: PublicKey
    """Ed25519 key that signs its votes."""


class Witness(Wire, frozen=True):
    """One member that cosigns checkpoints without a vote."""

    member: Name
    """The member's name."""
    public_key: PublicKey
    """Ed25519 key that signs its cosignatures."""


class ValidatorsEntry(Wire, frozen=True):
    """Who signs for the network: the state's entry under ``validators``, whose bytes ``validators_hash`` hashes."""

    validators: Annotated[tuple[Validator, ...], Meta(min_length=1, max_length=LIMITS.validators)]
    """Who votes, in ascending order of names."""
    witnesses: Annotated[tuple[Witness, ...], Meta(max_length=LIMITS.witnesses)]
    """Who cosigns checkpoints besides them, in ascending order of names."""


class ValidatorSet:
    """The validators of one height, and its witnesses, each in ascending order of their names. Immutable."""

    def __init__(self, validators: Iterable[Validator], witnesses: Iterable[Witness] = ()) -> None:
        self.validators = tuple(sorted(validators, key=lambda validator: validator.member))
        self._keys = {validator.member: validator.public_key for validator in self.validators}
        self.witnesses = {
            witness.member: witness.public_key
            for witness in sorted(witnesses, key=lambda witness: witness.member)
            if witness.member not in self._keys
        }
        """Key of each witness that has no vote."""
        if not self.validators or len(self._keys) != len(self.validators):
            raise PoolError(ErrorCode.BAD_GENESIS, "a validator set has at least one member, each once")
        if len(set(self._keys.values())) != len(self._keys):
            raise PoolError(ErrorCode.BAD_GENESIS, "two validators share one consensus key")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Members' names in order."""
        return tuple(self._keys)

    @cached_property
    def quorum(self) -> int:
        """How many must agree."""
        return quorum(len(self._keys))

    @cached_property
    def max_faulty(self) -> int:
        """How many may be faulty."""
        return max_faulty(len(self._keys))

    def primary(self, view: int) -> str:
        """The member that proposes in ``view``."""
        return self.names[view % len(self.names)]

    def key_of(self, member: str) -> bytes | None:
        """The consensus key of ``member``, or None if it does not vote."""
        return self._keys.get(member)

    @cached_property
    def entry(self) -> ValidatorsEntry:
        """The set as the state has it."""
        witnesses = tuple(Witness(member, key) for member, key in self.witnesses.items())
        return ValidatorsEntry(self.validators, witnesses)

    def hash(self, chain_id: bytes) -> Hash:
        """What a block header's ``validators_hash`` holds."""
        return hash_tagged("validators", chain_id, encode(self.entry))

    def __contains__(self, member: object) -> bool:
        return member in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ValidatorSet) and self.entry == other.entry

    def __hash__(self) -> int:
        return hash(self.validators)


def validator_set(entry: ValidatorsEntry) -> ValidatorSet:
    """The set that a state entry or a hand-over names."""
    return ValidatorSet(entry.validators, entry.witnesses)


def verify_certificate(
    chain_id: bytes,
    certificate: Certificate,
    validators: ValidatorSet,
    height: int,
    block_hash: Hash,
    verifier: Callable[[bytes, bytes, bytes], bool] = verify_signature,
) -> None:
    """Check that a quorum of distinct ``validators`` committed the block ``block_hash`` at ``height``.

    The vote list must be in strictly ascending name order, so nobody counts twice; every vote must be by a validator of
    this height and verify over exactly this height, view and hash. One bad vote condemns the certificate: honest nodes
    never make one. ``verifier(public_key, message, signature)`` decides which signatures are valid.

    Raises:
        PoolError: code ``bad_certificate``.
    """
    if certificate.height != height or certificate.block_hash != block_hash:
        raise _bad(f"certificate is for another block than height {height}, {block_hash.hex()[:16]}")
    names = [member for member, _ in certificate.votes]
    if any(earlier >= later for earlier, later in pairwise(names)):
        raise _bad("votes are not in strictly ascending order of their signers: a signer appears twice or out of order")
    strangers = [member for member in names if member not in validators]
    if strangers:
        raise _bad(f"{strangers[0]} is no validator at height {height}")
    if len(names) < validators.quorum:
        raise _bad(f"{len(names)} votes are no quorum: {validators.quorum} of {len(validators)} are needed")
    message = commit_message(chain_id, height, certificate.view, block_hash)
    for member, signature in certificate.votes:
        key = validators.key_of(member)
        if key is None or not verifier(key, message, signature):
            raise _bad(f"the vote of {member} does not verify")


def _bad(detail: str) -> PoolError:
    return PoolError(ErrorCode.BAD_CERTIFICATE, detail)
