"""The node's contract engine: a sandbox in a child process, started in the background and replaced when it is lost.

A lost child is never a verdict: whatever was being executed is executed again with a new one. Whatever is wrong with
this machine alone (a cache folder that cannot be used, a child that does not start) gets a code that ``is_engine``: any
other would become a transaction's outcome, on this node only.
"""

import logging
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from chain.access.policy import AccessPolicy, Deployable, MissingEngine
from chain.contract_engine import EngineIdentity
from chain.errors import ErrorCode, PoolError
from contracts.compiled import Stage
from contracts.policy import ContractSession, SandboxPolicy, verify_engine
from contracts.worker import SandboxProcess
from node.home import Home

_PAUSES_S = (0.1, 1.0, 5.0)
"""Before each further attempt; after the last one the node gives up."""
_STAGES = {
    Stage.WAITING: "another process is compiling the contract engine",
    Stage.COMPILING: "compiling the contract engine, once on this machine; it takes some ten seconds",
}

_log = logging.getLogger("blockpool.engine")

T = TypeVar("T")


class ContractEngine:
    """See the module. It is a ``ContractSandbox``; all calls block and may come from any thread.

    Args:
        required: what the genesis file names.
        chain_id: for the hashes.
        cache_folder: of the compiled engine; None for the user's.

    Attributes:
        problem: why this installation must not run the network's contracts, or None.
        policy: for the ledger.
        on_restart: called when a new child replaces a lost one, in whatever thread found out.
    """

    def __init__(self, required: EngineIdentity, chain_id: bytes, cache_folder: Path | None) -> None:
        self.problem: str | None = None
        self.policy: AccessPolicy = SandboxPolicy(self)
        self.on_restart: Callable[[], None] = lambda: None
        self._chain_id = chain_id
        self._cache_folder = cache_folder
        self._turn = threading.Lock()
        self._process: SandboxProcess | None = None
        self._child: subprocess.Popen[bytes] | None = None
        """The last child, ready or not."""
        self._closing = threading.Event()
        try:
            verify_engine(required)
        except PoolError as error:
            self.problem = error.detail
            self.policy = MissingEngine(error.detail)

    @property
    def is_ready(self) -> bool:
        """Whether contracts can run at once."""
        return self._process is not None

    @property
    def process_id(self) -> int | None:
        """Of the child, if there is one."""
        process = self._process
        return process.process_id if process is not None else None

    def start(self) -> None:
        """Start the child, unless it runs already. On a new machine this takes some ten seconds.

        Raises:
            PoolError: codes ``bad_configuration`` for a cache folder or machine that cannot be used,
                ``engine_damaged``.
        """
        self.run(self._ready)

    def check(self, source: str, parameters: str = "{}") -> Deployable:
        """As ``Sandbox.check``."""
        return self._for_call().check(source, parameters)

    def contract(self, source: str, parameters: str = "{}") -> ContractSession:
        """As ``Sandbox.contract``."""
        return self._for_call().contract(source, parameters)

    def run(self, work: Callable[[], T]) -> T:
        """Do work that may call contracts; do it again with a new child if the engine fails, a few times at most.

        Raises:
            PoolError: whatever ``work`` raises; a code that ``is_engine`` once there is no more hope.
        """
        for pause_s in _PAUSES_S:
            try:
                return work()
            except PoolError as error:
                if not error.code.is_engine or self.problem or self._closing.is_set():
                    raise
                _log.error("contract engine lost; it is started again", extra={"reason": error.detail})
                self._end()
                self._closing.wait(pause_s)
                self.on_restart()
        return work()

    def close(self) -> None:
        """End the child, in the middle of its start too; whoever waits for it gets ``engine_damaged``."""
        self._closing.set()
        if self._child is not None:
            self._child.kill()
        self._end()

    def _started(self, child: "subprocess.Popen[bytes]") -> None:
        self._child = child
        if self._closing.is_set():
            child.kill()

    def _for_call(self) -> SandboxProcess:
        try:
            return self._ready()
        except PoolError as error:
            if error.code.is_engine:
                raise
            raise PoolError(ErrorCode.ENGINE_DAMAGED, error.detail) from None

    def _ready(self) -> SandboxProcess:
        with self._turn:
            if self._closing.is_set():
                raise PoolError(ErrorCode.ENGINE_DAMAGED, "the node is shutting down")
            if self._process is None:
                try:
                    self._process = SandboxProcess(self._chain_id, self._cache_folder, _report, self._started)
                except OSError as error:  # the system has no process for us
                    raise PoolError(ErrorCode.ENGINE_DAMAGED, f"its process cannot be started: {error}") from None
                _log.info("contract engine is ready", extra={"process_id": self._process.process_id})
            elif not self._process.is_running:
                raise PoolError(ErrorCode.ENGINE_DAMAGED, "its process has ended")
            return self._process

    def _end(self) -> None:
        with self._turn:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.close()


def make_engine(home: Home) -> ContractEngine | None:
    """The engine of the node in ``home``, not started yet; None where the network runs no contracts."""
    required = home.genesis.protocol.engine
    if required is None:
        return None
    folder = home.config.file.contracts.cache_folder
    return ContractEngine(required, home.genesis.chain_id, None if folder is None else home.config.path(folder))


def _report(stage: Stage) -> None:
    _log.info(_STAGES[stage])
