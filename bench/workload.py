"""Signed transactions, ready to be posted: made before the clock starts, so that signing is not measured."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bench.network import Node
from bench.records import record_groups
from chain.primitives.crypto import Ed25519Signer
from chain.primitives.encoding import encode
from chain.transactions import base
from chain.transactions.base import transaction_id
from chain.transactions.parcel import ParcelContent, open_content, sign_parcel
from sealing import SealingContext, seal_parcel

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Which transactions to make."""

    chain_id: bytes
    senders: tuple[Sender, ...]
    dataset: str
    """Name of the dataset that every sender's member has."""
    records: int
    """Records in a parcel."""
    kem_keys: tuple[tuple[str, bytes], ...] = ()
    """Validators and their KEM keys, if the parcels are to be sealed."""


def sender_of(node: Node) -> Sender:
    """The system of a node's member, which posts to that node."""
    return Sender(node.member, node.system_seed, "127.0.0.1", node.api_port)


def parcel_requests(plan: Workload, count: int) -> Iterator[SignedRequest]:
    """``count`` individually signed parcels of ``records`` flights each, from the senders in turn."""
    senders = plan.senders
    signers = [Ed25519Signer(sender.seed) for sender in senders]
    expiry_ms = time.time_ns() // 1_000_000 + 3_600_000
    for number, content in zip(range(count), itertools.cycle(_contents(plan, count)), strict=False):
        sender, signer = senders[number % len(senders)], signers[number % len(senders)]
        by = base.Sender(plan.chain_id, sender.member, signer, expiry_ms)
        transaction = sign_parcel(by, f"{sender.member}.{plan.dataset}", content)
        body = encode(transaction)
        head = (
            f"POST /v1/transactions?wait=commit&timeout_ms=30000 HTTP/1.1\r\nHost: {sender.host}\r\n"
            "Content-Type: application/msgpack\r\nAccept: application/msgpack\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        start = head.encode() + body[: len(body) - len(content.payload)]
        yield SignedRequest(transaction_id(plan.chain_id, transaction.header), (start, content.payload))


def _contents(plan: Workload, count: int) -> list[ParcelContent]:
    """Different contents, to be used in turn: a multiple of the senders, since a sealed one fits one dataset only."""
    different = DIFFERENT_SINGLES if plan.records == 1 else DIFFERENT_PARCELS
    groups = record_groups(plan.records, min(count, different - different % len(plan.senders)))
    if not plan.kem_keys:
        return [open_content(plan.chain_id, group) for group in groups]
    contents = []
    for number, group in enumerate(groups):
        dataset = f"{plan.senders[number % len(plan.senders)].member}.{plan.dataset}"
        sealed = seal_parcel(group, SealingContext(plan.chain_id, dataset), dict(plan.kem_keys))
        contents.append(sealed.content)
    return contents
