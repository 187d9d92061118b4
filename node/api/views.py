"""How things of the chain look as JSON: hashes in hexadecimal, other bytes in base64, times in milliseconds."""

import base64
from collections.abc import Mapping

import msgspec

from chain.blocks import Block, BlockHeader, Certificate, Outcome, block_hash, decode_header
from chain.contract_engine import EngineIdentity
from chain.facts import shown
from chain.primitives.crypto import Hash
from chain.primitives.encoding import Wire, decode
from chain.proofs.receipts import Receipt
from chain.state.entries import (
    ContractEntry,
    DatasetEntry,
    DatasetTotals,
    RequestEntry,
    RequestTotals,
    dataset_totals_key,
)
from chain.state.members import Member
from chain.transactions.base import Header
from chain.transactions.registry import type_of
from evidence.parts import CertificatePart

Json = dict[str, object]

BASE64 = frozenset({"kem_key", "envelope"})
"""Fields whose bytes are in base64; those of all others are hashes, ids and nonces, in hexadecimal."""


def text_of(data: bytes) -> str:
    """Base64 of bytes."""
    return base64.b64encode(data).decode()


def header_fields(header: BlockHeader) -> Json:
    """A block header's fields."""
    return fields_of(header)


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


def block_event(chain_id: bytes, header_bytes: bytes, changes: Mapping[bytes, bytes] | None) -> Json:
    """A block's event: its summary, and how much the datasets hold after it that it has added to.

    Args:
        chain_id: of the chain.
        header_bytes: of the block.
        changes: that it made of the state; None where they are not kept.
    """
    prefix, datasets = dataset_totals_key(""), None
    if changes is not None:
        found = sorted((key, value) for key, value in changes.items() if key.startswith(prefix))
        datasets = [
            {"dataset": key[len(prefix) :].decode(), **_counts(decode(DatasetTotals, value))} for key, value in found
        ]
    return block_summary(chain_id, header_bytes) | {"datasets": datasets}


def _counts(totals: DatasetTotals) -> Json:
    return {"parcels": totals.parcels, "records": totals.records, "corrected": totals.corrected}


def certificate_view(certificate: Certificate) -> object:
    """The votes that finalised a block, in the one form that certificates have in JSON."""
    return msgspec.to_builtins(CertificatePart.of(certificate))


def receipt_view(receipt: Receipt) -> Json:
    """A receipt."""
    return {
        "header": text_of(receipt.header),
        "certificate": certificate_view(receipt.certificate),
        "outcome": text_of(receipt.outcome),
        "index": receipt.index,
        "proof": [item.hex() for item in receipt.proof],
    }


def block_view(chain_id: bytes, block: Block) -> Json:
    """A block in full, without the transactions' bodies."""
    certificate = block.certificate
    return {
        **header_fields(decode_header(block.header)),
        "hash": block_hash(chain_id, block.header).hex(),
        "header": text_of(block.header),
        "certificate": certificate and certificate_view(certificate),
        "transactions": [
            {"transaction_id": outcome.transaction_id.hex(), **outcome_view(outcome)} for outcome in block.outcomes
        ],
    }


def outcome_view(outcome: Outcome) -> Json:
    """What became of a transaction, with the verdict if it was about a request."""
    return {
        "code": outcome.code,
        "facts": shown(outcome.facts),
        "sentence": outcome.sentence,
        "fuel": outcome.fuel,
        "verdict": outcome.verdict and fields_of(outcome.verdict),
    }


def transaction_view(
    header: Header, outcome: Outcome, height: int, position: int, raw: bytes, signature: bytes
) -> Json:
    """A committed transaction."""
    return {
        "transaction_id": outcome.transaction_id.hex(),
        "status": "committed",
        "height": height,
        "index": position,
        "outcome": outcome_view(outcome),
        "type": type_of(header).name,
        "member": header.member,
        "header": text_of(raw),
        "signature": text_of(signature),
        "fields": fields_of(header),
    }


def dataset_view(entry: DatasetEntry, totals: DatasetTotals | None) -> Json:
    """A catalogue entry with what it holds."""
    return fields_of(entry) | {"totals": msgspec.structs.asdict(totals) if totals else None}


def contract_summary(entry: ContractEntry) -> Json:
    """One line of the list of contracts."""
    fields = fields_of(entry)
    return {name: value for name, value in fields.items() if name not in ("source", "parameters")}


def request_view(request_id: Hash, entry: RequestEntry, totals: RequestTotals | None) -> Json:
    """A request with the decision that holds now, and what was read under it: all fields of all its parts."""
    terms, decision = entry.terms, entry.decision
    view = fields_of(terms) | fields_of(entry) | fields_of(decision) | fields_of(totals or RequestTotals())
    del view["terms"], view["decision"], view["verdict"]
    return {"request": request_id.hex(), **view, "status": decision.status, "sentence": decision.sentence}


def engine_view(engine: EngineIdentity | None) -> Json | None:
    """The contract engine that the genesis file names."""
    return {**fields_of(engine), "hash": engine.hash.hex()} if engine else None


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
        "kem_key": text_of(member.kem_key) if member.kem_key else None,
        "node": node and {"address": node.address, "api_url": node.api_url},
    }


def fields_of(value: Wire) -> Json:
    """All fields of a value by their names."""
    return {name: _plain(name, getattr(value, name)) for name in value.__struct_fields__}


def _plain(name: str, value: object) -> object:
    if name == "facts":
        return shown(value)  # type: ignore[arg-type]  # the field's type in every structure
    if isinstance(value, bytes):
        return text_of(value) if name in BASE64 else value.hex()
    if isinstance(value, tuple):
        return [_plain(name, item) for item in value]
    return fields_of(value) if isinstance(value, Wire) else value
