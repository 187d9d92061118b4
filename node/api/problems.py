"""Problem documents (RFC 9457): how refusals look over HTTP."""

import orjson
from starlette.responses import Response

from chain import messages
from chain.errors import ErrorCode, PoolError
from chain.messages.languages import LANGUAGE

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
_DIGITS = 18
"""Fits 64 bits, as everything that is numbered does."""
_RETRIED = frozenset({429, 503})


def problem_body(error: PoolError, extra: dict[str, object] | None = None) -> bytes:
    """The problem document of an error; ``extra`` adds to its members, or replaces them."""
    info, language = error.code.info, LANGUAGE.get()
    document: dict[str, object] = {
        "type": f"urn:blockpool:error:{error.code}",
        "title": messages.title(error.code, language),
        "status": info.http_status,
        "detail": error.detail_in(language),
        "code": error.code.value,
        "advice": messages.advice(error.code, language),
        **error.context,
        **(extra or {}),
    }
    return orjson.dumps(document)


def problem_headers(error: PoolError) -> dict[str, str]:
    """Headers that go with it."""
    spoken = {"Content-Language": LANGUAGE.get(), "Vary": "Accept-Language"}
    return spoken | ({"Retry-After": str(RETRY_AFTER_S)} if error.code.info.http_status in _RETRIED else {})


def problem_response(error: PoolError, status: int | None = None) -> Response:
    """The whole response, with the code's own status unless another is given."""
    status = status or error.code.info.http_status
    return Response(problem_body(error, {"status": status}), status, problem_headers(error), MEDIA_TYPE)


def bad_request(detail: str) -> PoolError:
    """A parameter is missing or out of bounds."""
    return PoolError(ErrorCode.BAD_REQUEST, detail)


def method_not_allowed(method: str) -> PoolError:
    """The resource does not have this method; the response names those it has in ``Allow``."""
    return PoolError(ErrorCode.METHOD_NOT_ALLOWED, f"there is no {method} here")


def parse_number(text: str, refusal: str) -> int:
    """A non-negative integer of at most 18 digits, as it stands in a path, query or header.

    Raises:
        PoolError: code ``bad_request`` with ``refusal``.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise bad_request(refusal)
    return int(text)
