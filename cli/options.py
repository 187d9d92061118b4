"""Options that several commands share, and what they are turned into."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from blockpool import Client, Genesis, Identity, RetryPolicy, load_genesis
from chain.errors import ErrorCode, PoolError
from cli.output import JSON_KEY

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_NODE = "http://127.0.0.1:8000"
READABLE_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _note_json(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        context.meta[JSON_KEY] = True


json_option = click.option(
    "--json", is_flag=True, expose_value=False, is_eager=True, callback=_note_json, help="Print JSON for programs."
)

node_option = click.option(
    "--node",
    "nodes",
    type=str,
    multiple=True,
    envvar="BLOCKPOOL_NODE",
    metavar="URL",
    help="API of a node; give several to survive the loss of one. [env: BLOCKPOOL_NODE; default: those named in the "
    f"genesis file, else {DEFAULT_NODE}]",
)

genesis_option = click.option(
    "--genesis",
    "genesis_file",
    type=READABLE_FILE,
    required=True,
    envvar="BLOCKPOOL_GENESIS",
    help="The network's genesis file, which everything is verified against. [env: BLOCKPOOL_GENESIS]",
)

known_nodes_option = click.option(
    "--genesis",
    "genesis_file",
    type=READABLE_FILE,
    envvar="BLOCKPOOL_GENESIS",
    help="The network's genesis file; names its nodes. [env: BLOCKPOOL_GENESIS]",
)

key_option = click.option(
    "--key",
    "key_file",
    type=READABLE_FILE,
    required=True,
    envvar="BLOCKPOOL_KEY",
    help="Private key that signs, PKCS#8 PEM with mode 0600. [env: BLOCKPOOL_KEY]",
)

member_option = click.option(
    "--member",
    envvar="BLOCKPOOL_MEMBER",
    help="Member that signs; needed only for a key that the genesis file does not list. [env: BLOCKPOOL_MEMBER]",
)


def signing_options(command: Command) -> Command:
    """The options of commands that sign."""
    return genesis_option(key_option(member_option(node_option(command))))


def node_urls(nodes: tuple[str, ...], genesis: Genesis | None = None, first: str | None = None) -> list[str]:
    """The nodes to ask: those given, else those that the genesis file names (``first``'s own before the others)."""
    if nodes:
        return list(nodes)
    members = sorted(genesis.members if genesis else (), key=lambda member: member.name != first)
    return [member.node.api_url for member in members if member.node and member.node.api_url] or [DEFAULT_NODE]


def reading_options(command: Command) -> Command:
    """The options of commands that show what a node says."""
    return node_option(known_nodes_option(command))


def reading_client(nodes: tuple[str, ...], genesis_file: Path | None) -> Client:
    """A client that signs nothing. It gives up soon: a person is waiting."""
    genesis = load_genesis(genesis_file) if genesis_file else None
    return Client(node_urls(nodes, genesis), genesis, retry=RetryPolicy(attempts_max=4, total_max_s=15))


def load_identity(key_file: Path, genesis_file: Path, member: str | None) -> tuple[Genesis, Identity]:
    """The genesis, and who signs."""
    genesis = load_genesis(genesis_file)
    return genesis, Identity.load(key_file, genesis, member=member, passphrase=passphrase_for(key_file))


def passphrase_for(key_file: Path) -> str | None:
    """What opens a key file: nothing for a plain one, else what the environment holds, else what the person types."""
    if b"ENCRYPTED" not in key_file.read_bytes():
        return None
    return environment_passphrase() or _ask(f"Passphrase of {key_file}", confirm=False)


def new_passphrase(encrypt: bool) -> str | None:
    """The passphrase for keys about to be made; None leaves them in the clear."""
    return (environment_passphrase() or _ask("New passphrase", confirm=True)) if encrypt else None


def environment_passphrase() -> str | None:
    """``BLOCKPOOL_PASSPHRASE``, or the content of the file that ``BLOCKPOOL_PASSPHRASE_FILE`` names."""
    if passphrase := os.environ.get("BLOCKPOOL_PASSPHRASE"):
        return passphrase
    path = os.environ.get("BLOCKPOOL_PASSPHRASE_FILE")
    return Path(path).read_text(encoding="utf-8").rstrip("\n") if path else None


def _ask(prompt: str, *, confirm: bool) -> str:
    if not sys.stdin.isatty():
        raise PoolError(ErrorCode.WRONG_PASSPHRASE, "a passphrase is needed: set BLOCKPOOL_PASSPHRASE")
    return str(click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True))
