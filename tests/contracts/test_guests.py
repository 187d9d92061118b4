"""Guests that are loaded ahead: nobody can tell them from others, and they are few."""

import pytest

from chain.errors import Refusal
from contracts import guests
from contracts.engine import Engine
from contracts.guests import Guests
from contracts.sandbox import Sandbox
from tests.contracts.support import ALLOW_ALL, CONTEXT, DATASET, REQUEST, contract

COUNTS = contract("ctx.state['n'] = ctx.state.get('n', 0) + 1\nreturn deny(str(ctx.state['n']))")
COSTLY = "total = sum(range(100_000))\n" + ALLOW_ALL


class CountingEngine:
    """The engine, counting how many guests it makes. Stands in for ``Engine`` where only this call is made."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.made = 0

    def instantiate(self) -> object:
        self.made += 1
        return self._engine.instantiate()


@pytest.fixture
def counting(engine: Engine) -> CountingEngine:
    return CountingEngine(engine)


@pytest.fixture
def store(counting: CountingEngine) -> Guests:
    return Guests(counting)  # type: ignore[arg-type]  # see CountingEngine


@pytest.mark.parametrize("source", [ALLOW_ALL, COUNTS, contract("1 / 0"), contract("return None")])
def test_a_guest_loaded_ahead_decides_alike_for_the_same_fuel(engine: Engine, source: str) -> None:
    ahead, fresh = Sandbox(engine), Sandbox(engine)
    found = []
    for sandbox in (ahead, fresh):
        for _ in range(3):
            session = sandbox.contract(source)
            found.append([session.decide(REQUEST, DATASET, CONTEXT) for _ in range(3)])
            session.close()
            if sandbox is ahead:
                session.prepare_next()
    assert all(decisions == found[0] for decisions in found)
    assert ahead.check(source) == fresh.check(source)


def test_a_contract_is_made_once_for_the_next_block(counting: CountingEngine, store: Guests) -> None:
    for _ in range(3):
        store.prepare(ALLOW_ALL, "{}")
    assert counting.made == 1
    store.take(ALLOW_ALL, "{}").instance.close()
    assert counting.made == 1
    store.take(ALLOW_ALL, "{}").instance.close()
    assert counting.made == 2


def test_the_parameters_belong_to_it(counting: CountingEngine, store: Guests) -> None:
    store.prepare(ALLOW_ALL, "{}")
    store.take(ALLOW_ALL, '{"days":1}').instance.close()
    assert counting.made == 2


def test_the_oldest_makes_room(counting: CountingEngine, store: Guests) -> None:
    sources = [f"# {number}\n{ALLOW_ALL}" for number in range(guests.GUESTS_AHEAD + 1)]
    for source in sources:
        store.prepare(source, "{}")
    for source in sources[1:]:
        store.take(source, "{}").instance.close()
    assert counting.made == len(sources)
    store.take(sources[0], "{}").instance.close()
    assert counting.made == len(sources) + 1


@pytest.mark.parametrize("source", ["x = (", COSTLY, "while True: pass"], ids=["broken", "costly", "endless"])
def test_what_does_not_load_or_takes_long_is_not_kept(counting: CountingEngine, store: Guests, source: str) -> None:
    store.prepare(source, "{}")
    assert counting.made == 1
    if source == COSTLY:
        guest = store.take(source, "{}")
        guest.instance.close()
        assert guest.fuel > guests.FUEL_AHEAD
    else:
        with pytest.raises(Refusal):
            store.take(source, "{}")
    assert counting.made == 2


def test_only_a_contract_that_was_called_is_loaded_ahead(counting: CountingEngine) -> None:
    sandbox = Sandbox(counting)  # type: ignore[arg-type]  # see CountingEngine
    session = sandbox.contract(ALLOW_ALL)
    session.close()
    session.prepare_next()
    assert counting.made == 0
