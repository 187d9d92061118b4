"""Between this package's requests and replies and those of httpx: what both clients share."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import httpx

from blockpool.exchange import Reply, Request
from chain.packages import MAX_PACKAGE_SIZE_BYTES

REPLY_SIZE_MAX_BYTES = 2 * MAX_PACKAGE_SIZE_BYTES
"""More than the largest answer there is, blocks for an audit."""
_CONNECT_TIMEOUT_S = 3.0
_SLOWNESS_MAX = 4
"""An answer may take so many times the silence allowed until it is complete."""


def client_settings(urls: Sequence[str]) -> dict[str, Any]:
    """Arguments for httpx's clients. Certificate authorities are loaded (25 ms) only if a URL needs them; redirects,
    which could lead from http to https, are never followed."""
    return {"trust_env": False, "follow_redirects": False, "verify": any(url.startswith("https://") for url in urls)}


def arguments(url: str, request: Request) -> dict[str, Any]:
    """Arguments for httpx's ``stream``."""
    return {
        "method": request.method,
        "url": url + request.path,
        "params": dict(request.parameters),
        "headers": dict(request.headers),
        "content": request.body,
        "timeout": httpx.Timeout(request.timeout_s, connect=_CONNECT_TIMEOUT_S),
    }


class ReplyReader:
    """Collects a reply whose body arrives in pieces, within bounds: a node may send without end, or drip."""

    def __init__(self, request: Request) -> None:
        self._body = bytearray()
        self._deadline_s = time.monotonic() + _SLOWNESS_MAX * request.timeout_s

    def take(self, piece: bytes) -> None:
        """Take the next piece; raises ``httpx.RequestError`` beyond the bounds."""
        self._body += piece
        if len(self._body) > REPLY_SIZE_MAX_BYTES:
            raise httpx.RequestError(f"the answer is larger than {REPLY_SIZE_MAX_BYTES} bytes")
        if time.monotonic() > self._deadline_s:
            raise httpx.RequestError("the answer takes too long to arrive")

    def reply(self, response: httpx.Response) -> Reply:
        """The whole reply."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status_code, headers, bytes(self._body))


def describe(error: httpx.HTTPError) -> str:
    """What went wrong, also for errors that carry no text."""
    return str(error) or type(error).__name__
