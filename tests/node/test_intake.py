"""The intake: verified in turns, out of turn when a proposal needs it, never hidden behind a forgery."""

import asyncio
import time

import msgspec
import pytest
from msgspec.structs import replace

from chain.errors import ErrorCode, PoolError
from chain.primitives.encoding import encode
from chain.storage.blocks import Location
from chain.transactions.base import CheckedTransaction, Transaction
from node.examiners import Examiners
from node.intake import Intake
from node.links import Links
from node.links.peer_state import PeerState
from node.pool import Pool, Verified
from tests.networks import TIME_MS, TestNetwork
from tests.node.link_cluster import CHAIN_ID, HOST, identity, limits
from tests.refusals import refuses


@pytest.fixture
def network() -> TestNetwork:
    return TestNetwork()


@pytest.fixture
def pool(network: TestNetwork) -> Pool:
    return Pool(network.ledger(), lambda: TIME_MS + 1, lambda: 0.0)


def forged(transaction: Transaction) -> Transaction:
    signature = transaction.signature
    return msgspec.structs.replace(transaction, signature=bytes([signature[0] ^ 1]) + signature[1:])


class Peers(Links):
    """Links to peers that are not there, with what is kept of each."""

    def __init__(self, *members: str) -> None:
        super().__init__(
            me=identity("a"),
            peers={},
            listen=(HOST, 0),
            chain_id=CHAIN_ID,
            on_message=print,
            on_request=refuse,
            limits=limits(others_share=0.001),
        )
        self._states = {member: PeerState(member, self._setup) for member in members}


async def refuse(member: str, kind: int, body: bytes) -> bytes:
    raise PoolError(ErrorCode.NOT_FOUND, "nothing is here")


def make_intake(pool: Pool) -> tuple[Intake, Peers]:
    peers = Peers("b", "c", "outsider")
    return Intake(pool, peers, print, Examiners(pool.ledger, 0)), peers


async def drained(intake: Intake) -> None:
    async with asyncio.timeout(10):
        while intake._is_due:
            await asyncio.sleep(0)


async def test_a_submission_is_answered_once_it_waits_in_the_mempool(network: TestNetwork, pool: Pool) -> None:
    intake, _ = make_intake(pool)
    verified = await intake.submit(encode(network.dataset()))
    assert verified.id in pool.mempool
    again = await intake.submit(encode(pool.mempool.select(TIME_MS)[0].transaction))
    assert again.id == verified.id
    assert len(pool.mempool) == 1


async def test_s34_a_forgery_is_refused_and_leaves_nothing(network: TestNetwork, pool: Pool) -> None:
    intake, _ = make_intake(pool)
    with refuses(ErrorCode.BAD_SIGNATURE):
        await intake.submit(encode(forged(network.dataset())))
    assert len(pool.mempool) == 0


async def test_s34_a_forgery_with_the_same_id_does_not_hide_the_genuine_one(network: TestNetwork, pool: Pool) -> None:
    intake, _ = make_intake(pool)
    genuine = network.dataset()
    intake.receive("b", [encode(forged(genuine))])
    intake.receive("c", [encode(genuine)])
    await drained(intake)
    assert len(pool.mempool) == 1
    assert intake.refused == 1


async def test_s34_a_submission_is_not_answered_with_the_verdict_on_its_namesake(
    network: TestNetwork, pool: Pool
) -> None:
    intake, _ = make_intake(pool)
    genuine = network.dataset()
    intake.receive("b", [encode(forged(genuine))])
    assert (await intake.submit(encode(genuine))).id in pool.mempool


async def test_s54_sources_take_turns(network: TestNetwork, pool: Pool) -> None:
    intake, _ = make_intake(pool)
    flood = [encode(forged(network.dataset())) for _ in range(2000)]
    intake.receive("b", flood)
    verified = await intake.submit(encode(network.dataset()))
    assert verified.id in pool.mempool
    assert intake.refused < len(flood), "the submission did not wait for the whole flood"


async def test_s54_a_batch_takes_turns_with_what_comes_in_by_itself(network: TestNetwork, pool: Pool) -> None:
    intake, _ = make_intake(pool)
    batch = [asyncio.ensure_future(intake.submit(encode(network.dataset()), "batch 1")) for _ in range(500)]
    await asyncio.sleep(0)
    alone = await intake.submit(encode(network.dataset(member="b")))
    assert alone.id in pool.mempool
    assert sum(item.done() for item in batch) < 250, "it did not wait for the whole batch"
    assert all([(await item).id in pool.mempool for item in batch])


async def test_what_a_proposal_needs_is_verified_at_once(network: TestNetwork, pool: Pool) -> None:
    intake, _ = make_intake(pool)
    transactions = [network.dataset() for _ in range(100)]
    ids = [network.checked(transaction).id for transaction in transactions]
    intake.receive("b", [encode(transaction) for transaction in transactions])
    while ids[-1] not in intake:
        await asyncio.sleep(0)
    intake.hurry(ids[-1:])
    assert ids[-1] in pool.mempool
    assert ids[-2] not in pool.mempool
    await drained(intake)
    assert all(id_ in pool.mempool for id_ in ids)


