"""Sealing a second time, from docs/sealing.md alone and without the project's code: what a stranger would write.

It only opens, with the primitives of the standard library and OpenSSL: HPKE (RFC 9180, base mode) is spelled out, so
is Shamir's field.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from itertools import pairwise

import msgpack
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.conformance.mini import domain, pack, sha256


def extract(salt: bytes, secret: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), secret, "sha256")


def expand(key: bytes, info: bytes, size: int) -> bytes:
    output = block = b""
    while len(output) < size:
        block = hmac.digest(key, block + info + bytes([len(output) // 32 + 1]), "sha256")
        output += block
    return output[:size]


class Hpke:
    """RFC 9180, base mode, HKDF-SHA-256 and AES-256-GCM; KEM 0x0020 (X25519) or 0x647a (ML-KEM-768 with X25519)."""

    def __init__(self, suite: int, seed: bytes) -> None:
        self.kem_id = {1: 0x0020, 2: 0x647A}[suite]
        expanded = seed if suite == 1 else hashlib.shake_256(seed).digest(96)
        self.classic = X25519PrivateKey.from_private_bytes(expanded[-32:])
        self.lattice = MLKEM768PrivateKey.from_seed_bytes(expanded[:64]) if suite == 2 else None
        self.classic_public = self.classic.public_key().public_bytes_raw()
        lattice_public = self.lattice.public_key().public_bytes_raw() if self.lattice else b""
        self.public_key = bytes([suite]) + lattice_public + self.classic_public

    def _labeled(self, suite_id: bytes, label: bytes, data: bytes) -> bytes:
        return b"HPKE-v1" + suite_id + label + data

    def _labeled_expand(self, key: bytes, suite_id: bytes, label: bytes, info: bytes, size: int) -> bytes:
        return expand(key, size.to_bytes(2, "big") + self._labeled(suite_id, label, info), size)

    def _decapsulate(self, encapsulated: bytes) -> bytes:
        classic = self.classic.exchange(X25519PublicKey.from_public_bytes(encapsulated[-32:]))
        if self.lattice is not None:  # X-Wing, section 5.4
            lattice = self.lattice.decapsulate(encapsulated[:1088])
            label = rb"\.//^" + b"\\"
            return hashlib.sha3_256(lattice + classic + encapsulated[-32:] + self.classic_public + label).digest()
        kem = b"KEM" + self.kem_id.to_bytes(2, "big")
        key = extract(b"", self._labeled(kem, b"eae_prk", classic))
        return self._labeled_expand(key, kem, b"shared_secret", encapsulated + self.classic_public, 32)

    def open(self, sealed: bytes, info: bytes) -> bytes:
        size = 32 if self.lattice is None else 1120
        shared = self._decapsulate(sealed[:size])
        suite_id = b"HPKE" + self.kem_id.to_bytes(2, "big") + b"\x00\x01\x00\x02"
        context = b"\x00" + extract(b"", self._labeled(suite_id, b"psk_id_hash", b""))
        context += extract(b"", self._labeled(suite_id, b"info_hash", info))
        secret = extract(shared, self._labeled(suite_id, b"secret", b""))
        key = self._labeled_expand(secret, suite_id, b"key", context, 32)
        nonce = self._labeled_expand(secret, suite_id, b"base_nonce", context, 12)
        return AESGCM(key).decrypt(nonce, sealed[size:], b"")


def multiply(left: int, right: int) -> int:
    """In GF(2^8) modulo x^8 + x^4 + x^3 + x + 1."""
    product = 0
    for bit in range(8):
        if right >> bit & 1:
            product ^= left << bit
    for bit in range(14, 7, -1):
        if product >> bit & 1:
            product ^= 0x11B << (bit - 8)
    return product


def inverse(value: int) -> int:
    return next(other for other in range(256) if multiply(value, other) == 1)


def recover(points: dict[int, bytes]) -> bytes:
    """Lagrange interpolation at 0, byte by byte; points by their x."""
    secret = [0] * len(next(iter(points.values())))
    for x, y in points.items():
        weight = 1
        for other in points:
            if other != x:
                weight = multiply(weight, multiply(other, inverse(x ^ other)))
        secret = [known ^ multiply(weight, byte) for known, byte in zip(secret, y, strict=True)]
    return bytes(secret)


def tree_root(leaves: list[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"")
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + tree_root(leaves[:split]) + tree_root(leaves[split:]))


def members(text: str) -> Iterator[tuple[str, str]]:
    """Names, and values as they stand, of a compact JSON object."""
    decoder, place = json.JSONDecoder(), 1
    while text[place] != "}":
        place += text[place] == ","
        name, place = decoder.raw_decode(text, place)
        start = place + 1
        _, place = decoder.raw_decode(text, start)
        yield name, text[start:place]


class Reader:
    """Opens one parcel."""

    def __init__(self, chain_id: bytes, dataset: str, records_root: bytes, envelope: bytes, payload: bytes) -> None:
        self.chain_id, self.dataset, self.records_root = chain_id, dataset, records_root
        tag, self.suite, self.kind, self.threshold, self.salt, self.commitment, self.shares, self.cells = (
            msgpack.unpackb(envelope)
        )
        assert tag == 1
        assert all(earlier[0] < later[0] for earlier, later in pairwise(self.shares))
        self.sealed_shares, self.bodies = msgpack.unpackb(payload)
        hashed = [sha256(domain("sealed-share-hash", chain_id) + sealed) for sealed in self.sealed_shares]
        assert hashed == [sealed_hash for _, _, _, sealed_hash in self.shares]

    def open_share(self, position: int, key: Hpke) -> bytes:
        name, key_id, share_hash, _ = self.shares[position]
        assert key_id == sha256(domain("kem-key", b"") + key.public_key)[:16]
        bound = [self.suite, self.dataset, self.records_root, self.threshold, name, key_id]
        share = key.open(self.sealed_shares[position], domain("sealed-share", self.chain_id) + pack(bound))
        context = pack([self.dataset, self.records_root, self.salt, name, position])
        assert share_hash == sha256(domain("share-hash", self.chain_id) + context + share)
        return share

    def open_release(self, release: bytes, key: Hpke) -> bytes:
        tag, name, request_id, parcel_id, key_id, sealed, proof = msgpack.unpackb(release)
        assert proof == []
        assert tag == 1
        bound = [key.public_key[0], request_id, parcel_id, name, key_id]
        return key.open(sealed, domain("share-release", self.chain_id) + pack(bound))

    def recover_seed(self, shares: dict[int, bytes]) -> bytes:
        assert len(shares) == self.threshold
        seed = recover({position + 1: share for position, share in shares.items()})
        context = pack([self.dataset, self.records_root, self.salt])
        assert self.commitment == sha256(domain("seed-commitment", self.chain_id) + context + seed)
        return seed

    def open_records(self, seed: bytes) -> list[bytes]:
        pseudo_random_key = extract(sha256(domain("sealing-keys", self.chain_id)), seed)
        key = expand(pseudo_random_key, pack([1, self.dataset, "encryption"]), 32)
        nonce_base = int.from_bytes(expand(pseudo_random_key, pack([1, self.dataset, "nonce"]), 12), "big")
        salt_key = expand(pseudo_random_key, pack([1, self.dataset, "salts"]), 32)
        records, leaves = [], []
        for index, body in enumerate(self.bodies):
            additional = domain("sealed-additional", self.chain_id) + pack(self.dataset)
            additional += index.to_bytes(8, "big") + body[:32]
            record = AESGCM(key).decrypt((nonce_base ^ index).to_bytes(12, "big"), body[32:], additional)
            assert body[:32] == self._commitment_of(salt_key + index.to_bytes(8, "big"), record)
            leaves.append(sha256(b"\x00" + sha256(domain("sealed-record", self.chain_id) + body[32:]) + body[:32]))
            records.append(record)
        assert tree_root(leaves) == self.records_root
        return records

    def _commitment_of(self, salt_input: bytes, record: bytes) -> bytes:
        if self.kind == 1:
            salt = hashlib.shake_256(salt_input).digest(16)
            return sha256(domain("sealed-whole", self.chain_id) + salt + record)
        fields = list(members(record.decode()))
        salts = hashlib.shake_256(salt_input).digest(16 * len(fields))
        leaves = []
        for position, (name, text) in enumerate(fields):
            salt, encoded = salts[16 * position : 16 * position + 16], name.encode()
            data = domain("sealed-field", self.chain_id) + salt + len(encoded).to_bytes(4, "big") + encoded
            leaves.append(sha256(b"\x00" + data + text.encode()))
        count = len(leaves).to_bytes(4, "big")
        return sha256(domain("sealed-fields", self.chain_id) + count + tree_root(leaves))
