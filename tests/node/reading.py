"""Reading what is sealed, for tests of nodes: a contract with every verdict, and a reader that checks everything."""

from collections.abc import Sequence

from chain.blocks import Outcome
from chain.primitives.encoding import decode
from chain.transactions.base import Transaction
from chain.transactions.parcel import ParcelHeader, decode_content
from chain.transactions.registry import decode_transaction_header
from chain.transactions.sealed import decode_envelope
from sealing import ParcelContext, Release, ShareRelease, open_parcel, open_release
from tests.node.cluster import Network, Node

CONTRACT = """
from blockpool.contract import allow, ask, deny

def can_read(request, dataset, ctx):
    if request.purpose == "flood warning":
        return allow()
    if request.purpose != "research":
        return deny("only for flood warnings and research")
    return allow() if ctx.approvals else ask([ctx.owner.name])
"""
"""Allows, asks or denies by the request's purpose."""


async def commit(node: Node, data: bytes) -> bytes:
    """Have a transaction take effect; returns its id."""
    outcome = decode(Outcome, (await node.submit(data)).outcome)
    assert outcome.is_ok, outcome
    return outcome.transaction_id


async def share(node: Node, *parcels: bytes) -> list[bytes]:
    """Put `a.flights` under the contract and share sealed parcels in it; returns their ids."""
    await commit(node, node.network.contract(CONTRACT))
    await commit(node, node.network.dataset(sharing="conditional", contract="a.rule"))
    return [await commit(node, parcel) for parcel in parcels]


def givers(releases: Sequence[bytes]) -> list[str]:
    """Who gave the releases for a parcel."""
    return [decode(ShareRelease, release).validator for release in releases]


def opened(network: Network, parcel: bytes, request_id: bytes, releases: Sequence[bytes], reader: str) -> list[bytes]:
    """The plaintexts of a parcel, opened with what was released for it, each share checked as a reader does."""
    transaction = decode(Transaction, parcel)
    header = decode_transaction_header(network.genesis.chain_id, transaction.header)
    assert isinstance(header, ParcelHeader)
    envelope = decode_envelope(header.envelope)
    context = ParcelContext(header.chain_id, header.dataset, header.records_root)
    release = Release(header.chain_id, request_id, network.id_of(parcel))
    key = network.reader_key(reader)
    shares = {
        name: open_release(data, name, release, envelope, context, key)
        for name, data in zip(givers(releases), releases, strict=True)
    }
    return list(open_parcel(decode_content(header, transaction.payload).records, envelope, context, shares))
