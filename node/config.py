"""Configuration of a daemon: one TOML file in its home, any setting of which the environment can override.

``BLOCKPOOL_<SECTION>_<KEY>`` wins over the file, for example ``BLOCKPOOL_API_LISTEN=0.0.0.0:8000``.
"""

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from chain.errors import ErrorCode, PoolError
from chain.primitives.types import ADDRESS_PATTERN, Name
from node.log import LogFormat

CONFIG_FILE = "config.toml"

Address = Annotated[str, Meta(pattern=ADDRESS_PATTERN)]
"""``host:port``."""


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the sections: unknown keys are refused, so that a misspelt setting does not go unnoticed."""


class NodeSection(_Section, frozen=True):
    """Who this node is, and where its files are, relative to the home."""

    member: Name
    genesis: str = "genesis.json"
    data: str = "data"
    consensus_key: str | None = None
    """Left out for an observer."""
    kem_key: str | None = None
    """Opens the shares of sealed parcels' keys that owners deal to this validator; left out for an observer."""
    tls_key: str = "tls.pem"
    tls_certificate: str = "tls.crt"
    examiners: Annotated[int, Meta(ge=0, le=64)] | None = None
    """Processes that verify transactions beside the event loop, each on a core of its own; None for as many as the
    machine's cores allow (``NodeConfig.examiners``)."""


class PeerSection(_Section, frozen=True):
    """Links to other nodes."""

    listen: Address


class ApiSection(_Section, frozen=True):
    """The HTTP API."""

    listen: Address
    connections: Annotated[int, Meta(ge=1, le=100_000)] = 4096
    """Connections and waiting requests served at once; further ones get 503."""
    connections_per_address: Annotated[int, Meta(ge=1, le=100_000)] = 1024
    """Connections from one IPv4 address or one IPv6 /56 network at once; further ones get 503. A reverse proxy counts
    as one address."""
    readers: Literal["members", "anyone"] = "members"
    """Who reads what may name persons: members and those with a token, or whoever reaches the port."""
    token_file: str = "api.token"  # noqa: S105  # a file's name
    """Tokens of the department's own readers and of those it lets in, relative to the home; made at the first start."""
    allow: str = ""
    """Networks, separated by commas, from which requests are answered at all; empty for all."""
    tls_certificate: str | None = None
    """PEM file with the API's certificate and those that lead to its root; None for plain HTTP."""
    tls_key: str | None = None
    """PEM file with its key."""


class StorageSection(_Section, frozen=True):
    """What is kept of the chain's contents."""

    payloads: Literal["all", "own"] | Annotated[float, Meta(gt=0, le=36_500)] = "all"
    """Which payloads: of all parcels, of this member's own, or of the last so many days; see ``node.payloads``."""


class ContractsSection(_Section, frozen=True):
    """The engine that runs access contracts."""

    cache_folder: str | None = None
    """Where the compiled engine is kept, relative to the home; None for the user's cache folder."""


class WitnessSection(_Section, frozen=True):
    """Cosigning checkpoints without a vote. The section is absent: this node is no witness."""

    key: str = "witness.pem"
    """The member's witness key, relative to the home."""


class GatewaySection(_Section, frozen=True):
    """The gateway, which seals and signs for the department's own systems. The section is absent: there is none."""

    listen: Address
    """On the loopback interface, for it signs whatever it is handed."""
    system_key: str = "../system.pem"
    """Signs the member's transactions."""
    token_file: str = "gateway.token"  # noqa: S105  # a file's name
    """Holds what callers must show."""
    webhook_url: str = ""
    """Who is told which datasets have grown; empty for nobody."""


class LogSection(_Section, frozen=True):
    """Logs, to standard error."""

    level: Annotated[str, Meta(pattern=r"\A(debug|info|warning|error)\Z")] = "info"
    format: LogFormat = "text"


class ConsensusSection(_Section, frozen=True):
    """Timers. Nodes may differ; safety does not depend on them."""

    tick_ms: Annotated[int, Meta(ge=5, le=1000)] = 20
    """Length of a tick."""
    view_timeout_ms: Annotated[int, Meta(ge=50, le=600_000)] = 500
    """How long a primary may make no progress before the first view change."""


class SyncSection(_Section, frozen=True):
    """How a node comes to where the others are."""

    state_from_blocks: Annotated[int, Meta(ge=0)] = 10_000
    """A node that is further behind takes the state instead of executing these blocks; 0 for never."""


