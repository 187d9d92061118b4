"""A fault proxy between the nodes' links: delay, jitter, loss, one-way stalls, partitions, cut connections.

The genesis file names the proxy's ports as the nodes' addresses, so every link goes through it, and TLS goes through
untouched: it can hold bytes up and cut connections, but neither read nor change nor reorder them, as a network could
not either. Every node dials every other, so a link from A to B is one connection that A has dialled; who that was is
told by the socket's owner in /proc, since all nodes share the loopback address.

What stands for packet loss is what TCP makes of it: the bytes, and all that follow them, come a retransmission later. A
partition is silence: no byte gets through, and no connection ends. The kernel's ``netem`` would do the same, but is not
in every kernel, and asks for root; this runs anywhere.
"""

import asyncio
import contextlib
import os
import random
import socket
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop

HOST = "127.0.0.1"
_CHUNK_BYTES = 64 * 1024
_CHUNKS_HELD = 32
"""Chunks of one direction that are held back; then its sender is no longer read, as with a full TCP window."""
_RETRANSMISSION_S = 0.2
"""TCP's least time until it sends lost bytes again (RFC 6298 allows 1 s, Linux takes 0.2 s)."""
_LOOK_S = 0.02
"""How often a stalled direction looks whether it may go on."""

Direction = tuple[str, str]
"""From which member's node to which."""


@dataclass(frozen=True, slots=True)
class LinkRule:
    """What happens to bytes in one direction."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    """Up to so much more, at random; the order stays."""
    loss: float = 0.0
    """Share of chunks, 0 to 1, that come a retransmission later."""
    is_stalled: bool = False
    """Nothing gets through until the rule is lifted."""


_CLEAR = LinkRule()
_END = b""
"""Stands for the end of what a side sends."""


class FaultProxy:
    """Listens for every node and hands its links on, in a thread of its own. Use it with ``with``.

    Args:
        routes: (proxy's port, node's own port) by member.
        process_ids: of the processes that run now under each member's name, to tell who has dialled.
        seed: of delays and losses.
    """

    def __init__(
        self, routes: Mapping[str, tuple[int, int]], process_ids: Callable[[], Mapping[str, Sequence[int]]], seed: int
    ) -> None:
        self._routes = routes
        self._ports = {member: [own_port] for member, (_, own_port) in routes.items()}
        """Where a member's links may lead."""
        self._process_ids = process_ids
        self._random = random.Random(seed)
        self._rules: dict[Direction, LinkRule] = {}
        self._open: dict[asyncio.StreamWriter, Direction] = {}
        """Of the connections that were accepted, towards who has dialled; and who has dialled whom."""
        self._servers: list[asyncio.Server] = []
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        for member, (port, _) in self._routes.items():
            asyncio.run_coroutine_threadsafe(self._listen(member, port), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # Faults; from any thread

    @property
    def directions(self) -> list[Direction]:
        """Every direction between two different nodes."""
        return [(source, target) for source in self._routes for target in self._routes if source != target]

    def port_of(self, member: str) -> int:
        """Where the member's own node listens."""
        return self._routes[member][1]

    def lead(self, member: str, *ports: int) -> None:
        """From now on each new link to a member leads to one of these ports, at random; without any, to its own."""
        self._ports[member] = list(ports) or [self._routes[member][1]]

    def rule(self, directions: Iterable[Direction], rule: LinkRule) -> None:
        """Apply a rule to some directions from now on."""
        self._rules = self._rules | dict.fromkeys(directions, rule)

    def heal(self) -> None:
        """Lift every rule. What was held back goes out."""
        self._rules = {}

    def cut(self, share: float = 1.0, of: str | None = None) -> None:
        """End a share of the present connections at once, of one member's or of all, as a firewall that forgets them
        would.
        """

        def cut_now() -> None:
            for writer, direction in self._open.items():
                if (of is None or of in direction) and self._random.random() < share:
                    writer.transport.abort()

        self._loop.call_soon_threadsafe(cut_now)

    # On the proxy's own loop

    async def _listen(self, member: str, port: int) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            source = dialler(writer.get_extra_info("peername")[1], port, self._process_ids())
            if source is None:  # it has died meanwhile
                writer.transport.abort()
                return
            self._open[writer] = (source, member)
            try:
                await self._carry(reader, writer, source, member)
            finally:
                del self._open[writer]

        self._servers.append(await asyncio.start_server(serve, HOST, port))

    async def _close(self) -> None:
        """Nothing is cancelled: connections end because they are cut."""
        self._rules = {}
        for server in self._servers:
            server.close()
        for writer in self._open:
            writer.transport.abort()
        while self._open:
            await asyncio.sleep(_LOOK_S)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: str, target: str
    ) -> None:
        """Carry one connection both ways until either end, or a cut, ends it."""
        writers = [writer]
        try:
            while self._is_stalled(source, target):  # not even the connection gets there
                await asyncio.sleep(_LOOK_S)
            back, forth = await asyncio.open_connection(HOST, self._random.choice(self._ports[target]))
            writers.append(forth)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, forth, (source, target)))
                group.create_task(self._pump(back, writer, (target, source)))
        except* (OSError, _Ended):
            pass
        finally:
            for each in writers:
                each.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction) -> None:
        """Carry bytes one way, each as late as the rule says when it comes."""
        held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_CHUNKS_HELD)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send(held, writer, direction))
            while chunk := await reader.read(_CHUNK_BYTES):
                await held.put((asyncio.get_running_loop().time() + self._delay_s(direction), chunk))
            await held.put((0.0, _END))

    async def _send(
        self, held: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, direction: Direction
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s, chunk = await held.get()
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            while self._is_stalled(*direction):
                await asyncio.sleep(_LOOK_S)
            if chunk == _END or writer.is_closing():
                raise _Ended
            writer.write(chunk)
            await writer.drain()

    def _is_stalled(self, source: str, target: str) -> bool:
        return self._rules.get((source, target), _CLEAR).is_stalled

    def _delay_s(self, direction: Direction) -> float:
        rule = self._rules.get(direction, _CLEAR)
        again_s = _RETRANSMISSION_S if rule.loss and self._random.random() < rule.loss else 0.0
        return rule.delay_s + self._random.random() * rule.jitter_s + again_s


class _Ended(Exception):
    """One side has closed: the connection is over."""


def dialler(local_port: int, remote_port: int, process_ids: Mapping[str, Sequence[int]]) -> str | None:
    """The member of whose processes one holds the loopback connection between these ports, or None."""
    inode = _inode(local_port, remote_port)
    if inode is None:
        return None
    for member, ids in process_ids.items():
        if any(f"socket:[{inode}]" in _open_files(process_id) for process_id in ids):
            return member
    return None


def _inode(local_port: int, remote_port: int) -> int | None:
    """Inode of a socket by the kernel's list of IPv4 connections (proc_net_tcp(5)): addresses are little endian."""
    host = socket.inet_aton(HOST)[::-1].hex().upper()
    wanted = [f"{host}:{local_port:04X}", f"{host}:{remote_port:04X}"]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1:3] == wanted:
            return int(fields[9])
    return None


def _open_files(process_id: int) -> set[str]:
    folder = Path(f"/proc/{process_id}/fd")
    found = set()
    with contextlib.suppress(OSError):  # the process has ended, or closed a file meanwhile
        for path in folder.iterdir():
            with contextlib.suppress(OSError):
                found.add(os.readlink(path))  # noqa: PTH115  (what a descriptor is, not a path)
    return found
