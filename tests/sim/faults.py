"""Nodes that break the protocol, one way each. A run has at most ``f`` of them beside any number of crashes.

A new kind of misbehaviour is a subclass of ``SimNode`` and an entry in ``KINDS``.
"""

from __future__ import annotations

from chain.blocks import Certificate, Proposal, decode_header
from consensus.messages import (
    Commit,
    Committed,
    Message,
    NewView,
    Prepare,
    PreparedCertificate,
    PrePrepare,
    Status,
    ViewChange,
)
from tests.consensus.support import NAMES, commit, hash_of, make_proposal, prepare, transaction_id, view_change_vote
from tests.sim.network import Packet
from tests.sim.node import BAD_TIME_MS, SimNode, World


class Silent(SimNode):
    """Says nothing, as if crashed for ever, also when it is the primary."""

    is_byzantine = True

    def send_message(self, to: str, message: Message) -> None:
        self.world.counts["messages withheld"] += 1


class Equivocator(SimNode):
    """As primary proposes one block to some and another block to the others, and votes for both."""

    is_byzantine = True

    def __init__(self, name: str, world: World) -> None:
        super().__init__(name, world)
        self._other_block: dict[tuple[int, int], Proposal] = {}
        self._misled = {peer for peer in self.peers if world.random.random() < 0.5}

    def send_message(self, to: str, message: Message) -> None:
        if to in self._misled:
            message = self._lie(message)
        super().send_message(to, message)

    def _lie(self, message: Message) -> Message:
        if isinstance(message, PrePrepare):
            vote, header = message.prepare, decode_header(message.proposal.header)
            if header.proposer != self.name:
                return message
            if header.parent_hash != self.disk.tip.block_hash:
                return message
            other = self.make_block(vote.height, message.proposal.transaction_ids, 1)
            self._other_block[vote.height, vote.view] = other
            self.world.counts["equivocations"] += 1
            return PrePrepare(prepare(self.name, vote.height, vote.view, hash_of(other)), other)
        if isinstance(message, Prepare | Commit):
            block = self._other_block.get((message.height, message.view))
            if block is not None:
                vote_for = prepare if isinstance(message, Prepare) else commit
                return vote_for(self.name, message.height, message.view, hash_of(block))
        return message


class Twin(SimNode):
    """Two processes with one key and separate disks, both connected under one name."""

    is_byzantine = True

    def __init__(self, name: str, world: World) -> None:
        super().__init__(name, world)
        self._other = _SecondTwin(name, world)

    def start(self) -> None:
        super().start()
        self._other.start()

    def crash(self) -> None:
        super().crash()
        self._other.crash()

    def receive(self, sender: str, packet: Packet) -> None:
        super().receive(sender, packet)
        self._other.receive(sender, packet)


class _SecondTwin(SimNode):
    is_byzantine = True

    def build(self, height: int) -> Proposal | None:
        ids = tuple(reversed(self.mempool))[:1]
        return self.make_block(height, ids, 2) if ids else None


class InvalidProposer(SimNode):
    """Proposes bad blocks only, and finds every block valid."""

    is_byzantine = True

    def build(self, height: int) -> Proposal | None:
        self.world.counts["bad proposals"] += 1
        ids = (transaction_id(f"invented at {height}"),)
        return make_proposal(height, self.disk.tip.block_hash, self.name, ids, BAD_TIME_MS)

    def is_valid(self, proposal: Proposal) -> bool:
        return True


class Amnesiac(SimNode):
    """Restarts often, without its consensus memory, and votes again."""

    is_byzantine = True

    def __init__(self, name: str, world: World) -> None:
        super().__init__(name, world, memory_survives=False)

    def receive(self, sender: str, packet: Packet) -> None:
        super().receive(sender, packet)
        if self.is_up and self.world.random.random() < 0.02:
            self.world.counts["memory losses"] += 1
            self.crash()
            self.start()


class Liar(SimNode):
    """Claims in every view change that it saw nothing prepared, and stays in no view for long."""

    is_byzantine = True

    def send_message(self, to: str, message: Message) -> None:
        if isinstance(message, ViewChange):
            vote = message.vote
            message = ViewChange(view_change_vote(self.name, vote.height, vote.view), None, None)
        elif self.replica is not None and self.world.random.random() < 0.05:
            self.world.counts["needless view changes"] += 1
            vote = view_change_vote(self.name, self.replica.height, self.replica.view + 1)
            super().send_message(to, ViewChange(vote, None, None))
        super().send_message(to, message)


