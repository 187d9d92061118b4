"""What every test shares: reproducible hypothesis runs that print what is needed to repeat a failure, and a network of
real nodes, which is started when the first test asks for it."""

import asyncio
import inspect

import pytest
import uvloop
from hypothesis import HealthCheck, settings

from tests.networks import TestNetwork
from tests.processes import running_network

__all__ = ["running_network"]

_DEADLINE_S = 100

settings.register_profile("blockpool", print_blob=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("blockpool")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test that is a coroutine runs on a loop of its own, of the node's kind, until a deadline: such a loop swallows
    what pytest's timeout raises in it.
    """
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None

    async def run() -> None:
        async with asyncio.timeout(_DEADLINE_S):
            await pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames})

    uvloop.run(run())
    return True


@pytest.fixture
def network() -> TestNetwork:
    """Four validators and an outsider, with nothing on their chain yet."""
    return TestNetwork()
