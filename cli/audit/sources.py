"""Where a chain that is audited comes from: a stopped node's database, or a running node's API."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from blockpool import Client, ErrorCode, Genesis, PoolError
from chain.packages import BlockPackage, read_package
from chain.storage.blocks import BlockStore
from chain.storage.head import HeadFile
from chain.storage.level import LevelEngine
from chain.storage.state import StateStore
from cli.homes import NODE_FOLDER


@dataclass(frozen=True, slots=True)
class Packages:
    """A chain that can be read."""

    newest: int
    """Height of the newest block."""
    blocks: Callable[[int], Iterator[BlockPackage]]
    """Every block from a height on."""


def is_url(source: str) -> bool:
    """Whether a source is a node's API."""
    return source.startswith(("http://", "https://"))


def open_source(source: str, genesis: Genesis) -> AbstractContextManager[Packages]:
    """A chain from wherever ``source`` says that it is: a URL, or a path."""
    return open_url(source) if is_url(source) else open_home(Path(source), genesis)


@contextmanager
def open_url(url: str) -> Iterator[Packages]:
    """A chain as a node serves it."""
    with Client(url) as client:
        yield Packages(client.status().height, client.chain)


@contextmanager
def open_home(path: Path, genesis: Genesis) -> Iterator[Packages]:
    """A chain in a stopped node's database.

    Raises:
        PoolError: codes ``data_folder_locked`` while its daemon runs, ``wrong_data_folder``, ``database_damaged``.
    """
    data = _data_folder(path)
    head = _read_head(data / "HEAD")
    try:
        engine = LevelEngine(data / "blocks")
    except PoolError as error:
        if error.code is ErrorCode.DATA_FOLDER_LOCKED:
            detail = f"the daemon of {path} is running: stop it, or audit the URL of its API"
            raise PoolError(error.code, detail) from None
        raise
    try:
        store = BlockStore(engine)
        store.open(genesis.chain_id)
        yield Packages(max(head, store.last_height() or 0), partial(_stored_packages, store))
    finally:
        engine.close()


@contextmanager
def open_states(source: str) -> Iterator[StateStore | None]:
    """The state database of a stopped node's home. None for a URL, or where there is none: it can be made again from
    the chain.
    """
    folder = None if is_url(source) else _data_folder(Path(source)) / "state"
    if folder is None or not folder.is_dir():
        yield None
        return
    engine = LevelEngine(folder)
    try:
        yield StateStore(engine)
    finally:
        engine.close()


def _data_folder(path: Path) -> Path:
    """The data folder of a node's home, or of the member's folder around it. Nothing is created."""
    for home in (path, path / NODE_FOLDER):
        config = home / "config.toml"
        if config.is_file():
            try:
                settings = tomllib.loads(config.read_text(encoding="utf-8"))
                data: Path = home / settings["node"].get("data", "data")
            except (tomllib.TOMLDecodeError, KeyError, AttributeError) as error:
                raise PoolError(ErrorCode.BAD_CONFIGURATION, f"{config}: {error}") from None
            if (data / "blocks").is_dir():
                return data
            raise PoolError(ErrorCode.BAD_CONFIGURATION, f"{data} holds no chain: the node has never run")
    raise click.BadParameter(f"{path} is neither a node's home nor a URL", param_hint="HOME_OR_URL")


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