class Forger(SimNode):
    """Signs nothing properly when it counts: forged votes, claims with forged proofs, new views without proof.

    As primary of a later view it proposes a block of its own, whatever the justification binds it to.
    """

    is_byzantine = True

    def send_message(self, to: str, message: Message) -> None:
        if self.world.random.random() < 0.5:
            forged = self._forge(message)
            self.world.counts["forgeries"] += forged is not message
            message = forged
        super().send_message(to, message)

    def _forge(self, message: Message) -> Message:
        if isinstance(message, Prepare | Commit):
            return type(message)(message.height, message.view, message.block_hash, self.name, bytes(64))
        if isinstance(message, ViewChange):
            view = message.vote.view
            return ViewChange(
                view_change_vote(self.name, message.vote.height, view, view - 1, hash_of(self._own_block())),
                self._forged_proof(view - 1),
                self._own_block(),
            )
        if isinstance(message, NewView):
            claimed = view_change_vote(
                self.name, message.height, message.view, message.view - 1, hash_of(self._own_block())
            )
            votes = [claimed if vote.validator == self.name else vote for vote in message.votes]
            proof = self.world.random.choice((None, self._forged_proof(message.view - 1)))
            return NewView(message.height, message.view, tuple(votes), proof)
        if isinstance(message, PrePrepare) and message.prepare.view:
            vote = prepare(self.name, message.prepare.height, message.prepare.view, hash_of(self._own_block()))
            return PrePrepare(vote, self._own_block())
        return message

    def _own_block(self) -> Proposal:
        ids = (transaction_id(f"smuggled after {self.disk.height}"),)
        return make_proposal(self.disk.height + 1, self.disk.tip.block_hash, self.name, ids)

    def _forged_proof(self, view: int) -> PreparedCertificate:
        block, height = hash_of(self._own_block()), self.disk.height + 1
        names = NAMES[: self.world.size]
        own = prepare(self.name, height, view, block).signature
        votes = tuple((name, own if name == self.name else bytes(64)) for name in names)
        return PreparedCertificate(height, view, block, votes)


class Flooder(SimNode):
    """Takes part honestly and sends nonsense with every message: lies about heights, forged proofs, old messages."""

    is_byzantine = True

    def __init__(self, name: str, world: World) -> None:
        super().__init__(name, world)
        self._heard: list[Message] = []

    def receive(self, sender: str, packet: Packet) -> None:
        if isinstance(packet, PrePrepare | Prepare | Commit | ViewChange | NewView) and len(self._heard) < 1000:
            self._heard.append(packet)
        super().receive(sender, packet)

    def send_message(self, to: str, message: Message) -> None:
        super().send_message(to, message)
        if self.replica is not None and self.world.random.random() < 0.3:
            self.world.counts["nonsense"] += 1
            super().send_message(to, self._nonsense(self.replica.height, self.replica.view))

    def _nonsense(self, height: int, view: int) -> Message:
        random = self.world.random
        far_view = view + random.choice((0, 1, 5, 10**9))
        far_height = height + random.choice((0, 1, 2, 10**9))
        hash_ = transaction_id(f"nonsense {random.randrange(4)}")
        forged = tuple((name, bytes(64)) for name in NAMES[: self.world.size])
        votes = tuple(view_change_vote(name, height, far_view + 1) for name in (self.name,))
        messages: list[Message] = [
            Status(far_height, far_view),
            Committed(Certificate(far_height, far_view, hash_, forged)),
            prepare(self.name, far_height, far_view, hash_),
            commit(self.name, far_height, far_view, hash_),
            Prepare(height, view, hash_, self.name, bytes(64)),
            NewView(height, far_view + 1, votes * self.world.size, None),
            ViewChange(
                view_change_vote(self.name, height, far_view + 1, far_view, hash_),
                PreparedCertificate(height, far_view, hash_, forged),
                make_proposal(height, hash_, self.name, ()),
            ),
            PrePrepare(prepare(self.name, height, far_view, hash_), make_proposal(height, hash_, self.name, (hash_,))),
        ]
        if self._heard:
            messages.append(random.choice(self._heard))
        return random.choice(messages)


KINDS: tuple[type[SimNode], ...] = (Silent, Equivocator, Twin, InvalidProposer, Amnesiac, Liar, Forger, Flooder)
