"""Where the blocks of an audit come from: ``ChainSource`` is the port, and a stopped node's database is behind one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from chain.storage.state import StateStore


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


def open_level(folder: Path) -> Database:
    """LevelDB in ``folder``. It is of an extra, so it is imported when it is needed.

    Raises:
        PoolError: code ``extra_missing``; and as ``LevelDatabase``.
    """
    from chain.storage.level import LevelDatabase

    return LevelDatabase(folder)


@contextmanager
def open_database(data: Path, genesis: Genesis) -> Iterator[ChainSource]:
    """The chain in a stopped node's data folder.

    Raises:
        PoolError: codes ``data_folder_locked`` while its daemon runs, ``wrong_data_folder``, ``database_damaged``.
    """
    head = _read_head(data / "HEAD")
    try:
        database = open_level(data / "blocks")
    except PoolError as error:
        if error.code is ErrorCode.DATA_FOLDER_LOCKED:
            detail = f"the daemon of {data} is running: stop it, or audit the URL of its API"
            raise PoolError(error.code, detail) from None
        raise
    try:
        store = BlockStore(database)
        store.open(genesis.chain_id)
        yield ChainSource(max(head, store.last_height() or 0), partial(_stored_packages, store), store)
    finally:
        database.close()


@contextmanager
def open_states(data: Path, chain: ChainSource, genesis: Genesis) -> Iterator[KeptStates | None]:
    """The state database of a stopped node's data folder, whose ``chain`` is open. None where there is none: it can be
    made again from the chain.
    """
    folder = data / "state"
    if not folder.is_dir() or chain.store is None:
        yield None
        return
    database = open_level(folder)
    try:
        store = StateStore(database, genesis.chain_id)
        history = StateHistory(genesis.chain_id, chain.store, store)
        yield KeptStates(store, history) if store.has_layout and store.head is not None else None
    finally:
        database.close()


def _read_head(path: Path) -> int:
    """The last height that the node acknowledged; 0 without a HEAD file."""
    if not path.is_file():
        return 0
    anchor = HeadFile(path)
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
