"""A member that sends all it may: what the others send is in one of the next blocks all the same."""

from pathlib import Path

from chain.limits import KIB, LIMITS, MIB
from tests.node.cluster import Network, Node, running
from tests.node.link_cluster import until

FLOOD_BYTES = 40 * MIB
RECORD_BYTES = 200 * KIB
PARCEL_RECORDS = 5
NEXT_BLOCKS = 2
"""The one that is being decided, and the one that is made next."""


def flood_of(network: Network, member: str) -> list[bytes]:
    """Many large parcels of one member."""
    count = FLOOD_BYTES // (RECORD_BYTES * PARCEL_RECORDS)
    return [network.parcel([bytes([number]) * RECORD_BYTES] * PARCEL_RECORDS, member) for number in range(count)]


def take_in(node: Node, parcels: list[bytes]) -> None:
    """All of them wait at this node before it does anything else."""
    pool = node.service.pool
    for data in parcels:
        verified = pool.verify(pool.decode(data))
        assert verified.checked is not None
        pool.admit(verified.checked)
    node.service.driver.work_changed()


async def test_s54_a_member_that_floods_delays_the_others_by_no_more_than_a_block(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    async with running(network, *"abcd") as nodes:
        a, b = nodes[:2]
        await a.submit(network.dataset("a"))
        await b.submit(network.dataset("b", schema=""))
        await until(lambda: len({node.height for node in nodes}) == 1)
        flood = flood_of(network, "b")
        for node in nodes:
            take_in(node, flood)
        before = a.height
        receipt = await a.submit(network.parcel())
        assert receipt.certificate.height <= before + NEXT_BLOCKS
        heights = [(await b.submit(parcel, timeout_s=60)).certificate.height for parcel in flood]
        assert max(heights) - before >= FLOOD_BYTES // LIMITS.block_size_bytes > NEXT_BLOCKS
