"""The loop around the consensus core: missing bodies are fetched, bad proposals refused, certified blocks delivered."""

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from chain.blocks import Block, Certificate, Outcome, Proposal, block_hash, commit_message, decode_header
from chain.errors import ErrorCode
from chain.packages import BlockPackage
from chain.primitives.encoding import decode, encode, encode_array
from chain.primitives.keys import load_signer
from chain.transactions.base import Transaction
from consensus.effects import Deliver
from consensus.messages import Committed, Message, Prepare, PrePrepare, encode_message, prepare_message
from node.frames import FrameKind, TransactionIds
from tests.node.cluster import SPENT_KEY_UNTIL, Network, Node, ScriptedPeer, forged, running, scripted
from tests.node.link_cluster import until


def put_into(node: Node, data: bytes) -> None:
    """Let one node alone have a transaction, as if the frames to all others had been lost."""
    pool = node.service.pool
    verified = pool.verify(pool.decode(data))
    assert verified.checked is not None
    pool.admit(verified.checked)
    node.service.driver.work_changed()


def primary_of(nodes: list[Node]) -> Node:
    name = nodes[0].service.driver.replica.primary
    return next(node for node in nodes if node.name == name)


def forged_vote() -> Message:
    return Prepare(1, 1, secrets.token_bytes(32), "d", bytes(64))


def forged_certificate() -> Message:
    return Committed(Certificate(1, 0, bytes(32), (("a", bytes(64)), ("b", bytes(64)), ("c", bytes(64)))))


