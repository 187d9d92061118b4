"""How things of the chain look as JSON: hashes in hexadecimal, other bytes in base64, times in milliseconds."""

from __future__ import annotations

import base64

import msgspec

from chain.blocks import Block, BlockHeader, Outcome, block_hash, decode_header
from chain.members import Member
from chain.state import DatasetEntry, DatasetUsage
from chain.transactions import AnyHeader, DatasetHeader

Json = dict[str, object]


def text_of(data: bytes) -> str:
    """Base64 of bytes."""
    return base64.b64encode(data).decode()


def header_fields(header: BlockHeader) -> Json:
    """A block header's fields."""
    return {name: _plain(getattr(header, name)) for name in header.__struct_fields__}


def block_summary(chain_id: bytes, header_bytes: bytes) -> Json:
    """One line of a list of blocks."""
    header = decode_header(header_bytes)
    return {
        "height": header.height,
        "hash": block_hash(chain_id, header_bytes).hex(),
        "time_ms": header.time_ms,
        "proposer": header.proposer,
        "transaction_count": header.transaction_count,
    }


def block_view(chain_id: bytes, block: Block) -> Json:
    """A block in full, without the transactions' bodies."""
    certificate = block.certificate
    return {
        **header_fields(decode_header(block.header)),
        "hash": block_hash(chain_id, block.header).hex(),
        "header": text_of(block.header),
        "certificate": certificate
        and {
            "view": certificate.view,
            "votes": [{"member": member, "signature": text_of(signature)} for member, signature in certificate.votes],
        },
        "transactions": [
            {"transaction_id": outcome.transaction_id.hex(), "code": outcome.code, "reason": outcome.reason}
            for outcome in block.outcomes
        ],
    }


def transaction_view(
    header: AnyHeader, outcome: Outcome, height: int, position: int, raw: bytes, signature: bytes
) -> Json:
    """A committed transaction."""
    return {
        "transaction_id": outcome.transaction_id.hex(),
        "status": "committed",
        "height": height,
        "index": position,
        "outcome": {"code": outcome.code, "reason": outcome.reason, "fuel": outcome.fuel},
        "type": transaction_type(header),
        "member": header.member,
        "header": text_of(raw),
        "signature": text_of(signature),
        "fields": {name: _plain(getattr(header, name)) for name in header.__struct_fields__},
    }


def transaction_type(header: AnyHeader) -> str:
    """Name of a transaction's type."""
    return "dataset" if isinstance(header, DatasetHeader) else "parcel"


def dataset_view(entry: DatasetEntry, usage: DatasetUsage | None) -> Json:
    """A catalogue entry with what it holds."""
    fields = {name: _plain(getattr(entry, name)) for name in entry.__struct_fields__}
    return fields | {"usage": msgspec.structs.asdict(usage) if usage else None}


def member_view(member: Member) -> Json:
    """A member's entry."""
    node = member.node
    return {
        "name": member.name,
        "kind": member.kind,
        "title_zh": member.title_zh,
        "title_en": member.title_en,
        "roles": list(member.roles),
        "keys": [
            {"public_key": text_of(k.public_key), "from_height": k.from_height, "until_height": k.until_height}
            for k in member.keys
        ],
        "consensus_key": text_of(member.consensus_key) if member.consensus_key else None,
        "node": node and {"address": node.address, "api_url": node.api_url},
    }


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
