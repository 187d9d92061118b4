"""A handful of replicas on a table: messages lie in one queue until the test lets them through.

Used by unit tests, which look at states and messages, and by traces, which record every effect as a line of text.
"""

from collections.abc import Callable, Iterable
from typing import Any

from chain.blocks import Certificate, Proposal, decode_header
from chain.primitives.crypto import Hash
from consensus.config import ConsensusConfig
from consensus.effects import (
    Broadcast,
    Build,
    Deliver,
    Effect,
    Evidence,
    Execute,
    Persist,
    Reject,
    SendMessage,
    SuggestCatchUp,
    ViewChangeStarted,
    ViewEntered,
)
from consensus.messages import (
    Commit,
    Committed,
    Message,
    NewView,
    Prepare,
    PreparedCertificate,
    PrePrepare,
    Statement,
    Status,
    ViewChange,
    ViewChangeVote,
)
from consensus.replica import Replica, Tip
from tests.consensus.support import (
    CHAIN_ID,
    NAMES,
    fake_verifier,
    genesis_tip,
    hash_of,
    make_proposal,
    signers,
    transaction_id,
)

CONFIG = ConsensusConfig(
    view_timeout_ticks=10,
    timeout_doublings_max=4,
    retransmit_ticks=4,
    status_ticks=1000,
    assist_ticks=1,
    censorship_ticks=30,
    censorship_heights=3,
    neglect_heights=4,
    crawl_heights=3,
)
LETTERS_MAX = 5000
Letter = tuple[str, str, Message]
"""(sender, receiver, message)."""


