"""A small world for these tests: validators with fixed keys, a reader, and parcels sealed for them."""

import hashlib
from collections.abc import Sequence
from functools import cache

import sealing
from chain.primitives.encoding import encode

CHAIN_ID = hashlib.sha256(b"sealing tests").digest()
OWNER = "aviation"
FLIGHTS = sealing.SealingContext(CHAIN_ID, "aviation.flights")
RECORDS = (
    b'{"flight":1545,"dest":"IAH","delay":null}',
    '{"flight":1714,"dest":"迈阿密","crew":[1,2]}'.encode(),
    b'{"flight":1141,"dest":"MIA","delay":-4.50}',
    b"{}",
    b'{"flight":725,"weather":{"wind": 12.5}}',
)
RELEASE = sealing.Release(CHAIN_ID, b"\x51" * 32, b"\x52" * 32)


@cache
def key_pair(name: str, suite: sealing.KemSuite = sealing.KemSuite.HYBRID) -> sealing.KemPrivateKey:
    return sealing.KemPrivateKey.from_seed(hashlib.sha256(name.encode()).digest(), suite)


def validators(count: int) -> list[str]:
    return [f"v{number:02}" for number in range(count)]


def public_keys(count: int, suite: sealing.KemSuite = sealing.KemSuite.HYBRID) -> dict[str, bytes]:
    return {name: key_pair(name, suite).public_key.encoded for name in validators(count)}


class Sealed:
    """One sealed parcel, with what everybody knows of it."""

    def __init__(self, parcel: sealing.SealedParcel, context: sealing.SealingContext = FLIGHTS) -> None:
        self.parcel = parcel
        self.context = sealing.ParcelContext(context.chain_id, context.dataset, parcel.records_root)
        self.envelope: sealing.Envelope = sealing.decode_envelope(parcel.envelope)
        self.sealed_shares = parcel.sealed_shares

    def own_share(self, name: str) -> bytes:
        """What the validator itself finds."""
        key = key_pair(name, self.envelope.suite)
        return sealing.open_own_share(self.envelope, self.sealed_shares, self.context, name, key)

    def shares(self, names: Sequence[str]) -> dict[str, bytes]:
        """What the reader gets from these validators for ``RELEASE``."""
        reader = key_pair("reader")
        found = {}
        for name in names:
            answer = encode(sealing.release_share(self.own_share(name), name, RELEASE, reader.public_key))
            found[name] = sealing.open_release(answer, name, RELEASE, self.envelope, self.context, reader)
        return found


def seal(
    count: int = 4,
    records: Sequence[bytes] = RECORDS,
    kind: sealing.CommitmentKind = sealing.CommitmentKind.FIELDS,
    suite: sealing.KemSuite = sealing.KemSuite.HYBRID,
    context: sealing.SealingContext = FLIGHTS,
) -> Sealed:
    return Sealed(sealing.seal_parcel(records, context, public_keys(count, suite), kind, suite), context)


@cache
def sealed(kind: sealing.CommitmentKind = sealing.CommitmentKind.FIELDS) -> Sealed:
    """One parcel that many tests look at and none changes."""
    return seal(kind=kind)


def flip(data: bytes, bit: int) -> bytes:
    """``data`` with one bit flipped; ``bit`` counts round and round."""
    place, shift = divmod(bit % (8 * len(data)), 8)
    return data[:place] + bytes([data[place] ^ 1 << shift]) + data[place + 1 :]
