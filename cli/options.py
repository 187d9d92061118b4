"""Options that several commands share, and what they are turned into."""

import contextlib
import dataclasses
import datetime
import functools
import os
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import click

from blockpool import Client, Genesis, Identity, RecordId, RetryPolicy, load_genesis
from blockpool.credentials import Surroundings, surroundings
from blockpool.signing import parse_transaction_id
from chain.errors import ErrorCode, PoolError
from chain.messages.languages import POOL_ZONE
from chain.messages.phrases import phrase
from chain.primitives.keys import read_secret_file
from chain.record_keys import KEY_SIZE
from cli.homes import KEY_SECRET, NODE_FOLDER, READER_KEY
from cli.output import JSON_KEY
from sealing import KemPrivateKey, load_kem_key
from sealing.record_keys import SECRET_SIZE

Command = TypeVar("Command", bound=Callable[..., Any])
Option = Callable[[Callable[..., Any]], Callable[..., Any]]

DEFAULT_NODE = "http://127.0.0.1:8000"
_STANDARD_INPUT_KEY = "blockpool.standard-input"
_COPIED_AT_ONCE_BYTES = 1024 * 1024
READABLE_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class WholeFile(click.Path):
    """A file that is read more than once: no pipe or device, which would be waited for, or be empty the second time.
    ``-`` is standard input, of which a copy is there as long as the command runs.
    """

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, path_type=Path)

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        """The path."""
        if value == "-" and context is not None:
            context.meta[_STANDARD_INPUT_KEY] = True
            return context.with_resource(_copy_of(sys.stdin.buffer))
        path: Any = super().convert(value, parameter, context)
        if not path.is_file():
            self.fail(phrase("{path!r} is no regular file: write what comes out of it to one first", path=str(path)))
        return path


def is_standard_input() -> bool:
    """Whether the running command was given standard input as its file."""
    return bool(click.get_current_context().meta.get(_STANDARD_INPUT_KEY))


@contextlib.contextmanager
def _copy_of(stream: BinaryIO) -> Iterator[Path]:
    """A file, readable by its owner only, with all that comes out of a stream."""
    with tempfile.TemporaryDirectory(prefix="blockpool-") as folder:
        path = Path(folder) / "standard input"
        with path.open("wb") as file:
            shutil.copyfileobj(stream, file, _COPIED_AT_ONCE_BYTES)
        yield path


def _note_json(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        context.meta[JSON_KEY] = True


json_option = click.option(
    "--json", is_flag=True, expose_value=False, is_eager=True, callback=_note_json, help="Print JSON for programs."
)


def _note_surroundings(context: click.Context, parameter: click.Parameter, genesis_file: Path | None) -> Path | None:
    """Let clients find the homes beside the genesis file, and the key in the environment, should a node ask."""
    if genesis_file is not None:
        folder = genesis_file.resolve().parent
        homes = [folder, folder / NODE_FOLDER, *folder.glob(f"*/{NODE_FOLDER}")]
        key = os.environ.get("BLOCKPOOL_KEY")
        identity = functools.partial(_identity, Path(key), genesis_file) if key else None
        token = surroundings.set(Surroundings(tuple(homes), identity))
        context.call_on_close(functools.partial(surroundings.reset, token))
    return genesis_file


def _identity(key_file: Path, genesis_file: Path) -> Identity:
    return load_identity(key_file, genesis_file, os.environ.get("BLOCKPOOL_MEMBER"))[1]


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
    callback=_note_surroundings,
    help="The network's genesis file, which everything is verified against. [env: BLOCKPOOL_GENESIS]",
)

