"""Replays every verdict of a chain offline, and tries a proposed contract on the requests that really came.

``Replay`` is an audit (``audit.chain``) that watches the calls of contracts. A verdict that comes out otherwise than
the chain says breaks its block's roots; here it is also named. A proposed contract is called beside the real one with
the same inputs, but for its state, which it keeps by itself; what it says changes nothing in the chain's execution.
"""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from msgspec.structs import replace

from audit.chain import AuditReport, ChainAudit
from chain.access.decision import AccessVerdict, CallResult, Decision
from chain.access.policy import AccessCase, AccessPolicy, ContractRunner, Deployable, contract_hash, grant_end_ms
from chain.blocks import Outcome
from chain.contract_engine import EngineIdentity
from chain.errors import PoolError
from chain.facts import shown
from chain.genesis import Genesis
from chain.packages import BlockPackage, open_package
from chain.primitives.crypto import Hash
from chain.state.entries import ContractEntry, RequestEntry
from chain.transactions.approval import APPROVAL
from chain.transactions.base import CheckedTransaction
from chain.transactions.request import REQUEST

Change = Literal["gains", "loses", "differs"]
"""What a proposed contract means for a request: it would get access, would not get it any more, or would get another
answer of the same kind: other approvers, another end, other fields, a failure.
"""


class ContractCall(NamedTuple):
    """One call of a contract, and what it said."""

    contract: ContractEntry
    case: AccessCase
    called: CallResult


@dataclass(frozen=True, slots=True)
class VerdictDifference:
    """Something about a verdict that came out otherwise than the chain says."""

    height: int
    transaction_id: Hash
    """The request, or the answer after which it was decided."""
    request_id: Hash
    part: str
    """``verdict``, ``facts``, ``fuel``, ``inputs_hash`` ..."""
    recorded: str
    replayed: str


@dataclass(frozen=True, slots=True)
class ProposedContract:
    """A contract that might take a deployed one's place."""

    contract: str
    """Id of the deployed contract, ``owner.name``."""
    source: str
    parameters: str | None = None
    """JSON object; None for those of the deployed contract."""


@dataclass(slots=True)
class TriedRequest:
    """A request on which both contracts have decided."""

    first: AccessCase
    """As the request came."""
    real: Decision
    """What holds in the chain."""
    proposed: Decision
    """What would hold."""

    @property
    def change(self) -> Change | None:
        """What the proposal would mean for it; None for nothing."""
        if self.proposed.verdict == "allow" != self.real.verdict:
            return "gains"
        if self.real.verdict == "allow" != self.proposed.verdict:
            return "loses"
        request = self.first.request
        return "differs" if _terms(self.real, request) != _terms(self.proposed, request) else None


@dataclass(slots=True)
class Trial:
    """What a proposed contract says to the requests of a chain.

    Once it has allowed or denied a request, answers that it would then not have asked for are not put to it.
    """

    proposal: ProposedContract
    chain_id: bytes
    requests: dict[Hash, TriedRequest] = field(default_factory=dict)
    """In chain order."""
    calls: int = 0
    failures: list[ContractCall] = field(default_factory=list)
    """Calls in which the proposal failed, which denies."""
    _states: dict[str, bytes] = field(default_factory=dict)

    def try_call(self, real: ContractCall, runner: ContractRunner) -> None:
        """Put the real call's question to the proposal."""
        if real.contract.contract != self.proposal.contract:
            return
        case = real.case
        tried = self.requests.get(case.request_id)
        if tried is not None and _is_settled(tried.proposed, case):
            tried.real = real.called.decision
            return
        dataset = case.dataset.dataset
        own = dataclasses.replace(case, state=self._states.get(dataset, b"{}"))
        entry = self._entry(real.contract)
        called = runner.decide(entry, own)
        self.calls += 1
        if called.state is not None:
            self._states[dataset] = called.state
        else:
            self.failures.append(ContractCall(entry, own, called))
        first = tried.first if tried is not None else case
        self.requests[case.request_id] = TriedRequest(first, real.called.decision, called.decision)

    def changes(self) -> Iterator[tuple[Hash, TriedRequest]]:
        """Requests for which the proposal would mean something."""
        return ((id_, tried) for id_, tried in self.requests.items() if tried.change is not None)

    @property
    def unchanged(self) -> int:
        """Requests for which it would mean nothing."""
        return sum(tried.change is None for tried in self.requests.values())

    def _entry(self, deployed: ContractEntry) -> ContractEntry:
        source, parameters = self.proposal.source, self.proposal.parameters
        parameters = deployed.parameters if parameters is None else parameters
        return replace(
            deployed,
            version=deployed.version + 1,
            source=source,
            parameters=parameters,
            hash=contract_hash(self.chain_id, source, parameters),
        )


