"""What every test shares: reproducible hypothesis runs that print what is needed to repeat a failure, and a network of
real nodes, which is started when the first test asks for it."""

import inspect

import pytest
import uvloop
from hypothesis import HealthCheck, settings

from tests.networks import TestNetwork
from tests.processes import running_network

__all__ = ["running_network"]

settings.register_profile("blockpool", print_blob=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("blockpool")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test that is a coroutine runs on a loop of its own, of the node's kind. The timeout of every test ends it."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    uvloop.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture
def network() -> TestNetwork:
    """Four validators and an outsider, with nothing on their chain yet."""
    return TestNetwork()
