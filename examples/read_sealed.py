"""Ask to read a sealed dataset, wait for those who must approve, read it, and report what was read.

    python examples/read_sealed.py --genesis pool/genesis.json --key pool/meteorology/system.pem \\
        --reader-key pool/meteorology/reader.pem --dataset aviation.cancellations --purpose "flood warning" \\
        http://127.0.0.1:8000

The request, the verdict on it and the read report stand on the chain for good. Every key share and every record is
checked before it is used; a validator that gives a wrong share is named, and others are asked.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from blockpool import AsyncClient, Identity, PoolError, load_genesis, load_kem_key

WAIT_S = 3600.0
"""How long approvers have."""


async def main() -> int:
    """Run the example; gives the exit code."""
    parser = argparse.ArgumentParser(description="Read a sealed dataset.")
    parser.add_argument("--genesis", required=True, help="the network's genesis file")
    parser.add_argument("--key", required=True, help="private key of the member that reads")
    parser.add_argument("--reader-key", required=True, type=Path, help="key that the key shares are sealed to")
    parser.add_argument("--dataset", required=True, help="what to read")
    parser.add_argument("--purpose", required=True, help="what it is read for")
    parser.add_argument("urls", nargs="+", help="APIs of nodes; the next is asked when one fails")
    arguments = parser.parse_args()

    genesis = load_genesis(arguments.genesis)
    identity = Identity.load(arguments.key, genesis)
    reader_key = load_kem_key(arguments.reader_key)
    async with AsyncClient(arguments.urls, genesis, identity) as client:
        request = await client.request(arguments.dataset, arguments.purpose, reader_key, person="Li Wei")
        print(f"request {request.id.hex()[:16]} in block {request.receipt.height}: {request.verdict.verdict}")
        request.raise_for_denial()
        if not request.is_granted:
            view = await client.request_view(request.id, wait_s=WAIT_S)
            print(f"after {len(view.answers)} answers: {view.status}")

        reading = client.read(
            request.id, reader_key, on_culprit=lambda member, error: print(f"{member}: {error}", file=sys.stderr)
        )
        async for record in reading:
            print(f"{record.id}: {record.json()}")
        for receipt in await client.acknowledge(reading):
            print(f"reading {reading.returned_records} records is reported in block {receipt.height}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except PoolError as error:
        sys.exit(f"{error} [{error.code}] {error.advice}")
