"""Libraries that not every installation has: the package brings what a client needs, and its extras the rest."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from chain.errors import ErrorCode, PoolError

Extra = Literal["node", "audit", "parquet"]
"""node: what the daemon needs. audit: what executes a chain again from its database, contracts included. parquet: what
reads and writes such files."""


@contextmanager
def extra(name: Extra) -> Iterator[None]:
    """Import libraries of an extra in here.

    Raises:
        PoolError: code ``extra_missing``, with the command that installs it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        detail = f"{error.name} is not installed here: pip install 'blockpool[{name}]'"
        raise PoolError(ErrorCode.EXTRA_MISSING, detail) from error
