"""The webhook: whatever becomes of its receiver, no dataset grows without its being told, and it knows who tells it."""

import asyncio
import base64
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from chain.errors import ErrorCode
from chain.primitives.crypto import verify_signature
from cli.processes import free_ports
from node.gateway import open_webhook
from node.gateway.webhook import SPAN_BLOCKS, Webhook, verify_url
from tests.node.cluster import Node, running
from tests.node.link_cluster import HOST, until
from tests.node.reading import commit
from tests.node.test_gateway import configured
from tests.refusals import refuses


class Receiver:
    """Takes messages, checks each, and answers as it is told to."""

    def __init__(self, port: int, public_key: bytes) -> None:
        self.url = f"http://{HOST}:{port}/hook"
        self.public_key = public_key
        self.status = 204
        self.headers: dict[str, str] = {}
        self.pause_s = 0.0
        self.seen: list[dict[str, Any]] = []
        """All that came, refused or not."""
        self.taken: dict[str, dict[str, Any]] = {}
        """Data of what was confirmed, by id."""
        self._port = port
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self._port).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _serve(self, request: web.Request) -> web.Response:
        body = await request.read()
        id_, time_s = request.headers["webhook-id"], request.headers["webhook-timestamp"]
        version, _, signature = request.headers["webhook-signature"].partition(",")
        assert version == "v1a"
        signed = f"{id_}.{time_s}.".encode() + body
        assert verify_signature(self.public_key, signed, base64.b64decode(signature))
        assert not verify_signature(self.public_key, signed + b" ", base64.b64decode(signature))
        message = {"id": id_, "path": request.path, "method": request.method, "body": json.loads(body)}
        self.seen.append(message)
        await asyncio.sleep(self.pause_s)
        if 200 <= self.status < 300:
            self.taken[id_] = message["body"]["data"]
        return web.Response(status=self.status, headers=self.headers)

    def records(self, dataset: str = "a.flights") -> int:
        """How many records the newest message says that a dataset holds."""
        lines = [line for data in self.taken.values() for line in data["datasets"] if line["dataset"] == dataset]
        return max((line["records"] for line in lines), default=0)


@asynccontextmanager
async def telling(folder: Path) -> AsyncIterator[tuple[Node, Receiver, Callable[[], Webhook]]]:
    """A node, a receiver that is not started, and what makes the node's webhook."""
    port = free_ports(1)[0]
    network = configured(folder, webhook_url=f"http://{HOST}:{port}/hook")
    async with running(network, "a") as (node,):
        receiver = Receiver(port, network.signer_of("a").public_key)
        made: list[Webhook] = []

        def make() -> Webhook:
            webhook = open_webhook(node.service)
            assert webhook is not None
            webhook._retry_first_s = 0.02
            made.append(webhook)
            return webhook

        try:
            yield node, receiver, make
        finally:
            for webhook in made:
                await webhook.stop()
            await receiver.stop()


def outcomes(node: Node) -> tuple[float, float]:
    """Messages that were confirmed, and attempts that failed."""
    counter = node.service.metrics.webhook_messages
    return counter.labels("confirmed")._value.get(), counter.labels("failed")._value.get()


async def test_s131_a_message_names_datasets_and_counts_and_is_signed(tmp_path: Path) -> None:
    async with telling(tmp_path) as (node, receiver, make):
        await receiver.start()
        await commit(node, node.network.dataset())
        webhook = make()  # begins at the present tip
        await webhook.start()
        await commit(node, node.network.parcel([b'{"n":1}', b'{"n":2}']))
        await until(lambda: receiver.records() == 2)
        ((id_, data),) = receiver.taken.items()
        assert id_ == f"blocks_{node.ledger.chain_id.hex()[:16]}_2_2"
        counts = {"dataset": "a.flights", "parcels": 1, "records": 2, "corrected": 0}
        assert data == {
            "chain_id": node.ledger.chain_id.hex(),
            "first_height": 2,
            "last_height": 2,
            "datasets": [counts],
            "is_complete": True,
        }
        assert receiver.seen[0]["body"]["type"] == "datasets.grown"
        await until(lambda: outcomes(node) == (1, 0))
        # What adds to no dataset is no message, and is passed by all the same.
        await commit(node, node.network.contract("def can_read(request, dataset, ctx):\n    pass\n"))
        await until(lambda: webhook._cursor == 3)
        assert len(receiver.seen) == 1


@pytest.mark.parametrize("status", [500, 404, 410, 429, 302, 307])
async def test_s131_a_receiver_that_fails_is_told_again_and_followed_nowhere(tmp_path: Path, status: int) -> None:
    async with telling(tmp_path) as (node, receiver, make):
        receiver.status, receiver.headers = status, {"Location": f"{receiver.url}/elsewhere"}
        await receiver.start()
        await commit(node, node.network.dataset())
        await make().start()
        await commit(node, node.network.parcel())
        await until(lambda: len(receiver.seen) >= 3)
        assert {(message["id"], message["path"], message["method"]) for message in receiver.seen} == {
            (receiver.seen[0]["id"], "/hook", "POST")
        }
        receiver.status = 200
        await until(lambda: receiver.records() == 1)
        await until(lambda: outcomes(node)[0] == 1)
        assert outcomes(node)[1] >= 3


