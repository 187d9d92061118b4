"""Nodes that lie: a proxy before a real node that changes answers. The client must never hand on what is not proven."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import orjson
import pytest

from blockpool import Client, ErrorCode, PoolError, RetryPolicy, TransactionRejected, VerifiedReceipt
from blockpool.credentials import default_credentials
from chain.primitives.encoding import decode, encode
from chain.proofs.receipts import Receipt
from node.api.views import receipt_view
from tests.processes import RunningNetwork
from tests.refusals import refuses

pytestmark = pytest.mark.integration

Change = Callable[[str, int, bytes], tuple[int, bytes]]
"""(path, status, body) of the true answer -> status and body of the answer given."""


@contextmanager
def lying_proxy(target: str, change: Change) -> Iterator[str]:
    """A server that passes everything on to ``target`` and changes the answers; gives its URL."""

    shows = default_credentials(None, ())  # what it passes on is answered by a node that knows its own token

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("content-length", 0))
            passed = {name: self.headers[name] for name in ("content-type", "accept") if name in self.headers}
            if (shown := shows.authorization(bytes, target, self.command, self.path)) is not None:
                passed["authorization"] = shown
            reply = httpx.request(
                self.command, target + self.path, headers=passed, content=self.rfile.read(length), timeout=20
            )
            status, body = change(self.path, reply.status_code, reply.content)
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.send_header("content-type", reply.headers.get("content-type", ""))
            self.end_headers()
            self.wfile.write(body)

        do_GET = _serve  # noqa: N815
        do_POST = _serve  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def flip_last_bit(_path: str, status: int, body: bytes) -> tuple[int, bytes]:
    return status, body[:-1] + bytes([body[-1] ^ 1])


def drop_votes(_path: str, status: int, body: bytes) -> tuple[int, bytes]:
    receipt = decode(Receipt, body)
    certificate = receipt.certificate
    fewer = type(certificate)(certificate.height, certificate.view, certificate.block_hash, certificate.votes[:2])
    return status, encode(Receipt(receipt.header, fewer, receipt.outcome, receipt.index, receipt.proof))


def each_item(change: Change) -> Change:
    """The change to every answer of a batch: a length of 4 bytes, then index, status and answer."""

    def changed(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        items = b""
        while body:
            end = 4 + int.from_bytes(body[:4], "big")
            index, *answer = decode(tuple[int, int, bytes], body[4:end])
            item = encode((index, *change(path, *answer)))
            items += len(item).to_bytes(4, "big") + item
            body = body[end:]
        return status, items

    return changed


def only(part: str, change: Change) -> Change:
    return lambda path, status, body: change(path, status, body) if part in path else (status, body)


def submit(network: RunningNetwork, urls: list[str]) -> VerifiedReceipt:
    dataset = network.new_dataset()
    policy = RetryPolicy(attempts_max=2, pause_first_s=0.01)
    with Client(urls, network.network.genesis, network.identity(), retry=policy) as client:
        return client.submit([{"n": 1}], dataset)[0]


@pytest.mark.parametrize("change", [flip_last_bit, drop_votes])
def test_a_forged_receipt_is_refused(running_network: RunningNetwork, change: Change) -> None:
    forge = only("/v1/transactions/batch", each_item(change))
    with lying_proxy(running_network.network.urls[0], forge) as url, pytest.raises(PoolError) as raised:
        submit(running_network, [url])
    assert raised.value.code in (
        ErrorCode.BAD_CERTIFICATE,
        ErrorCode.BAD_PROOF,
        ErrorCode.MALFORMED,
        ErrorCode.BAD_RECEIPT,
    )
    assert not isinstance(raised.value, TransactionRejected)


def test_an_honest_node_is_asked_after_a_lying_one(running_network: RunningNetwork) -> None:
    with lying_proxy(running_network.network.urls[0], only("/v1/transactions/batch", each_item(flip_last_bit))) as url:
        receipt = submit(running_network, [url, running_network.network.urls[1]])
    assert receipt.outcome.is_ok


def test_an_invented_rejection_is_refused(running_network: RunningNetwork) -> None:
    def reject(_path: str, _status: int, body: bytes) -> tuple[int, bytes]:
        receipt = decode(Receipt, body)
        problem = {"code": "not_owner", "detail": "invented", "receipt": receipt_view(receipt)}
        return 422, orjson.dumps(problem)

    invent = only("/v1/transactions/batch", each_item(reject))
    with lying_proxy(running_network.network.urls[0], invent) as url, refuses(ErrorCode.BAD_RECEIPT):
        submit(running_network, [url])


def test_forged_evidence_is_refused(running_network: RunningNetwork) -> None:
    dataset = running_network.new_dataset()
    with running_network.client() as client:
        record = client.submit([{"n": 1}], dataset)[0].record_ids[0]
    change = only("/evidence", lambda _path, status, body: (status, body.replace(b'"index": 0', b'"index": 1', 1)))
    network = running_network.network
    with lying_proxy(network.urls[0], change) as url:
        with Client(url, network.genesis, retry=RetryPolicy(attempts_max=1)) as client, pytest.raises(PoolError):
            client.evidence(record)
        with Client([url, network.urls[1]], network.genesis) as client:
            assert client.evidence(record)


def test_another_records_evidence_is_refused(running_network: RunningNetwork) -> None:
    dataset = running_network.new_dataset()
    network = running_network.network
    with running_network.client() as client:
        first, second = client.submit([{"n": 1}, {"n": 2}], dataset)[0].record_ids
        true = client.evidence(second)
    with (
        lying_proxy(network.urls[0], only("/evidence", lambda *_: (200, true))) as url,
        Client(url, network.genesis, retry=RetryPolicy(attempts_max=1)) as client,
        refuses(ErrorCode.BAD_EVIDENCE),
    ):
        client.evidence(first)


def test_a_changed_record_is_refused(running_network: RunningNetwork) -> None:
    dataset = running_network.new_dataset()
    network = running_network.network
    with running_network.client() as client:
        client.submit([{"n": 1}, {"n": 2}], dataset)
    change = only("/raw", lambda _path, status, body: (status, body.replace(b'{"n":2}', b'{"n":3}')))
    with (
        lying_proxy(network.urls[0], change) as url,
        Client(url, network.genesis, retry=RetryPolicy(attempts_max=1)) as client,
        refuses(ErrorCode.PAYLOAD_MISMATCH),
    ):
        list(client.records(dataset))


@pytest.mark.parametrize("header", [b"", b"content-encoding: gzip\r\n"])
def test_an_answer_without_end_is_cut_off(header: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=send_without_end, args=(server, header))
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with Client(url, retry=RetryPolicy(attempts_max=1)) as client, pytest.raises(PoolError) as raised:
            client.status()
        thread.join(timeout=10)
    assert raised.value.code is ErrorCode.UNREACHABLE
    assert not thread.is_alive()


def send_without_end(server: socket.socket, header: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + header + b"\r\n")
        try:
            while True:
                connection.sendall(bytes(65536))
        except OSError:
            return


@pytest.mark.parametrize("body", [b"", b"[]", b'{"height":"x"}', b"[" * 100_000])
def test_nonsense_is_an_error_of_the_pool(running_network: RunningNetwork, body: bytes) -> None:
    with (
        lying_proxy(running_network.network.urls[0], lambda *_: (200, body)) as url,
        Client(url, retry=RetryPolicy(attempts_max=1)) as client,
        refuses(ErrorCode.MALFORMED),
    ):
        client.status()
