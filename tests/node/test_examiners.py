"""Verification beside the event loop: the same verdicts, in the same order, whatever becomes of the processes."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chain.errors import ErrorCode, PoolError
from chain.primitives.encoding import encode
from chain.transactions.base import Transaction
from node import examiners as module
from node.examiners import Examiners
from node.intake import Intake
from node.pool import Pool
from tests.networks import TIME_MS, TestNetwork
from tests.node.test_intake import Peers, forged

FLIGHTS = b'{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}'


@pytest.fixture
def network() -> TestNetwork:
    return TestNetwork()


@pytest.fixture
def pool(network: TestNetwork) -> Iterator[Pool]:
    pool = Pool(network.ledger(), lambda: TIME_MS + 1, lambda: 0.0)
    yield pool
    pool.close()


@contextmanager
def examined(pool: Pool, count: int = 2) -> Iterator[tuple[Intake, Examiners]]:
    examiners = Examiners(pool.ledger, count)
    examiners.start()
    try:
        yield Intake(pool, Peers("b", "c", "outsider"), print, examiners), examiners
    finally:
        examiners.close()


async def settled(intake: Intake) -> None:
    async with asyncio.timeout(30):
        while intake.is_behind or intake._is_due:
            await asyncio.sleep(0.001)


def names(pool: Pool) -> list[bytes]:
    return [checked.id for checked in pool.mempool.select(TIME_MS)]


async def test_what_examiners_vouch_for_is_not_verified_again(
    network: TestNetwork, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with examined(pool) as (intake, _):
        verified: list[bytes] = []

        def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
            verified.append(signature)
            return True

        monkeypatch.setattr("chain.transactions.base.verify_signature", verify)
        sent = [network.parcel(records=[b'{"n":%d}' % number]) for number in range(300)]
        intake.receive("b", [encode(transaction) for transaction in sent])
        await settled(intake)
        assert len(pool.mempool) == 300
        assert len(verified) < 100, "little else than what came while no examiner had room"


async def test_a_large_transaction_is_verified_beside_the_loop_though_it_is_alone(
    network: TestNetwork, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.pool.verify_payload", lambda _: pytest.fail("it was verified on the loop"))
    with examined(pool, 1) as (intake, _):
        intake.receive("b", [encode(network.parcel(records=[b'{"n":"%s"}' % (b"x" * 1000)] * 100))])
        await settled(intake)
    assert len(pool.mempool) == 1


async def test_the_order_of_a_source_is_kept(network: TestNetwork, pool: Pool) -> None:
    with examined(pool) as (intake, _):
        sent = [network.dataset() for _ in range(400)]
        for start in range(0, 400, 30):
            intake.receive("b", [encode(transaction) for transaction in sent[start : start + 30]])
            await asyncio.sleep(0.002)
        await settled(intake)
        assert names(pool) == [network.checked(transaction).id for transaction in sent][: len(names(pool))]
        assert len(pool.mempool) == 400


def wrong_payload(transaction: Transaction) -> Transaction:
    return Transaction(transaction.header, transaction.signature, transaction.payload[:-2] + b"9}")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [(forged, ErrorCode.BAD_SIGNATURE), (wrong_payload, ErrorCode.PAYLOAD_MISMATCH)],
    ids=["signature", "payload"],
)
async def test_s34_a_bad_one_among_many_is_refused_with_its_own_code(
    network: TestNetwork, pool: Pool, spoil: object, code: ErrorCode
) -> None:
    with examined(pool) as (intake, _):
        sent = [network.parcel(records=[b'{"n":%d}' % number]) for number in range(100)]
        sent[70] = spoil(sent[70])  # type: ignore[operator]
        answers = await asyncio.gather(
            *(intake.submit(encode(transaction), "batch") for transaction in sent), return_exceptions=True
        )
        refused = {number: answer for number, answer in enumerate(answers) if isinstance(answer, PoolError)}
        assert {number: error.code for number, error in refused.items()} == {70: code}
        assert len(pool.mempool) == 99


async def test_a_process_that_dies_costs_time_and_nothing_else(
    network: TestNetwork, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with examined(pool) as (intake, examiners):
        monkeypatch.setattr(module, "_RESTART_S", 0.01)
        before = examiners.process_ids
        sent = [encode(network.dataset()) for _ in range(400)]
        intake.receive("b", sent[:200])
        await asyncio.sleep(0)
        os.kill(before[0], signal.SIGKILL)
        intake.receive("c", sent[200:])
        await settled(intake)
        assert len(pool.mempool) == 400
        async with asyncio.timeout(10):
            while before[0] in examiners.process_ids or len(examiners.process_ids) < 2:
                await asyncio.sleep(0.01)


async def test_the_loop_turns_while_examiners_work(network: TestNetwork, pool: Pool) -> None:
    """Nothing spins: with all that waits at the examiners, no slice is due."""
    with examined(pool) as (intake, _):
        intake.receive("b", [encode(network.dataset()) for _ in range(64)])
        idle = 0
        async with asyncio.timeout(30):
            while intake.is_behind:
                await asyncio.sleep(0.0005)
                idle += not intake._is_due
        assert idle > 0


async def test_the_processes_end_with_their_node(pool: Pool) -> None:
    examiners = Examiners(pool.ledger, 1)
    examiners.start()
    (process,) = examiners.process_ids
    examiners.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


async def test_a_schema_is_applied_beside_the_loop(network: TestNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = network.ledger()
    network.commit(ledger, [network.dataset(schema=FLIGHTS.decode())])
    pool = Pool(ledger, lambda: TIME_MS + 10, lambda: 0.0)
    bodies = [b'{"n":%d}' % number if number % 2 else b'{"n":"x"}' for number in range(64)]
    with examined(pool) as (intake, _):
        intake.receive("b", [encode(network.parcel(records=[body])) for body in bodies])
        await settled(intake)
    monkeypatch.setattr("chain.schema.RecordSchema.read", lambda *_: pytest.fail("it was applied again"))
    verdicts = [list(checked.schema_verdicts.values()) for checked in pool.mempool.select(TIME_MS)]
    assert [bool(verdict[0]) for verdict in verdicts] == [True, False] * 32
