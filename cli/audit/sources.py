"""Where a command's chain comes from: a stopped node's home, or a running node's API."""

import tomllib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import click

from audit.sources import ChainSource, open_database
from blockpool import Client, ErrorCode, Genesis, PoolError
from chain.messages.phrases import phrase
from cli.homes import NODE_FOLDER


def is_url(source: str) -> bool:
    """Whether a source is a node's API."""
    return source.startswith(("http://", "https://"))


def open_source(source: str, genesis: Genesis) -> AbstractContextManager[ChainSource]:
    """A chain from wherever ``source`` says that it is: a URL, or the path of a home."""
    return open_url(source) if is_url(source) else open_database(data_folder(Path(source)), genesis)


@contextmanager
def open_url(url: str) -> Iterator[ChainSource]:
    """A chain as a node serves it."""
    with Client(url) as client:
        yield ChainSource(client.status().height, client.chain)


def data_folder(path: Path) -> Path:
    """The data folder of a node's home, or of the member's folder around it. Nothing is created."""
    for home in (path, path / NODE_FOLDER):
        config = home / "config.toml"
        if config.is_file():
            try:
                settings = tomllib.loads(config.read_text(encoding="utf-8"))
                data: Path = home / settings["node"].get("data", "data")
            except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, AttributeError, TypeError) as error:
                raise PoolError(ErrorCode.BAD_CONFIGURATION, f"{config}: {error}") from None
            if (data / "blocks").is_dir():
                return data
            raise PoolError(
                ErrorCode.BAD_CONFIGURATION, phrase("{data} holds no chain: the node has never run", data=data)
            )
    raise click.BadParameter(phrase("{path} is neither a node's home nor a URL", path=path), param_hint="HOME_OR_URL")
