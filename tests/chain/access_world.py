"""A ledger whose contracts are scripted: what a contract is called with, and what it says, is in the test's hand.

A contract's source is the name of its script. ``ScriptedPolicy`` implements the port ``AccessPolicy``; the sandbox
behind the same port has its tests in ``tests/contracts``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chain.access.decision import AccessVerdict, CallResult, Decision, denied
from chain.access.policy import AccessCase, Deployable
from chain.blocks import Outcome
from chain.contract_engine import EngineIdentity
from chain.errors import ErrorCode, Refusal
from chain.primitives.crypto import sha256
from chain.primitives.types import Answer
from chain.state import entries
from chain.transactions.base import Transaction
from tests.networks import TIME_MS, TestNetwork

CHECK_FUEL = 11
CALL_FUEL = 1_000
INPUTS_HASH = sha256(b"inputs")
HOUR_MS = 3_600_000

Script = Callable[[AccessCase], CallResult]


def allow(
    until_ms: int = 0, note: str = "", fields: tuple[str, ...] | None = None, fuel: int = CALL_FUEL
) -> CallResult:
    return CallResult(Decision("allow", until_ms, (), fields, (), 0, note, fuel, INPUTS_HASH), b"{}")


def deny(reason: str = "not for you", code: ErrorCode = ErrorCode.ACCESS_DENIED) -> CallResult:
    decision = denied(code, CALL_FUEL, INPUTS_HASH, text=reason)
    return CallResult(decision, None if decision.failure else b"{}")


def ask(*approvers: str, needed: int = 1) -> CallResult:
    return CallResult(Decision("ask", 0, (), None, approvers, needed, "", CALL_FUEL, INPUTS_HASH), b"{}")


def approved_by(needed: int, *approvers: str) -> Script:
    """A contract that asks until ``needed`` approve, and denies once too many have not."""

    def decide(case: AccessCase) -> CallResult:
        latest = {answer.member: answer.answer for answer in case.request.answers if answer.member in approvers}
        if sum(answer == "approve" for answer in latest.values()) >= needed:
            return allow()
        if sum(answer != "approve" for answer in latest.values()) > len(approvers) - needed:
            return deny("refused")
        return ask(*approvers, needed=needed)

    return decide


GRANT_MS = 5
"""How long a grant for a while lasts."""
PURPOSES: dict[str, Script] = {
    "allow": lambda case: allow(),
    "for-a-while": lambda case: allow(until_ms=case.time_ms + GRANT_MS),
    "deny": lambda case: deny(),
    "fail": lambda case: deny("line 3: ZeroDivisionError", ErrorCode.CONTRACT_FAILED),
    "owner": approved_by(1, "a"),
    "one-of-two": approved_by(1, "c", "d"),
    "two-of-three": approved_by(2, "a", "c", "d"),
    "nobody": lambda case: ask("nobody"),
    "quota": lambda case: deny("spent") if case.reader_grants >= 2 else allow(),
}


def by_purpose(case: AccessCase) -> CallResult:
    """One contract that does what the request's purpose says, and counts in its state how often it could decide."""
    called = PURPOSES[case.request.terms.purpose](case)
    calls = int(case.state.strip(b"{}[]") or 0) + 1
    return called if called.state is None else called._replace(state=b"[%d]" % calls)


@dataclass
class ScriptedPolicy:
    """Runs scripts by their names. A script may raise: that is this machine's engine failing."""

    scripts: dict[str, Script] = field(default_factory=dict)
    cases: list[AccessCase] = field(default_factory=list)
    """All calls so far."""
    named_members: tuple[str, ...] = ()
    """That the parameters of a contract name, whichever it is."""
    opened: int = 0
    closed: int = 0

    def open_block(self, engine: EngineIdentity) -> "ScriptedPolicy":
        self.opened += 1
        return self

    def check(self, source: str, parameters: str) -> Deployable:
        if source not in self.scripts:
            raise Refusal(ErrorCode.BAD_CONTRACT, fuel=CHECK_FUEL, line=1, text="there is no such script")
        return Deployable(CHECK_FUEL, self.named_members)

    def decide(self, contract: entries.ContractEntry, case: AccessCase) -> CallResult:
        self.cases.append(case)
        return self.scripts[contract.source](case)

    def close(self) -> None:
        self.closed += 1


