"""What ``/openapi.json`` says of answers. FastAPI knows parameters and bodies; it takes every answer for JSON and every
refusal for its own form, so answers are described here.
"""

from typing import Final

from fastapi import FastAPI

from chain.errors import ErrorCode
from node.api.batch import NDJSON, TRANSACTIONS_MAX
from node.api.bodies import JSON, MSGPACK
from node.api.problems import MEDIA_TYPE
from node.api.schemas import ANSWERS, COMPONENTS, ref
from node.api.submission import BATCH_PATH, DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS, PATH
from node.api.views import Json

_BINARY: Final[Json] = {"schema": {"type": "string", "format": "binary"}}
_TEXT: Final[Json] = {"schema": {"type": "string"}}
_CONTENT: dict[str, Json] = {
    "/metrics": {"text/plain": _TEXT},
    "/v1/chain": {MSGPACK: _BINARY},
    "/v1/checkpoint": {"text/plain": _TEXT},
    "/v1/events": {"text/event-stream": _TEXT},
    "/v1/records/{transaction_id}/{index}/raw": {"application/octet-stream": _BINARY},
    "/v1/shares": {MSGPACK: _BINARY},
    "/v1/transactions": {MSGPACK: _BINARY},
    BATCH_PATH: {NDJSON: _TEXT, MSGPACK: _BINARY},
    "/v1/transactions/{transaction_id}/raw": {MSGPACK: _BINARY},
    "/v1/transactions/{transaction_id}/left": {MSGPACK: _BINARY},
    "/v1/transactions/{transaction_id}/receipt": {MSGPACK: _BINARY},
}
"""Good answers in other media types than JSON."""
PROBLEM: Json = {
    "type": "object",
    "description": "RFC 9457. Programs match on `code`; more members carry facts such as `record_index`.",
    "required": ["type", "title", "status", "detail", "code", "advice"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": [code.value for code in ErrorCode]},
        "advice": {"type": "string"},
    },
}
REFUSALS: Json = {
    status: {"description": description, "content": {MEDIA_TYPE: {"schema": ref("Problem")}}}
    for status, description in (("4XX", "Refused"), ("5XX", "Not possible now"))
}
_TRANSACTION: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["header", "signature"],
    "properties": {
        name: {"type": "string", "contentEncoding": "base64"} for name in ("header", "signature", "payload")
    },
}
_TIMEOUT: Json = {
    "name": "timeout_ms",
    "in": "query",
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_TIMEOUT_MS, "default": DEFAULT_TIMEOUT_MS},
}
_SUBMISSION: Json = {
    "tags": ["transactions"],
    "operationId": "submit_transaction",
    "summary": "Submit a transaction",
    "description": "Takes a signed transaction. With wait=commit the answer is its receipt; a rejection that was "
    "committed is a problem document with the receipt in it. The same transaction again gives a receipt of the same "
    "block.",
    "parameters": [{"name": "wait", "in": "query", "schema": {"type": "string", "enum": ["commit"]}}, _TIMEOUT],
    "requestBody": {"required": True, "content": {MSGPACK: _BINARY, JSON: {"schema": _TRANSACTION}}},
    "responses": {
        "200": {"description": "Committed: the receipt"},
        "202": {"description": "Waiting to be ordered", "content": {JSON: {"schema": ref("Pending")}}},
    },
}
_BATCH: Json = {
    "tags": ["transactions"],
    "operationId": "submit_transactions",
    "summary": "Submit many transactions",
    "description": "Takes signed transactions and answers each as it is committed, in whatever order that is: its "
    "place in the batch, and the status and body that it alone would have been answered. One that is refused affects "
    "no other.",
    "parameters": [_TIMEOUT],
    "requestBody": {
        "required": True,
        "content": {
            MSGPACK: _BINARY,
            JSON: {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["transactions"],
                    "properties": {
                        "transactions": {"type": "array", "maxItems": TRANSACTIONS_MAX, "items": _TRANSACTION}
                    },
                }
            },
        },
    },
    "responses": {"200": {"description": "An item for each transaction"}},
}


def describe(app: FastAPI) -> Json:
    """The OpenAPI document of the application with the hot path in front of it."""
    document = app.openapi()
    document["paths"] |= {PATH: {"post": _SUBMISSION}, BATCH_PATH: {"post": _BATCH}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            responses = {status: dict(answer) for status, answer in operation["responses"].items() if status != "422"}
            content = {JSON: {"schema": ANSWERS[path]}} if path in ANSWERS else {}
            responses["200"]["content"] = content | _CONTENT.get(path, {})
            operation["responses"] = responses | REFUSALS
    document["components"] = {"schemas": COMPONENTS | {"Problem": PROBLEM}}
    return document
