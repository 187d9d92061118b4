"""KEM key pairs and sealing to them: HPKE in base mode, single shot (RFC 9180), by the ``cryptography`` package.

The hybrid suite is HPKE's MLKEM768-X25519 (draft-ietf-hpke-pq over X-Wing): an attacker has to break both ML-KEM-768
and X25519. ``info`` carries the whole context of a message, so a sealed message opens for one key in one place only.
"""

import hashlib
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey, Suite

from chain.errors import ErrorCode, PoolError
from chain.primitives.kem import ML_KEM_PUBLIC_KEY_SIZE, X25519_KEY_SIZE, KemSuite, kem_key_id, verify_kem_key
from chain.primitives.keys import encode_private_keys, load_private_keys, write_secret_file

KEM_SEED_SIZE = 32
_HPKE = {
    KemSuite.X25519: Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
    KemSuite.HYBRID: Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
}


class KemPublicKey:
    """A public key that messages are sealed to. Immutable.

    Attributes:
        encoded: suite byte and raw keys, as ``chain.primitives.kem.KemKey`` says.
        suite: the suite it belongs to.
        id: its key id, 16 bytes.
    """

    __slots__ = ("_key", "encoded", "id", "suite")

    def __init__(self, encoded: bytes) -> None:
        """Check and load an encoded key.

        Raises:
            PoolError: code ``bad_key``.
        """
        self.suite = verify_kem_key(encoded)
        self.encoded = encoded
        self.id = kem_key_id(encoded)
        classic = X25519PublicKey.from_public_bytes(encoded[-X25519_KEY_SIZE:])
        self._key: X25519PublicKey | MLKEM768X25519PublicKey = classic
        if self.suite is KemSuite.HYBRID:
            lattice = MLKEM768PublicKey.from_public_bytes(encoded[1 : 1 + ML_KEM_PUBLIC_KEY_SIZE])
            self._key = MLKEM768X25519PublicKey(lattice, classic)

    def seal(self, plaintext: bytes, info: bytes) -> bytes:
        """Encapsulated key, ciphertext and tag: ``suite.overhead_size`` bytes longer than ``plaintext``."""
        return _HPKE[self.suite].encrypt(plaintext, self._key, info)

    def __repr__(self) -> str:
        return f"KemPublicKey({self.suite.name}, id={self.id.hex()})"


class KemPrivateKey:
    """A key pair. Make one with ``generate``, keep it with ``save``, get it back with ``load_kem_key``.

    Attributes:
        public_key: what others seal to.
    """

    __slots__ = ("_key", "_parts", "public_key")

    def __init__(self, classic: X25519PrivateKey, lattice: MLKEM768PrivateKey | None = None) -> None:
        """A key of the hybrid suite if there is a lattice part, else of the X25519 suite."""
        public = classic.public_key().public_bytes_raw()
        self._key: X25519PrivateKey | MLKEM768X25519PrivateKey = classic
        self._parts: list[PrivateKeyTypes] = [classic]
        suite = KemSuite.X25519
        if lattice is not None:
            public = lattice.public_key().public_bytes_raw() + public
            self._key = MLKEM768X25519PrivateKey(lattice, classic)
            self._parts = [lattice, classic]
            suite = KemSuite.HYBRID
        self.public_key = KemPublicKey(bytes([suite]) + public)

    @classmethod
    def generate(cls, suite: KemSuite = KemSuite.HYBRID) -> "KemPrivateKey":
        """A fresh key pair from the operating system's random source."""
        lattice = MLKEM768PrivateKey.generate() if suite is KemSuite.HYBRID else None
        return cls(X25519PrivateKey.generate(), lattice)

    @classmethod
    def from_seed(cls, seed: bytes, suite: KemSuite = KemSuite.HYBRID) -> "KemPrivateKey":
        """The key pair of a 32-byte seed; for the hybrid suite X-Wing's expansion: SHAKE-256 to 64 + 32 bytes."""
        if len(seed) != KEM_SEED_SIZE:
            raise PoolError(ErrorCode.BAD_KEY, f"a KEM seed has {KEM_SEED_SIZE} bytes, this one {len(seed)}")
        if suite is KemSuite.X25519:
            return cls(X25519PrivateKey.from_private_bytes(seed))
        expanded = hashlib.shake_256(seed).digest(96)
        return cls(
            X25519PrivateKey.from_private_bytes(expanded[64:]), MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        )

    def open(self, sealed: bytes, info: bytes) -> bytes | None:
        """The plaintext, or None if ``sealed`` was not made for this key with this ``info``. Never raises."""
        try:
            return _HPKE[self.public_key.suite].decrypt(sealed, self._key, info)
        except (InvalidTag, ValueError):
            return None

    def encode(self, passphrase: str | None = None) -> bytes:
        """PKCS#8 PEM, the ML-KEM part (if any) before the X25519 part, each encrypted if a passphrase is given."""
        return encode_private_keys(self._parts, passphrase)

    def save(self, path: Path, passphrase: str | None = None) -> None:
        """Write it to a new file of mode 0600: PKCS#8 PEM, the ML-KEM part (if any) before the X25519 part.

        Raises:
            PoolError: code ``bad_key`` if the file exists already.
        """
        write_secret_file(path, self.encode(passphrase))

    def __repr__(self) -> str:
        return f"KemPrivateKey({self.public_key!r})"


def load_kem_key(path: Path, passphrase: str | None = None) -> KemPrivateKey:
    """The KEM key pair in ``path``.

    Raises:
        PoolError: codes ``bad_key``, ``key_permissions``, ``wrong_passphrase``.
    """
    match load_private_keys(path, passphrase):
        case [X25519PrivateKey() as classic]:
            return KemPrivateKey(classic)
        case [MLKEM768PrivateKey() as lattice, X25519PrivateKey() as classic]:
            return KemPrivateKey(classic, lattice)
        case _:
            raise PoolError(ErrorCode.BAD_KEY, f"{path} holds no KEM key: X25519, with or without ML-KEM-768 before it")