class Replay:
    """Executes a chain again and compares its verdicts. Feed it packages from genesis on.

    Args:
        genesis: of the chain.
        policy: runs the contracts.
        proposal: a contract to try on the chain's requests.
    """

    def __init__(self, genesis: Genesis, policy: AccessPolicy, proposal: ProposedContract | None = None) -> None:
        self._chain_id = genesis.chain_id
        self.trial = Trial(proposal, genesis.chain_id) if proposal is not None else None
        self._watch = _WatchingPolicy(policy, self.trial)
        self._audit = ChainAudit(genesis, self._watch)
        self.verdicts = 0
        """Verdicts by contracts that came out as the chain says."""
        self.differences: list[VerdictDifference] = []

    @property
    def report(self) -> AuditReport:
        """What has been verified so far."""
        return self._audit.report

    @property
    def next_height(self) -> int:
        """Height of the block to be added next."""
        return self._audit.next_height

    def add(self, package: BlockPackage) -> None:
        """Execute the next block again.

        Raises:
            PoolError: as ``ChainAudit.add``; verdicts that came out otherwise are in ``differences`` then.
        """
        height = self.next_height
        self._watch.calls.clear()
        try:
            self._audit.add(package)
        except PoolError as error:
            if not error.code.is_engine and self._watch.calls:
                block, transactions = open_package(self._chain_id, package)
                self.differences += _compare(height, transactions, block.outcomes, self._watch.calls)
            raise
        self.verdicts += len(self._watch.calls)


class _WatchingPolicy:
    """Notes every call of the policy behind it, and puts it to the trial."""

    def __init__(self, policy: AccessPolicy, trial: Trial | None) -> None:
        self._policy = policy
        self._trial = trial
        self.calls: list[ContractCall] = []
        """Of the block that was opened last."""

    def open_block(self, engine: EngineIdentity) -> ContractRunner:
        # The proposal gets guests of its own: a call in the real contract's guest could change the fuel of its next.
        beside = self._policy.open_block(engine) if self._trial is not None else None
        return _WatchingRunner(self._policy.open_block(engine), beside, self._take)

    def _take(self, call: ContractCall, beside: ContractRunner | None) -> None:
        self.calls.append(call)
        if self._trial is not None and beside is not None:
            self._trial.try_call(call, beside)


class _WatchingRunner:
    def __init__(
        self,
        runner: ContractRunner,
        beside: ContractRunner | None,
        take: Callable[[ContractCall, ContractRunner | None], None],
    ) -> None:
        self._runner = runner
        self._beside = beside
        self._take = take

    def check(self, source: str, parameters: str) -> Deployable:
        return self._runner.check(source, parameters)

    def decide(self, contract: ContractEntry, case: AccessCase) -> CallResult:
        called = self._runner.decide(contract, case)
        self._take(ContractCall(contract, case, called), self._beside)
        return called

    def close(self) -> None:
        self._runner.close()
        if self._beside is not None:
            self._beside.close()


def _compare(
    height: int, transactions: list[CheckedTransaction], outcomes: tuple[Outcome, ...], calls: list[ContractCall]
) -> Iterator[VerdictDifference]:
    """What differs between the verdicts that a block records and the calls that executing it made."""
    waiting = list(calls)
    for checked, outcome in zip(transactions, outcomes, strict=True):
        request_id = _request_of(checked)
        if request_id is None:
            continue
        recorded = outcome.verdict if outcome.verdict is not None and outcome.verdict.contract else None
        call = next((call for call in waiting if call.case.request_id == request_id), None)
        if call is not None and recorded is not None:
            waiting.remove(call)
            parts = _differing_parts(recorded, outcome, call)
        elif recorded is not None:
            parts = {"contract": (recorded.contract, "none was called")}
        else:
            parts = {}
        for part, (before, now) in parts.items():
            yield VerdictDifference(height, checked.id, request_id, part, before, now)
    for call in waiting:
        id_, contract = call.case.request_id, call.contract.contract
        yield VerdictDifference(height, id_, id_, "contract", "none was called", contract)


def _request_of(checked: CheckedTransaction) -> Hash | None:
    answer = APPROVAL.of(checked.header)
    return answer.request if answer else checked.id if checked.type is REQUEST else None


def _differing_parts(verdict: AccessVerdict, outcome: Outcome, call: ContractCall) -> dict[str, tuple[str, str]]:
    """(recorded, replayed) by part, where they differ."""
    decision, contract = call.called.decision, call.contract
    both = {
        "verdict": (verdict.verdict, decision.verdict),
        "facts": (str(shown(outcome.facts)), str(shown(decision.facts))),
        "until_ms": (str(verdict.until_ms), str(grant_end_ms(decision, call.case.request))),
        "fuel": (str(outcome.fuel), str(decision.fuel)),
        "contract": (verdict.contract, contract.contract),
        "contract_version": (str(verdict.contract_version), str(contract.version)),
        "contract_hash": (verdict.contract_hash.hex(), contract.hash.hex()),
        "inputs_hash": (verdict.inputs_hash.hex(), decision.inputs_hash.hex()),
    }
    return {part: pair for part, pair in both.items() if pair[0] != pair[1]}


def _is_settled(proposed: Decision, case: AccessCase) -> bool:
    """Whether an answer to a request would not have counted any more: as in ``chain.access.rules``."""
    is_revoked = bool(case.request.answers) and case.request.answers[-1].answer == "revoke"
    return proposed.verdict == "deny" or (proposed.verdict == "allow" and not is_revoked)


def _terms(decision: Decision, request: RequestEntry) -> tuple[object, ...]:
    """What a decision means to the reader."""
    return (
        decision.verdict,
        decision.failure,
        grant_end_ms(decision, request),
        decision.fields,
        frozenset(decision.approvers),
        decision.needed,
    )
