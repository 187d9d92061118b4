"""A member's folder: its public record, its keys, and its node's home.

DIR/member.json         public: handed to whoever makes the genesis file
DIR/system.pem          secret: signs the member's transactions
DIR/offline/            secret: to be moved off this machine, each key to a place of its own
    governance.pem      secret: changes the member's system keys
    successor.pem       secret: takes the governance key's place if that is lost or stolen
DIR/reader.pem          secret: what the member is granted to read is sealed to it
DIR/node/config.toml    the daemon's settings
DIR/node/consensus.pem  secret: signs votes (validators only)
DIR/node/witness.pem    secret: cosigns checkpoints (witnesses only)
DIR/node/kem.pem        secret: opens this validator's shares of sealed parcels' keys (validators only)
DIR/node/tls.pem        secret: the node's links; tls.crt is its public certificate
DIR/node/genesis.json   put there by the operator once the network's genesis file is agreed
"""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from chain.errors import ErrorCode, PoolError
from chain.genesis import (
    GovernanceObject,
    MemberKeyObject,
    MemberObject,
    NodeRecordObject,
    encode_member_file,
    parse_member_file,
)
from chain.messages.phrases import phrase
from chain.primitives.crypto import Ed25519Signer, key_id
from chain.primitives.keys import encode_private_key, new_seed, write_secret_file
from chain.primitives.tls_certificate import make_tls_certificate
from chain.primitives.types import verify_name
from chain.state.members import MemberKind
from sealing import KemPrivateKey

NodeRole = Literal["validator", "witness", "observer", "none"]

MEMBER_FILE = "member.json"
SYSTEM_KEY = "system.pem"
GOVERNANCE_KEY = "offline/governance.pem"
SUCCESSOR_KEY = "offline/successor.pem"
READER_KEY = "reader.pem"
KEY_SECRET = "record-keys.secret"  # noqa: S105  (a file's name)
NODE_FOLDER = "node"
NODE_CONSENSUS_KEY = "consensus.pem"
NODE_KEM_KEY = "kem.pem"
NODE_WITNESS_KEY = "witness.pem"
GENESIS_FILE = "genesis.json"

TITLES: dict[str, tuple[str, str]] = {
    "aviation": ("民用航空局", "Civil Aviation Authority"),
    "meteorology": ("气象局", "Meteorological Service"),
    "registry": ("航空器登记处", "Aircraft Registry"),
    "airports": ("机场管理局", "Airports Authority"),
    "tax": ("税务局", "Tax Administration"),
    "health": ("卫生健康委员会", "Health Commission"),
    "police": ("公安局", "Police Department"),
    "transport": ("交通运输局", "Transport Bureau"),
}
"""Titles (Chinese, English) of the departments that examples use."""

_CONFIG = """\
# Settings of this node; docs/operations.md describes each. Paths are relative to this folder.
# The environment overrides: BLOCKPOOL_<SECTION>_<KEY>, for example BLOCKPOOL_API_LISTEN=0.0.0.0:8000

[node]
member = "{member}"
genesis = "{genesis}"
data = "data"
{validator_keys}tls_key = "tls.pem"
tls_certificate = "tls.crt"
{examiners}
[peer]
listen = "{peer_listen}"

[api]
listen = "{api_listen}"

[log]
level = "info"
format = "text"
{witness}"""


_VALIDATOR_KEYS = f"""\
consensus_key = "{NODE_CONSENSUS_KEY}"
kem_key = "{NODE_KEM_KEY}"
"""


_EXAMINERS = """\
examiners = 0  # the nodes of a network for trying out share this machine
"""


_WITNESS = f"""
[witness]
key = "{NODE_WITNESS_KEY}"
"""


@dataclass(frozen=True, slots=True)
class MemberPlan:
    """What a new member shall be."""

    name: str
    kind: MemberKind = "government"
    title_zh: str = ""
    title_en: str = ""
    roles: tuple[str, ...] = ()
    node: NodeRole = "validator"
    peer_address: str = "127.0.0.1:7000"
    """``host:port`` under which other nodes reach this one."""
    api_address: str = "127.0.0.1:8000"
    """``host:port`` of the HTTP API."""


def create_member(plan: MemberPlan, folder: Path, passphrase: str | None) -> MemberObject:
    """Make a member's folder with fresh keys: mode 0700, and all files in it 0600. No existing file is touched.

    Raises:
        PoolError: code ``bad_name``; ``bad_key`` if the folder holds a member already.
    """
    verify_name(plan.name)
    if (folder / MEMBER_FILE).exists():
        raise PoolError(
            ErrorCode.BAD_KEY, phrase("{folder} holds a member already and is not overwritten", folder=folder)
        )
    with _for_owner_alone():
        return _create_member(plan, folder, passphrase)


