"""``POST /v1/transactions`` and ``POST /v1/transactions/batch``: the hot path, written against ASGI itself.

It reads the raw body and builds no request or model objects: routing and validation layers would cost more than the
signature check. Everything else goes to the FastAPI application behind it.
"""

from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import parse_qsl

import msgspec

from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.primitives.encoding import decode, encode
from chain.primitives.json_text import decode_json
from chain.transactions.base import Transaction
from node.addresses import origin
from node.api.batch import SIZE_BYTES_MAX, TRANSACTIONS_MAX, Batch
from node.api.bodies import (
    JSON,
    AsgiApp,
    BodyAbandoned,
    BodyRoom,
    Receive,
    Scope,
    Send,
    read_body,
    refuse,
    request_headers,
    respond,
    verify_content_type,
)
from node.api.commit import ApiAnswer, commit, refused_answer
from node.api.problems import bad_request, method_not_allowed, parse_number, problem_headers
from node.frames import TransactionList
from node.service import NodeService

PATH = "/v1/transactions"
BATCH_PATH = "/v1/transactions/batch"
DEFAULT_TIMEOUT_MS = 15_000
MAX_TIMEOUT_MS = 120_000
_JSON_EXPANSION = 2
"""Base64 and JSON make a body at most this much longer than the transaction in it."""


class TransactionObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A transaction as JSON; bytes are base64."""

    header: bytes
    signature: bytes
    payload: bytes = b""

    def encoded(self) -> bytes:
        """As it is signed and stored."""
        return encode(Transaction(self.header, self.signature, self.payload))


class BatchObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Transactions as JSON."""

    transactions: tuple[TransactionObject, ...]


class SubmissionEndpoint:
    """ASGI application that takes transactions and passes everything else on."""

    def __init__(self, service: NodeService, other: AsgiApp) -> None:
        self._service = service
        self._other = other
        self._room = BodyRoom()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] not in (PATH, BATCH_PATH):
            await self._other(scope, receive, send)
            return
        if scope["method"] != "POST":
            await refuse(send, method_not_allowed(scope["method"]), {"Allow": "POST"})
            return
        try:
            if scope["path"] == PATH:
                await respond(send, *await self._submit(scope, receive), {})
            else:
                await (await self._batch(scope, receive)).serve(receive, send)
        except PoolError as error:
            await respond(send, *refused_answer(self._service, error), problem_headers(error))
        except BodyAbandoned as abandoned:
            await refuse(send, abandoned.error, {"Connection": "close"})

    async def _submit(self, scope: Scope, receive: Receive) -> ApiAnswer:
        waits, timeout_s = _wait(scope["query_string"])
        is_json, accept, data = await self._read(scope, receive, LIMITS.transaction_size_bytes)
        if is_json:
            data = decode_json(TransactionObject, data, ErrorCode.MALFORMED, "transaction").encoded()
        self._verify_ready()
        return await commit(self._service, data, timeout_s if waits else None, accept)

    async def _batch(self, scope: Scope, receive: Receive) -> Batch:
        _, timeout_s = _wait(scope["query_string"])
        is_json, accept, data = await self._read(scope, receive, SIZE_BYTES_MAX)
        transactions: Sequence[bytes]
        if is_json:
            given = decode_json(BatchObject, data, ErrorCode.MALFORMED, "batch")
            transactions = [transaction.encoded() for transaction in given.transactions]
        else:
            transactions = decode(TransactionList, data)
        if not 1 <= len(transactions) <= TRANSACTIONS_MAX:
            raise bad_request(f"a batch has 1 to {TRANSACTIONS_MAX} transactions, not {len(transactions)}")
        self._verify_ready()
        client = scope.get("client")
        return Batch(self._service, transactions, timeout_s, accept, origin(client[0]) if client else "")

    async def _read(self, scope: Scope, receive: Receive, limit: int) -> tuple[bool, str, bytes]:
        """Whether the body is JSON, what the client accepts, and the body."""
        content_type, accept, length = request_headers(scope)
        verify_content_type(content_type)
        is_json, client = content_type == JSON, scope.get("client")
        limit *= _JSON_EXPANSION if is_json else 1
        data = await read_body(receive, length, limit, self._room, origin(client[0]) if client else "")
        return is_json, accept, data

    def _verify_ready(self) -> None:
        """Nothing is taken in that could not be ordered; raises ``not_ready``."""
        unready = self._service.readiness.unready_reason
        if unready is not None:
            raise PoolError(ErrorCode.NOT_READY, unready)


@lru_cache(maxsize=64)
def _wait(query: bytes) -> tuple[bool, float]:
    """Whether to wait for the commit, and how many seconds."""
    parameters = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    wait, timeout = parameters.pop("wait", None), parameters.pop("timeout_ms", str(DEFAULT_TIMEOUT_MS))
    if parameters or wait not in (None, "commit"):
        raise bad_request("the parameters are wait=commit and timeout_ms")
    refusal = f"timeout_ms is from 1 to {MAX_TIMEOUT_MS}"
    timeout_ms = parse_number(timeout, refusal)
    if not 1 <= timeout_ms <= MAX_TIMEOUT_MS:
        raise bad_request(refusal)
    return wait is not None, timeout_ms / 1000