class Table:
    """Replicas a, b, c ..., their disks, and the messages between them."""

    def __init__(self, size: int, config: ConsensusConfig = CONFIG) -> None:
        self.size = size
        self.config = config
        self.names = NAMES[:size]
        self.disks: dict[str, dict[bytes, bytes]] = {name: {} for name in self.names}
        self.chains: dict[str, list[tuple[Proposal, Certificate]]] = {name: [] for name in self.names}
        self.letters: list[Letter] = []
        self.log: list[str] = []
        self.effects: dict[str, list[Effect]] = {name: [] for name in self.names}
        """Every effect so far, by replica."""
        self.is_lost: Callable[[str, str, Message], bool] = lambda sender, to, message: False
        self.refused_by: set[str] = set()
        """Replicas whose nodes find every proposal invalid."""
        self.builds = True
        """Whether nodes answer ``Build``."""
        self.executes = True
        """Whether nodes answer ``Execute``."""
        self.pending: dict[str, Hash | None] = dict.fromkeys(self.names)
        self.neglected: dict[str, frozenset[str]] = dict.fromkeys(self.names, frozenset())
        """Members whose work every block leaves lying, as each node sees it."""
        self.execution_ticks = 0
        """How long nodes say that executing a block took them."""
        self.replicas: dict[str, Replica] = {}
        self._labels: dict[Hash, str] = {}
        for name in self.names:
            self.start(name)

    def tip(self, name: str) -> Tip:
        """The tip on a replica's disk."""
        genesis = genesis_tip(self.size)
        if not self.chains[name]:
            return genesis
        certificate = self.chains[name][-1][1]
        return Tip(certificate.height, certificate.block_hash, certificate, genesis.validators)

    def start(self, name: str) -> None:
        """Start a replica from its disk."""
        self.replicas[name] = Replica(
            CHAIN_ID, name, signers(name), self.tip(name), self.config, dict(self.disks[name]), fake_verifier
        )
        self.pending[name] = None

    def work(self, label: str, names: Iterable[str] | None = None) -> None:
        """A transaction arrives at these nodes (all by default)."""
        for name in self.names if names is None else names:
            if name in self.replicas:
                self.pending[name] = transaction_id(label)
                self.replicas[name].work_pending(self.pending[name])
                self.carry_out(name)

    def step(self, to: str, sender: str, message: Message) -> None:
        """Hand one message to a replica."""
        if to in self.replicas:
            self.replicas[to].step(sender, message)
            self.carry_out(to)

    def run(self) -> None:
        """Deliver messages in order until none is left; replicas that never fall silent are a storm."""
        for _ in range(LETTERS_MAX):
            if not self.letters:
                return
            sender, to, message = self.letters.pop(0)
            if not self.is_lost(sender, to, message):
                self.step(to, sender, message)
        raise AssertionError(f"a storm: more than {LETTERS_MAX} messages without a tick")

    def tick(self, ticks: int = 1, names: Iterable[str] | None = None) -> None:
        """Let ticks pass at these replicas (all by default) and deliver what they send."""
        for _ in range(ticks):
            for name in self.names if names is None else names:
                if name in self.replicas:
                    self.replicas[name].tick()
                    self.carry_out(name)
            self.run()

    def carry_out(self, name: str) -> None:
        """Carry out a replica's effects in order."""
        while effects := self.replicas[name].take_effects():
            for effect in effects:
                self.effects[name].append(effect)
                self.log.append(f"{name}: {self.describe(effect)}")
                self._carry_out_one(name, effect)

    def store(self, name: str, proposal: Proposal, certificate: Certificate) -> None:
        """A node stores a block and moves on; its transactions are pending no more."""
        self.chains[name].append((proposal, certificate))
        if self.pending[name] in proposal.transaction_ids:
            self.pending[name] = None
        self.replicas[name].work_pending(self.pending[name])
        self.replicas[name].advance(self.tip(name), self.neglected[name])

    def of(self, name: str, kind: type[Effect]) -> list[Effect]:
        """A replica's effects of one kind."""
        return [effect for effect in self.effects[name] if isinstance(effect, kind)]

    def sent(self, name: str, kind: Any) -> list[Message]:
        """Messages of one kind that a replica has sent."""
        effects = self.effects[name]
        messages = [effect.message for effect in effects if isinstance(effect, SendMessage | Broadcast)]
        return [message for message in messages if isinstance(message, kind)]

    def reasons(self, name: str) -> list[str]:
        """Why a replica refused messages."""
        return [effect.reason for effect in self.effects[name] if isinstance(effect, Reject)]

    def executed(self, name: str) -> list[Hash]:
        """Blocks whose execution a replica asked for."""
        return [effect.block_hash for effect in self.effects[name] if isinstance(effect, Execute)]

    def evidence(self) -> list[Evidence]:
        """All evidence found by anyone."""
        return [effect for effects in self.effects.values() for effect in effects if isinstance(effect, Evidence)]

    def heights(self) -> dict[str, int]:
        """Blocks stored, by replica."""
        return {name: len(self.chains[name]) for name in self.names}

    def hashes(self, height: int) -> set[Hash]:
        """The blocks stored at a height by anyone; at most one in a sound world."""
        return {chain[height - 1][1].block_hash for chain in self.chains.values() if len(chain) >= height}

    def label(self, hash_: Hash | None) -> str:
        """A short name of a block."""
        return "none" if hash_ is None else self._labels.get(hash_, hash_.hex()[:6])

    def note(self, proposal: Proposal) -> Hash:
        """Give a block its short name: height, proposer, and a prime for every millisecond of its time."""
        header, hash_ = decode_header(proposal.header), hash_of(proposal)
        self._labels[hash_] = f"{header.height}{header.proposer}" + "'" * header.time_ms
        return hash_

    def describe(self, effect: Effect) -> str:
        """An effect as a line of text."""
        if isinstance(effect, Persist):
            return f"persist {effect.key.decode()}"
        if isinstance(effect, SendMessage):
            return f"send to {effect.to}: {self.describe_message(effect.message)}"
        if isinstance(effect, Broadcast):
            return f"broadcast {self.describe_message(effect.message)}"
        if isinstance(effect, Build):
            return f"build height {effect.height} view {effect.view}"
        if isinstance(effect, Execute):
            return f"execute {self.label(self.note(effect.proposal))}"
        if isinstance(effect, Deliver):
            voters = "".join(name for name, _ in effect.certificate.votes)
            return f"deliver {self.label(self.note(effect.proposal))} view {effect.certificate.view} by {voters}"
        if isinstance(effect, SuggestCatchUp):
            return f"catch up to {effect.height} from {effect.peer}"
        if isinstance(effect, Evidence):
            return (
                f"evidence against {effect.accused}: {self._statement(effect.first)} / {self._statement(effect.second)}"
            )
        if isinstance(effect, ViewChangeStarted):
            return f"view change to {effect.view}: {effect.reason}"
        if isinstance(effect, ViewEntered):
            return f"enter view {effect.view} of {effect.primary}"
        return f"reject {effect.peer}: {effect.reason}"

    def describe_message(self, message: Message) -> str:
        """A message as text: kind, height/view, block."""
        if isinstance(message, PrePrepare):
            self.note(message.proposal)
            return f"pre-{self._statement(message.prepare)}"
        if isinstance(message, Prepare | Commit):
            return self._statement(message)
        if isinstance(message, ViewChange):
            return self._statement(message.vote)
        if isinstance(message, NewView):
            voters = "".join(vote.validator for vote in message.votes)
            return f"new-view {message.height}/{message.view} by {voters}, {self._proof(message.prepared)}"
        if isinstance(message, Committed):
            certificate = message.certificate
            return f"committed {certificate.height}/{certificate.view} {self.label(certificate.block_hash)}"
        assert isinstance(message, Status)
        return f"status {message.height}/{message.view}"

    def _proof(self, prepared: PreparedCertificate | None) -> str:
        return "free" if prepared is None else f"bound to {self.label(prepared.block_hash)} of view {prepared.view}"

    def _statement(self, statement: Statement) -> str:
        where = f"{statement.height}/{statement.view}"
        if isinstance(statement, ViewChangeVote):
            claim = self.label(statement.prepared_hash)
            return f"view-change {where} prepared {claim}"
        return f"{type(statement).__name__.lower()} {where} {self.label(statement.block_hash)}"

    def _carry_out_one(self, name: str, effect: Effect) -> None:
        replica = self.replicas[name]
        if isinstance(effect, Persist):
            self.disks[name][effect.key] = effect.value
        elif isinstance(effect, Broadcast):
            self.letters += [(name, peer, effect.message) for peer in self.names if peer != name]
        elif isinstance(effect, SendMessage):
            self.letters.append((name, effect.to, effect.message))
        elif isinstance(effect, Build) and self.builds:
            replica.propose(effect.height, effect.view, self._build(name, effect.height))
        elif isinstance(effect, Execute) and self.executes:
            refusal = "refused by the test" if name in self.refused_by else None
            replica.executed(effect.block_hash, refusal, self.execution_ticks)
        elif isinstance(effect, Deliver):
            self.store(name, effect.proposal, effect.certificate)

    def _build(self, name: str, height: int) -> Proposal | None:
        pending = self.pending[name]
        if pending is None:
            return None
        proposal = make_proposal(height, self.tip(name).block_hash, name, (pending,))
        self.note(proposal)
        return proposal
