"""Transactions that travel together: what is one request, who gets which answer, and what a node may do to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from blockpool.exchange import NodeRequest, Reply, Unreachable
from blockpool.grouping import Groups
from blockpool.transport import Transport
from chain.primitives.encoding import decode, encode

BATCH = "/v1/transactions/batch"
Answerer = Callable[[list[bytes], web.StreamResponse], Awaitable[None]]
"""(the transactions of a request, the response under way)"""


def item(index: int, status: int, answer: bytes) -> bytes:
    content = encode((index, status, answer))
    return len(content).to_bytes(4, "big") + content


async def all_well(bodies: list[bytes], response: web.StreamResponse) -> None:
    """Answers in another order than asked."""
    for index in reversed(range(len(bodies))):
        await response.write(item(index, 200, b"receipt of " + bodies[index]))


def transaction(body: bytes) -> NodeRequest:
    parameters = {"wait": "commit", "timeout_ms": 1000}
    return NodeRequest("POST", "/v1/transactions", parameters, body=body, timeout_s=5, is_transaction=True)


class FakeNode:
    """A node's answers to submissions, as a test says; it notes what each request carried."""

    def __init__(self, answer: Answerer, status: int) -> None:
        self._answer = answer
        self._status = status
        self.requests: list[list[bytes]] = []
        self.url = ""

    async def serve_batch(self, request: web.Request) -> web.StreamResponse:
        bodies = list(decode(tuple[bytes, ...], await request.read()))
        self.requests.append(bodies)
        response = web.StreamResponse(status=self._status)
        await response.prepare(request)
        await self._answer(bodies, response)
        return response

    async def serve_one(self, request: web.Request) -> web.StreamResponse:
        self.requests.append([body := await request.read()])
        return web.Response(body=b"receipt of " + body)


@asynccontextmanager
async def grouping(answer: Answerer = all_well, status: int = 200) -> AsyncIterator[tuple[FakeNode, Groups]]:
    node = FakeNode(answer, status)
    app = web.Application(client_max_size=2**25)
    app.router.add_post(BATCH, node.serve_batch)
    app.router.add_post("/v1/transactions", node.serve_one)
    server = web.AppRunner(app, shutdown_timeout=0.1)
    await server.setup()
    site = web.TCPSite(server, "127.0.0.1", 0)
    await site.start()
    node.url = f"http://127.0.0.1:{server.addresses[0][1]}"
    transport = Transport()
    groups = Groups(transport)
    try:
        yield node, groups
    finally:
        await groups.close()
        await transport.close()
        await server.cleanup()


async def send_all(node: FakeNode, groups: Groups, bodies: list[bytes]) -> list[Reply | Unreachable]:
    return await asyncio.gather(*(groups.send(node.url, transaction(body)) for body in bodies))


async def test_what_is_sent_at_once_is_one_request_and_each_gets_its_own_answer() -> None:
    async with grouping() as (node, groups):
        bodies = [b"%d" % number for number in range(400)]
        answers = await send_all(node, groups, bodies)
        assert answers == [Reply(200, {}, b"receipt of " + body) for body in bodies]
        assert node.requests == [bodies]
        alone = await groups.send(node.url, transaction(b"alone"))
        assert isinstance(alone, Reply)
        assert (alone.status, alone.body) == (200, b"receipt of alone")
        assert node.requests[1:] == [[b"alone"]]


async def test_a_request_is_bounded_in_count_and_size() -> None:
    async with grouping() as (node, groups):
        await send_all(node, groups, [b"%d" % number for number in range(1300)])
        assert sorted(len(request) for request in node.requests) == [276, 512, 512]
        node.requests.clear()
        large = [bytes([number]) * 400_000 for number in range(5)] + [b"x" * 3_000_000]
        await send_all(node, groups, large)
        assert sorted(len(request) for request in node.requests) == [1, 1, 2, 2]


async def test_an_answer_is_handed_on_before_the_others_have_come() -> None:
    rest = asyncio.Event()

    async def first_then_wait(bodies: list[bytes], response: web.StreamResponse) -> None:
        whole = item(1, 422, b"problem") + item(0, 200, b"receipt")
        await response.write(whole[:-3])
        await rest.wait()
        await response.write(whole[-3:])

    async with grouping(first_then_wait) as (node, groups):
        sending = [asyncio.ensure_future(groups.send(node.url, transaction(body))) for body in (b"a", b"b")]
        assert await sending[1] == Reply(422, {}, b"problem")
        assert not sending[0].done()
        rest.set()
        assert await sending[0] == Reply(200, {}, b"receipt")


async def broken(_bodies: list[bytes], response: web.StreamResponse) -> None:
    await response.write(item(0, 200, b"receipt"))
    transport = response._req.transport if response._req else None
    assert transport is not None
    transport.abort()


