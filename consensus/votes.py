"""Votes of one phase at one height, counted first and verified late.

A signature check costs as much as a hundred other steps of the core. So votes are kept unverified (the link has
authenticated the sender, and a validator can spoil only its own vote) and verified when they would complete a quorum.
Votes beyond the quorum are never verified. Only the first vote of a validator in a view counts.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from chain.primitives.crypto import Hash
from chain.proofs.validators import ValidatorSet
from consensus.messages import Commit, Prepare

V = TypeVar("V", bound=Prepare | Commit)

Signatures = tuple[tuple[str, bytes], ...]
"""(validator, signature), strictly ascending by name: the votes of a certificate."""


class VoteBook(Generic[V]):
    """Who voted for what in which view.

    Args:
        validators: who may vote at this height.
        views_kept: views held for each validator; beyond that its lowest view is dropped.
        is_signed: whether a vote's signature is valid.
        on_forged: called with the name of a validator whose vote did not verify; the vote is gone then.
    """

    __slots__ = ("_counts", "_is_signed", "_on_forged", "_quorum", "_verified", "_views", "_views_kept")

    def __init__(
        self,
        validators: ValidatorSet,
        views_kept: int,
        is_signed: Callable[[V], bool],
        on_forged: Callable[[str], None],
    ) -> None:
        self._quorum = validators.quorum
        self._views_kept = views_kept
        self._is_signed = is_signed
        self._on_forged = on_forged
        self._views: dict[str, dict[int, V]] = {name: {} for name in validators.names}
        self._counts: dict[tuple[int, Hash], int] = {}
        self._verified: set[tuple[int, str]] = set()

    def find(self, view: int, validator: str) -> V | None:
        """The vote of ``validator`` in ``view``, verified or not."""
        return self._views[validator].get(view)

    def of(self, validator: str) -> list[V]:
        """All votes held of ``validator``."""
        return list(self._views[validator].values())

    def add(self, vote: V, is_verified: bool = False) -> None:
        """Keep the first vote of a validator in a view. Another one must have been removed before."""
        votes = self._views[vote.validator]
        if len(votes) >= self._views_kept:
            lowest = min(votes)
            if vote.view < lowest:
                return
            self.remove(votes[lowest])
        votes[vote.view] = vote
        key = (vote.view, vote.block_hash)
        self._counts[key] = self._counts.get(key, 0) + 1
        if is_verified:
            self._verified.add((vote.view, vote.validator))

    def remove(self, vote: V) -> None:
        """Drop a vote that is held."""
        del self._views[vote.validator][vote.view]
        self._verified.discard((vote.view, vote.validator))
        key = (vote.view, vote.block_hash)
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key]

    def is_verified(self, vote: V) -> bool:
        """Whether the held vote's signature has been checked."""
        return (vote.view, vote.validator) in self._verified

    def quorum_for(self, view: int, block_hash: Hash) -> Signatures | None:
        """A quorum of verified votes for a block in a view, or None. Verifies only as many as needed."""
        if self._counts.get((view, block_hash), 0) < self._quorum:
            return None
        votes = [held[view] for held in self._views.values() if view in held and held[view].block_hash == block_hash]
        votes.sort(key=self.is_verified, reverse=True)
        signatures: list[tuple[str, bytes]] = []
        for vote in votes:
            if self._verify(vote):
                signatures.append((vote.validator, vote.signature))
                if len(signatures) == self._quorum:
                    return tuple(sorted(signatures))
        return None

    def _verify(self, vote: V) -> bool:
        if self.is_verified(vote):
            return True
        if self._is_signed(vote):
            self._verified.add((vote.view, vote.validator))
            return True
        self.remove(vote)
        self._on_forged(vote.validator)
        return False
