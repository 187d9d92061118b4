"""Where the blocks of an audit come from: ``ChainSource`` is the port, and a stopped node's database is behind one."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from chain.errors import ErrorCode, PoolError
from chain.genesis import Genesis
from chain.packages import BlockPackage, read_package
from chain.state_history import StateHistory
from chain.storage.blocks import BlockStore
from chain.storage.database import Database
from chain.storage.head import HeadFile
from chain.storage.slots import storage_error
from chain.storage.state import StateStore

_TABLES = (".ldb", ".sst")
"""Files that LevelDB writes once."""
_NOT_COPIED = frozenset({"LOCK", "LOG", "LOG.old"})


@dataclass(frozen=True, slots=True)
class ChainSource:
    """A chain that can be read."""

    newest: int
    """Height of the newest block."""
    blocks: Callable[[int], Iterator[BlockPackage]]
    """Every block from a height on."""
    store: BlockStore | None = None
    """Where a node on this machine keeps them."""


@dataclass(frozen=True, slots=True)
class KeptStates:
    """The states that a stopped node keeps."""

    store: StateStore
    history: StateHistory


def open_level(folder: Path, named: Path | None = None) -> Database:
    """LevelDB in ``folder``, which errors call ``named``. It is of an extra, so it is imported when it is needed.

    Raises:
        PoolError: code ``extra_missing``; and as ``LevelDatabase``.
    """
    from chain.storage.level import LevelDatabase

    return LevelDatabase(folder, named)


@contextmanager
def open_untouched(folder: Path) -> Iterator[Database]:
    """LevelDB in ``folder``, of which nothing is changed, not even a date: it may lie on media that cannot be written.

    LevelDB writes whenever it is opened. So it is opened in a folder of its own, with copies of the small files and
    links to the tables, which it never changes.

    Raises:
        PoolError: codes ``data_folder_locked`` while a daemon has it open, ``extra_missing``; and as ``LevelDatabase``.
    """
    with _shared_lock(folder / "LOCK"), tempfile.TemporaryDirectory(prefix="blockpool-audit-") as own:
        copy = Path(own)
        try:
            for path in folder.iterdir():
                if path.suffix in _TABLES:
                    (copy / path.name).symlink_to(path.resolve())
                elif path.is_file() and path.name not in _NOT_COPIED:
                    shutil.copyfile(path, copy / path.name)
        except FileNotFoundError:
            pass  # there is none: it is empty
        except OSError as error:
            raise storage_error(folder, error) from None
        database = open_level(copy, folder)  # what is damaged is the folder that was asked for
        try:
            yield database
        finally:
            database.close()


@contextmanager
def _shared_lock(path: Path) -> Iterator[None]:
    """Keep daemons, which lock it for themselves alone, from a database meanwhile. A copy may have no such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield
        return
    except OSError as error:
        raise storage_error(path, error) from None
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise PoolError(ErrorCode.DATA_FOLDER_LOCKED, f"{path.parent} is in use by a daemon") from None
    finally:
        os.close(descriptor)


@contextmanager
def open_database(data: Path, genesis: Genesis) -> Iterator[ChainSource]:
    """The chain in a stopped node's data folder. One that is too damaged to be opened has no block that can be had:
    that is found when the first is asked for, and told as any other damage.

    Raises:
        PoolError: codes ``data_folder_locked`` while its daemon runs, ``wrong_data_folder``.
    """
    with ExitStack() as opened:
        try:
            source = _opened(data, genesis, opened)
        except PoolError as error:
            if error.code is ErrorCode.DATA_FOLDER_LOCKED:
                detail = f"the daemon of {data} is running: stop it, or audit the URL of its API"
                raise PoolError(error.code, detail) from None
            if error.code is not ErrorCode.DATABASE_DAMAGED:
                raise
            source = ChainSource(0, partial(_refused, error))
        yield source


def _opened(data: Path, genesis: Genesis, opened: ExitStack) -> ChainSource:
    head = _read_head(data / "HEAD")
    store = BlockStore(opened.enter_context(open_untouched(data / "blocks")))
    store.open(genesis.chain_id)
    return ChainSource(max(head, store.last_height() or 0), partial(_stored_packages, store), store)


def _refused(error: PoolError, first_height: int) -> Iterator[BlockPackage]:
    """Blocks that cannot be had: the first that is asked for raises."""
    yield from _raised(error)


def _raised(error: PoolError) -> Iterator[BlockPackage]:
    raise PoolError(error.code, error.detail)


@contextmanager
def open_states(data: Path, chain: ChainSource, genesis: Genesis) -> Iterator[KeptStates | None]:
    """The state database of a stopped node's data folder, whose ``chain`` is open. None where there is none: it can be
    made again from the chain.
    """
    folder = data / "state"
    if not folder.is_dir() or chain.store is None:
        yield None
        return
    with open_untouched(folder) as database:
        store = StateStore(database, genesis.chain_id)
        history = StateHistory(genesis.chain_id, chain.store, store)
        yield KeptStates(store, history) if store.has_layout and store.head is not None else None


def _read_head(path: Path) -> int:
    """The last height that the node acknowledged; 0 without a HEAD file."""
    if not path.is_file():
        return 0
    with tempfile.TemporaryDirectory(prefix="blockpool-audit-") as own:
        try:
            copy = Path(shutil.copyfile(path, Path(own) / path.name))
        except OSError as error:
            raise storage_error(path, error) from None
        anchor = HeadFile(copy)
        try:
            head = anchor.read()
        finally:
            anchor.close()
    return head.height if head else 0


def _stored_packages(store: BlockStore, first_height: int) -> Iterator[BlockPackage]:
    """Raises ``not_here_yet`` where the node has taken the state from others and its past is not whole yet."""
    height = first_height
    while (package := read_package(store, height)) is not None:
        yield package
        height += 1
    if 0 < height <= (past := store.past_height):
        detail = f"blocks {height} to {past} are not whole here: this node has the chain from block {past + 1} on"
        raise PoolError(ErrorCode.NOT_HERE_YET, detail, height=height)
