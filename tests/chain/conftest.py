"""The made-up network that the tests of the chain start from."""

import pytest

from tests.networks import TestNetwork


@pytest.fixture
def network() -> TestNetwork:
    """Four validators and an outsider, with nothing on their chain yet."""
    return TestNetwork()
