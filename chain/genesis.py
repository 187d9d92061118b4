"""The genesis file: the one thing that everybody must hold, and the root of all trust.

Human-readable JSON. The chain's id is the hash of its exact bytes, so a changed space makes another chain. It fixes the
founding members, their keys and nodes; block 0 and the first state follow from it.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chain.blocks import Block, BlockHeader, block_hash
from chain.contract_engine import EngineIdentity
from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.primitives.crypto import ZERO_HASH, Hash, key_id, sha256, verify_public_key
from chain.primitives.encoding import encode
from chain.primitives.json_text import decode_json_file
from chain.primitives.kem import KemKey, KemSuite, verify_kem_key
from chain.primitives.self_test import self_test
from chain.primitives.types import KeyId, Title, Unsigned, is_address
from chain.proofs.merkle import EMPTY_ROOT
from chain.proofs.validators import ValidatorSet, Witness
from chain.state.entries import PROTOCOL_KEY, VALIDATORS_KEY, Governance, ProtocolEntry, governance_key, member_key
from chain.state.members import Member, MemberKey, NodeRecord
from chain.state.tree import EMPTY, MemoryNodes, StateTree, hash_of

VERSION = 2
"""Of the protocol that a genesis file of this format founds a network with."""
FORMAT: Literal["blockpool-genesis/2"] = "blockpool-genesis/2"


class MemberKeyObject(MemberKey, frozen=True, array_like=False, forbid_unknown_fields=True):
    """``MemberKey`` as a JSON object."""


class NodeRecordObject(NodeRecord, frozen=True, array_like=False, forbid_unknown_fields=True):
    """``NodeRecord`` as a JSON object; bytes are base64."""


class GovernanceObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which of a member's keys may change the others, as a JSON object; ids are base64."""

    key_id: KeyId
    """The governance key."""
    successor_id: KeyId
    """The key that alone may take its place."""


class MemberObject(Member, frozen=True, array_like=False, forbid_unknown_fields=True):
    """``Member`` as a JSON object: an entry of the genesis file, or the file that a member hands in to take part."""

    keys: Annotated[tuple[MemberKeyObject, ...], Meta(min_length=1, max_length=LIMITS.member_keys)]
    consensus_key: Annotated[bytes, Meta(min_length=32, max_length=32)] | None = None
    kem_key: KemKey | None = None
    node: NodeRecordObject | None = None
    witness_key: Annotated[bytes, Meta(min_length=32, max_length=32)] | None = None
    governance: GovernanceObject | UnsetType = UNSET
    """Without it the member's keys stay as they are founded."""


class EngineObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contract engine as a JSON object."""

    component_sha256: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    wasmtime_version: Title
    target: Title


SuiteName = Literal["x25519", "hybrid"]
"""``KemSuite`` in a genesis file."""


class GenesisFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Content of a genesis file."""

    format: Literal["blockpool-genesis/2"]
    network: Title
    """Name of the network, for people."""
    time_ms: Unsigned
    """When it was made; time of block 0."""
    members: Annotated[tuple[MemberObject, ...], Meta(min_length=1, max_length=LIMITS.members)]
    kem_suite: SuiteName | None = None
    """HPKE suite of all KEM keys of the network; None if its members have none."""
    engine: EngineObject | None = None
    """What runs the access contracts; without it the network takes neither contracts nor requests."""


@dataclass(frozen=True)
class Genesis:
    """A checked genesis file with everything that follows from it."""

    content: bytes
    """Exact bytes of the file."""
    file: GenesisFile
    founders: tuple[Member, ...]
    """The founding members as they founded it. Who is a member later, and with which keys, is in the state; who
    votes, in ``chain.proofs.trust.TrustHistory``.
    """

    @cached_property
    def chain_id(self) -> Hash:
        """SHA-256 of the file's exact bytes."""
        return sha256(self.content)

    def founder(self, name: str) -> Member | None:
        """A founding member by its name."""
        return self._founders_by_name.get(name)

    @cached_property
    def _founders_by_name(self) -> dict[str, Member]:
        return {member.name: member for member in self.founders}

    @cached_property
    def protocol(self) -> ProtocolEntry:
        """What block 1 follows."""
        engine, suite = self.file.engine, self.file.kem_suite
        identity = None
        if engine is not None:
            identity = EngineIdentity(bytes.fromhex(engine.component_sha256), engine.wasmtime_version, engine.target)
        return ProtocolEntry(VERSION, 0, identity, None if suite is None else KemSuite[suite.upper()])

    @cached_property
    def validators(self) -> ValidatorSet:
        """Who votes on block 1."""
        voting = (member.validator for member in self.founders)
        witnesses = (Witness(member.name, member.witness_key) for member in self.founders if member.witness_key)
        return ValidatorSet((validator for validator in voting if validator is not None), witnesses)

    @cached_property
    def entries(self) -> dict[bytes, bytes]:
        """The state after block 0."""
        members = {member_key(member.name): encode(member) for member in self.founders}
        governance = {
            governance_key(member.name): encode(
                Governance(member.governance.key_id, member.governance.successor_id, since_height=0, changes=0)
            )
            for member in self.file.members
            if member.governance is not UNSET
        }
        return (
            members | governance | {PROTOCOL_KEY: encode(self.protocol), VALIDATORS_KEY: encode(self.validators.entry)}
        )

    @cached_property
    def header(self) -> bytes:
        """Bytes of block 0's header."""
        tree = StateTree(self.chain_id, MemoryNodes())
        return encode(
            BlockHeader(
                version=VERSION,
                height=0,
                parent_hash=ZERO_HASH,
                time_ms=self.file.time_ms,
                proposer="",
                transaction_count=0,
                tx_root=EMPTY_ROOT,
                result_root=EMPTY_ROOT,
                state_root=hash_of(tree.update(EMPTY, dict(self.entries)).root),
                history_root=EMPTY_ROOT,
                validators_hash=self.validators.hash(self.chain_id),
                next_validators_hash=self.validators.hash(self.chain_id),
                next_version=VERSION,
            )
        )

    @cached_property
    def block(self) -> Block:
        """Block 0. It has no certificate: the file itself is what everybody agreed to."""
        return Block(self.header, None, ())

    @cached_property
    def block_hash(self) -> Hash:
        """Hash of block 0."""
        return block_hash(self.chain_id, self.header)