async def test_bodies_that_only_the_primary_has_are_fetched(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    async with running(network, *"abcd") as nodes:
        for member in "abc":
            put_into(primary_of(nodes), network.dataset(member))
        await until(lambda: min(node.height for node in nodes) >= 1)
        assert len({node.ledger.block_at(1).header for node in nodes}) == 1
        assert all(node.service.driver.replica.view == 0 for node in nodes)


async def test_s50_a_key_that_ended_while_its_transaction_waited(tmp_path: Path) -> None:
    """It is proposed to replicas that do not have it yet, and fetched by one that was away: all judge it alike."""

    network = Network.create(tmp_path)
    async with running(network, *"abc") as nodes:
        pool = primary_of(nodes).service.pool
        waiting = pool.verify(pool.decode(network.spent_parcel())).checked
        assert waiting is not None
        await nodes[0].submit(network.dataset())
        pool.admit(waiting)
        primary_of(nodes).service.driver.work_changed()
        receipt = await pool.wait_for_receipt(waiting.id, 20)
        assert decode(Outcome, receipt.outcome).code == ErrorCode.REVOKED_KEY
        await until(lambda: min(node.height for node in nodes) == SPENT_KEY_UNTIL + 1)
        assert all(node.service.driver.replica.view == 0 for node in nodes)
        async with running(network, "d") as (late,):
            await until(lambda: late.height == SPENT_KEY_UNTIL + 1)


async def test_s50_a_body_that_was_voted_for_is_remembered_though_its_key_has_ended(tmp_path: Path) -> None:
    network = Network.create(tmp_path, validators="a", others=("b",))
    data = network.spent_parcel()
    async with running(network, "a") as (a,):
        await a.submit(network.dataset())
        a.service.driver._votes.keep_bodies([data])
    async with running(network, "a") as (a,):
        assert a.height == SPENT_KEY_UNTIL
        assert list(a.service.pool.voted_for) == [network.id_of(data)]


async def test_s26_a_transaction_that_never_reached_the_primary_is_ordered_all_the_same(tmp_path: Path) -> None:
    """s26: the others see it wait and are told again by the node that took it in."""

    network = Network.create(tmp_path)
    async with running(network, *"abcd") as nodes:
        other = next(node for node in nodes if node is not primary_of(nodes))
        data = network.dataset()
        put_into(other, data)
        other.service.dissemination._own[network.id_of(data)] = None
        await until(lambda: min(node.height for node in nodes) >= 1)
        assert nodes[0].ledger.dataset("a.flights") is not None


async def test_s18_a_peer_that_serves_forged_bodies_is_passed_over(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    data = network.dataset()
    id_ = network.id_of(data)

    async def lie(kind: int, body: bytes) -> bytes:
        assert kind == FrameKind.FETCH_TRANSACTIONS
        assert decode(TransactionIds, body) == (id_,)
        return encode((forged(data),))

    liar = ScriptedPeer(network, "d", lie)
    async with running(network, "a", "b") as (a, b), scripted(liar):
        await until(lambda: a.service.links.is_connected("d"))
        put_into(b, data)
        found = await a.service.dissemination.fetch([id_], "d")
        assert [member for member, kind, _ in liar.asked if kind == FrameKind.FETCH_TRANSACTIONS] == ["a"]
        assert encode(found[id_].transaction) == data
        assert await a.service.dissemination.fetch([bytes(32)], "b") == {}


async def test_s63_an_answer_with_what_nobody_asked_for_is_thrown_away(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    wanted, others = network.dataset(), tuple(network.dataset(name=f"other-{number}") for number in range(50))

    async def too_much(kind: int, body: bytes) -> bytes:
        return encode((*others, wanted))

    liar = ScriptedPeer(network, "d", too_much)
    async with running(network, "a") as (a,), scripted(liar):
        await until(lambda: a.service.links.is_connected("d"))
        assert await a.service.dissemination.fetch([network.id_of(wanted)], "d") == {}
        assert a.service.links.status()["d"].faults == 1


@pytest.mark.parametrize("forge", [forged_vote, forged_certificate])
async def test_s61_a_forged_vote_costs_the_links(tmp_path: Path, forge: Callable[[], Message]) -> None:
    network = Network.create(tmp_path)

    async def nothing(kind: int, body: bytes) -> bytes:
        return b""

    liar = ScriptedPeer(network, "d", nothing)
    async with running(network, "a", "b", "c") as nodes, scripted(liar):
        await until(lambda: liar.links.is_connected("a"))
        for _ in range(2):  # a first vote waits to be counted; one that contradicts it is verified
            liar.links.send("a", FrameKind.CONSENSUS, encode_message(forge()))
        await until(lambda: nodes[0].service.links.status()["d"].faults)
        assert nodes[0].service.links._states["d"].barred_s
        await nodes[1].submit(network.dataset("b"))


async def test_s34_s46_a_peer_that_spreads_forged_transactions_harms_nobody(tmp_path: Path) -> None:
    """s34: neither its forgeries nor frames of nonsense are kept, and the genuine one still gets through."""

    network = Network.create(tmp_path)

    async def nothing(kind: int, body: bytes) -> bytes:
        return b""

    liar = ScriptedPeer(network, "d", nothing)
    async with running(network, "a", "b", "c") as nodes, scripted(liar):
        data = network.dataset()
        for member in "abc":
            await until(lambda member=member: liar.links.is_connected(member))
        for member, kind, body in (
            ("a", FrameKind.TRANSACTIONS, encode((forged(data), b"nonsense", data[:-1]))),
            ("b", FrameKind.TRANSACTIONS, b"\xc1"),
            ("c", FrameKind.CONSENSUS, b"\xc1"),
        ):
            liar.links.send(member, kind, body)
        await until(lambda: all(node.service.links.status()["d"].faults for node in nodes))
        assert nodes[0].service.intake.refused == 1
        assert [len(node.service.pool.mempool) for node in nodes] == [0, 0, 0]
        receipt = await nodes[0].submit(data)
        assert receipt.index == 0
        assert all(node.service.fatal is None for node in nodes)


async def test_s49_one_transaction_handed_to_all_nodes_at_once_is_committed_once(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    async with running(network, *"abcd") as nodes:
        data = network.dataset()
        for node in nodes:
            await node.service.dissemination.submit(data)
        receipts = [await node.submit(data) for node in nodes]
        assert len({encode(receipt.outcome) for receipt in receipts}) == 1
        await until(lambda: min(node.height for node in nodes) >= 1)
        committed = [t for height in range(1, nodes[0].height + 1) for t in nodes[0].ledger.blocks.transactions(height)]
        assert committed == [decode(Transaction, data)]


async def test_s17_s32_a_proposal_that_does_not_execute_is_refused_and_its_primary_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The primary signs a block whose state is another than its transactions give."""

    async def nothing(kind: int, body: bytes) -> bytes:
        return b""

    network = Network.create(tmp_path)
    chain_id, data = network.genesis.chain_id, network.dataset()
    liar = ScriptedPeer(network, "a", nothing)
    async with running(network, "b", "c", "d") as nodes, scripted(liar):
        ledger, pool = nodes[0].ledger, nodes[0].service.pool
        checked = pool.verify(pool.decode(data)).checked
        assert checked is not None
        honest = ledger.execute([checked], pool.clock_ms(), "a")
        header = encode(replace(honest.header, state_root=bytes(32)))
        hash_ = block_hash(chain_id, header)
        signature = load_signer(network.home("a") / "consensus.pem").sign(prepare_message(chain_id, 1, 0, hash_))
        vote = Prepare(1, 0, hash_, "a", signature)
        lie = encode_message(PrePrepare(vote, Proposal(header, (network.id_of(data),))))
        for node in nodes:
            await until(lambda node=node: liar.links.is_connected(node.name))
            put_into(node, data)
            liar.links.send(node.name, FrameKind.CONSENSUS, lie, urgent=True)
        await until(lambda: min(node.height for node in nodes) == 1)
        for node in nodes:
            block = node.ledger.block_at(1)
            assert block.header != header
            assert decode_header(block.header).proposer in "bcd"
            assert node.service.driver.replica.view > 0
            assert node.service.fatal is None
    refusals = [vars(record)["reason"] for record in caplog.records if record.getMessage() == "proposal refused"]
    assert refusals == ["executing it gives another state_root"] * 3


@pytest.mark.parametrize("can_fetch", [True, False])
async def test_s15_a_certified_block_whose_bodies_are_missing_is_fetched(tmp_path: Path, can_fetch: bool) -> None:
    """A quorum committed what was never judged here: the bodies are fetched, or else the whole block is."""

    network = Network.create(tmp_path)
    data = network.dataset()

    async def answer(kind: int, body: bytes) -> bytes:
        if kind == FrameKind.FETCH_TRANSACTIONS:
            return encode((data,) if can_fetch else ())
        if kind == FrameKind.FETCH_VOTES:
            return encode(())
        return encode_array([encode(package)])

    peer = ScriptedPeer(network, "a", answer)
    async with running(network, "d") as (d,), scripted(peer):
        await until(lambda: d.service.links.is_connected("a"))
        checked = d.service.pool.verify(d.service.pool.decode(data)).checked
        assert checked is not None
        executed = d.ledger.execute([checked], d.service.pool.clock_ms(), "a")
        message = commit_message(network.genesis.chain_id, 1, 0, executed.block_hash)
        keys = {name: load_signer(network.home(name) / "consensus.pem") for name in "abc"}
        votes = tuple((name, key.sign(message)) for name, key in keys.items())
        certificate = Certificate(1, 0, executed.block_hash, votes)
        block = Block(executed.proposal.header, certificate, executed.outcomes)
        package = BlockPackage(encode(block), (data,))
        d.service.driver._carry_out([Deliver(executed.proposal, certificate)])
        assert d.height == 0
        await until(lambda: d.height == 1)
        assert d.ledger.block_at(1) == block
        assert d.service.catch_up.blocks == (0 if can_fetch else 1)


async def test_an_idle_network_makes_no_blocks(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    async with running(network, *"abcd") as nodes:
        await nodes[0].submit(network.dataset())
        await until(lambda: min(node.height for node in nodes) == 1)
        ticks = nodes[0].service.driver.replica
        await until(lambda: all(len(node.service.pool.mempool) == 0 for node in nodes))
        for _ in range(200):
            for node in nodes:
                node.service.driver.tick()
        assert ticks.view == 0
        assert [node.height for node in nodes] == [1, 1, 1, 1]
