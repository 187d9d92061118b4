"""``POST /v1/transactions``: the hot path, written against ASGI itself.

It reads the raw body and builds no request or model objects: routing and validation layers would cost more than the
signature check. Everything else goes to the FastAPI application behind it.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

import msgspec
import orjson

from chain.blocks import Outcome
from chain.errors import ErrorCode, PoolError, Refusal
from chain.limits import LIMITS
from chain.primitives.crypto import Hash
from chain.primitives.encoding import decode, encode
from chain.primitives.json_text import decode_json
from chain.proofs.receipts import Receipt
from chain.transactions.base import Transaction
from node.addresses import origin
from node.api.bodies import (
    JSON,
    MSGPACK,
    AsgiApp,
    BodyAbandoned,
    BodyRoom,
    Receive,
    Scope,
    Send,
    read_body,
    request_headers,
    respond,
    verify_content_type,
)
from node.api.problems import MEDIA_TYPE, bad_request, method_not_allowed, parse_number, problem_body, problem_headers
from node.api.views import receipt_view
from node.service import NodeService

PATH = "/v1/transactions"
DEFAULT_TIMEOUT_MS = 15_000
MAX_TIMEOUT_MS = 120_000
_JSON_EXPANSION = 2
"""Base64 and JSON make a body at most this much longer than the transaction in it."""


class TransactionObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A transaction as JSON; bytes are base64."""

    header: bytes
    signature: bytes
    payload: bytes = b""


class SubmissionEndpoint:
    """ASGI application that takes transactions and passes everything else on."""

    def __init__(self, service: NodeService, other: AsgiApp) -> None:
        self._service = service
        self._other = other
        self._room = BodyRoom()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._other(scope, receive, send)
            return
        if scope["method"] != "POST":
            error = method_not_allowed(scope["method"])
            await respond(send, error.code.info.http_status, MEDIA_TYPE, problem_body(error), {"Allow": "POST"})
            return
        try:
            status, media_type, body = await self._submit(scope, receive)
            await respond(send, status, media_type, body, {})
        except PoolError as error:
            self._service.metrics.refused_transactions.labels(error.code.value).inc()
            if error.code.is_storage:
                self._service.fail(error)
            await respond(send, error.code.info.http_status, MEDIA_TYPE, problem_body(error), problem_headers(error))
        except BodyAbandoned as abandoned:
            status, problem = abandoned.error.code.info.http_status, problem_body(abandoned.error)
            await respond(send, status, MEDIA_TYPE, problem, {"Connection": "close"})

    async def _submit(self, scope: Scope, receive: Receive) -> tuple[int, str, bytes]:
        service = self._service
        content_type, accept, length = request_headers(scope)
        wait_s = _wait_s(scope["query_string"])
        is_json = content_type == JSON
        verify_content_type(content_type)
        limit = LIMITS.transaction_size_bytes * (_JSON_EXPANSION if is_json else 1)
        client = scope.get("client")
        data = await read_body(receive, length, limit, self._room, origin(client[0]) if client else "")
        if is_json:
            data = _from_json(data)
        unready = service.readiness.unready_reason
        if unready is not None:
            raise PoolError(ErrorCode.NOT_READY, unready)  # nothing taken in that could not be ordered
        id_, location = await service.dissemination.submit(data)
        if location is not None:
            return committed_answer(id_, service.pool.receipt(location), accept)
        if wait_s is None:
            return 202, JSON, orjson.dumps({"transaction_id": id_.hex(), "status": "pending"})
        return committed_answer(id_, await service.pool.wait_for_receipt(id_, wait_s), accept)


def committed_answer(id_: Hash, receipt: Receipt, accept: str) -> tuple[int, str, bytes]:
    """Status, media type and body for a committed transaction: its receipt, or a problem document with it."""
    outcome = decode(Outcome, receipt.outcome)
    if not outcome.is_ok:
        error = Refusal.of(ErrorCode(outcome.code), outcome.facts)
        extra: dict[str, object] = {"transaction_id": id_.hex(), "receipt": receipt_view(receipt)}
        return error.code.info.http_status, MEDIA_TYPE, problem_body(error, extra)
    if MSGPACK in accept:
        return 200, MSGPACK, encode(receipt)
    answer = {"transaction_id": id_.hex(), "status": "committed", "receipt": receipt_view(receipt)}
    return 200, JSON, orjson.dumps(answer)


def _wait_s(query: bytes) -> float | None:
    """Seconds to wait for the commit, or None not to wait."""
    if not query:
        return None
    parameters = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    wait, timeout = parameters.pop("wait", None), parameters.pop("timeout_ms", str(DEFAULT_TIMEOUT_MS))
    if parameters or wait not in (None, "commit"):
        raise bad_request("the parameters are wait=commit and timeout_ms")
    refusal = f"timeout_ms is from 1 to {MAX_TIMEOUT_MS}"
    timeout_ms = parse_number(timeout, refusal)
    if not 1 <= timeout_ms <= MAX_TIMEOUT_MS:
        raise bad_request(refusal)
    return timeout_ms / 1000 if wait else None


def _from_json(data: bytes) -> bytes:
    given = decode_json(TransactionObject, data, ErrorCode.MALFORMED, "transaction")
    return encode(Transaction(given.header, given.signature, given.payload))