async def test_s131_a_slow_receiver_is_waited_for_and_then_told_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.gateway.webhook.TIMEOUT_S", 0.1)
    async with telling(tmp_path) as (node, receiver, make):
        receiver.pause_s = 5.0
        await receiver.start()
        await commit(node, node.network.dataset())
        await make().start()
        await commit(node, node.network.parcel())
        await until(lambda: outcomes(node)[1] >= 2)
        assert not receiver.taken
        assert not node.is_stopped
        receiver.pause_s = 0.0
        await until(lambda: receiver.records() == 1)


async def test_s131_nothing_is_lost_while_receiver_and_node_are_gone_in_turn(tmp_path: Path) -> None:
    async with telling(tmp_path) as (node, receiver, make):
        first = make()
        await first.start()
        await commit(node, node.network.dataset())
        await commit(node, node.network.parcel())
        await until(lambda: outcomes(node)[1] >= 1)  # nobody listens
        await first.stop()
        await commit(node, node.network.dataset(name="trains"))
        await commit(node, node.network.parcel(dataset="a.trains"))
        await make().start()
        await until(lambda: outcomes(node)[1] >= 2)
        await receiver.start()
        await until(lambda: receiver.records() == 1 and receiver.records("a.trains") == 1)
        await receiver.stop()
        await commit(node, node.network.parcel())
        await receiver.start()
        await until(lambda: receiver.records() == 2)
        told = sorted((data["first_height"], data["last_height"]) for data in receiver.taken.values())
        covered = {height for begin, end in told for height in range(begin, end + 1)}
        assert covered == set(range(1, node.height + 1))
        cursor = node.home.data / "gateway" / "WEBHOOK"
        await until(lambda: cursor.read_text() == f"{node.height}\n")


async def test_s131_a_message_is_bounded_and_the_next_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert SPAN_BLOCKS == 1024
    monkeypatch.setattr("node.gateway.webhook.SPAN_BLOCKS", 2)
    async with telling(tmp_path) as (node, receiver, make):
        webhook = make()
        await commit(node, node.network.dataset())
        for _ in range(4):
            await commit(node, node.network.parcel())
        await receiver.start()
        await webhook.start()
        await until(lambda: receiver.records() == 4)
        told = [(data["first_height"], data["last_height"]) for data in receiver.taken.values()]
        assert told == [(1, 2), (3, 4), (5, 5)]


async def test_s131_the_receiver_of_the_guide_takes_what_is_signed(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "reading.md").read_text("utf-8")
    programs = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    (program,) = [text for text in programs if "BaseHTTPRequestHandler" in text]
    async with telling(tmp_path) as (node, receiver, make):
        port = receiver.url.rpartition(":")[2].partition("/")[0]
        program = program.replace("THE PUBLIC KEY", receiver.public_key.hex()).replace("9000", port)
        guided = await asyncio.create_subprocess_exec(sys.executable, "-u", "-c", program, stdout=subprocess.PIPE)
        try:
            await commit(node, node.network.dataset())
            await make().start()
            await commit(node, node.network.parcel())
            assert guided.stdout is not None
            async with asyncio.timeout(20):
                line = await guided.stdout.readline()
            assert b"'records': 1" in line
            await until(lambda: outcomes(node)[0] == 1)
        finally:
            guided.kill()
            await guided.wait()


async def test_a_cursor_that_is_none_stops_the_start(tmp_path: Path) -> None:
    async with telling(tmp_path) as (node, _, make):
        make()
        (node.home.data / "gateway" / "WEBHOOK").write_text("-1")
        with refuses(ErrorCode.STORAGE_FAILED, "remove it"):
            open_webhook(node.service)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hook",
        "ftp://a/hook",
        "http:///hook",
        "http://user:secret@a/hook",
        "http://a/hook#part",
        "http://169.254.169.254/latest",
        "http://[fe80::1]/hook",
        "http://[::ffff:169.254.169.254]/hook",
        "http://0.0.0.0/hook",
        "http://224.0.0.1/hook",
    ],
)
def test_what_is_no_receivers_url_is_refused(url: str) -> None:
    with refuses(ErrorCode.BAD_CONFIGURATION, "webhook_url"):
        verify_url(url)


@pytest.mark.parametrize(
    "url", ["http://10.0.0.7:8080/hook", "https://ledger.example.gov.cn/hook?of=a", "http://[::1]/"]
)
def test_what_is_one_is_taken(url: str) -> None:
    assert str(verify_url(url)) == url
