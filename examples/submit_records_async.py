"""Share many records from an asyncio program, several parcels in flight, with memory that stays flat.

python examples/submit_records_async.py --genesis pool/genesis.json --key pool/aviation/system.pem http://127.0.0.1:8000
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator

from blockpool import AsyncClient, DatasetDefinition, Identity, PoolError, load_genesis


def readings(count: int) -> Iterator[dict[str, object]]:
    """Records as they come from somewhere; they are read only as fast as they are committed."""
    for number in range(count):
        yield {"number": number, "celsius": 15 + number % 10}


async def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description="Share many records from an asyncio program.")
    parser.add_argument("--genesis", required=True, help="the network's genesis file")
    parser.add_argument("--key", required=True, help="private key of the member that shares")
    parser.add_argument("--count", type=int, default=1000, help="how many records")
    parser.add_argument("urls", nargs="+", help="APIs of nodes; the next is asked when one fails")
    arguments = parser.parse_args()

    genesis = load_genesis(arguments.genesis)
    identity = Identity.load(arguments.key, genesis)
    dataset = f"{identity.member}.temperatures"
    async with AsyncClient(arguments.urls, genesis, identity) as client:
        await client.define(DatasetDefinition(dataset, "温度", "Temperatures"))
        shared = 0
        async for receipt in client.submit_stream(readings(arguments.count), dataset, parcel_records=100, in_flight=8):
            shared += receipt.record_count
            print(f"{shared} records are final, the last of them in block {receipt.height}")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except PoolError as error:
        sys.exit(f"{error} [{error.code}] {error.advice}")
