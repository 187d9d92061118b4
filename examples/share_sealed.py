"""Share records that only some may read: deploy an access contract, define a dataset under it, and seal.

    python examples/share_sealed.py --genesis pool/genesis.json --key pool/aviation/system.pem http://127.0.0.1:8000

Records leave this program encrypted; their key is split among the validators, and only who the contract lets read gets
enough shares. The columns can be opened apart, so a grant for some fields opens these and no others. Running it again
shares nothing twice: the journal keeps the signed parcels, which are sent as they are.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from blockpool import Client, DatasetDefinition, Description, Granularity, Identity, PoolError, load_genesis

CONTRACT = '''\
"""Weather services may read for flood warning; for statistics, everybody, but not the flights' numbers."""

from blockpool.contract import allow, deny


def can_read(request, dataset, ctx):
    if request.purpose == "flood warning":
        return allow(note=request.case_number)
    if request.purpose == "statistics":
        return allow(fields=["airport", "cancelled"])
    return deny(f"{dataset.id} is shared for flood warning and statistics, not for {request.purpose!r}")
'''
RECORDS = [
    {"airport": "PEK", "flight": "CA1501", "cancelled": False},
    {"airport": "PKX", "flight": "MU5101", "cancelled": True},
    {"airport": "CAN", "flight": "CZ3101", "cancelled": True},
]


def main() -> int:
    """Run the example; gives the exit code."""
    parser = argparse.ArgumentParser(description="Share records that only some may read.")
    parser.add_argument("--genesis", required=True, help="the network's genesis file")
    parser.add_argument("--key", required=True, help="private key of the member that shares")
    parser.add_argument("--journal", type=Path, default=Path("cancellations.journal"), help="folder for the journal")
    parser.add_argument("urls", nargs="+", help="APIs of nodes; the next is asked when one fails")
    arguments = parser.parse_args()

    genesis = load_genesis(arguments.genesis)
    identity = Identity.load(arguments.key, genesis)
    contract, dataset = f"{identity.member}.purposes", f"{identity.member}.cancellations"
    with Client(arguments.urls, genesis, identity) as client:
        client.deploy(contract, CONTRACT)
        client.define(
            DatasetDefinition(
                dataset,
                "航班取消",
                "Cancelled flights",
                sharing="conditional",
                contract=contract,
                description=Description(scope="weather service", use="flood warning"),
                granularity=Granularity(columns=(("airport", "cancelled"), ("flight",))),
            )
        )
        receipts = client.submit(RECORDS, dataset, commitments="fields", journal=arguments.journal)
        for receipt in receipts:
            print(f"parcel {receipt.transaction_id.hex()[:16]} is final in block {receipt.height}")
        stored = client.record(receipts[0].record_ids[0]).body
        print(f"what every node stores of {receipts[0].record_ids[0]}: {stored[:24].hex()}...")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PoolError as error:
        sys.exit(f"{error} [{error.code}] {error.advice}")
