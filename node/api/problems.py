"""Problem documents (RFC 9457): how refusals look over HTTP."""

from __future__ import annotations

import orjson
from starlette.responses import Response

from chain.errors import ErrorCode, PoolError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
_RETRIED = frozenset({429, 503})


def problem_body(error: PoolError, extra: dict[str, object] | None = None) -> bytes:
    """The problem document of an error."""
    info = error.code.info
    document: dict[str, object] = {
        "type": f"urn:blockpool:error:{error.code}",
        "title": info.title,
        "status": info.http_status,
        "detail": error.detail,
        "code": error.code.value,
        "advice": info.advice,
        **error.context,
        **(extra or {}),
    }
    return orjson.dumps(document)


def problem_headers(error: PoolError) -> dict[str, str]:
    """Headers that go with it."""
    return {"Retry-After": str(RETRY_AFTER_S)} if error.code.info.http_status in _RETRIED else {}


def problem_response(error: PoolError, extra: dict[str, object] | None = None) -> Response:
    """The whole response."""
    body = problem_body(error, extra)
    return Response(body, error.code.info.http_status, problem_headers(error), MEDIA_TYPE)


def bad_request(detail: str) -> PoolError:
    """A parameter is missing or out of bounds."""
    return PoolError(ErrorCode.BAD_REQUEST, detail)
