"""The load generator against a small server: times, statuses, broken connections."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from bench.load import FAILED, UNANSWERED, LoadPlan, run_load
from bench.records import flight_records
from bench.workload import Sender
from chain.primitives.crypto import sha256
from chain.transactions.base import verify_payload
from chain.transactions.parcel import ParcelHeader
from chain.transactions.registry import decode_transaction
from chain.transactions.sealed import decode_envelope, verify_envelope_keys
from sealing import KemPrivateKey, ParcelContext, open_own_share, open_parcel

CHAIN = sha256(b"chain")


class _Server:
    """Answers each POST after ``delay_s`` with ``status``; keeps the bodies."""

    def __init__(self, delay_s: float = 0.0, status: int = 200, answers: int = 10**9) -> None:
        self.delay_s, self.status, self.answers = delay_s, status, answers
        self.bodies: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
                self.bodies.append(await reader.readexactly(length))
                await asyncio.sleep(self.delay_s)
                if len(self.bodies) > self.answers:
                    return
                body = b"answer"
                writer.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n" % (self.status, len(body)) + body)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@contextmanager
def serving(server: _Server) -> Iterator[Sender]:
    """The server on a free port, in a thread; yields a sender that posts to it."""
    started = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def main() -> None:
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        server.port = listener.sockets[0].getsockname()[1]
        started.set()
        await stop.wait()
        listener.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    started.wait()
    try:
        yield Sender("aviation", bytes(32), "127.0.0.1", server.port)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def plan_for(*senders: Sender, records: int = 1, rate: float = 200, duration_s: float = 0.5) -> LoadPlan:
    return LoadPlan(
        chain_id=CHAIN, senders=senders, dataset="plain", records=records, rate=rate, duration_s=duration_s, grace_s=2
    )


def test_every_request_is_a_different_valid_transaction() -> None:
    server = _Server()
    with serving(server) as sender:
        result = run_load(plan_for(sender, records=3))
    assert [answer.status for answer in result.answers] == [200] * 100
    checked = [decode_transaction(CHAIN, body) for body in server.bodies]
    assert len({transaction.id for transaction in checked}) == 100
    for transaction in checked:
        verify_payload(transaction)
        assert len(transaction.records) == 3
    assert {id_ for id_, _ in result.samples} <= {transaction.id for transaction in checked}
    assert {body for _, body in result.samples} == {b"answer"}


def test_sealed_parcels_fit_the_dataset_of_their_sender() -> None:
    keys = {name: KemPrivateKey.from_seed(sha256(name.encode())) for name in ("a", "b", "c", "d")}
    public_keys = {name: key.public_key.encoded for name, key in keys.items()}
    first, second = _Server(), _Server()
    with serving(first) as one, serving(second) as other:
        other = replace(other, member="registry")
        plan = replace(plan_for(one, other, records=3), kem_keys=tuple(public_keys.items()))
        run_load(plan)
    for server, member in ((first, "aviation"), (second, "registry")):
        assert len(server.bodies) == 50
        for body in server.bodies:
            checked = decode_transaction(CHAIN, body)
            verify_payload(checked)
            header = checked.header
            assert isinstance(header, ParcelHeader)
            envelope = decode_envelope(header.envelope)
            verify_envelope_keys(envelope, public_keys)
            assert header.dataset == f"{member}.plain"
            context = ParcelContext(CHAIN, header.dataset, header.records_root)
            shares = {
                name: open_own_share(envelope, checked.sealed_shares, context, name, keys[name])
                for name in ("a", "b", "c")
            }
            assert set(open_parcel(checked.records, envelope, context, shares)) <= set(flight_records())


def test_requests_go_out_on_time_however_slow_the_answers_are() -> None:
    with serving(_Server(delay_s=0.4)) as sender:
        result = run_load(plan_for(sender))
    assert [answer.due_s for answer in result.answers] == [number / 200 for number in range(100)]
    assert all(answer.latency_ms >= 400 for answer in result.answers)
    assert max(answer.done_s for answer in result.answers) < 1.5  # a closed loop would take 40 s


def test_requests_are_spread_over_the_nodes() -> None:
    first, second = _Server(), _Server()
    with serving(first) as one, serving(second) as other:
        run_load(plan_for(one, other))
    assert (len(first.bodies), len(second.bodies)) == (50, 50)


def test_refusals_are_counted_by_status() -> None:
    with serving(_Server(status=429)) as sender:
        result = run_load(plan_for(sender))
    assert {answer.status for answer in result.answers} == {429}
    assert result.samples == ()


def test_a_broken_connection_fails_its_request_and_not_the_run() -> None:
    with serving(_Server(answers=30)) as sender:
        result = run_load(plan_for(sender))
    statuses = [answer.status for answer in result.answers]
    assert statuses.count(200) == 30
    assert statuses.count(FAILED) == 70


def test_nobody_listens() -> None:
    with serving(_Server()) as sender:
        pass
    result = run_load(plan_for(sender, duration_s=0.1))
    assert {answer.status for answer in result.answers} == {FAILED}


def test_answers_that_do_not_come_in_time_are_given_up() -> None:
    with serving(_Server(delay_s=30)) as sender:
        result = run_load(replace(plan_for(sender, rate=50, duration_s=0.2), grace_s=0.5))
    assert {answer.status for answer in result.answers} == {UNANSWERED}
