"""The protocol a second time, in as few lines as it takes: ``msgpack``, ``cryptography`` and ``hashlib`` alone.

It is written from docs/protocol.md and shares no code with the project, so that both agreeing means something.
"""

import hashlib
import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

import msgpack
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def domain(kind: str, chain_id: bytes) -> bytes:
    return b"blockpool/2\0" + kind.encode() + b"\0" + chain_id


def tagged_hash(kind: str, chain_id: bytes, data: bytes) -> bytes:
    return sha256(domain(kind, chain_id) + data)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def pack(value: object) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed


def unpack(data: bytes) -> Any:
    """Decode, and refuse whatever is not the shortest encoding."""
    value = msgpack.unpackb(data)
    if pack(value) != data:
        raise ValueError("not canonical")
    return value


def key_id(public_key: bytes) -> bytes:
    return tagged_hash("key", b"", public_key)[:16]


def public_key_of(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(seed: bytes, message: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def is_signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def kem_key_id(public_key: bytes) -> bytes:
    return tagged_hash("kem-key", b"", public_key)[:16]


def sign_transaction(chain_id: bytes, seed: bytes, header: Sequence[object], payload: Sequence[object] = ()) -> bytes:
    """An encoded transaction from a header's elements, tag first, and those of a parcel's payload."""
    data = pack(header)
    signature = sign(seed, domain("transaction-signature", chain_id) + data)
    return pack([data, signature, pack(payload) if payload else b""])


def record_leaf_data(chain_id: bytes, body: bytes) -> bytes:
    return tagged_hash("record", chain_id, body)


def sealed_leaf_data(chain_id: bytes, body: bytes) -> bytes:
    commitment, ciphertext = body[:32], body[32:]
    return tagged_hash("sealed-record", chain_id, ciphertext) + commitment


def contract_hash(chain_id: bytes, source: str, parameters: str) -> bytes:
    return tagged_hash("contract", chain_id, pack([source, parameters]))


def read_history(chain_id: bytes, transaction_ids: Sequence[bytes]) -> list[object]:
    """[count, head] of a list of transactions."""
    head = bytes(32)
    for transaction_id in transaction_ids:
        head = tagged_hash("read-history", chain_id, head + transaction_id)
    return [len(transaction_ids), head]


def read_digest(chain_id: bytes, records: Sequence[tuple[bytes, int, bytes]]) -> bytes:
    """Of (parcel id, index, plaintext) in the order of reading."""
    parts = (id_ + index.to_bytes(4, "big") + len(text).to_bytes(4, "big") + text for id_, index, text in records)
    return tagged_hash("read", chain_id, b"".join(parts))


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962, section 2.1, over the leaves' data."""
    if len(leaves) < 2:
        return sha256(b"\0" + leaves[0]) if leaves else sha256(b"")
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\1" + merkle_root(leaves[:k]) + merkle_root(leaves[k:]))


def root_of_inclusion(leaf_data: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """RFC 9162, section 2.1.3.2."""
    if index >= size:
        raise ValueError("no such leaf")
    result, fn, sn = sha256(b"\0" + leaf_data), index, size - 1
    for sibling in proof:
        if sn == 0:
            raise ValueError("proof too long")
        if fn % 2 or fn == sn:
            result = sha256(b"\1" + sibling + result)
            while not fn % 2 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            result = sha256(b"\1" + result + sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise ValueError("proof too short")
    return result


def roots_of_consistency(old: int, new: int, old_root: bytes, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    """RFC 9162, section 2.1.4.2: the two roots that a proof implies."""
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    fn, sn = old - 1, new - 1
    while fn % 2:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for sibling in path[1:]:
        if fn % 2 or fn == sn:
            fr, sr = sha256(b"\1" + sibling + fr), sha256(b"\1" + sibling + sr)
            while not fn % 2 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = sha256(b"\1" + sr + sibling)
        fn, sn = fn >> 1, sn >> 1
    return fr, sr


def state_root(chain_id: bytes, entries: Mapping[bytes, bytes]) -> bytes:
    """The sparse Merkle root of a whole state, by definition."""
    leaves = sorted(
        tagged_hash("state-key", chain_id, key) + tagged_hash("state-value", chain_id, value)
        for key, value in entries.items()
    )
    return _subtree(leaves, 0)


def _subtree(leaves: Sequence[bytes], depth: int) -> bytes:
    if not leaves:
        return bytes(32)
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0])
    left = [leaf for leaf in leaves if not bit(leaf, depth)]
    return sha256(b"\1" + _subtree(left, depth + 1) + _subtree(leaves[len(left) :], depth + 1))


def bit(path: bytes, depth: int) -> int:
    return path[depth // 8] >> (7 - depth % 8) & 1


def is_state_proved(chain_id: bytes, root: bytes, key: bytes, value: bytes | None, encoded_proof: bytes) -> bool:
    siblings, leaf_path, leaf_value_hash = unpack(encoded_proof)
    path = tagged_hash("state-key", chain_id, key)
    current = sha256(b"\0" + leaf_path + leaf_value_hash) if leaf_path else bytes(32)
    if leaf_path and any(bit(leaf_path, depth) != bit(path, depth) for depth in range(len(siblings))):
        return False
    if (value is None) != (leaf_path != path):
        return False
    if value is not None and leaf_value_hash != tagged_hash("state-value", chain_id, value):
        return False
    for depth in reversed(range(len(siblings))):
        pair = siblings[depth] + current if bit(path, depth) else current + siblings[depth]
        current = sha256(b"\1" + pair)
    return current == root


class MiniGenesis:
    """What a client needs of a genesis file."""

    def __init__(self, content: bytes) -> None:
        self.chain_id = sha256(content)
        file = json.loads(content)
        members = sorted(file["members"], key=lambda member: member["name"])
        self.engine = file["engine"]
        self.kem_suite = {None: None, "x25519": 1, "hybrid": 2}[file["kem_suite"]]
        self.members = {member["name"]: member for member in members}
        self.validators = {m["name"]: b64decode(m["consensus_key"]) for m in members if m["consensus_key"]}

    @property
    def quorum(self) -> int:
        n = len(self.validators)
        return (n + (n - 1) // 3) // 2 + 1

    @property
    def engine_identity(self) -> list[object]:
        engine = self.engine
        return [bytes.fromhex(engine["component_sha256"]), engine["wasmtime_version"], engine["target"]]

    @property
    def engine_hash(self) -> bytes:
        return tagged_hash("engine", b"", pack(self.engine_identity))

    @property
    def validators_entry(self) -> bytes:
        witnesses = [
            [name, b64decode(member["witness_key"])]
            for name, member in self.members.items()
            if member["witness_key"] and name not in self.validators
        ]
        return pack([[[name, key] for name, key in self.validators.items()], witnesses])

    @property
    def validators_hash(self) -> bytes:
        return tagged_hash("validators", self.chain_id, self.validators_entry)

    def state(self) -> dict[bytes, bytes]:
        """The state after block 0."""
        members = {b"member/" + name.encode(): pack(_member_array(member)) for name, member in self.members.items()}
        protocol = [2, 0, self.engine and self.engine_identity, self.kem_suite]
        governance = {
            b"governance/" + name.encode(): pack([*map(b64decode, (ids["key_id"], ids["successor_id"])), 0, 0])
            for name, member in self.members.items()
            if (ids := member.get("governance"))
        }
        return members | governance | {b"protocol": pack(protocol), b"validators": self.validators_entry}

    def is_certified(self, header: bytes, certificate: Sequence[Any]) -> bool:
        height, view, hash_, votes = certificate
        names = [name for name, _ in votes]
        message = domain("commit", self.chain_id) + pack([height, view, hash_])
        return (
            hash_ == tagged_hash("block", self.chain_id, header)
            and height == unpack(header)[1]
            and len(votes) >= self.quorum
            and names == sorted(set(names))
            and all(is_signed(self.validators[name], message, signature) for name, signature in votes)
        )

    def receipt_outcome(self, encoded_receipt: bytes) -> list[Any]:
        """The proved outcome of a receipt: [transaction id, code, facts, fuel, verdict or None]."""
        header, certificate, outcome, index, proof = unpack(encoded_receipt)
        fields = unpack(header)
        if not self.is_certified(header, certificate) or fields[10] != self.validators_hash:
            raise ValueError("not certified")
        if root_of_inclusion(outcome, index, fields[5], proof) != fields[7]:
            raise ValueError("not in the block")
        proved: list[Any] = unpack(outcome)
        return proved


def _member_array(member: Mapping[str, Any]) -> list[object]:
    node = member["node"]
    return [
        member["name"],
        member["kind"],
        member["title_zh"],
        member["title_en"],
        member["roles"],
        [[b64decode(key["public_key"]), key["from_height"], key["until_height"]] for key in member["keys"]],
        member["consensus_key"] and b64decode(member["consensus_key"]),
        member["kem_key"] and b64decode(member["kem_key"]),
        node and [node["address"], node["api_url"], b64decode(node["tls_certificate"])],
        member["witness_key"] and b64decode(member["witness_key"]),
    ]