async def test_a_proposal_finds_what_has_come_with_it(
    network: TestNetwork, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.intake._SLICE_S", 60.0)
    intake, _ = make_intake(pool)
    transactions = [network.dataset() for _ in range(40)]
    intake.receive("b", [encode(transaction) for transaction in transactions])
    intake.hurry([network.checked(transactions[-1]).id])  # the loop has not turned: nothing was decoded before
    assert network.checked(transactions[-1]).id in pool.mempool
    assert len(pool.mempool) == 1
    await drained(intake)
    assert len(pool.mempool) == 40


async def test_s62_many_signatures_of_one_id_wait_their_turn(network: TestNetwork, pool: Pool) -> None:
    intake, _ = make_intake(pool)
    genuine = network.dataset()
    signatures = [replace(genuine, signature=bytes([number]) + genuine.signature[1:]) for number in range(1, 256)]
    answers = [asyncio.ensure_future(intake.submit(encode(forgery))) for forgery in signatures]
    for _ in range(3):
        await asyncio.sleep(0)
    assert sum(answer.done() for answer in answers) < 100, "they are verified in slices"
    results = await asyncio.gather(*answers, return_exceptions=True)
    assert {error.code for error in results if isinstance(error, PoolError)} == {ErrorCode.BAD_SIGNATURE}
    assert (await intake.submit(encode(genuine))).id in pool.mempool


async def test_s61_who_brings_a_forgery_loses_its_links_and_what_it_brought(network: TestNetwork, pool: Pool) -> None:
    intake, peers = make_intake(pool)
    intake.receive("outsider", [encode(forged(network.dataset())), *(encode(network.dataset()) for _ in range(99))])
    await drained(intake)
    assert peers._states["outsider"].barred_s
    assert len(pool.mempool) == 0
    assert intake.refused == 1


async def test_s61_work_that_comes_to_nothing_is_paid_for(network: TestNetwork, pool: Pool) -> None:
    """What is committed or waits already is no fault, but there is only so much time for it."""
    intake, peers = make_intake(pool)
    data = encode(network.parcel())
    await intake.submit(data)
    allowance = peers._states["outsider"].allowance
    allowance.spend(allowance._credit_s)
    intake.receive("outsider", [data] * 5000)
    while not allowance.wait_s:
        await asyncio.sleep(0)
    assert len(intake._queues["outsider"].encoded) > 4000
    assert (await intake.submit(encode(network.dataset()))).id in pool.mempool


async def test_s61_who_has_spent_its_share_keeps_nobody_waiting(network: TestNetwork, pool: Pool) -> None:
    """What waits until it is paid for holds up neither the next slice nor the next block."""
    intake, peers = make_intake(pool)
    data = encode(network.parcel())
    await intake.submit(data)
    allowance = peers._states["outsider"].allowance
    allowance.spend(allowance._credit_s)
    intake.receive("outsider", [data] * 5000)
    while not peers.wait_s("outsider"):
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert peers.wait_s("outsider") > 1
    assert not intake.is_behind
    async with asyncio.timeout(0.5):
        assert (await intake.submit(encode(network.dataset()))).id in pool.mempool
    intake.receive("b", [encode(network.dataset()) for _ in range(100)])
    assert intake.is_behind


async def test_s61_what_comes_to_nothing_is_decoded_at_its_carriers_cost(
    network: TestNetwork, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replays decode, and come to nothing when they are verified."""
    intake, peers = make_intake(pool)
    data, decode = encode(network.parcel()), pool.decode
    await intake.submit(data)

    def decode_slowly(data: bytes) -> CheckedTransaction:
        time.sleep(0.002)
        return decode(data)

    monkeypatch.setattr(pool, "decode", decode_slowly)
    monkeypatch.setattr(type(pool.mempool), "__contains__", lambda mempool, id_: False)
    monkeypatch.setattr(pool, "verify", lambda checked, *_: Verified(checked.id, None, Location(1, 0)))
    allowance = peers._states["outsider"].allowance
    allowance.spend(allowance._credit_s)
    intake.receive("outsider", [data] * 16)
    while intake._is_due:
        await asyncio.sleep(0)
    assert peers.wait_s("outsider") * allowance._share > 16 * 0.002


async def test_a_full_queue_drops_a_peers_and_refuses_our_own(
    network: TestNetwork, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.intake._CAPACITY_BYTES", 1000)
    intake, _ = make_intake(pool)
    transactions = [encode(network.dataset()) for _ in range(9)]
    intake.receive("b", transactions)
    own = [intake.submit(encode(network.dataset()), f"batch {number}") for number in range(4)]
    results = await asyncio.gather(*own, return_exceptions=True)
    refused = [result for result in results if isinstance(result, PoolError)]
    assert refused
    assert {error.code for error in refused} == {ErrorCode.MEMPOOL_FULL}
    assert 0 < len(pool.mempool) < 13


async def test_closing_answers_those_who_wait(network: TestNetwork, pool: Pool) -> None:
    intake, _ = make_intake(pool)
    waiting = asyncio.ensure_future(intake.submit(encode(network.dataset())))
    await asyncio.sleep(0)  # it is queued now, and its turn comes when the loop turns again
    intake.close()
    with refuses(ErrorCode.NOT_READY):
        await waiting
