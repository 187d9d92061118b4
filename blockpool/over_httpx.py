"""Between this package's requests and replies and those of httpx: what both clients share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from blockpool.exchange import Reply, Request

_CONNECT_TIMEOUT_S = 3.0


def client_settings(urls: Sequence[str]) -> dict[str, Any]:
    """Arguments for httpx's clients. Certificate authorities are loaded (25 ms) only if a URL needs them; redirects,
    which could lead from http to https, are never followed."""
    return {"trust_env": False, "follow_redirects": False, "verify": any(url.startswith("https://") for url in urls)}


def arguments(url: str, request: Request) -> dict[str, Any]:
    """Arguments for httpx's ``request`` and ``stream``."""
    return {
        "method": request.method,
        "url": url + request.path,
        "params": dict(request.parameters),
        "headers": dict(request.headers),
        "content": request.body,
        "timeout": httpx.Timeout(request.timeout_s, connect=_CONNECT_TIMEOUT_S),
    }


def reply_of(response: httpx.Response) -> Reply:
    """The reply in a response whose body has been read."""
    return Reply(
        response.status_code, {name.lower(): value for name, value in response.headers.items()}, response.content
    )


def describe(error: httpx.HTTPError) -> str:
    """What went wrong, also for errors that carry no text."""
    return str(error) or type(error).__name__
