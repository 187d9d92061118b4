"""How values stand in the vector files: bytes in hexadecimal, structures as objects or lists."""

from collections.abc import Sequence
from typing import Any

from chain.access.decision import AccessVerdict
from chain.catalogue import Description
from chain.granularity import Granularity
from chain.ledger import Ledger
from chain.packages import read_package
from chain.primitives.encoding import Wire, encode


def fields_of(value: Wire) -> dict[str, Any]:
    """A structure's fields by name."""
    return {name: plain(getattr(value, name)) for name in value.__struct_fields__}


def plain(value: object) -> object:
    """A value as JSON has it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, AccessVerdict | Description | Granularity):
        return fields_of(value)
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def hexadecimal(items: Sequence[bytes]) -> list[str]:
    """Byte strings one by one."""
    return [item.hex() for item in items]


def block_of(ledger: Ledger, height: int) -> dict[str, Any]:
    """A block with its certificate, outcomes, receipts and package."""
    block, package = ledger.block_at(height), read_package(ledger.blocks, height, ledger.prove_erasures)
    receipts = (
        [] if block.certificate is None else [ledger.receipts_of(height).receipt(n) for n in range(len(block.outcomes))]
    )
    hash_ = ledger.genesis.block_hash if block.certificate is None else block.certificate.block_hash
    return {
        "height": height,
        "header": block.header.hex(),
        "fields": fields_of(ledger.header_at(height)),
        "hash": hash_.hex(),
        "certificate": block.certificate and encode(block.certificate).hex(),
        "outcomes": [fields_of(outcome) for outcome in block.outcomes],
        "receipts": [encode(receipt).hex() for receipt in receipts],
        "package": encode(package).hex(),
    }


def state_proofs_of(ledger: Ledger, keys: Sequence[bytes]) -> list[dict[str, Any]]:
    """Values of these keys at the tip, null where there is none, with their proofs."""
    proofs = []
    for key in keys:
        value, proof = ledger.state_proof(key)
        shown = None if value is None else value.hex()
        proofs.append({"key": key.decode(), "value": shown, "proof": encode(proof).hex()})
    return proofs
