"""How far the other nodes are: what they say of their heights, and what they are told of this node's."""

from collections.abc import Mapping

from chain.primitives.encoding import decode, encode
from node.catch_up import CatchUp
from node.frames import FrameKind, News
from node.links import Links
from node.pool import CommittedBlock, Pool


class PeerHeights:
    """Collects claims, which nothing proves, and tells nodes that do not vote of new blocks.

    Args:
        pool: this node's chain.
        links: to the other nodes.
        catch_up: told who is ahead; None for a node that does not follow the chain.
    """

    def __init__(self, pool: Pool, links: Links, catch_up: CatchUp | None) -> None:
        self._pool = pool
        self._links = links
        self._catch_up = catch_up
        self._claims: dict[str, int] = {}

    @property
    def claims(self) -> Mapping[str, int]:
        """The highest height that each peer has claimed."""
        return self._claims

    @property
    def known_height(self) -> int:
        """A height that an honest validator is known to have reached. The f highest claims may be lies, and lies must
        not take this node out of service.
        """
        validators = self._pool.ledger.validators
        claims = sorted((self._claims.get(name, 0) for name in validators.names), reverse=True)
        return max(claims[validators.max_faulty], self._pool.height)

    @property
    def lag_blocks(self) -> int:
        """How many blocks an honest validator is known to be ahead."""
        return self.known_height - self._pool.height

    @property
    def is_syncing(self) -> bool:
        """Whether blocks are being fetched that an honest validator is known to have."""
        return self._catch_up is not None and self._catch_up.is_running and self.lag_blocks > 0

    @property
    def is_pulling(self) -> bool:
        """Whether blocks are being fetched that anybody claims to have."""
        return self._catch_up is not None and self._catch_up.is_running

    def hear(self, peer: str, height: int) -> None:
        """A peer claims to have reached ``height``."""
        self._claims[peer] = max(height, self._claims.get(peer, 0))
        if self._catch_up is not None:
            self._catch_up.hint(peer, height)

    def receive(self, peer: str, body: bytes) -> None:
        """A peer has sent ``News``.

        Raises:
            PoolError: it does not decode.
        """
        self.hear(peer, decode(News, body).height)

    def on_connect(self, peer: str, height: int) -> None:
        """A link is up: both sides say how far they are."""
        self._links.send(peer, FrameKind.NEWS, encode(News(self._pool.height)))
        self.hear(peer, height)

    def on_committed(self, block: CommittedBlock) -> None:
        """Tell peers that do not vote; those that do know. At a hand-over that is all who did not vote before it or
        will not after it: consensus reaches the ones no more, and the others not yet.
        """
        height = block.executed.header.height
        news = encode(News(height))
        trust = self._pool.ledger.trust
        voted, will_vote = trust.validators_at(height), trust.validators_at(height + 1)
        for member in self._links.connected:
            if member not in voted or member not in will_vote:
                self._links.send(member, FrameKind.NEWS, news)
