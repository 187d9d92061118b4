"""What every test shares: reproducible hypothesis runs that print what is needed to repeat a failure, and a network of
real nodes, which is started when the first test asks for it."""

import pytest
from hypothesis import HealthCheck, settings

from tests.networks import TestNetwork
from tests.processes import running_network

__all__ = ["running_network"]

settings.register_profile("blockpool", print_blob=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("blockpool")


@pytest.fixture
def network() -> TestNetwork:
    """Four validators and an outsider, with nothing on their chain yet."""
    return TestNetwork()
