"""The compiled contract engine, from the user's cache as the nodes take it, and worlds to attack."""

import pytest

from contracts.engine import Engine
from tests.attacks.world import World


@pytest.fixture(scope="session")
def engine() -> Engine:
    return Engine.open()


@pytest.fixture
def world(engine: Engine) -> World:
    """A network of four validators with contracts, nothing on its chain yet."""
    return World.create(engine)
