"""What the simulated nodes agree on when it is more than names of transactions: contracts, datasets, requests, answers
and read reports, executed by the chain's own rules with scripted contracts over a dictionary for a state tree.

A block is valid if executing it gives the roots in its header, so a primary that lies about a verdict is refused.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import get_args

import msgspec

from chain.access.history import ReadLog
from chain.access.policy import AccessCase, AccessDecision
from chain.blocks import Outcome, Proposal, decode_header
from chain.errors import PoolError
from chain.execution import Execution
from chain.limits import LIMITS
from chain.primitives.crypto import ZERO_HASH, Hash, sha256
from chain.primitives.encoding import Value, decode, encode
from chain.primitives.types import Answer
from chain.proofs.merkle import leaf_hashes, root_of_leaves
from chain.state.entries import DatasetReads, reads_key
from chain.transactions.base import CheckedTransaction, Transaction
from chain.transactions.context import BlockSetting
from contracts.engine import ENGINE_IDENTITY
from tests.chain.access_world import ScriptedPolicy, allow, approved_by, ask, deny
from tests.consensus.support import make_proposal
from tests.networks import TestNetwork

NETWORK = TestNetwork(has_contracts=True)
MEMBERS = (*NETWORK.names, "outsider")
DATASET = "a.flights"
GRANT_HEIGHTS = 5
"""How long a grant lasts where time is the height."""

PURPOSES: dict[str, Callable[[AccessCase], AccessDecision]] = {
    "allow": lambda case: allow(),
    "for-a-while": lambda case: allow(until_ms=case.time_ms + GRANT_HEIGHTS),
    "deny": lambda case: deny(),
    "fail": lambda case: deny("line 3: ZeroDivisionError", "contract_failed"),
    "owner": approved_by(1, "a"),
    "one-of-two": approved_by(1, "c", "d"),
    "two-of-three": approved_by(2, "a", "c", "d"),
    "nobody": lambda case: ask("nobody"),
    "quota": lambda case: deny("spent") if case.reader_grants >= 2 else allow(),
}


def by_purpose(case: AccessCase) -> AccessDecision:
    """One contract that does what the request's purpose says, and counts in its state how often it could decide."""
    decision = PURPOSES[case.request.purpose](case)
    return (
        decision if decision.failure else replace(decision, state=b"[%d]" % (int(case.state.strip(b"{}[]") or 0) + 1))
    )


class AccessLoad:
    """The transactions of a run, made one after the other; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"access {seed}")
        self._network = copy.copy(NETWORK)
        self._network.nonce = 0
        self._requests = [bytes(32)]
        self.bodies: dict[Hash, CheckedTransaction] = {}

    def make(self) -> Hash:
        """One more transaction, good or bad; the first two are what the others need."""
        network, count = self._network, len(self.bodies)
        if count == 0:
            made = network.contract("by_purpose")
        elif count == 1:
            made = network.dataset(sharing="conditional", contract="a.rule")
        else:
            made = self._any()
        checked = network.checked(made)
        self.bodies[checked.id] = checked
        return checked.id

    def _any(self) -> Transaction:
        random, network = self._random, self._network
        member, request = random.choice(MEMBERS), random.choice(self._requests[-4:])
        kind = random.randrange(8)
        if kind == 0:
            return network.contract("by_purpose", random.choice("ab"), version=random.randint(1, 3))
        if kind == 1:
            return network.read_report(request, [bytes([random.randrange(3)]) * 32], member)
        if kind < 5:
            return network.approval(request, random.choice(get_args(Answer)), member)
        made = network.request(member, purpose=random.choice(sorted(PURPOSES)))
        self._requests.append(network.id_of(made))
        return made


class Application:
    """One node's state. It survives a crash: a block and what it changes are one write."""

    def __init__(self, load: AccessLoad) -> None:
        self._bodies = load.bodies
        self._state = dict(NETWORK.genesis.entries)
        self._policy = ScriptedPolicy({"by_purpose": by_purpose})
        self.root: Hash = ZERO_HASH
        """Stands for the state tree's: over all changes so far."""

    def build(self, height: int, parent: Hash, proposer: str, ids: tuple[Hash, ...], time_ms: int) -> Proposal:
        """A block that is right in its roots."""
        header = decode_header(make_proposal(height, parent, proposer, ids, time_ms).header)
        outcomes, _, root = self._execute(ids, height, time_ms)
        header = msgspec.structs.replace(header, result_root=_result_root(outcomes), state_root=root)
        return Proposal(encode(header), ids)

    def is_right(self, proposal: Proposal) -> bool:
        """Whether executing the block gives the roots in its header."""
        header = decode_header(proposal.header)
        if not all(map(self.knows, proposal.transaction_ids)):
            return False
        outcomes, _, root = self._execute(proposal.transaction_ids, header.height, header.time_ms)
        return (header.result_root, header.state_root) == (_result_root(outcomes), root)

    def knows(self, id_: Hash) -> bool:
        """Whether there is a transaction with this id at all."""
        return id_ in self._bodies

    def apply(self, proposal: Proposal) -> tuple[Outcome, ...]:
        """Take a block that is agreed on."""
        header = decode_header(proposal.header)
        outcomes, changes, root = self._execute(proposal.transaction_ids, header.height, header.time_ms)
        self._state.update(changes)
        self.root = root
        return outcomes

    def read(self, key: bytes, type_: type[Value]) -> Value | None:
        """A decoded entry of the state."""
        data = self._state.get(key)
        return None if data is None else decode(type_, data)

    def _execute(
        self, ids: tuple[Hash, ...], height: int, time_ms: int
    ) -> tuple[tuple[Outcome, ...], dict[bytes, bytes], Hash]:
        genesis = NETWORK.genesis
        contracts = self._policy.open_block(ENGINE_IDENTITY)
        setting = BlockSetting(height, time_ms, genesis.validators, genesis.protocol, LIMITS)
        execution = Execution(NETWORK.chain_id, self.read, setting, contracts, lambda parcel_id: None)
        outcomes = execution.run([self._bodies[id_] for id_ in ids]).outcomes
        changes = dict(execution.changes)
        return outcomes, changes, sha256(self.root + encode(sorted(changes.items())))


def difference_on_replay(load: AccessLoad, blocks: list[Proposal]) -> str | None:
    """What is wrong with a chain, for whoever executes all of it again: None if nothing is."""
    application, log = Application(load), ReadLog(NETWORK.chain_id)
    for proposal in blocks:
        header = decode_header(proposal.header)
        outcomes = application.apply(proposal)
        if (header.result_root, header.state_root) != (_result_root(outcomes), application.root):
            return f"executing block {header.height} again gives other roots"
        for outcome in outcomes:
            log.add(header.height, header.time_ms, load.bodies[outcome.transaction_id].header, outcome)
    try:
        log.verify_complete(DATASET, application.read(reads_key(DATASET), DatasetReads))
    except PoolError as error:
        return str(error)
    return None


def _result_root(outcomes: tuple[Outcome, ...]) -> Hash:
    return root_of_leaves(leaf_hashes([encode(outcome) for outcome in outcomes]))
