"""One chain for all tests of evidence that change nothing in it."""

import pytest

from tests.evidence.story import Story


@pytest.fixture(scope="session")
def story() -> Story:
    return Story()
