"""What the gateway's ``/v1/gateway/openapi.json`` says: its routes, what is posted and what is answered."""

from typing import get_args

import msgspec

from node.api.bodies import JSON
from node.api.description import PROBLEM, REFUSALS
from node.api.schemas import COMPONENTS, HASH, RECORD_ID, TEXT, TRUTH, array, closed, ecma, nullable, one_of, ref
from node.api.views import Json
from node.gateway.keyed import Change
from node.gateway.parcels import ParcelObject

PARCELS_PATH = "/v1/gateway/parcels"
STATUS_PATH = "/v1/gateway/status"
DESCRIPTION_PATH = "/v1/gateway/openapi.json"
KEY_LENGTH = 255
"""Bytes of an ``Idempotency-Key``."""

_STATUS: Json = {
    "member": TEXT,
    "chain_id": HASH,
    "public_key": HASH,
    "is_ready": TRUTH,
    "unready_reason": nullable(TEXT),
}
_SHARED: Json = {
    "transaction_id": nullable(HASH),
    "status": one_of(("committed", "unchanged")),
    "is_earlier": TRUTH,
    "receipt": nullable(ref("Receipt")),
    "records": array(RECORD_ID),
    "changes": nullable(array(one_of(get_args(Change)))),
}
_IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "What the caller calls its post: under one key, one thing is shared once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH},
}


def describe(software: str) -> Json:
    """The OpenAPI document of the gateway of a node that runs this software."""
    posted: Json = ecma(msgspec.json.schema_components((ParcelObject,), ref_template="{name}")[1]["ParcelObject"])
    schemas = {"Problem": PROBLEM, "Posted": posted, "Shared": closed(_SHARED), "GatewayStatus": closed(_STATUS)}
    receipts = {name: COMPONENTS[name] for name in ("Receipt", "CertificatePart", "VotePart")}
    return {
        "openapi": "3.1.0",
        "info": {"title": "blockpool gateway 块数据池", "version": software},
        "security": [{"token": []}],
        "paths": {
            STATUS_PATH: {"get": _operation("Where the gateway stands", "get_gateway_status", ref("GatewayStatus"))},
            DESCRIPTION_PATH: {"get": _operation("This document", "get_gateway_openapi", {"type": "object"})},
            PARCELS_PATH: {
                "post": _operation("Share records: sealed, signed, committed", "post_gateway_parcel", ref("Shared"))
                | {
                    "parameters": [_IDEMPOTENCY_KEY],
                    "requestBody": {"required": True, "content": {JSON: {"schema": ref("Posted")}}},
                }
            },
        },
        "components": {
            "schemas": schemas | receipts,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(summary: str, name: str, answer: Json) -> Json:
    good: Json = {"200": {"description": summary, "content": {JSON: {"schema": answer}}}}
    return {"tags": ["gateway"], "summary": summary, "operationId": name, "responses": good | REFUSALS}