@contextmanager
def _for_owner_alone() -> Iterator[None]:
    """What is made meanwhile is for nobody else on this machine."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _create_member(plan: MemberPlan, folder: Path, passphrase: str | None) -> MemberObject:
    """Everything is made and checked before anything is written: a wrong address leaves no half a member behind."""
    node_folder = folder / NODE_FOLDER
    files = _NewFiles(passphrase)
    consensus_key = kem_key = witness_key = None
    if plan.node == "validator":
        consensus_key = files.key(node_folder / NODE_CONSENSUS_KEY)
        kem_key = files.kem_key(node_folder / NODE_KEM_KEY)
    if plan.node == "witness":
        witness_key = files.key(node_folder / NODE_WITNESS_KEY)
    files.kem_key(folder / READER_KEY)
    system, governance, successor = (files.key(folder / name) for name in (SYSTEM_KEY, GOVERNANCE_KEY, SUCCESSOR_KEY))
    node = None if plan.node == "none" else _create_node(plan, node_folder, files)
    known_zh, known_en = TITLES.get(plan.name, ("", ""))
    member = MemberObject(
        name=plan.name,
        kind=plan.kind,
        title_zh=plan.title_zh or known_zh,
        title_en=plan.title_en or known_en or plan.name.capitalize(),
        roles=plan.roles,
        keys=tuple(map(MemberKeyObject, (system, governance, successor))),
        consensus_key=consensus_key,
        kem_key=kem_key,
        node=node,
        witness_key=witness_key,
        governance=GovernanceObject(key_id(governance), key_id(successor)),
    )
    content = encode_member_file(member)
    parse_member_file(content)
    files.write()
    (folder / MEMBER_FILE).write_bytes(content)
    return member


class _NewFiles:
    """Files of a member that is being made.

    Args:
        passphrase: encrypts its private keys; None leaves them in the clear.
    """

    def __init__(self, passphrase: str | None) -> None:
        self._passphrase = passphrase
        self._secret: dict[Path, bytes] = {}
        self._texts: dict[Path, str] = {}

    def key(self, path: Path, seed: bytes | None = None) -> bytes:
        """A private key that signs; returns the public one."""
        seed = new_seed() if seed is None else seed
        self._secret[path] = encode_private_key(seed, self._passphrase)
        return Ed25519Signer(seed).public_key

    def kem_key(self, path: Path) -> bytes:
        """A private key that others seal to; returns the public one."""
        key = KemPrivateKey.generate()
        self._secret[path] = key.encode(self._passphrase)
        return key.public_key.encoded

    def text(self, path: Path, content: str) -> None:
        """A file that holds no secret."""
        self._texts[path] = content

    def write(self) -> None:
        """Write all of them; none that is there is overwritten.

        Raises:
            PoolError: code ``bad_key`` if one exists already.
        """
        for path, content in self._secret.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_secret_file(path, content)
        for path, text in self._texts.items():
            path.write_text(text, encoding="utf-8")


def _create_node(plan: MemberPlan, folder: Path, files: _NewFiles) -> NodeRecordObject:
    seed = new_seed()
    files.key(folder / "tls.pem", seed)
    certificate = make_tls_certificate(seed, plan.name)
    files.text(folder / "tls.crt", ssl.DER_cert_to_PEM_cert(certificate))
    config = _CONFIG.format(
        member=plan.name,
        genesis=GENESIS_FILE,
        validator_keys=_VALIDATOR_KEYS if plan.node == "validator" else "",
        examiners=_EXAMINERS if _is_loopback(plan.peer_address) else "",
        peer_listen=_listen_address(plan.peer_address),
        api_listen=plan.api_address,
        witness=_WITNESS if plan.node == "witness" else "",
    )
    files.text(folder / "config.toml", config)
    return NodeRecordObject(plan.peer_address, f"http://{plan.api_address}", certificate)


def _listen_address(address: str) -> str:
    """Where to listen so that ``address`` works: exactly there on loopback, on all interfaces otherwise, since the
    address that others use is often not one that the machine itself has."""
    return address if _is_loopback(address) else f"0.0.0.0:{address.rpartition(':')[2]}"


def _is_loopback(address: str) -> bool:
    return address.rpartition(":")[0] in ("127.0.0.1", "localhost", "[::1]")
