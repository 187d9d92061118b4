"""The real network that these tests share."""

from tests.processes import running_network

__all__ = ["running_network"]
