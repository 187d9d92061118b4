"""Real contracts on real nodes: the same verdicts everywhere, and the event loop is never held up."""

import asyncio
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from chain.errors import ErrorCode
from chain.primitives.encoding import decode, encode
from chain.state.entries import RequestEntry, request_key
from chain.transactions.base import Transaction
from chain.transactions.parcel import ParcelHeader, SealedPayload, encode_records
from chain.transactions.registry import decode_transaction_header
from chain.transactions.sealed import decode_envelope, sealed_share_hash
from tests.node.cluster import Network, Node, running
from tests.node.contract_cluster import (
    BY_PURPOSE,
    LOOPS,
    agree,
    contract_network,
    eventually,
    request,
    sample,
    share,
    submit,
)


class LoopWatch:
    """Measures how long the event loop keeps others waiting."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "LoopWatch":
        self._task = asyncio.get_running_loop().create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before_s = loop.time()
            await asyncio.sleep(0.001)
            self.longest_s = max(self.longest_s, loop.time() - before_s)


def cheating_parcel(network: Network, victim: str) -> bytes:
    """A sealed parcel in which the share of one validator does not open."""
    chain_id = network.genesis.chain_id
    honest = decode(Transaction, network.sealed_parcel())
    header = decode_transaction_header(chain_id, honest.header)
    assert isinstance(header, ParcelHeader)
    envelope, content = decode_envelope(header.envelope), decode(SealedPayload, honest.payload)
    shares, sealed_shares = list(envelope.shares), list(content.sealed_shares)
    position = [share.validator for share in shares].index(victim)
    sealed_shares[position] = bytes(len(sealed_shares[position]))
    shares[position] = replace(shares[position], sealed_hash=sealed_share_hash(chain_id, sealed_shares[position]))
    forged = replace(header, envelope=encode(replace(envelope, shares=tuple(shares))))
    return encode(network.sign(forged, "a", encode_records(content.bodies, sealed_shares)))


async def test_requests_are_decided_by_a_contract_alike_on_four_nodes(tmp_path: Path) -> None:
    async with contract_network(tmp_path, *"abcd") as (network, nodes):
        await share(nodes[0], network, BY_PURPOSE)
        granted = network.request()
        assert await request(nodes[1], granted) == ("allow", "")
        assert await request(nodes[2], network.request(purpose="marketing")) == ("deny", "not for marketing")
        await agree(nodes)
        for node in nodes:
            entry = node.ledger.entry(request_key(network.id_of(granted)), RequestEntry)
            assert entry is not None
            assert (entry.decision.status, entry.decision.note) == ("granted", "asked 0 times before")
            assert node.service.fatal is None
        assert sample(nodes[3], "contract_calls_total") == 3
        assert sample(nodes[3], "contract_fuel_total") > 1_000_000
        counted = {name: sample(nodes[3], "verdicts_total", verdict=name) for name in ("allow", "deny", "failed")}
        assert counted == {"allow": 1, "deny": 1, "failed": 0}


async def test_a_contract_that_loops_holds_up_neither_the_loop_nor_others(tmp_path: Path) -> None:
    async with contract_network(tmp_path, *"abcd") as (network, nodes):
        await share(nodes[0], network, LOOPS)
        await nodes[0].submit(network.dataset("c"))
        requests = [network.request() for _ in range(6)]
        async with LoopWatch() as watch:
            costly = [asyncio.create_task(request(nodes[1], data)) for data in requests]
            for _ in range(10):
                assert (await submit(nodes[2], network.parcel(member="c"))).is_ok
            verdicts = await asyncio.gather(*costly)
        assert set(verdicts) == {("deny", ErrorCode.CONTRACT_OUT_OF_FUEL.value)}
        executed_s = sum(sample(node, "execution_seconds_sum") for node in nodes)
        assert watch.longest_s < executed_s / 10
        heights = [nodes[1].ledger.blocks.location(network.id_of(data)) for data in requests]
        assert len({location.height for location in heights if location is not None}) >= 3  # two a block at most
        await agree(nodes)


async def test_blocks_full_of_costly_calls_do_not_stop_ordering(tmp_path: Path) -> None:
    """Four nodes on this machine take longer for such a block than the timers' base: they double until it fits."""

    async with contract_network(tmp_path, *"abcd") as (network, nodes):
        await share(nodes[0], network, LOOPS)
        requests = [network.request(member) for member in "bcd" for _ in range(6)]
        verdicts = await asyncio.gather(*(request(nodes[0], data) for data in requests))
        assert set(verdicts) == {("deny", ErrorCode.CONTRACT_OUT_OF_FUEL.value)}
        await agree(nodes)
        assert all(len(node.service.pool.mempool) == 0 for node in nodes)


async def test_a_node_catches_up_over_blocks_that_call_contracts(tmp_path: Path) -> None:
    network = Network.create(tmp_path, contracts=True)
    async with running(network, *"abc") as nodes:
        await share(nodes[0], network, BY_PURPOSE)
        for purpose in ("flood warning", "marketing", "flood warning"):
            await request(nodes[1], network.request(purpose=purpose))
        late = Node(network, "d")
        await late.start()
        try:
            await eventually(lambda: late.height == nodes[0].height)
            await agree([*nodes, late])
            assert late.service.catch_up.blocks == late.height
            assert await request(late, network.request("c")) == ("allow", "")
        finally:
            await late.stop()


async def test_blocks_that_call_contracts_are_executed_again_at_the_start(tmp_path: Path) -> None:
    network = Network.create(tmp_path, validators="a", others=("b",), contracts=True)
    async with running(network, "a") as (node,):
        await share(node, network, BY_PURPOSE)
        assert await request(node, network.request()) == ("allow", "")
        tip = node.ledger.tip
    shutil.rmtree(network.home("a") / "data" / "state")
    async with running(network, "a") as (node,):
        assert node.ledger.tip == tip
        head = node.ledger.states.head
        assert head is not None
        assert (head.height, head.root) == (tip.height, tip.header.state_root)
        granted = network.request()
        assert await request(node, granted) == ("allow", "")
        entry = node.ledger.entry(request_key(network.id_of(granted)), RequestEntry)
        assert entry is not None
        assert entry.decision.note == "asked 1 times before"


async def test_a_validator_finds_out_that_a_dealer_has_cheated_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with contract_network(tmp_path, *"abcd") as (network, nodes):
        await share(nodes[0], network, BY_PURPOSE)
        assert (await submit(nodes[0], cheating_parcel(network, "c"))).is_ok
        await agree(nodes)
        await eventually(lambda: sample(nodes[2], "shares_checked_total", result="dealer_fault") == 1)
        for node in (nodes[0], nodes[1], nodes[3]):
            await eventually(lambda node=node: sample(node, "shares_checked_total", result="good") == 2)
            assert sample(node, "shares_checked_total", result="dealer_fault") == 0
    faults = [vars(record) for record in caplog.records if "dealer" in record.getMessage()]
    assert [fault["dataset"] for fault in faults] == ["a.flights"]


async def test_parcels_that_cannot_be_checked_in_time_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.dealings.WAITING_MAX", 0)

    async with contract_network(tmp_path, "a") as (network, [node]):
        await share(node, network, BY_PURPOSE)
        assert sample(node, "shares_checked_total", result="skipped") == 1
