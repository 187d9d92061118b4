"""``python -m bench.delaying_proxy DELAY_MS FROM:TO ...``: passes on what comes at one local port to another, both
ways, each byte so much later. It stands for the distance between nodes.
"""

import asyncio
import sys
from collections import deque

import uvloop

_HELD_BYTES = 64 * 1024 * 1024
"""On its way in one direction; no more is read beyond that."""


class _End(asyncio.Protocol):
    """One end of a connection that is passed on."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._transport: asyncio.Transport | None = None
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._held = 0
        self.other: _End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's transport
        if self.other is None:
            transport.pause_reading()  # type: ignore[attr-defined]  # as above

    def go(self) -> None:
        """Both ends are there."""
        if self._transport is not None:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._under_way.append((loop.time() + self._delay_s, data))
        self._held += len(data)
        if self._held > _HELD_BYTES and self._transport is not None:
            self._transport.pause_reading()
        if len(self._under_way) == 1:
            loop.call_later(self._delay_s, self._arrive)

    def _arrive(self) -> None:
        loop = asyncio.get_running_loop()
        while self._under_way and self._under_way[0][0] <= loop.time():
            _, data = self._under_way.popleft()
            self._held -= len(data)
            if self.other is not None and self.other._transport is not None:
                self.other._transport.write(data)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        if self._under_way:
            loop.call_later(max(0.001, self._under_way[0][0] - loop.time()), self._arrive)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None and self.other._transport is not None:
            self.other._transport.close()


async def _pass_on(delay_s: float, pairs: list[tuple[int, int]]) -> None:
    loop = asyncio.get_running_loop()

    def accept(to: int) -> _End:
        near = _End(delay_s)
        task = loop.create_task(connect(near, to))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return near

    async def connect(near: _End, to: int) -> None:
        far = _End(delay_s)
        far.other = near
        try:
            await loop.create_connection(lambda: far, "127.0.0.1", to)
        except OSError:
            near.connection_lost(None)
            if near._transport is not None:
                near._transport.close()
            return
        near.other = far
        near.go()

    tasks: set[asyncio.Task[None]] = set()
    for listen, to in pairs:
        await loop.create_server(lambda to=to: accept(to), "127.0.0.1", listen)  # type: ignore[misc]  # bound at once
    await asyncio.Event().wait()


if __name__ == "__main__":
    given = [tuple(map(int, pair.split(":"))) for pair in sys.argv[2:]]
    uvloop.run(_pass_on(int(sys.argv[1]) / 1000, [(listen, to) for listen, to in given]))
