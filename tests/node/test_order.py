"""What is submitted through one node stands on the chain in the order in which it was submitted."""

from itertools import pairwise
from pathlib import Path

import pytest

from blockpool import AsyncClient
from blockpool.identity import Identity
from tests.node.cluster import Network, running
from tests.node.reading import commit

PARCELS = 150


@pytest.mark.parametrize("validators", ["a", "abcd"])
@pytest.mark.parametrize("sharing", ["open", "closed"])
async def test_s101_parcels_of_one_submission_keep_their_order(tmp_path: Path, validators: str, sharing: str) -> None:
    network = Network.create(tmp_path, validators=validators, others=(), contracts=True)
    async with running(network, *validators, api=True) as nodes:
        await commit(nodes[0], network.dataset(sharing=sharing, schema=""))
        identity = Identity("a", network.signers["a"])
        for node in nodes:  # the primary, and others
            async with AsyncClient([node.api_url], network.genesis, identity) as client:
                bodies = [b"%d " % number + bytes(number * 977 % 20_000) for number in range(PARCELS)]
                stream = client.submit_stream(bodies, "a.flights", parcel_records=1)
                places = [(receipt.height, receipt.receipt.index) async for receipt in stream]
            assert len(places) == PARCELS
            assert sum(later < earlier for earlier, later in pairwise(places)) == 0
