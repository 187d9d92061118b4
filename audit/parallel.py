"""An audit of a whole chain with many cores and little memory. It can be interrupted and continued."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from audit.chain import AuditReport, ChainAudit
from audit.sources import ChainSource, open_level
from audit.store import AuditStore
from audit.walk import OnProgress, silent, walk
from audit.workers import Examined, Workers
from chain.access.policy import AccessPolicy
from chain.blocks import Block, block_hash
from chain.errors import ErrorCode, PoolError
from chain.examination.facts import KNOWN_PREFIXES
from chain.genesis import Genesis
from chain.ledger import ExecutedBlock
from chain.packages import BlockPackage
from chain.primitives.encoding import decode

SAVED_EVERY_S = 5
UNSAVED_BYTES_MAX = 32 * 1024 * 1024
_DATABASE = "audit"
"""In the folder: a database of something else is not even opened."""


@contextmanager
def open_store(folder: Path | None, genesis: Genesis) -> Iterator[AuditStore]:
    """What an audit keeps: in ``folder``, or for the time of the audit in a temporary one.

    Raises:
        PoolError: codes ``data_folder_locked`` while another audit works there, ``wrong_data_folder``,
            ``database_version``, ``database_damaged``.
    """
    if folder is None:
        with (
            tempfile.TemporaryDirectory(prefix="blockpool-audit-") as temporary,
            open_store(Path(temporary), genesis) as store,
        ):
            yield store
        return
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _DATABASE).is_dir():
        raise PoolError(ErrorCode.WRONG_DATA_FOLDER, f"{folder} holds something else than an audit")
    database = open_level(folder / _DATABASE)
    try:
        yield AuditStore(genesis.chain_id, database)
    finally:
        database.close()


@contextmanager
def open_audit(
    genesis: Genesis,
    policy: AccessPolicy,
    on_block: Callable[[ExecutedBlock], None] = lambda block: None,
    *,
    folder: Path | None = None,
    jobs: int = 1,
) -> "Iterator[ParallelAudit]":
    """An audit in ``jobs`` processes that keeps in ``folder`` how far it has come. Raises as ``open_store``."""
    with open_store(folder, genesis) as store, Workers(genesis, jobs if jobs > 1 else 0) as workers:
        yield ParallelAudit(genesis, policy, store, workers, on_block)


class ParallelAudit:
    """A ``ChainAudit`` with workers that look at blocks ahead of it.

    Args:
        genesis: of the chain.
        policy: runs the contracts.
        store: what is kept; an audit that was saved there goes on.
        workers: look ahead.
        on_block: told of every block that holds, as it is by ``ChainAudit``.
    """

    def __init__(
        self,
        genesis: Genesis,
        policy: AccessPolicy,
        store: AuditStore,
        workers: Workers,
        on_block: Callable[[ExecutedBlock], None] = lambda block: None,
    ) -> None:
        self._genesis = genesis
        self._workers = workers
        self._on_block = on_block
        self.audit = ChainAudit(genesis, policy, self._learn, store)
        self._saved_s = time.monotonic()
        self.first_height = self.audit.next_height
        """Where it begins or goes on."""
        for prefix in KNOWN_PREFIXES:
            workers.learn(self.audit.entries(prefix))

    @property
    def report(self) -> AuditReport:
        """What has been verified so far."""
        return self.audit.report

    @property
    def next_height(self) -> int:
        """Height of the block to be added next."""
        return self.audit.next_height

    def run(self, source: ChainSource, on_progress: OnProgress = silent) -> PoolError | None:
        """Verify the chain to its end, and save what was verified. Returns and raises as ``audit.walk.walk``."""
        if self.first_height:
            failure = self._compare_history(source)
            if failure is not None:
                return failure
        blocks = self._workers.ahead(self.first_height, source.blocks(self.first_height))
        failure = walk(self, blocks, source.newest, on_progress)
        self.audit.save()
        return failure

    def add(self, examined: Examined) -> None:
        """Verify the next block, and save it if it is time to."""
        self.audit.add(*examined)
        is_due = time.monotonic() - self._saved_s >= SAVED_EVERY_S
        if is_due or self.audit.unsaved_bytes >= UNSAVED_BYTES_MAX:
            self.audit.save()
            self._saved_s = time.monotonic()

    def _learn(self, executed: ExecutedBlock) -> None:
        known = (key for key in executed.update.changes if key.startswith(KNOWN_PREFIXES))
        self._workers.learn({key: value for key in known if (value := self.audit.value(key)) is not None})
        self._on_block(executed)

    def _compare_history(self, source: ChainSource) -> PoolError | None:
        """Whether the source holds the block that was verified last: it may be another source than before."""
        report = self.audit.report
        package = next(source.blocks(report.height), None)
        if package is None:
            detail = f"the chain ends before height {report.height}, up to which it was verified before"
            return PoolError(ErrorCode.DATABASE_DAMAGED, detail, height=source.newest + 1)
        try:
            found = self._hash_of(package)
        except PoolError as error:
            return PoolError(error.code, error.detail, **(error.context | {"height": report.height}))
        if found != report.block_hash:
            detail = f"block {report.height} is not the one that was verified before: {found.hex()}"
            return PoolError(ErrorCode.HISTORY_CONFLICT, detail, height=report.height)
        return None

    def _hash_of(self, package: BlockPackage) -> bytes:
        return block_hash(self._genesis.chain_id, decode(Block, package.block).header)
