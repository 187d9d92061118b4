"""The webhook: tells one of the department's own systems which datasets have grown, so that it need not ask.

Messages follow the Standard Webhooks specification: ``webhook-id``, ``webhook-timestamp`` (seconds since 1970) and
``webhook-signature``, ``v1a,`` with the base64 of an Ed25519 signature by the system's key over ``ID.TIMESTAMP.BODY``.
That text begins with ``blocks_``, as nothing does that the key signs for the chain.

A message speaks of all blocks from ``first_height`` to ``last_height``, and the next one goes on there: however long
the receiver was away, it is told of every dataset that has grown. At least once: the cursor, the last height that the
receiver has confirmed with a status of 2xx, is on disk before the next message leaves. A crash before that repeats the
blocks, perhaps with later ones.

Where it goes is the operator's word alone: redirects are failures, proxies of the environment are not used, and of an
answer nothing but its status is looked at.
"""

import asyncio
import contextlib
import datetime
import ipaddress
import logging
import socket
import time
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import Ed25519Signer
from chain.storage.files import replace_file
from chain.storage.slots import storage_error
from node.api.views import Json, block_event, text_of
from node.service import NodeService

SPAN_BLOCKS = 1024
"""That one message speaks of at most."""
RETRY_FIRST_S = 1.0
RETRY_LAST_S = 300.0
"""Attempts go on for ever; each waits twice as long as the one before, up to this."""
TIMEOUT_S = 15.0
"""From connecting to the head of the answer."""

_log = logging.getLogger("blockpool.webhook")


class Webhook:
    """See the module.

    Args:
        service: the node.
        signer: of the node's member.
        url: where messages go.
        cursor_file: keeps the cursor; one that is not there begins at the present tip.
        retry_first_s: pause after the first failure.

    Raises:
        PoolError: codes ``bad_configuration`` for a URL that is none, ``storage_failed``, ``disk_full``.
    """

    def __init__(
        self,
        service: NodeService,
        signer: Ed25519Signer,
        url: str,
        cursor_file: Path,
        retry_first_s: float = RETRY_FIRST_S,
    ) -> None:
        self._service = service
        self._signer = signer
        self._url = verify_url(url)
        self._cursor_file = cursor_file
        self._retry_first_s = retry_first_s
        self._confirmed = _read_cursor(cursor_file)
        if self._confirmed is None:
            cursor_file.parent.mkdir(mode=0o700, exist_ok=True)
            self._confirm(service.pool.height)
        self._task: asyncio.Task[None] | None = None
        service.metrics.webhook_behind.set_function(self._behind)

    async def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Send no more; what was not confirmed is sent after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def _cursor(self) -> int:
        return self._confirmed or 0

    def _behind(self) -> float:
        return max(0, self._service.pool.height - self._cursor)

    async def _run(self) -> None:
        # A department's receiver is often inside its own network, so private addresses are right.
        connector = aiohttp.TCPConnector(limit=1, resolver=_Resolver(), force_close=True)
        try:
            async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http:
                while True:
                    await self._service.pool.wait_for_height(self._cursor + 1)
                    first, last = self._cursor + 1, min(self._service.pool.height, self._cursor + SPAN_BLOCKS)
                    body = await self._service.pool.read(partial(self._body, first, last))
                    if body is not None:
                        await self._deliver(http, self._id(first, last), body)
                    await asyncio.to_thread(self._confirm, last)
        except PoolError as error:
            if error.code is not ErrorCode.NOT_READY:  # the node is stopping
                self._service.fail(error)
        except Exception as error:
            self._service.fail(error)

    def _id(self, first: int, last: int) -> str:
        return f"blocks_{self._service.ledger.chain_id.hex()[:16]}_{first}_{last}"

    def _body(self, first: int, last: int) -> bytes | None:
        """The message about these blocks; None if no dataset has grown. For a reader's thread."""
        ledger = self._service.ledger
        changes = dict(ledger.blocks.changes(first, last))
        datasets: dict[str, Any] = {}
        for height in range(first, last + 1):
            grown: Any = block_event(ledger.chain_id, ledger.header_bytes_at(height), changes.get(height))["datasets"]
            datasets |= {line["dataset"]: line for line in grown or ()}
        is_complete = len(changes) == last - first + 1
        if not datasets and is_complete:
            return None
        time_ms = ledger.header_at(last).time_ms
        data: Json = {
            "chain_id": ledger.chain_id.hex(),
            "first_height": first,
            "last_height": last,
            "datasets": [datasets[name] for name in sorted(datasets)],
            # Of blocks whose changes this node took from others as one state, it does not know what they added to.
            "is_complete": is_complete,
        }
        when = datetime.datetime.fromtimestamp(time_ms / 1000, datetime.UTC).isoformat(timespec="milliseconds")
        return orjson.dumps({"type": "datasets.grown", "timestamp": when, "data": data})

    async def _deliver(self, http: aiohttp.ClientSession, id_: str, body: bytes) -> None:
        """Send a message again and again until it is confirmed."""
        pause_s, failures = self._retry_first_s, 0
        while (reason := await self._send(http, id_, body)) is not None:
            failures += 1
            self._service.metrics.webhook_messages.labels("failed").inc()
            facts = {"id": id_, "reason": reason, "failures": failures, "again_in_s": pause_s}
            _log.warning("the webhook's receiver has not taken a message", extra=facts)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RETRY_LAST_S)
        self._service.metrics.webhook_messages.labels("confirmed").inc()
        if failures:
            _log.info("the webhook's receiver takes messages again", extra={"id": id_, "failures": failures})

    async def _send(self, http: aiohttp.ClientSession, id_: str, body: bytes) -> str | None:
        """Send a message once; why it was not confirmed, or None."""
        headers = {"Content-Type": "application/json"} | signed_headers(self._signer, id_, int(time.time()), body)
        try:
            timeout = aiohttp.ClientTimeout(TIMEOUT_S)
            async with http.post(self._url, data=body, headers=headers, allow_redirects=False, timeout=timeout) as got:
                return None if 200 <= got.status < 300 else f"status {got.status}"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return str(error) or type(error).__name__

    def _confirm(self, height: int) -> None:
        replace_file(self._cursor_file, b"%d\n" % height, 0o600)
        self._confirmed = height


