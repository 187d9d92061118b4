"""Sealed parcels on the owner's side: encrypted here, before anything leaves the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from blockpool.identity import Identity
from blockpool.signing import RecordId, SignedTransaction, signed, source_links
from chain.errors import ErrorCode, PoolError
from chain.genesis import Genesis
from chain.limits import LIMITS
from chain.primitives.kem import verify_kem_key
from chain.transactions.parcel import sign_parcel
from chain.transactions.sealed import SEALED_OVERHEAD_SIZE, CommitmentKind
from sealing import SealingContext, seal_parcel

Commitments = Literal["whole", "fields"]
"""How records are committed to: ``whole``, of any bytes; or by ``fields``, compact JSON objects of which single fields
can be disclosed later."""

SEALED_RECORD_SIZE_MAX_BYTES = LIMITS.record_size_bytes - SEALED_OVERHEAD_SIZE
"""The largest record that can be sealed."""

_KINDS: dict[str, CommitmentKind] = {"whole": CommitmentKind.WHOLE, "fields": CommitmentKind.FIELDS}


def commitment_kind(commitments: str) -> CommitmentKind:
    """The kind of this name; raises ``bad_request`` for another."""
    try:
        return _KINDS[commitments]
    except KeyError:
        raise PoolError(ErrorCode.BAD_REQUEST, f"{commitments!r} is no commitment: whole or fields") from None


def validator_kem_keys(genesis: Genesis) -> Mapping[str, bytes]:
    """KEM public keys of the validators, by name, that a parcel's key is split among.

    Raises:
        PoolError: code ``no_contracts`` if the network was founded without.
    """
    keys = {member.name: member.kem_key for member in genesis.members if member.consensus_key and member.kem_key}
    if genesis.engine is None or not keys:
        raise PoolError(ErrorCode.NO_CONTRACTS, "the network was founded without contracts: nothing can be sealed")
    return keys


def sign_sealed_parcel(
    genesis: Genesis,
    identity: Identity,
    dataset: str,
    records: Sequence[bytes],
    commitments: Commitments = "whole",
    derived_from: Sequence[RecordId] = (),
) -> SignedTransaction:
    """Seal records under a fresh key and sign the parcel. Takes about 3 ms for 500 small records, 12 ms with field
    commitments. Every call gives another transaction.

    Args:
        records: plaintexts, 1 to 4,096; compact JSON objects for ``fields``.
        derived_from: records of other parcels that these were made from.

    Raises:
        PoolError: codes ``bad_sealing`` (with ``record_index``), ``too_large``, ``no_contracts``.
    """
    kind, keys = commitment_kind(commitments), validator_kem_keys(genesis)
    suite = verify_kem_key(next(iter(keys.values())))
    sealed = seal_parcel(records, SealingContext(genesis.chain_id, dataset), keys, kind, suite)
    transaction = sign_parcel(identity.sender(genesis), dataset, sealed.content, source_links(derived_from))
    return signed(genesis, transaction, len(sealed.bodies))
