"""The compiled contract engine, shared with the tests of contracts, and worlds to attack."""

from __future__ import annotations

import pytest

from contracts.engine import Engine
from tests.attacks.world import World
from tests.contracts.conftest import cache_folder, engine

__all__ = ["cache_folder", "engine"]


@pytest.fixture
def world(engine: Engine) -> World:
    """A network of four validators with contracts, nothing on its chain yet."""
    return World.create(engine)
