"""Sealed parcels: records encrypted by their owner, the key split among the validators (docs/sealing.md).

A pure library over bytes: no network, no state, no clock. The owner calls ``seal_parcel``; a validator
``open_own_share`` and ``release_share``; a reader ``open_release`` and ``open_parcel``; whoever holds the seed
``disclose``; a third party ``verify_disclosure``. Every error that is somebody's fault names them as ``culprit``.
"""

from chain.primitives.kem import KemSuite, kem_key_id, verify_kem_key
from chain.transactions.sealed import CommitmentKind, Envelope, SealedShare, decode_envelope, verify_envelope_keys
from sealing.cell_cipher import CellCipher, sealed_overhead_size
from sealing.commitments import Field, split_fields
from sealing.context import ParcelContext, SealingContext
from sealing.dealing import Dealing, combine, deal, is_share, open_own_share, verify_dealing
from sealing.disclosure import (
    Disclosure,
    FieldDisclosure,
    RecordDisclosure,
    decode_disclosure,
    disclose,
    verify_disclosure,
)
from sealing.disclosure_json import disclosure_from_json, disclosure_to_json
from sealing.exchange import ShareAnswer, ShareQuery
from sealing.kem import KemPrivateKey, KemPublicKey, load_kem_key
from sealing.parcels import ParcelCipher, SealedParcel, open_parcel, parcel_cipher, part_cipher, seal_parcel
from sealing.records import RecordCipher, open_records, seal_records, verify_bodies
from sealing.release import Release, ShareRelease, is_sized, open_release, release_part, release_share

__all__ = [
    "CellCipher",
    "CommitmentKind",
    "Dealing",
    "Disclosure",
    "Envelope",
    "Field",
    "FieldDisclosure",
    "KemPrivateKey",
    "KemPublicKey",
    "KemSuite",
    "ParcelCipher",
    "ParcelContext",
    "RecordCipher",
    "RecordDisclosure",
    "Release",
    "SealedParcel",
    "SealedShare",
    "SealingContext",
    "ShareAnswer",
    "ShareQuery",
    "ShareRelease",
    "combine",
    "deal",
    "decode_disclosure",
    "decode_envelope",
    "disclose",
    "disclosure_from_json",
    "disclosure_to_json",
    "is_share",
    "is_sized",
    "kem_key_id",
    "load_kem_key",
    "open_own_share",
    "open_parcel",
    "open_records",
    "open_release",
    "parcel_cipher",
    "part_cipher",
    "release_part",
    "release_share",
    "seal_parcel",
    "seal_records",
    "sealed_overhead_size",
    "split_fields",
    "verify_bodies",
    "verify_dealing",
    "verify_disclosure",
    "verify_envelope_keys",
    "verify_kem_key",
]
