"""A daemon's home: opening its genesis, keys, lock and ledger, each with an error that says what is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from chain.access.policy import AccessPolicy
from chain.errors import ErrorCode, InvariantBroken, PoolError
from chain.genesis import Genesis, parse_genesis
from chain.ledger import Ledger
from chain.primitives.crypto import Ed25519Signer
from chain.primitives.keys import load_signer
from chain.state.members import Member
from chain.state_history import Progress
from chain.storage.head import HeadFile
from chain.storage.level import LevelDatabase, open_emptied_if_damaged
from chain.storage.lock import FolderLock
from node.config import NodeConfig
from node.links import LinkIdentity
from node.tls import load_identity
from sealing import KemPrivateKey, load_kem_key

_PROBATION_FILE = "PROBATION"
_DAMAGE_FILE = "DAMAGED"


@dataclass(frozen=True)
class Home:
    """What a daemon needs from its home, opened and checked."""

    config: NodeConfig
    genesis: Genesis
    member: Member
    signers: dict[bytes, Ed25519Signer]
    """Consensus keys by public key: the configured one and, once its file is there, its successor. Empty for a node
    that never votes.
    """
    witness_signer: Ed25519Signer | None
    """Cosigns checkpoints without a vote; None for a node that is no witness."""
    kem_key: KemPrivateKey | None
    """Opens this validator's shares of sealed parcels' keys; None for an observer, and where nothing is sealed."""
    identity: LinkIdentity
    lock: FolderLock
    data: Path

    @property
    def checkpoint_signers(self) -> Mapping[bytes, Ed25519Signer]:
        """What this node's member may sign checkpoints with, by public key."""
        witness = self.witness_signer
        return self.signers if witness is None else {witness.public_key: witness}

    def load_successor(self) -> None:
        """Take up the consensus key that is to follow the configured one, if its file is there by now.

        Raises:
            PoolError: codes ``bad_key``, ``key_permissions``, ``wrong_passphrase``.
        """
        self.signers.update(_load_successor(self.config))

    @property
    def probation_file(self) -> Path:
        """Present while a resynchronised node must not vote: it may have forgotten what it voted for."""
        return self.data / _PROBATION_FILE

    @property
    def damage_file(self) -> Path:
        """Present after damage was found in a database while the node ran."""
        return self.data / _DAMAGE_FILE


def open_home(config: NodeConfig) -> Home:
    """Open a home: read genesis and keys, check them against each other, lock the data folder.

    Raises:
        PoolError: codes ``bad_genesis``, ``bad_configuration``, ``bad_key``, ``key_permissions``, ``wrong_passphrase``,
            ``data_folder_locked``, ``storage_failed``.
    """
    section = config.file.node
    genesis = parse_genesis(_read(config.path(section.genesis), ErrorCode.BAD_GENESIS))
    _verify_certificates(genesis)
    member = genesis.founder(section.member)
    if member is None:
        raise PoolError(ErrorCode.BAD_CONFIGURATION, f"node.member: {section.member} is no member in the genesis file")
    if member.node is None:
        raise PoolError(ErrorCode.BAD_CONFIGURATION, f"node.member: {section.member} has no node in the genesis file")
    signers = {}
    if section.consensus_key is not None:  # whether it votes, and from when on, is what the chain says
        signer = load_signer(config.path(section.consensus_key), config.passphrase)
        signers = {signer.public_key: signer} | _load_successor(config)
    witness_signer = _load_witness_signer(config, member)
    kem_key = _load_kem_key(config, member)
    if genesis.protocol.engine is not None and signers and kem_key is None:
        raise PoolError(ErrorCode.BAD_CONFIGURATION, "node.kem_key: a validator where parcels are sealed needs its key")
    certificate = _load_certificate(config.path(section.tls_certificate))
    if certificate != member.node.tls_certificate:
        raise PoolError(
            ErrorCode.BAD_KEY, f"{section.tls_certificate} is not {member.name}'s certificate in the genesis file"
        )
    identity = load_identity(member.name, certificate, config.path(section.tls_key), config.passphrase)
    data = config.path(section.data)
    return Home(config, genesis, member, signers, witness_signer, kem_key, identity, FolderLock(data), data)


def successor_of(path: Path) -> Path:
    """Where the key lies that is to follow the one at ``path``: ``consensus.next.pem`` beside ``consensus.pem``."""
    return path.with_name(f"{path.stem}.next{path.suffix}")


def open_ledger(home: Home, progress: Progress | None = None, policy: AccessPolicy | None = None) -> Ledger:
    """Open and recover the ledger in the home's data folder. For ``progress`` see ``Ledger.open``, for ``policy``
    ``Ledger``.

    Raises:
        PoolError: codes of ``Ledger.open`` and of the storage engines.
    """
    engines: list[LevelDatabase] = []
    try:
        engines.append(LevelDatabase(home.data / "blocks"))
        engines.append(open_emptied_if_damaged(home.data / "state"))
        ledger = Ledger(home.genesis, engines[0], engines[1], HeadFile(home.data / "HEAD"), policy)
        ledger.open(progress)
    except (PoolError, InvariantBroken):
        for engine in engines:
            engine.close()
        raise
    return ledger


def _load_successor(config: NodeConfig) -> dict[bytes, Ed25519Signer]:
    name = config.file.node.consensus_key
    if name is None or not (path := successor_of(config.path(name))).exists():
        return {}
    signer = load_signer(path, config.passphrase)
    return {signer.public_key: signer}


def _load_witness_signer(config: NodeConfig, member: Member) -> Ed25519Signer | None:
    section = config.file.witness
    if section is None:
        return None
    if config.file.node.consensus_key is not None:
        raise PoolError(ErrorCode.BAD_CONFIGURATION, "witness.key: a validator cosigns with its consensus key alone")
    signer = load_signer(config.path(section.key), config.passphrase)
    if signer.public_key != member.witness_key:
        raise PoolError(ErrorCode.BAD_KEY, f"{section.key} is not {member.name}'s witness key in the genesis file")
    return signer


def _load_kem_key(config: NodeConfig, member: Member) -> KemPrivateKey | None:
    name = config.file.node.kem_key
    if name is None:
        return None
    key = load_kem_key(config.path(name), config.passphrase)
    if key.public_key.encoded != member.kem_key:
        raise PoolError(ErrorCode.BAD_KEY, f"{name} is not {member.name}'s KEM key in the genesis file")
    return key


def _verify_certificates(genesis: Genesis) -> None:
    """One member's broken certificate would keep every node from linking: say whose it is."""
    for member in genesis.founders:
        if member.node is None:
            continue
        try:
            x509.load_der_x509_certificate(member.node.tls_certificate)
        except ValueError as error:
            raise PoolError(
                ErrorCode.BAD_GENESIS, f"member {member.name}: node.tls_certificate is no certificate: {error}"
            ) from None


def _load_certificate(path: Path) -> bytes:
    content = _read(path, ErrorCode.BAD_KEY)
    try:
        return x509.load_pem_x509_certificate(content).public_bytes(Encoding.DER)
    except ValueError as error:
        raise PoolError(ErrorCode.BAD_KEY, f"{path} is not a PEM certificate: {error}") from None


def _read(path: Path, code: ErrorCode) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PoolError(code, f"cannot read {path}: {error.strerror}") from None