def signed_headers(signer: Ed25519Signer, id_: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """What a receiver knows a message by: its id, its time and the signature over both and the body."""
    signature = signer.sign(b"%b.%d.%b" % (id_.encode(), timestamp_s, body))
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": f"v1a,{text_of(signature)}",
    }


def verify_url(text: str) -> URL:
    """The URL that messages go to.

    Raises:
        PoolError: code ``bad_configuration``.
    """
    refusal = "gateway.webhook_url is no http or https URL of a receiver, without user and fragment"  # it may be secret
    try:
        url = URL(text)
        is_right = url.scheme in ("http", "https") and url.host and url.user is None and not url.fragment
    except ValueError:
        is_right = False
    if not is_right or (url.host is not None and not _is_receiver(url.host)):
        raise PoolError(ErrorCode.BAD_CONFIGURATION, refusal)
    return url


def _is_receiver(host: str) -> bool:
    """Whether an address can be a receiver's: not one of a link alone, where machines answer about themselves (169.254
    .169.254), nor of many or none. Names are looked up when they are used.
    """
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        found = mapped or address
        return not (found.is_link_local or found.is_multicast or found.is_unspecified)
    return True


class _Resolver(AbstractResolver):
    """Looks names up, and refuses those that lead where no receiver is."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Addresses of a host; raises ``OSError``."""
        found = [line for line in await self._resolver.resolve(host, port, family) if _is_receiver(line["host"])]
        if not found:
            raise OSError(f"{host} leads to no address of a receiver")
        return found

    async def close(self) -> None:
        """Nothing is held."""
        await self._resolver.close()


def _read_cursor(path: Path) -> int | None:
    try:
        text = path.read_text("ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise storage_error(path, error if isinstance(error, OSError) else OSError(str(error))) from None
    if not text.isdigit() or len(text) > 18:
        raise PoolError(ErrorCode.STORAGE_FAILED, f"{path} holds no height; remove it to begin at the present tip")
    return int(text)
