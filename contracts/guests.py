"""Fresh guests with a contract loaded: made when they are needed, or a little ahead.

Making one takes some milliseconds, for which a whole network waits when a request is all there is to do. A guest that
was loaded ahead is as fresh as any other: it has loaded its contract and nothing else, and the fuel for that is charged
to whoever takes it.
"""

from typing import NamedTuple

from chain.errors import Refusal
from chain.limits import LIMITS
from contracts.answers import reading_fuel, verify_loaded
from contracts.engine import Engine, GuestInstance

GUESTS_AHEAD = 2
"""Guests that may wait; each holds up to ``contract_memory_size_bytes``."""
FUEL_AHEAD = 2 * LIMITS.contract_guest_fuel
"""Contracts that spend more on loading are not loaded ahead: what is needed meanwhile has to wait for it."""


class LoadedGuest(NamedTuple):
    """A guest that has loaded its contract."""

    instance: GuestInstance
    fuel: int
    """Spent on making and loading it."""
    members: tuple[str, ...]
    """That its parameters name."""


class Guests:
    """Makes guests of one engine. Not for two threads at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ahead: dict[tuple[str, str], LoadedGuest] = {}

    def take(self, source: str, parameters: str) -> LoadedGuest:
        """A guest that has done nothing but load this contract; close its instance.

        Raises:
            Refusal: it does not load, with the fuel spent.
        """
        return self._ahead.pop((source, parameters), None) or self._make(source, parameters)

    def prepare(self, source: str, parameters: str) -> None:
        """Load a contract that is likely to be wanted next; the one prepared longest ago makes room for it."""
        if (source, parameters) in self._ahead:
            return
        try:
            guest = self._make(source, parameters)
        except Refusal:
            return
        if guest.fuel > FUEL_AHEAD:
            guest.instance.close()
            return
        if len(self._ahead) >= GUESTS_AHEAD:
            self._ahead.pop(next(iter(self._ahead))).instance.close()
        self._ahead[source, parameters] = guest

    def _make(self, source: str, parameters: str) -> LoadedGuest:
        instance, fuel = self._engine.instantiate(), LIMITS.contract_guest_fuel
        try:
            answer, spent = instance.load(source, parameters)
            fuel += spent + reading_fuel(answer)
            members = verify_loaded(answer)
        except Refusal as refusal:
            instance.close()
            raise Refusal.of(refusal.code, refusal.facts, fuel + refusal.fuel) from None
        return LoadedGuest(instance, fuel, members)
