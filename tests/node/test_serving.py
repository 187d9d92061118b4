"""Who is served when: one answer at a time to each, members that do not vote in turn, and all of it is paid."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from chain.errors import PoolError
from chain.primitives.encoding import encode
from node.frames import decode_ids
from node.pool import Pool
from node.serving import Serving
from tests.networks import TIME_MS, TestNetwork
from tests.node.link_cluster import until
from tests.node.test_intake import Peers


class Desk:
    """Serves members whose answers are made when told."""

    def __init__(self) -> None:
        self.serving = Serving(Pool(TestNetwork().ledger(), lambda: TIME_MS, lambda: 0.0), Peers())
        self.made: list[str] = []
        self.at_work: list[str] = []
        self.release = asyncio.Semaphore(0)

    def ask(self, member: str, spent_s: float = 0.0) -> asyncio.Task[bytes]:
        return asyncio.ensure_future(self.serving.serve(member, self._make(member, spent_s)))

    def _make(self, member: str, spent_s: float) -> Callable[[], Awaitable[tuple[bytes, float]]]:
        async def make() -> tuple[bytes, float]:
            self.at_work.append(member)
            await self.release.acquire()
            self.at_work.remove(member)
            self.made.append(member)
            return b"answer", spent_s

        return make


async def test_s61_members_that_do_not_vote_are_served_in_turn() -> None:
    desk = Desk()
    asked = [desk.ask(member) for member in ("customs", "customs", "customs", "press")]
    for number in range(4):
        await until(lambda: desk.at_work)
        assert len(desk.at_work) == 1
        desk.release.release()
        await until(lambda number=number: len(desk.made) > number)
    await asyncio.gather(*asked)
    assert desk.made.index("press") == 1, "whoever asks once does not wait for all that another has asked"


async def test_s61_validators_do_not_wait_for_others() -> None:
    desk = Desk()
    asked = [desk.ask(member) for member in ("customs", "a", "a", "b")]
    await until(lambda: len(desk.at_work) == 3)
    assert sorted(desk.at_work) == ["a", "b", "customs"]
    for _ in asked:
        desk.release.release()
    await asyncio.gather(*asked)


async def test_s61_who_was_served_at_length_waits_until_that_is_paid() -> None:
    desk = Desk()
    for _ in range(3):
        desk.release.release()
    await desk.ask("customs", spent_s=30.0)
    waiting, other = desk.ask("press"), desk.ask("a")
    await other
    assert not desk.at_work
    assert not waiting.done()
    waiting.cancel()


def test_s61_a_request_names_each_transaction_once() -> None:
    assert decode_ids(encode((bytes(32), bytes([1]) * 32))) == (bytes(32), bytes([1]) * 32)
    with pytest.raises(PoolError, match="a transaction is named twice"):
        decode_ids(encode((bytes(32), bytes(32))))
