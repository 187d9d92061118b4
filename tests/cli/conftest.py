"""What several of the commands' tests share."""

import pytest

from tests.cli.access import deploy
from tests.processes import RunningNetwork


@pytest.fixture(scope="session")
def contract(running_network: RunningNetwork, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A deployed contract of aviation that datasets can name."""
    return deploy(running_network, tmp_path_factory.mktemp("contract"))
