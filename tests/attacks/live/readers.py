"""Readers of the HTTP API, as many as the model allows, each as fast as it is answered: strangers who read what is
public, members who read what is costly, and followers from the first block on, some of whom take nothing.

They are sockets and hardly any code, so that they take the nodes' time and not their own.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from chain.primitives.crypto import Signer
from chain.signed_read import sign_read

READERS = 200
"""On all nodes together."""
PAUSE_S = 0.05
_PUBLIC = (
    "/v1/blocks?limit=1000",
    "/v1/blocks?limit=1000&order=newest",
    "/v1/datasets?limit=1000",
    "/v1/members?limit=1000",
    "/v1/history/consistency?from=1&to=2",
    "/v1/status",
    "/openapi.json",
    "/nothing",
)
_COSTLY = (
    "/v1/chain?from=0&limit=256",
    "/v1/datasets/aviation.attacked/parcels?limit=1000",
    "/v1/state/dataset/aviation.attacked?height=1",
    "/v1/blocks/latest",
    "/v1/requests?limit=1000",
)
Authorize = Callable[[str], str]
"""Target -> the value of ``Authorization``."""


async def stranger(url: str, number: int) -> None:
    """Reads what is public, over and over."""
    await _read(url, itertools.cycle(_PUBLIC[number % len(_PUBLIC) :] + _PUBLIC), lambda target: "")


async def member(url: str, number: int, authorize: Authorize) -> None:
    """Reads what costs most, and signs it."""
    await _read(url, itertools.cycle(_COSTLY[number % len(_COSTLY) :] + _COSTLY), authorize)


async def follower(url: str, number: int) -> None:
    """Follows from the first block on; every fourth takes nothing of what it is sent, the others begin anew after a
    while.
    """
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await _connected(url, number)
            try:
                writer.write(_request("/v1/events?from=0", ""))
                if number % 4 == 0:
                    writer.transport.pause_reading()  # type: ignore[attr-defined]
                    await writer.wait_closed()
                ends_s = time.monotonic() + 3
                while time.monotonic() < ends_s and await reader.read(1 << 16):
                    pass
            finally:
                writer.close()
        await asyncio.sleep(PAUSE_S)


async def _read(url: str, targets: "itertools.cycle[str]", authorize: Authorize) -> None:
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
            reader, writer = await _connected(url, 0)
            try:
                for target in targets:
                    writer.write(_request(target, authorize(target)))
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                    await reader.readexactly(int(length))
            finally:
                writer.close()
        await asyncio.sleep(PAUSE_S)


async def _connected(url: str, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    local = (f"127.0.0.{2 + number % 4}", 0)
    return await asyncio.open_connection(parts.hostname, parts.port, local_addr=local, limit=1 << 24)


def _request(target: str, authorization: str) -> bytes:
    shown = f"Authorization: {authorization}\r\n" if authorization else ""
    return f"GET {target} HTTP/1.1\r\nHost: node\r\n{shown}\r\n".encode()


async def attack(name: str, urls: list[str], chain_id: bytes, members: dict[str, Signer]) -> None:
    """Until the process ends."""

    def signed(by: str) -> Authorize:
        return lambda target: sign_read(chain_id, by, members[by], "GET", target, time.time_ns() // 1_000_000)

    everybody: dict[str, Callable[[str, int], Awaitable[None]]] = {
        "readers": stranger,
        "followers": follower,
        "members read": lambda url, number: member(url, number, signed(list(members)[number % len(members)])),
    }

    async def one(number: int) -> None:
        await everybody[name](urls[number % len(urls)], number)

    async with asyncio.TaskGroup() as group:
        for number in range(READERS):
            group.create_task(one(number))


NAMES = ("readers", "followers", "members read")
