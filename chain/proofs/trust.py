"""Who signs at which height, and under which rules: the trust history, the one door to both.

It begins with genesis. From there on, each change of validators, witnesses or rules is proven by a *hand-over*: the
last header before the change with its certificate, which is the old set's, and the new set, whose hash that header
names. So whoever holds the genesis file and the hand-overs knows every set, each vouched for by the one before it.

What members are and which keys they have is in the state; ``member_at`` reads it there with a proof.
"""

from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple

from chain.blocks import BlockHeader, Certificate, block_hash, decode_header
from chain.errors import ErrorCode, PoolError
from chain.genesis import Genesis
from chain.primitives.crypto import hash_tagged
from chain.primitives.encoding import decode, encode
from chain.proofs.handover import HandOver
from chain.proofs.validators import ValidatorSet, validator_set, verify_certificate
from chain.protocol import Rules, rules_of
from chain.state.entries import member_key
from chain.state.members import Member
from chain.state.tree import StateProof, verify_state_proof


class Epoch(NamedTuple):
    """A stretch of heights with one set and one version of the rules."""

    since_height: int
    validators: ValidatorSet
    version: int
    handover: HandOver | None
    """What it is proven by; None for the first."""


class TrustHistory:
    """See the module.

    Args:
        genesis: of the chain, from someone you trust.
        handovers: the changes since, in their order; each is verified.

    Raises:
        PoolError: as ``extend`` does.
    """

    def __init__(self, genesis: Genesis, handovers: Iterable[HandOver] = ()) -> None:
        self.genesis = genesis
        self.chain_id = genesis.chain_id
        self._epochs: tuple[Epoch, ...] = (Epoch(0, genesis.validators, genesis.protocol.version, None),)
        for handover in handovers:
            self.extend(handover)

    @property
    def since_height(self) -> int:
        """First height of the newest set and rules that are known here."""
        return self._epochs[-1].since_height

    def copy(self) -> "TrustHistory":
        """A history that begins with this one and is extended apart from it."""
        copy = TrustHistory(self.genesis)
        copy._epochs = self._epochs
        return copy

    def extend(self, handover: HandOver) -> None:
        """Add the next change, once it is proven. One that is known already changes nothing.

        Raises:
            PoolError: codes ``bad_handover``, ``bad_certificate``, ``malformed``.
        """
        header = decode_header(handover.header)
        if header.height < self.since_height:
            self._verify_known(header, handover)
            return
        self.verify_named(header)
        self._verify_signed(header, handover.header, handover.certificate)
        validators = encode(handover.validators)
        if hash_tagged("validators", self.chain_id, validators) != header.next_validators_hash:
            raise _bad("the next set is not the one that the header names")
        if not header.hands_over:
            raise _bad(f"block {header.height} hands nothing over")
        next_set = validator_set(handover.validators)
        self._epochs += (Epoch(header.height + 1, next_set, header.next_version, handover),)

    def has_voted(self, member: str) -> bool:
        """Whether a member was a validator at any height."""
        return any(member in epoch.validators for epoch in self._epochs)

    def has_witnessed(self, member: str) -> bool:
        """Whether a member was a witness at any height."""
        return any(member in epoch.validators.witnesses for epoch in self._epochs)

    def handovers_until(self, height: int) -> tuple[HandOver, ...]:
        """The hand-overs that prove who voted on blocks up to ``height``, in their order."""
        begun = (epoch for epoch in self._epochs if epoch.since_height <= height)
        return tuple(epoch.handover for epoch in begun if epoch.handover is not None)

    def handovers_since(self, height: int) -> tuple[HandOver, ...]:
        """The hand-overs to sets and rules that begin after ``height``, in their order."""
        later = (epoch for epoch in self._epochs if epoch.since_height > height)
        return tuple(epoch.handover for epoch in later if epoch.handover is not None)

    def validators_at(self, height: int) -> ValidatorSet:
        """Who votes on the block at ``height``, as far as the changes are known here."""
        return self._epoch(height).validators

    def rules_at(self, height: int) -> Rules:
        """The rules that the block at ``height`` follows, as far as the changes are known here.

        Raises:
            PoolError: code ``unknown_protocol`` if this program lacks that version.
        """
        return rules_of(self._epoch(height).version, height)

    def signers_of(self, size: int) -> ValidatorSet:
        """Who cosigns a checkpoint over the first ``size`` blocks: whoever votes on the last of them."""
        return self.validators_at(max(0, size - 1))

    def verify_header(self, data: bytes, certificate: Certificate | None) -> BlockHeader:
        """Check that a block is final: genesis, or certified by the set of its height.

        Args:
            data: bytes of its header.
            certificate: None for genesis.

        Returns:
            The header.

        Raises:
            PoolError: codes ``unknown_validators`` (it names a set that is not known here: a hand-over may be missing),
                ``unknown_protocol``, ``bad_certificate``, ``bad_block``, ``malformed``.
        """
        header = decode_header(data)
        if header.height == 0:
            if data != self.genesis.header:
                raise PoolError(ErrorCode.BAD_BLOCK, "the first block is not the genesis file's")
            return header
        if certificate is None:
            raise PoolError(ErrorCode.BAD_CERTIFICATE, f"block {header.height} came without a certificate")
        self.verify_named(header)
        self._verify_signed(header, data, certificate)
        return header

    def verify_named(self, header: BlockHeader) -> None:
        """Check that a header names the set and the rules of its height. Whether it is final is not known yet.

        Raises:
            PoolError: codes ``unknown_validators``, ``unknown_protocol``, ``bad_block``.
        """
        epoch = self._epoch(header.height)
        if header.validators_hash != epoch.validators.hash(self.chain_id) or header.version != epoch.version:
            raise PoolError(
                ErrorCode.UNKNOWN_VALIDATORS,
                f"block {header.height} names a set or rules that do not follow from genesis and the hand-overs known",
                height=header.height,
            )
        rules_of(header.version, header.height)

    def member_at(self, name: str, header: BlockHeader, value: bytes | None, proof: StateProof) -> Member | None:
        """A member's entry after a final block; None if it is proven that there is none.

        Args:
            name: of the member.
            header: of the block, verified.
            value: encoded entry.
            proof: to the header's state root.

        Raises:
            PoolError: codes ``bad_proof``, ``malformed``.
        """
        verify_state_proof(self.chain_id, header.state_root, member_key(name), value, proof)
        return None if value is None else decode(Member, value)

    def _epoch(self, height: int) -> Epoch:
        newest = self._epochs[-1]
        if height >= newest.since_height:  # what is asked for nearly every time
            return newest
        place = bisect_right(self._epochs, height, key=lambda epoch: epoch.since_height)
        return self._epochs[max(0, place - 1)]

    def _verify_signed(self, header: BlockHeader, data: bytes, certificate: Certificate) -> None:
        validators, hash_ = self.validators_at(header.height), block_hash(self.chain_id, data)
        verify_certificate(self.chain_id, certificate, validators, header.height, hash_)

    def _verify_known(self, header: BlockHeader, handover: HandOver) -> None:
        """Check that a hand-over that should be known is the one that is."""
        epoch = next((epoch for epoch in self._epochs if epoch.since_height == header.height + 1), None)
        known = epoch.handover if epoch is not None else None
        if known is None or (known.header, known.validators) != (handover.header, handover.validators):
            raise _bad(f"no change after block {header.height} is known, or another one")


def _bad(detail: str) -> PoolError:
    return PoolError(ErrorCode.BAD_HANDOVER, detail)