class AccessWorld:
    """``a`` owns the conditional dataset ``a.flights`` with the contract ``a.rule``; ``c`` the closed ``c.secret``.

    Args:
        **scripts: contracts by the source that names them; the first one is what ``a.rule`` runs.
    """

    def __init__(self, **scripts: Script) -> None:
        scripts = scripts or {"allow": lambda case: allow()}
        self.policy = ScriptedPolicy(scripts)
        self.network = TestNetwork(has_contracts=True, policy=self.policy)
        self.ledger = self.network.ledger()
        self.time_ms = TIME_MS
        self.accept(
            self.network.contract(next(iter(scripts))),
            self.network.dataset(sharing="conditional", contract="a.rule"),
            self.network.dataset("c", "secret", sharing="closed"),
        )

    def commit(self, *transactions: Transaction, after_ms: int = 1) -> tuple[Outcome, ...]:
        """Outcomes of one block with these transactions."""
        self.time_ms += after_ms
        return self.network.commit(self.ledger, transactions, self.time_ms).outcomes

    def accept(self, *transactions: Transaction, after_ms: int = 1) -> tuple[bytes, ...]:
        """Ids of transactions that take effect in one block."""
        outcomes = self.commit(*transactions, after_ms=after_ms)
        assert [outcome.code for outcome in outcomes] == ["ok"] * len(transactions), outcomes
        return tuple(outcome.transaction_id for outcome in outcomes)

    def refuse(self, transaction: Transaction, code: ErrorCode) -> Outcome:
        """The outcome of a transaction that must be rejected with ``code`` and change nothing."""
        before = self.ledger.tip.header.state_root
        (outcome,) = self.commit(transaction)
        assert (outcome.code, outcome.verdict) == (code, None), outcome
        assert outcome.sentence
        assert self.ledger.tip.header.state_root == before
        return outcome

    def ask(self, member: str = "b", after_ms: int = 1, **changes: Any) -> tuple[bytes, AccessVerdict]:
        """Id of a request that takes effect, and what was decided on it."""
        (outcome,) = self.commit(self.network.request(member, **changes), after_ms=after_ms)
        return outcome.transaction_id, verdict_of(outcome)

    def answer(self, request: bytes, answer: Answer, member: str, after_ms: int = 1) -> AccessVerdict:
        """What a request has come to after an answer that takes effect."""
        (outcome,) = self.commit(self.network.approval(request, answer, member), after_ms=after_ms)
        return verdict_of(outcome)

    # What the state says

    def request(self, request_id: bytes) -> entries.RequestEntry:
        entry = self.ledger.entry(entries.request_key(request_id), entries.RequestEntry)
        assert entry is not None
        return entry

    def totals(self, request_id: bytes) -> entries.RequestTotals:
        return self.ledger.entry(entries.totals_key(request_id), entries.RequestTotals) or entries.RequestTotals()

    def reads(self, dataset: str = "a.flights") -> entries.DatasetReads:
        return self.ledger.entry(entries.reads_key(dataset), entries.DatasetReads) or entries.DatasetReads()

    def reader(self, member: str = "b", dataset: str = "a.flights") -> entries.ReaderEntry:
        return self.ledger.entry(entries.reader_key(dataset, member), entries.ReaderEntry) or entries.ReaderEntry()

    def parcel_reads(self, parcel: bytes, dataset: str = "a.flights") -> entries.ParcelReads:
        return (
            self.ledger.entry(entries.parcel_reads_key(dataset, parcel), entries.ParcelReads) or entries.ParcelReads()
        )

    def history_of(self, *transaction_ids: bytes) -> entries.ReadHistory:
        """The history of this list of transactions."""
        history = entries.EMPTY_HISTORY
        for transaction_id in transaction_ids:
            history = history.extended(self.network.chain_id, transaction_id)
        return history


def verdict_of(outcome: Outcome) -> AccessVerdict:
    """What was decided with a transaction that took effect."""
    assert outcome.code == "ok", outcome
    assert outcome.verdict is not None
    return outcome.verdict
