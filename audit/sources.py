"""Where the blocks of an audit come from: ``ChainSource`` is the port, and a stopped node's database is behind one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from chain.errors import ErrorCode, PoolError
from chain.genesis import Genesis
from chain.packages import BlockPackage, read_package
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
        yield ChainSource(max(head, store.last_height() or 0), partial(_stored_packages, store))
    finally:
        database.close()


@contextmanager
def open_states(data: Path) -> Iterator[StateStore | None]:
    """The state database of a stopped node's data folder. None where there is none: it can be made again from the
    chain.
    """
    folder = data / "state"
    if not folder.is_dir():
        yield None
        return
    database = open_level(folder)
    try:
        yield StateStore(database)
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
    height = first_height
    while (package := read_package(store, height)) is not None:
        yield package
        height += 1
