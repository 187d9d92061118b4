"""Work that is done again and again while a node runs."""

import asyncio
from collections.abc import Callable

from chain.errors import PoolError


class PeriodicWork:
    """Calls functions at intervals on the event loop.

    Args:
        on_fatal: told of a ``PoolError`` that one of them raises.
    """

    def __init__(self, on_fatal: Callable[[Exception], None]) -> None:
        self._on_fatal = on_fatal
        self._handles: list[asyncio.TimerHandle] = []
        self._is_closed = False

    def every(self, period_s: float, work: Callable[[], None]) -> None:
        """Call ``work`` every ``period_s``. A stalled loop loses calls rather than making them up in a burst."""
        loop = asyncio.get_running_loop()
        slot = len(self._handles)

        def run() -> None:
            try:
                work()
            except PoolError as error:
                self._on_fatal(error)
            if not self._is_closed:
                self._handles[slot] = loop.call_later(period_s, run)

        self._handles.append(loop.call_later(period_s, run))

    def close(self) -> None:
        """Call no more."""
        self._is_closed = True
        for handle in self._handles:
            handle.cancel()
