"""A network with a sealed dataset, and members that want to read it."""

from collections.abc import Sequence
from dataclasses import dataclass

import blockpool
from cli.homes import READER_KEY
from contracts.library import source_of
from tests.networks import SCHEMA
from tests.processes import RunningNetwork
from tests.signing import DESCRIPTION

OWNER = "aviation"
READER = "meteorology"


@dataclass(frozen=True)
class SealedDataset:
    """A conditional dataset of ``aviation`` with a contract from the library."""

    network: RunningNetwork
    id: str
    receipts: list[blockpool.VerifiedReceipt]

    def reader_key(self, member: str = READER) -> blockpool.KemPrivateKey:
        """The key that a member reads with."""
        return blockpool.load_kem_key(self.network.network.folder / member / READER_KEY)

    def request(
        self, client: blockpool.Client, purpose: str = "flood warning", member: str = READER
    ) -> blockpool.AccessRequest:
        """Ask for all of it."""
        return client.request(self.id, purpose, self.reader_key(member))

    @property
    def parcel_ids(self) -> list[bytes]:
        """Transaction ids of its parcels."""
        return [receipt.transaction_id for receipt in self.receipts]


def values(count: int) -> list[dict[str, object]]:
    """Records."""
    return [{"n": number, "name": f"flight {number}"} for number in range(count)]


def sealed_dataset(
    network: RunningNetwork,
    records: Sequence[dict[str, object]] = (),
    contract: str = "open",
    parameters: dict[str, object] | None = None,
    parcel_records: int = 10,
    commitments: blockpool.Commitments = "whole",
) -> SealedDataset:
    """Deploy a contract, define a dataset under it, and share records."""
    number = network.new_number()
    name, dataset = f"{OWNER}.rule-{number}", f"{OWNER}.sealed-{number}"
    with network.client(OWNER) as client:
        client.deploy(name, source_of(contract), parameters or {})
        client.define(
            blockpool.DatasetDefinition(
                dataset, "密封", "Sealed", SCHEMA, "conditional", contract=name, description=DESCRIPTION
            )
        )
        receipts = client.submit(records, dataset, parcel_records=parcel_records, commitments=commitments, in_flight=1)
    network.network.settle()
    return SealedDataset(network, dataset, receipts)