def parse_genesis(content: bytes) -> Genesis:
    """Read and check a genesis file.

    Whoever relies on a network begins here, so here the libraries are held to the protocol.

    Raises:
        PoolError: code ``bad_genesis``, with the member and field that is wrong; ``library_differs``.
    """
    self_test()
    file = decode_json_file(GenesisFile, content, ErrorCode.BAD_GENESIS)
    members = tuple(sorted((to_member(member) for member in file.members), key=lambda member: member.name))
    _verify_members(members)
    for entry in file.members:
        _verify_governance(entry)
    genesis = Genesis(content, file, members)
    validators = genesis.validators
    if len(validators) > LIMITS.validators:
        raise PoolError(ErrorCode.BAD_GENESIS, f"{len(validators)} validators, at most {LIMITS.validators}")
    if len(validators.witnesses) > LIMITS.witnesses:
        raise PoolError(ErrorCode.BAD_GENESIS, f"{len(validators.witnesses)} witnesses, at most {LIMITS.witnesses}")
    _verify_suite(genesis)
    return genesis


def _verify_suite(genesis: Genesis) -> None:
    """Check that all KEM keys are of the suite that the file names, and that every validator has one where it must."""
    protocol = genesis.protocol
    for member in genesis.founders:
        if member.kem_key is None:
            if protocol.engine is not None and member.consensus_key is not None:
                raise PoolError(
                    ErrorCode.BAD_GENESIS, f"member {member.name} votes where contracts run, so it needs a kem_key"
                )
        elif member.kem_key[0] != protocol.kem_suite:
            wanted = genesis.file.kem_suite or "no kem_key"
            raise PoolError(
                ErrorCode.BAD_GENESIS, f"member {member.name}: kem_key is of another suite than the file's: {wanted}"
            )


def encode_genesis(
    network: str, time_ms: int, members: list[MemberObject], engine: EngineIdentity | None = None
) -> bytes:
    """Bytes of a genesis file with these members, in order of their names, and the engine of their contracts. The
    KEM suite is that of the first member that has a key.
    """
    described = None
    if engine is not None:
        described = EngineObject(engine.component_sha256.hex(), engine.wasmtime_version, engine.target)
    ordered = tuple(sorted(members, key=lambda member: member.name))
    kem_key = next((member.kem_key for member in ordered if member.kem_key), None)
    file = GenesisFile(FORMAT, network, time_ms, ordered, None if kem_key is None else _suite_name(kem_key), described)
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def parse_member_file(content: bytes) -> MemberObject:
    """Read the file that a member hands in to take part; raises ``bad_genesis``."""
    member = decode_json_file(MemberObject, content, ErrorCode.BAD_GENESIS)
    _verify_members((to_member(member),))
    _verify_governance(member)
    return member


def encode_member_file(member: MemberObject) -> bytes:
    """Bytes of the file that a member hands in."""
    return msgspec.json.format(msgspec.json.encode(member), indent=2) + b"\n"


def to_member(member: MemberObject) -> Member:
    """The state's form of a JSON member."""
    return msgspec.convert(member, Member, from_attributes=True)


def _suite_name(kem_key: bytes) -> SuiteName:
    return "hybrid" if verify_kem_key(kem_key) is KemSuite.HYBRID else "x25519"


def _verify_governance(member: MemberObject) -> None:
    """Check that a governance key and its successor are two keys of the member that never end by themselves."""
    if member.governance is UNSET:
        return
    lasting = {key_id(key.public_key) for key in member.keys if key.from_height == 0 and key.until_height == 0}
    named = {member.governance.key_id, member.governance.successor_id}
    if len(named) < 2 or not named <= lasting:
        raise PoolError(
            ErrorCode.BAD_GENESIS,
            f"member {member.name}: governance names two different keys of the member that begin at 0 and do not end",
        )


def _verify_members(members: tuple[Member, ...]) -> None:
    """Check members in order of their names."""
    for earlier, later in pairwise(members):
        if earlier.name == later.name:
            raise PoolError(ErrorCode.BAD_GENESIS, f"member {later.name} appears twice")
    seen: dict[bytes, str] = {}
    for member in members:
        public_keys = [key.public_key for key in member.keys]
        if member.consensus_key is not None:
            public_keys.append(member.consensus_key)
            if member.node is None:
                raise PoolError(ErrorCode.BAD_GENESIS, f"member {member.name} votes, so it needs a node")
        if member.witness_key is not None:
            public_keys.append(member.witness_key)
        if member.node is not None and not is_address(member.node.address):
            raise PoolError(ErrorCode.BAD_GENESIS, f"member {member.name}: node.address is not of the form host:port")
        try:
            for public_key in public_keys:
                verify_public_key(public_key)
            if member.kem_key is not None:
                verify_kem_key(member.kem_key)
                public_keys.append(member.kem_key)
        except PoolError as error:
            raise PoolError(ErrorCode.BAD_GENESIS, f"member {member.name}: {error.detail}") from None
        for public_key in public_keys:
            if public_key in seen:
                raise PoolError(ErrorCode.BAD_GENESIS, f"{seen[public_key]} and {member.name} share a key")
            seen[public_key] = member.name
