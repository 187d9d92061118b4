"""Signed transactions, ready to be posted: made before the clock starts, so that signing is not measured."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.network import Node
from bench.records import record_groups
from chain.crypto import Ed25519Signer, key_id
from chain.encoding import encode
from chain.transactions import (
    DatasetHeader,
    ParcelHeader,
    encode_records,
    records_root,
    sign_transaction,
    transaction_id,
)

DIFFERENT_PARCELS = 64
"""Parcels of many records repeat this many different payloads in turn."""
DIFFERENT_SINGLES = 4096


@dataclass(frozen=True, slots=True)
class Sender:
    """A member's system: who signs, and where it posts."""

    member: str
    seed: bytes
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """One HTTP request, and what its answer must be about."""

    transaction_id: bytes
    parts: tuple[bytes, bytes]
    """The request's bytes up to the payload, and the payload (shared between requests)."""


def sender_of(node: Node) -> Sender:
    """The system of a node's member, which posts to that node."""
    return Sender(node.member, node.system_seed, "127.0.0.1", node.api_port)


def dataset_transaction(chain_id: bytes, sender: Sender, name: str, schema: str) -> bytes:
    """An encoded transaction that registers the open dataset ``member.name``."""
    signer = Ed25519Signer(sender.seed)
    header = DatasetHeader(
        chain_id=chain_id,
        member=sender.member,
        key_id=key_id(signer.public_key),
        nonce=secrets.token_bytes(16),
        expiry_ms=0,
        dataset=f"{sender.member}.{name}",
        version=1,
        title_zh="",
        title_en="Benchmark",
        schema=schema,
        sharing="open",
        legal_basis="",
        contract="",
    )
    return encode(sign_transaction(header, signer))


def parcel_requests(
    chain_id: bytes, senders: Sequence[Sender], dataset: str, records: int, count: int
) -> Iterator[SignedRequest]:
    """``count`` individually signed parcels of ``records`` flights each, from the senders in turn."""
    different = DIFFERENT_SINGLES if records == 1 else DIFFERENT_PARCELS
    payloads = [
        (records_root(chain_id, group), encode_records(group))
        for group in record_groups(records, min(count, different))
    ]
    signers = [Ed25519Signer(sender.seed) for sender in senders]
    expiry_ms = time.time_ns() // 1_000_000 + 3_600_000
    for number, (root, payload) in zip(range(count), itertools.cycle(payloads), strict=False):
        sender, signer = senders[number % len(senders)], signers[number % len(senders)]
        header = ParcelHeader(
            chain_id=chain_id,
            member=sender.member,
            key_id=key_id(signer.public_key),
            nonce=secrets.token_bytes(16),
            expiry_ms=expiry_ms,
            dataset=f"{sender.member}.{dataset}",
            record_count=records,
            records_root=root,
            envelope=b"",
            derived_from=(),
        )
        transaction = sign_transaction(header, signer, payload)
        body = encode(transaction)
        head = (
            f"POST /v1/transactions?wait=commit&timeout_ms=30000 HTTP/1.1\r\nHost: {sender.host}\r\n"
            "Content-Type: application/msgpack\r\nAccept: application/msgpack\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        start = head.encode() + body[: len(body) - len(payload)]
        yield SignedRequest(transaction_id(chain_id, transaction.header), (start, payload))