known_nodes_option = click.option(
    "--genesis",
    "genesis_file",
    type=READABLE_FILE,
    envvar="BLOCKPOOL_GENESIS",
    callback=_note_surroundings,
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

optional_key_option = click.option(
    "--key", "key_file", type=READABLE_FILE, envvar="BLOCKPOOL_KEY", help="Your private key. [env: BLOCKPOOL_KEY]"
)

member_option = click.option(
    "--member",
    envvar="BLOCKPOOL_MEMBER",
    help="Member that signs; needed only for a key that the genesis file does not list. [env: BLOCKPOOL_MEMBER]",
)

reader_key_option = click.option(
    "--reader-key",
    "reader_key_file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="BLOCKPOOL_READER_KEY",
    help="Private key that opens what is read. [env: BLOCKPOOL_READER_KEY; default: reader.pem beside the signing key]",
)


_EPOCH = datetime.date(1970, 1, 1)
_OFFSET_MS = round(POOL_ZONE.utcoffset(None).total_seconds() * 1000)


class EndOfTime(click.ParamType[int]):
    """When something ends: a date (the end of that day in the pool's time zone) or an ISO 8601 time with its zone, as
    milliseconds since 1970.

    Args:
        is_to_come: refuse what is over already.
    """

    name = "time"

    def __init__(self, *, is_to_come: bool = False) -> None:
        self._is_to_come = is_to_come

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> int:
        """Milliseconds since 1970."""
        if isinstance(value, int):
            return value
        try:
            if len(value) == len("2026-12-31"):
                days = datetime.date.fromisoformat(value).toordinal() + 1 - _EPOCH.toordinal()
                end_ms = days * 86_400_000 - _OFFSET_MS  # computed: the last day that Python knows has an end too
            else:
                end = datetime.datetime.fromisoformat(value)
                if end.tzinfo is None:
                    self.fail(
                        phrase("{value!r} has no time zone: end it with Z, or with an offset like +08:00", value=value)
                    )
                end_ms = int(end.timestamp() * 1000)
        except (ValueError, OverflowError):
            self.fail(
                phrase(
                    "{value!r} is neither a date like 2026-12-31 nor a time like 2026-12-31T12:00+08:00", value=value
                )
            )
        if self._is_to_come and end_ms <= time.time() * 1000:  # 0 would even mean that there is no end
            self.fail(phrase("{value!r} is over already", value=value))
        return end_ms


class TransactionIdType(click.ParamType[bytes]):
    """A transaction id in hexadecimal, as 32 bytes."""

    name = "id"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> bytes:
        """The id's bytes."""
        if isinstance(value, bytes):
            return value
        try:
            return parse_transaction_id(value)
        except PoolError as error:
            self.fail(error.detail)


class RecordKeyType(click.ParamType[bytes]):
    """The key of a record in hexadecimal, as 24 bytes."""

    name = "key"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> bytes:
        """The key's bytes."""
        if isinstance(value, bytes):
            return value
        try:
            key = bytes.fromhex(value)
        except ValueError:
            key = b""
        if len(key) != KEY_SIZE:
            self.fail(
                phrase("{value!r} is no key of a record: {count} hexadecimal digits", value=value, count=2 * KEY_SIZE)
            )
        return key


class KeyIdType(click.ParamType[bytes]):
    """A key's id in hexadecimal, as 16 bytes."""

    name = "key id"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> bytes:
        """The id's bytes."""
        if isinstance(value, bytes):
            return value
        if re.fullmatch(r"[0-9a-f]{32}", value) is None:
            self.fail(phrase("A key's id has 32 hexadecimal digits; see: blockpool member keys"))
        return bytes.fromhex(value)


class RecordIdType(click.ParamType[RecordId]):
    """A record's id, TRANSACTION/INDEX."""

    name = "record"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> RecordId:
        """The id."""
        if isinstance(value, RecordId):
            return value
        try:
            return RecordId.parse(value)
        except PoolError as error:
            self.fail(error.detail)


def together(name: str, type_: type[Any], *options: Option) -> Option:
    """Options that a command gets as one argument ``name``: a dataclass whose fields are called as their parameters."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def gathered(**arguments: Any) -> Any:
            given = type_(**{field.name: arguments.pop(field.name) for field in dataclasses.fields(type_)})
            return command(**{name: given}, **arguments)

        decorated: Callable[..., Any] = gathered
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate


@dataclasses.dataclass(frozen=True, slots=True)
class Signing:
    """Who signs a command's transactions, and the nodes that get them."""

    genesis_file: Path
    key_file: Path
    member: str | None
    nodes: tuple[str, ...]

    def load(self) -> tuple[list[str], Genesis, Identity]:
        """What a client takes: the nodes, the genesis, and who signs."""
        genesis, identity = load_identity(self.key_file, self.genesis_file, self.member)
        return node_urls(self.nodes, genesis, identity.member), genesis, identity

    def client(self) -> Client:
        """A client that signs."""
        return Client(*self.load())


signing_options = together("signing", Signing, genesis_option, key_option, member_option, node_option, json_option)
"""The options of commands that sign."""


def node_urls(nodes: tuple[str, ...], genesis: Genesis | None = None, first: str | None = None) -> list[str]:
    """The nodes to ask: those given, else those that the genesis file names (``first``'s own before the others)."""
    if nodes:
        return list(nodes)
    members = sorted(genesis.founders if genesis else (), key=lambda member: member.name != first)
    return [member.node.api_url for member in members if member.node and member.node.api_url] or [DEFAULT_NODE]


def reading_options(command: Command) -> Command:
    """The options of commands that show what a node says."""
    return known_nodes_option(node_option(json_option(command)))


def reading_client(nodes: tuple[str, ...], genesis_file: Path | None) -> Client:
    """A client that signs nothing. It gives up soon: a person is waiting."""
    genesis = load_genesis(genesis_file) if genesis_file else None
    return Client(node_urls(nodes, genesis), genesis, retry=RetryPolicy(attempts_max=4, total_max_s=15))


def load_identity(key_file: Path, genesis_file: Path, member: str | None) -> tuple[Genesis, Identity]:
    """The genesis, and who signs."""
    genesis = load_genesis(genesis_file)
    return genesis, Identity.load(key_file, genesis, member=member, passphrase=passphrase_for(key_file))


key_secret_option = click.option(
    "--key-secret",
    "key_secret_file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="BLOCKPOOL_KEY_SECRET",
    help="Secret that blinds the keys of sealed records. [env: BLOCKPOOL_KEY_SECRET; default: record-keys.secret "
    "beside the key in BLOCKPOOL_KEY or --key]",
)


def load_key_secret(key_secret_file: Path | None, key_file: Path | None, *, makes: bool = False) -> bytes | None:
    """The secret that blinds the keys of sealed records: the file given, else ``record-keys.secret`` in the member's
    folder. None if there is none of that name.

    Args:
        key_secret_file: as given.
        key_file: the signing key, in the member's folder.
        makes: make one there if there is none.

    Raises:
        PoolError: codes ``bad_key``, ``key_permissions``.
    """
    path = key_secret_file
    if path is None:
        if key_file is None:
            return None
        path = key_file.parent / KEY_SECRET
        if not path.exists():
            if not makes:
                return None
            make_key_secret(path)
    try:
        secret = bytes.fromhex(read_secret_file(path).decode("ascii").strip())
    except ValueError:
        secret = b""
    if len(secret) != SECRET_SIZE:
        raise PoolError(
            ErrorCode.BAD_KEY,
            phrase(
                "{path} holds no secret for record keys: {digits} hexadecimal digits", path=path, digits=2 * SECRET_SIZE
            ),
        )
    return secret


def make_key_secret(path: Path) -> None:
    """Make a secret for record keys, readable by its owner alone. One that is there stays."""
    content = secrets.token_bytes(SECRET_SIZE).hex().encode() + b"\n"
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)


def load_reader_key(reader_key_file: Path | None, key_file: Path) -> KemPrivateKey:
    """The key that opens what is read: the one given, else ``reader.pem`` in the member's folder.

    Raises:
        PoolError: codes ``bad_key``, ``key_permissions``, ``wrong_passphrase``.
    """
    path = reader_key_file or key_file.parent / READER_KEY
    if not path.exists():
        raise PoolError(
            ErrorCode.BAD_KEY,
            phrase(
                "{path} is not there. It opens what is read: give it with --reader-key. It is made with "
                "the member's folder, and a further one by: blockpool keys new --reader FILE",
                path=path,
            ),
        )
    return load_kem_key(path, passphrase_for(path))


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
        raise PoolError(ErrorCode.WRONG_PASSPHRASE, phrase("a passphrase is needed: set BLOCKPOOL_PASSPHRASE"))
    return str(click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True))
