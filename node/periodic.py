"""Work that is done again and again while a node runs."""

import asyncio
from collections.abc import Callable, Coroutine

from chain.errors import ErrorCode, PoolError


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


class BackgroundWork:
    """Work that takes longer than one step of the event loop: one run of it at a time.

    Args:
        on_fatal: told of what a run raises, but that the node is stopping.
    """

    def __init__(self, on_fatal: Callable[[Exception], None]) -> None:
        self._on_fatal = on_fatal
        self._task: asyncio.Task[None] | None = None

    def start(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Begin a run, unless one is under way."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(work))

    async def close(self) -> None:
        """Cancel the run that is under way, and wait for its end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        try:
            await work()
        except PoolError as error:
            if error.code is not ErrorCode.NOT_READY:  # the node is stopping
                self._on_fatal(error)
        except Exception as error:
            self._on_fatal(error)
        finally:
            self._task = None