async def ended(_bodies: list[bytes], response: web.StreamResponse) -> None:
    await response.write(item(0, 200, b"receipt"))


def after_the_first(data: bytes) -> Answerer:
    async def answer(_bodies: list[bytes], response: web.StreamResponse) -> None:
        await response.write(item(0, 200, b"receipt") + data)

    return answer


BAD_ITEMS = {
    "none such": item(9, 200, b""),
    "no such shape": (3).to_bytes(4, "big") + b"\x93\x00\x00",
    "endless": (2**31).to_bytes(4, "big"),
    "cut off": item(1, 200, b"receipt")[:-1],
}


@pytest.mark.parametrize("answer", [broken, ended, *map(after_the_first, BAD_ITEMS.values())])
async def test_what_is_not_answered_is_unreachable_and_what_is_stays_answered(answer: Answerer) -> None:
    async with grouping(answer) as (node, groups):
        first, *others = await send_all(node, groups, [b"a", b"b", b"c"])
        assert first == Reply(200, {}, b"receipt")
        assert len(others) == 2
        assert all(isinstance(other, Unreachable) for other in others)


async def test_a_refusal_of_the_whole_is_everybodys() -> None:
    async def refuse(_bodies: list[bytes], response: web.StreamResponse) -> None:
        await response.write(b"problem")

    async with grouping(refuse, 503) as (node, groups):
        answers = await send_all(node, groups, [b"a", b"b"])
        assert [(answer.status, answer.body) for answer in answers if isinstance(answer, Reply)] == [
            (503, b"problem")
        ] * 2


async def test_a_caller_that_goes_away_leaves_the_others_alone() -> None:
    going = asyncio.Event()

    async def wait_then_answer(bodies: list[bytes], response: web.StreamResponse) -> None:
        await going.wait()
        await all_well(bodies, response)

    async with grouping(wait_then_answer) as (node, groups):
        sending = [asyncio.ensure_future(groups.send(node.url, transaction(body))) for body in (b"a", b"b", b"c")]
        while not node.requests:
            await asyncio.sleep(0.001)
        sending[1].cancel()
        going.set()
        assert await sending[0] == Reply(200, {}, b"receipt of a")
        assert await sending[2] == Reply(200, {}, b"receipt of c")


async def test_requests_to_a_node_are_few_and_the_rest_gathers() -> None:
    going = asyncio.Event()

    async def wait_then_answer(bodies: list[bytes], response: web.StreamResponse) -> None:
        await going.wait()
        await all_well(bodies, response)

    async with grouping(wait_then_answer) as (node, groups):
        sending = []
        for pair in range(40):
            sending += [asyncio.ensure_future(groups.send(node.url, transaction(b"%d" % pair))) for _ in range(2)]
            while len(node.requests) < min(pair + 1, 16):
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        assert len(node.requests) == 16
        going.set()
        assert all(isinstance(answer, Reply) for answer in await asyncio.gather(*sending))
        assert [len(request) for request in node.requests[16:]] == [48]


async def test_closing_gives_up_what_is_under_way() -> None:
    async def never(_bodies: list[bytes], _response: web.StreamResponse) -> None:
        await asyncio.sleep(60)

    async with grouping(never) as (node, groups):
        sending = asyncio.ensure_future(send_all(node, groups, [b"a", b"b"]))
        while not node.requests:
            await asyncio.sleep(0.001)
        await groups.close()
        assert await sending == [Unreachable("the client was closed")] * 2


async def test_s101_a_request_goes_once_the_one_before_is_taken_in(monkeypatch: pytest.MonkeyPatch) -> None:
    async def taken_in_late(server: FakeNode, request: web.Request) -> web.StreamResponse:
        bodies = list(decode(tuple[bytes, ...], await request.read()))
        server.requests.append(bodies)
        if bodies[0] == b"0":
            await asyncio.sleep(0.2)
        response = web.StreamResponse()
        await response.prepare(request)
        taken.append(bodies)
        await all_well(bodies, response)
        return response

    taken: list[list[bytes]] = []
    monkeypatch.setattr(FakeNode, "serve_batch", taken_in_late)
    async with grouping() as (node, groups):
        sending = []
        for number in range(5):
            sending.append(asyncio.ensure_future(groups.send(node.url, transaction(b"%d" % number))))
            await asyncio.sleep(0.01)
        assert len(node.requests) == 1
        await asyncio.gather(*sending)
        assert taken == [[b"0"], [b"1", b"2", b"3", b"4"]]
        monkeypatch.setattr("blockpool.grouping._TAKEN_S", 0.02)
        taken.clear()
        first = asyncio.ensure_future(groups.send(node.url, transaction(b"0")))
        await asyncio.sleep(0.05)
        await groups.send(node.url, transaction(b"1"))
        await first
        assert taken == [[b"1"], [b"0"]], "a node that is slow holds nobody up for long"