class ConfigFile(_Section, frozen=True):
    """The whole file."""

    node: NodeSection
    peer: PeerSection
    api: ApiSection
    log: LogSection = LogSection()
    consensus: ConsensusSection = ConsensusSection()
    contracts: ContractsSection = ContractsSection()
    storage: StorageSection = StorageSection()
    sync: SyncSection = SyncSection()
    witness: WitnessSection | None = None
    gateway: GatewaySection | None = None


def _settings() -> dict[str, tuple[str, ...]]:
    found = {}
    for section in msgspec.structs.fields(ConfigFile):
        types = [part for part in get_args(section.type) or (section.type,) if part is not type(None)]
        found[section.name] = tuple(types[0].__struct_fields__)
    return found


_SETTINGS = _settings()
"""The settings of each section."""
_OF_KUBERNETES = re.compile(r"service_host|service_port(_\w+)?|port(_\d+_(tcp|udp|sctp)(_\w+)?)?")
"""What Kubernetes sets in the environment for a service that is called ``blockpool-api`` or so."""


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """A daemon's settings with paths resolved."""

    home: Path
    file: ConfigFile
    passphrase: str | None

    @property
    def examiners(self) -> int:
        """How many processes verify transactions beside the event loop: what the file says, or one for every two
        cores that this process may use, at most two.
        """
        configured = self.file.node.examiners
        return min(2, len(os.sched_getaffinity(0)) // 2) if configured is None else configured

    def path(self, name: str) -> Path:
        """A file named in the configuration, relative to the home."""
        return self.home / name


def load_config(home: Path, environment: Mapping[str, str] = os.environ) -> NodeConfig:
    """Read ``config.toml`` in ``home`` and apply the environment.

    Raises:
        PoolError: code ``bad_configuration``, naming the setting.
    """
    path = home / CONFIG_FILE
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _bad(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _bad(f"{path}: {error}") from None
    overridden = _override(raw, environment)
    try:
        file = msgspec.convert(raw, ConfigFile, strict=False)
    except msgspec.ValidationError as error:
        culprit = next((name for place, name in overridden.items() if str(error).endswith(f"`$.{place}`")), str(path))
        raise _bad(f"{culprit}: {error}") from None
    try:
        parse_networks(file.api.allow)
    except ValueError as error:
        raise _bad(f"{path}: api.allow: {error}") from None
    if (file.api.tls_certificate is None) != (file.api.tls_key is None):
        raise _bad(f"{path}: api.tls_certificate and api.tls_key go together")
    if file.gateway is not None and not is_loopback(file.gateway.listen):
        raise _bad(f"{path}: gateway.listen: {file.gateway.listen} is not on the loopback interface")
    return NodeConfig(home, file, _passphrase(environment))


def split_address(address: str) -> tuple[str, int]:
    """Host and port of ``host:port`` or ``[v6]:port``."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def parse_networks(text: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """Networks separated by commas; raises ``ValueError``."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches ``host:port``. Of names only ``localhost`` counts: others may change."""
    host, _ = split_address(address)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _override(raw: dict[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    """Put what the environment says in the place of what the file says.

    Returns:
        The variables by the settings that they set, ``section.key``.

    Raises:
        PoolError: code ``bad_configuration`` for a variable of a setting that is not there.
    """
    overridden = {}
    for section, keys in _SETTINGS.items():
        prefix = f"BLOCKPOOL_{section.upper()}_"
        for name, value in environment.items():
            key = name.removeprefix(prefix).lower()
            if not name.startswith(prefix) or (key not in keys and _OF_KUBERNETES.fullmatch(key)):
                continue
            if key not in keys:
                raise _bad(f"{name}: section {section} has no setting {key}; it has {', '.join(keys)}")
            settings = raw.setdefault(section, {})
            if isinstance(settings, dict):  # anything else is refused when the file is checked
                settings[key] = value
                overridden[f"{section}.{key}"] = name
    return overridden


def _passphrase(environment: Mapping[str, str]) -> str | None:
    if "BLOCKPOOL_PASSPHRASE" in environment:
        return environment["BLOCKPOOL_PASSPHRASE"]
    path = environment.get("BLOCKPOOL_PASSPHRASE_FILE")
    if path is None:
        return None
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise _bad(f"cannot read the passphrase file {path}: {error}") from None


def _bad(detail: str) -> PoolError:
    return PoolError(ErrorCode.BAD_CONFIGURATION, detail)
