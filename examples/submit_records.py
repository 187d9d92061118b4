"""Share a few records, read them back verified, and keep the proof of one.

    python examples/submit_records.py --genesis pool/genesis.json --key pool/aviation/system.pem http://127.0.0.1:8000

Every receipt is verified against the genesis file; the nodes need not be trusted. Running it twice shares the
records once: the idempotency key makes the same transactions of the same records.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from blockpool import Client, DatasetDefinition, Identity, PoolError, load_genesis, verify_evidence

SCHEMA = {
    "type": "object",
    "properties": {"runway": {"type": "string", "maxLength": 3}, "visibility_m": {"type": "integer", "minimum": 0}},
    "required": ["runway", "visibility_m"],
    "additionalProperties": False,
}
RECORDS = [{"runway": "04L", "visibility_m": 1200}, {"runway": "22R", "visibility_m": 800}]


def main() -> int:
    """Run the example; gives the exit code."""
    parser = argparse.ArgumentParser(description="Share a few records and prove one of them.")
    parser.add_argument("--genesis", required=True, help="the network's genesis file")
    parser.add_argument("--key", required=True, help="private key of the member that shares")
    parser.add_argument("urls", nargs="+", help="APIs of nodes; the next is asked when one fails")
    arguments = parser.parse_args()

    genesis = load_genesis(arguments.genesis)
    identity = Identity.load(arguments.key, genesis)
    dataset = f"{identity.member}.runway-visibility"
    with Client(arguments.urls, genesis, identity) as client:
        client.define(DatasetDefinition(dataset, "跑道能见度", "Runway visibility", json.dumps(SCHEMA)))
        receipts = client.submit(RECORDS, dataset, idempotency_key="morning")
        for receipt in receipts:
            print(f"parcel {receipt.transaction_id.hex()[:16]} is final in block {receipt.height}")
        for record in client.records(dataset):
            print(f"{record.id}: {record.json()}")
        evidence = client.evidence(receipts[0].record_ids[0])
    Path("runway.evidence.json").write_bytes(evidence)
    for step in verify_evidence(evidence, genesis):
        print(f"  step {step.number}, {step.title}: {step.detail}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PoolError as error:
        sys.exit(f"{error} [{error.code}] {error.advice}")
