"""The contract engine of a command, opened with words for the person who waits. It is of an extra, so it is imported
when a command comes to need it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from chain.access.decision import CallResult
from chain.access.policy import AccessCase, AccessPolicy, ContractRunner, Deployable
from chain.contract_engine import EngineIdentity
from chain.primitives.crypto import ZERO_HASH
from chain.state.entries import ContractEntry

if TYPE_CHECKING:
    from contracts.sandbox import Sandbox

Say = Callable[[str], None]
"""Tells a person something."""


def engine_identity() -> EngineIdentity:
    """Of this installation's engine, which is of an extra."""
    from contracts.engine import ENGINE_IDENTITY

    return ENGINE_IDENTITY


def open_sandbox(say: Say, chain_id: bytes = ZERO_HASH) -> "Sandbox":
    """The engine's sandbox; ``say`` is told if the engine's first start on this machine takes a while."""
    from contracts.compiled import Stage
    from contracts.engine import Engine
    from contracts.sandbox import Sandbox

    stages = {
        Stage.COMPILING: "Compiling the contract engine (once on this machine, some ten seconds) ...",
        Stage.WAITING: "Waiting for another process that compiles the contract engine ...",
    }
    return Sandbox(Engine.open(on_stage=lambda stage: say(stages[stage])), chain_id)


class NetworkPolicy:
    """Runs a network's contracts in this process. The engine is opened at the first call: a chain that calls none can
    be audited on any machine.

    Args:
        chain_id: of the chain.
        say: told if opening the engine takes a while.
    """

    def __init__(self, chain_id: bytes, say: Say) -> None:
        self._chain_id = chain_id
        self._say = say
        self._policy: AccessPolicy | None = None

    def open_block(self, engine: EngineIdentity) -> ContractRunner:
        """A runner for one block."""
        return _WaitingRunner(lambda: self._open_engine_block(engine))

    def _open_engine_block(self, engine: EngineIdentity) -> ContractRunner:
        """A runner of the engine itself.

        Raises:
            PoolError: code ``engine_unavailable`` if this installation's engine is not the network's.
        """
        from contracts.policy import SandboxPolicy, verify_engine

        verify_engine(engine)
        if self._policy is None:
            self._policy = SandboxPolicy(open_sandbox(self._say, self._chain_id))
        return self._policy.open_block(engine)


class _WaitingRunner:
    """A block's runner, which opens the one behind it at the block's first call."""

    def __init__(self, open_runner: Callable[[], ContractRunner]) -> None:
        self._open_runner = open_runner
        self._runner: ContractRunner | None = None

    def check(self, source: str, parameters: str) -> Deployable:
        return self._opened().check(source, parameters)

    def decide(self, contract: ContractEntry, case: AccessCase) -> CallResult:
        return self._opened().decide(contract, case)

    def close(self) -> None:
        if self._runner is not None:
            self._runner.close()

    def _opened(self) -> ContractRunner:
        if self._runner is None:
            self._runner = self._open_runner()
        return self._runner
