"""Encrypting a parcel's records, and decrypting them with every check before any plaintext is handed out.

A sealed body is ``commitment (32 bytes) | AES-256-GCM ciphertext | tag (16)``. The key is used for one parcel only, so
nonces are a counter under a secret base. Chain, dataset, index and commitment are authenticated with each record.
"""

from collections.abc import Iterator, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chain.errors import ErrorCode, PoolError, Refusal
from chain.limits import LIMITS
from chain.primitives.crypto import HASH_SIZE
from chain.transactions.sealed import SEALED_OVERHEAD_SIZE, CommitmentKind, sealed_records_root
from sealing.commitments import commitment_of, derive_salts
from sealing.context import NONCE_SIZE, ParcelContext, SealingContext, additional_data, derive_record_keys


class RecordCipher:
    """Seals and opens the records of one parcel. Holds its keys in memory; there is no way to wipe them in Python."""

    def __init__(self, context: SealingContext, seed: bytes, commitments: CommitmentKind) -> None:
        keys = derive_record_keys(context, seed)
        self._context = context
        self._commitments = commitments
        self._aead = AESGCM(keys.encryption)
        self._nonce_base = int.from_bytes(keys.nonce_base, "big")
        self._salt_key = keys.salts
        self._additional_data = additional_data(context)

    def seal(self, index: int, record: bytes) -> bytes:
        """The sealed body of record ``index``: 48 bytes longer than the record.

        An index must not be used for two different records: the nonce would repeat.

        Raises:
            PoolError: code ``bad_sealing`` if fields are committed to and the record is no compact JSON object.
        """
        commitment = commitment_of(self._commitments, self._context.chain_id, self._salt_key, index, record)
        nonce, additional = self._nonce_and_data(index, commitment)
        return commitment + self._aead.encrypt(nonce, record, additional)

    def open(self, index: int, body: bytes) -> bytes:
        """The plaintext of a body that is known to be record ``index`` of the parcel.

        Since the body is what the owner signed, whatever is wrong with it is the owner's doing.

        Raises:
            PoolError: code ``bad_sealing``, with ``record_index`` and ``culprit``.
        """
        commitment = body[:HASH_SIZE]
        nonce, additional = self._nonce_and_data(index, commitment)
        try:
            record = self._aead.decrypt(nonce, body[HASH_SIZE:], additional)
        except (InvalidTag, ValueError):
            raise self._wrong(index, "does not decrypt") from None
        try:
            expected = commitment_of(self._commitments, self._context.chain_id, self._salt_key, index, record)
        except PoolError:
            raise self._wrong(index, "is not of the kind that its envelope says") from None
        if expected != commitment:
            raise self._wrong(index, "is not what its commitment says")
        return record

    def salts(self, index: int, count: int) -> list[bytes]:
        """The first ``count`` salts of record ``index``, for a disclosure. Each opens its own field only."""
        return derive_salts(self._salt_key, index, count)

    def _nonce_and_data(self, index: int, commitment: bytes) -> tuple[bytes, bytes]:
        nonce = (self._nonce_base ^ index).to_bytes(NONCE_SIZE, "big")
        return nonce, b"%b%b%b" % (self._additional_data, index.to_bytes(8, "big"), commitment)

    def _wrong(self, index: int, reason: str) -> PoolError:
        return PoolError(
            ErrorCode.BAD_SEALING,
            f"record {index} {reason}: {self._context.owner} sealed it wrongly",
            record_index=index,
            culprit=self._context.owner,
        )


def seal_records(
    records: Sequence[bytes], seed: bytes, context: SealingContext, commitments: CommitmentKind
) -> list[bytes]:
    """Sealed bodies of all records of a parcel: its payload. ``seed`` must be fresh.

    Raises:
        PoolError: codes ``bad_sealing`` (no or too many records, or one that cannot be committed to by fields),
        ``too_large``.
    """
    verify_record_count(records)
    longest = LIMITS.record_size_bytes - SEALED_OVERHEAD_SIZE
    for index, record in enumerate(records):
        if len(record) > longest:
            raise Refusal(ErrorCode.TOO_LARGE, record_index=index, found=len(record), limit=longest)
    cipher = RecordCipher(context, seed, commitments)
    return [cipher.seal(index, record) for index, record in enumerate(records)]


def verify_record_count(records: Sequence[bytes]) -> None:
    """Check that a parcel can have as many records; raises ``bad_sealing``."""
    if not 1 <= len(records) <= LIMITS.transaction_records:
        raise PoolError(ErrorCode.BAD_SEALING, f"a parcel has 1 to {LIMITS.transaction_records} records")


def open_records(
    bodies: Sequence[bytes], seed: bytes, context: ParcelContext, commitments: CommitmentKind
) -> Iterator[bytes]:
    """Plaintexts of all records of a parcel, one by one in order; nothing is handed out before the bodies as a whole
    are known to be those that the owner signed, and no plaintext before its commitment is checked.

    Raises:
        PoolError: codes ``payload_mismatch`` if the bodies are not the parcel's (whoever gave them is to blame),
        ``bad_sealing`` with ``record_index`` and ``culprit`` if the owner sealed one wrongly.
    """
    verify_bodies(bodies, context)
    cipher = RecordCipher(context, seed, commitments)
    return (cipher.open(index, body) for index, body in enumerate(bodies))


def verify_bodies(bodies: Sequence[bytes], context: ParcelContext) -> None:
    """Check that these are the sealed bodies whose root the owner signed.

    Raises:
        PoolError: code ``payload_mismatch``: whoever gave them gave others, or left some out.
    """
    is_complete = all(len(body) >= SEALED_OVERHEAD_SIZE for body in bodies)
    if not is_complete or sealed_records_root(context.chain_id, bodies) != context.records_root:
        raise PoolError(ErrorCode.PAYLOAD_MISMATCH, "the sealed records are not those whose root was signed")
