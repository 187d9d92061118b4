"""Runs a chain's access contracts in the sandbox: ``chain.access.policy.AccessPolicy`` for nodes and auditors alike."""

from typing import Protocol

from chain.access.decision import CallResult
from chain.access.policy import AccessCase, Deployable
from chain.contract_engine import EngineIdentity
from chain.errors import ErrorCode, PoolError, Refusal
from chain.limits import LIMITS
from chain.state.entries import ContractEntry
from contracts.answers import failed
from contracts.calls import CallEncoder
from contracts.engine import ENGINE_IDENTITY
from contracts.sandbox import call_fuel


class ContractSession(Protocol):
    """One contract in one block."""

    def decide_encoded(self, call: bytes, time_ms: int) -> CallResult:
        """Call the contract with encoded facts."""
        ...

    def close(self) -> None:
        """The block is done."""
        ...


class ContractSandbox(Protocol):
    """``contracts.sandbox.Sandbox``, or ``contracts.worker.SandboxProcess``."""

    def check(self, source: str, parameters: str = "{}") -> Deployable:
        """Check that a contract can be deployed."""
        ...

    def contract(self, source: str, parameters: str = "{}") -> ContractSession:
        """A contract for one block."""
        ...


class SandboxPolicy:
    """Opens the contracts of a block in ``sandbox``."""

    def __init__(self, sandbox: ContractSandbox) -> None:
        self._sandbox = sandbox

    def open_block(self, engine: EngineIdentity) -> "BlockContracts":
        """A runner for one block; raises ``engine_unavailable`` unless it may run in this installation's engine."""
        verify_engine(engine)
        return BlockContracts(self._sandbox)


class BlockContracts:
    """One session for each contract of a block, opened at its first call. A contract that is updated within the block
    is another one from then on. A guest holds its memory as long as its session is open; the fuel that it costs bounds
    how many there are.
    """

    def __init__(self, sandbox: ContractSandbox) -> None:
        self._sandbox = sandbox
        self._sessions: dict[bytes, ContractSession] = {}
        """By the contract's hash."""
        self._calls = CallEncoder()

    def check(self, source: str, parameters: str) -> Deployable:
        """As ``Sandbox.check``."""
        return self._sandbox.check(source, parameters)

    def decide(self, contract: ContractEntry, case: AccessCase) -> CallResult:
        """Call a contract with what the case says."""
        try:
            return self._session(contract).decide_encoded(self._calls.encode(case), case.time_ms)
        except Refusal as refusal:  # there is too much to tell the contract
            return failed(refusal, call_fuel(LIMITS.contract_inputs_size_bytes))

    def _session(self, contract: ContractEntry) -> ContractSession:
        session = self._sessions.get(contract.hash)
        if session is None:
            session = self._sessions[contract.hash] = self._sandbox.contract(contract.source, contract.parameters)
        return session

    def close(self) -> None:
        """Give the guests' memory back."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            session.close()


def verify_engine(required: EngineIdentity) -> None:
    """Check that this installation's engine is the one that a network's contracts run in.

    Raises:
        PoolError: code ``engine_unavailable``.
    """
    if required != ENGINE_IDENTITY:
        raise PoolError(ErrorCode.ENGINE_UNAVAILABLE, f"the network's is {required}; here is {ENGINE_IDENTITY}")
