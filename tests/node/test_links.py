"""Links between nodes that behave: exchange, order, priority, requests, restart, changing membership."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from chain.errors import ErrorCode, PoolError
from chain.limits import KIB, MIB
from node.links import Peer
from node.links.outgoing import Backoff
from tests.node.link_cluster import BROKEN, ECHO, HOST, REFUSED, SLOW, LinkNode, cluster, identity, limits, until
from tests.refusals import refuses

CONSENSUS, BULK = 20, 30


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def test_four_nodes_exchange_messages(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    async def main() -> None:
        async with cluster("aviation", "meteorology", "registry", "airports") as nodes:
            for node in nodes:
                assert node.links.broadcast(CONSENSUS, node.me.member.encode(), urgent=True) == 3
            await until(lambda: all(len(node.messages) == 3 for node in nodes))
            for node in nodes:
                others = {other.me.member for other in nodes if other is not node}
                assert {(member, kind, body) for member, kind, body in node.messages} == {
                    (member, CONSENSUS, member.encode()) for member in others
                }

    run(main())


@pytest.mark.parametrize("size", [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 128 * KIB, 5 * MIB + 3, 16 * MIB])
async def test_bodies_of_every_size_arrive_whole(size: int) -> None:
    body = bytes(index % 251 for index in range(1021)) * (size // 1021 + 1)
    async with cluster("a", "b") as (a, b):
        assert a.links.send("b", BULK, body[:size])
        await until(lambda: b.messages)
        assert b.messages == [("a", BULK, body[:size])]


async def test_messages_of_a_class_arrive_in_order() -> None:
    async with cluster("a", "b") as (a, b):
        for number in range(3000):
            assert a.links.send("b", BULK, number.to_bytes(4) * (1 + number % 50))
        await until(lambda: len(b.messages) == 3000)
        assert [int.from_bytes(body[:4]) for _, _, body in b.messages] == list(range(3000))


async def test_urgent_messages_overtake_bulk() -> None:
    async with cluster("a", "b") as (a, b):
        for _ in range(4):
            assert a.links.send("b", BULK, bytes(8 * MIB))
        assert a.links.send("b", CONSENSUS, b"vote", urgent=True)
        await until(lambda: len(b.messages) == 5)
        # Even the first block, which was started before the vote, ends after it.
        assert [kind for _, kind, _ in b.messages] == [CONSENSUS, BULK, BULK, BULK, BULK]


async def test_queue_is_bounded_and_says_so() -> None:
    async with cluster("a", "b", limits=limits(bulk_queue_bytes=MIB)) as (a, b):
        taken = sum(a.links.send("b", BULK, bytes(100 * KIB)) for _ in range(50))
        status = a.links.status()["b"]
        assert taken == 10
        assert status.queued_bytes <= MIB
        assert status.dropped_frames == 40
        assert a.links.send("b", CONSENSUS, b"vote", urgent=True), "a full bulk lane must not stop consensus"
        await until(lambda: len(b.messages) == 11)
        assert a.links.status()["b"].queued_bytes == 0


async def test_sending_without_a_link_is_refused_and_counted() -> None:
    node = LinkNode(identity("a"))
    await node.start()
    node.links.update_peers({"b": Peer(HOST, 1, identity("b").certificate)})
    assert not node.links.send("b", BULK, b"x")
    assert not node.links.send("nobody", BULK, b"x")
    assert node.links.status()["b"].dropped_frames == 1
    await until(lambda: node.links.status()["b"].last_error)
    with refuses(ErrorCode.UNREACHABLE):
        await node.links.request("b", ECHO, b"")
    await node.links.close()


async def test_too_large_message_is_refused_before_it_is_queued() -> None:
    async with cluster("a", "b") as (a, _):
        with refuses(ErrorCode.TOO_LARGE):
            a.links.send("b", BULK, bytes(16 * MIB + 1))
        assert a.links.status()["b"].queued_bytes == 0


async def test_requests_are_answered() -> None:
    async with cluster("a", "b", "c") as (a, _, c):
        answers = await asyncio.gather(
            *(a.links.request(member, ECHO, bytes([number]) + b"x") for number in range(100) for member in "bc")
        )
        assert answers == [b"x" + bytes([number]) for number in range(100) for _ in "bc"]
        large = bytes(range(256)) * KIB
        assert await c.links.request("a", ECHO, large) == large[::-1]


async def test_failed_requests_say_why() -> None:
    async with cluster("a", "b") as (a, _):
        with pytest.raises(PoolError, match="no such block"):
            await a.links.request("b", REFUSED, b"")
        with pytest.raises(PoolError, match="failed on the other side"):
            await a.links.request("b", BROKEN, b"")
        with refuses(ErrorCode.TIMEOUT):
            await a.links.request("b", SLOW, b"", timeout_s=0.05)
        assert await a.links.request("b", ECHO, b"ab") == b"ba", "the link survives all of that"


async def test_requests_in_flight_are_bounded() -> None:
    async with cluster("a", "b", limits=limits(requests_in_flight=3)) as (a, b):
        asked = [asyncio.ensure_future(a.links.request("b", SLOW, b"")) for _ in range(12)]
        await until(lambda: b.serving == 3)
        assert await b.links.request("a", ECHO, b"ab") == b"ba"  # a full round while the others wait
        b.release.set()
        await asyncio.gather(*asked)
        assert b.serving_max == 3


async def test_lost_link_fails_requests_at_once() -> None:
    async with cluster("a", "b") as (a, b):
        asked = asyncio.ensure_future(a.links.request("b", SLOW, b"", timeout_s=60))
        await until(lambda: b.serving)
        await b.links.close()
        with refuses(ErrorCode.UNREACHABLE):
            async with asyncio.timeout(5):
                await asked
        await until(lambda: b.serving == 0)


async def test_s37_links_come_back_after_a_restart() -> None:
    async with cluster("a", "b") as (a, b):
        await b.links.close()
        await until(lambda: not a.links.connected)
        assert a.events == [("up", "b"), ("down", "b")]
        assert not a.links.send("b", CONSENSUS, b"lost", urgent=True)
        await b.start()  # on the port it had
        b.links.update_peers({"a": a.as_peer()})
        await until(lambda: a.links.connected and b.links.connected)
        assert a.events[-1] == ("up", "b")
        assert a.links.send("b", CONSENSUS, b"again", urgent=True)
        await until(lambda: b.messages)
        assert b.messages == [("a", CONSENSUS, b"again")]
        assert a.links.status()["b"].connects == 2


async def test_a_peer_that_dials_in_is_dialled_without_waiting() -> None:
    patient = LinkNode(identity("a"), limits=limits(backoff_min_s=600.0, backoff_max_s=600.0))
    late = LinkNode(identity("b"))
    await late.start()
    await late.links.close()  # its port is known now, and nobody is there
    await patient.start()
    patient.links.update_peers({"b": late.as_peer()})
    await until(lambda: patient.links.status()["b"].last_error)
    await late.start()
    late.links.update_peers({"a": patient.as_peer()})
    await until(lambda: patient.links.connected)
    await patient.links.close()
    await late.links.close()


def test_s33_s37_waits_between_attempts_double_up_to_a_bound_with_jitter() -> None:
    steady = Backoff(0.1, 1.0, jitter=lambda: 0.0)
    assert [steady.next_s() for _ in range(6)] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])
    steady.reset()
    assert steady.next_s() == pytest.approx(0.1)
    lucky = Backoff(0.1, 1.0, jitter=lambda: 0.5)
    assert [lucky.next_s() for _ in range(3)] == pytest.approx([0.075, 0.15, 0.3])


async def test_status_tells_what_went_over_a_link() -> None:
    async with cluster("a", "b") as (a, b):
        a.links.send("b", BULK, bytes(1000))
        await until(lambda: b.messages and a.links.status()["b"].rtt_ms is not None)
        sender, receiver = a.links.status()["b"], b.links.status()["a"]
        assert sender.connected
        assert sender.connected_in
        assert sender.sent_bytes >= 1000
        assert receiver.received_bytes >= 1000
        assert 0 < sender.rtt_ms < 5000
        assert abs(sender.clock_offset_ms) < 5000
        assert (sender.height, sender.software) == (12, "test")
        assert sender.last_error is None


async def test_removed_member_loses_its_links_and_stays_out() -> None:
    async with cluster("a", "b", "c") as (a, b, c):
        a.links.update_peers({"b": b.as_peer()})
        await until(lambda: c.links.connected == ["b"])
        assert a.links.connected == ["b"]
        # c keeps dialling and is refused, during the handshake already.
        await until(lambda: "closed" not in (c.links.status()["a"].last_error or "closed"))
        assert not c.links.send("a", BULK, b"x")
        assert a.links.send("b", BULK, b"x")
        await until(lambda: b.messages)


async def test_member_that_moves_and_changes_its_certificate_is_found_again() -> None:
    async with cluster("a", "b") as (a, b):
        await b.links.close()
        moved = LinkNode(identity("b", salt="new"))
        await moved.start()
        moved.links.update_peers({"a": a.as_peer()})
        a.links.update_peers({"b": moved.as_peer()})
        await until(lambda: a.links.connected and moved.links.connected)
        assert moved.links.send("a", BULK, b"hello")
        await until(lambda: a.messages == [("b", BULK, b"hello")])
        await moved.links.close()


async def test_taken_port_is_named() -> None:
    async with cluster("a", "b") as (a, _):
        second = LinkNode(identity("c"), port=a.port)
        with refuses(ErrorCode.PORT_IN_USE, str(a.port)):
            await second.start()
