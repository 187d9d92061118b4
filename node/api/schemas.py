"""JSON Schemas of what the API answers, made of the types that the answers are made of.

Every object is closed and lists all its members as required, so that an answer with a member more or less than its
schema says does not satisfy it: ``tests/edge`` asks a running node and gateway for all of them.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any, Final, get_args, get_type_hints

import msgspec
from msgspec import inspect

from chain.access.decision import Decision, RequestStatus
from chain.blocks import BlockHeader, Outcome
from chain.contract_engine import EngineIdentity
from chain.genesis import GenesisFile
from chain.limits import LIMITS
from chain.state.entries import (
    ContractEntry,
    DatasetEntry,
    DatasetTotals,
    OwnerAct,
    RequestEntry,
    RequestTerms,
    RequestTotals,
)
from chain.state.members import MemberKind
from chain.transactions.registry import TRANSACTION_TYPES
from evidence.misbehaviour import MisbehaviourEvidence
from evidence.no_grant import NoGrantEvidence
from evidence.no_read import NoReadEvidence
from evidence.parts import CertificatePart, HandOverPart
from evidence.read import ReadEvidence
from evidence.record import RecordEvidence
from node.api.views import BASE64, Json
from node.misbehaviour import MisbehaviourFile

_REF = "#/components/schemas/{name}"
TEXT: Final[Json] = {"type": "string"}
NUMBER: Final[Json] = {"type": "integer"}
TRUTH: Final[Json] = {"type": "boolean"}
BASE64_TEXT: Final[Json] = {"type": "string", "contentEncoding": "base64"}
HEX: Final[Json] = {"type": "string", "pattern": "^[0-9a-f]*$"}
HASH: Final[Json] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
RECORD_ID: Final[Json] = {"type": "string", "pattern": "^[0-9a-f]{64}/[0-9]{1,4}$"}
_FACTS: Final[Json] = {"type": "object", "additionalProperties": {"anyOf": [TEXT, NUMBER]}}


def ref(name: str) -> Json:
    """A component by its name."""
    return {"$ref": _REF.format(name=name)}


def closed(members: Json, optional: Iterable[str] = ()) -> Json:
    """An object with these members; all but ``optional`` must be there."""
    required = [name for name in members if name not in set(optional)]
    return {"type": "object", "additionalProperties": False, "required": required, "properties": members}


def nullable(schema: Json) -> Json:
    """The same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def array(items: Json) -> Json:
    """An array."""
    return {"type": "array", "items": items}


def page(name: str, line: Json) -> Json:
    """What ``node.api.pages.make_page`` makes."""
    return closed({name: array(line), "next": nullable(TEXT)})


def members_of(type_: type[msgspec.Struct]) -> Json:
    """Schemas of the members that ``node.api.views.fields_of`` makes of a value of the type."""
    hints = get_type_hints(type_, include_extras=True)
    return {name: _schema(name, inspect.type_info(hints[name])) for name in type_.__struct_fields__}


def _schema(name: str, info: inspect.Type) -> Json:
    if name == "facts":
        return _FACTS
    match info:
        case inspect.StructType():
            return closed(members_of(info.cls))
        case inspect.VarTupleType():
            return array(_schema(name, info.item_type))
        case inspect.TupleType():
            return array({"anyOf": [_schema(name, item) for item in info.item_types]})
        case inspect.UnionType():
            return {"anyOf": [_schema(name, item) for item in info.types]}
        case inspect.BytesType():
            return BASE64_TEXT if name in BASE64 else HEX
        case inspect.LiteralType():
            return one_of(info.values)
        case inspect.StrType():
            return TEXT
        case inspect.IntType():
            return NUMBER
        case inspect.BoolType():
            return TRUTH
        case inspect.NoneType():
            return {"type": "null"}
        case _:
            raise TypeError(f"{name}: the API shows no {info}")


def one_of(values: Iterable[Any]) -> Json:
    """One of these texts or numbers."""
    chosen = list(values)
    return {"type": "string" if isinstance(chosen[0], str) else "integer", "enum": chosen}


def _without(members: Json, *names: str) -> Json:
    return {name: schema for name, schema in members.items() if name not in names}


def ecma(schema: Any) -> Any:
    """A schema of msgspec's with its patterns as JSON Schema has them."""
    if isinstance(schema, dict):
        return {name: ecma(value) for name, value in schema.items() if name not in ("default", "discriminator")}
    if isinstance(schema, list):
        return [ecma(item) for item in schema]
    return schema.replace(r"\A", "^").replace(r"\Z", "$") if isinstance(schema, str) else schema


_FILES = (
    CertificatePart,
    GenesisFile,
    HandOverPart,
    MisbehaviourEvidence,
    NoGrantEvidence,
    NoReadEvidence,
    ReadEvidence,
    RecordEvidence,
)
_HEADERS = {type_.header.__name__: closed(members_of(type_.header)) for type_ in TRANSACTION_TYPES.values()}
_OUTCOME = _without(members_of(Outcome), "transaction_id") | {"sentence": TEXT}
_PLACE: Json = {"transaction_id": HASH, "height": NUMBER, "index": NUMBER}
_SUMMARY: Json = {"height": NUMBER, "hash": HASH, "time_ms": NUMBER, "proposer": TEXT, "transaction_count": NUMBER}
_COUNTS: Json = {"dataset": TEXT, "parcels": NUMBER, "records": NUMBER, "corrected": NUMBER}
_CONTRACT = members_of(ContractEntry)
_REQUEST = _without(
    members_of(RequestTerms) | members_of(RequestEntry) | members_of(Decision) | members_of(RequestTotals),
    "terms",
    "decision",
    "verdict",
)
_KEY = closed({"public_key": BASE64_TEXT, "from_height": NUMBER, "until_height": NUMBER})
_MEMBER: Json = {
    "name": TEXT,
    "kind": one_of(get_args(MemberKind)),
    "title_zh": TEXT,
    "title_en": TEXT,
    "roles": array(TEXT),
    "keys": array(_KEY),
    "consensus_key": nullable(BASE64_TEXT),
    "kem_key": nullable(BASE64_TEXT),
    "node": nullable(closed({"address": TEXT, "api_url": TEXT})),
}
_RECORD: Json = {
    "record": RECORD_ID,
    "member": TEXT,
    "height": NUMBER,
    "time_ms": NUMBER,
    "sealed": TRUTH,
    "corrects": nullable(RECORD_ID),
    "body": BASE64_TEXT,
    "value": {"description": "The record, where it is open and JSON, every digit as it was shared."},
}
_PEER = closed(
    {
        "member": TEXT,
        "connected": TRUTH,
        "rtt_ms": nullable({"type": "number"}),
        "height": nullable(NUMBER),
        "clock_offset_ms": nullable(NUMBER),
        "last_error": nullable(TEXT),
    }
)
_STATUS: Json = {
    "network": TEXT,
    "chain_id": HASH,
    "member": TEXT,
    "role": one_of(("validator", "observer")),
    "version": TEXT,
    "height": NUMBER,
    "block_hash": HASH,
    "time_ms": NUMBER,
    "clock_ms": NUMBER,
    "view": NUMBER,
    "primary": TEXT,
    "is_ready": TRUTH,
    "unready_reason": nullable(TEXT),
    "syncing": TRUTH,
    "state_sync_percent": nullable(NUMBER),
    "past_blocks": NUMBER,
    "peers": array(_PEER),
    "payloads": closed({"policy": TEXT, "keepers": array(TEXT), "warning": nullable(TEXT)}),
    "engine": nullable(closed(members_of(EngineIdentity) | {"hash": HASH})),
    "gateway": TRUTH,
    "mempool": closed({"transactions": NUMBER, "size_bytes": NUMBER}),
    "limits": closed({field.name: NUMBER for field in dataclasses.fields(LIMITS)}),
}

COMPONENTS: Json = {
    **{name: ecma(schema) for name, schema in msgspec.json.schema_components(_FILES, ref_template=_REF)[1].items()},
    **_HEADERS,
    "Outcome": closed(_OUTCOME),
    "Receipt": closed(
        {
            "header": BASE64_TEXT,
            "certificate": ref("CertificatePart"),
            "outcome": BASE64_TEXT,
            "index": NUMBER,
            "proof": array(HASH),
        }
    ),
    "Committed": closed({"transaction_id": HASH, "status": one_of(("committed",)), "receipt": ref("Receipt")}),
    "Pending": closed({"transaction_id": HASH, "status": one_of(("pending",))}),
    "BlockSummary": closed(_SUMMARY),
    "BlockEvent": closed(_SUMMARY | {"datasets": nullable(array(closed(_COUNTS)))}),
    "Block": closed(
        members_of(BlockHeader)
        | {
            "hash": HASH,
            "header": BASE64_TEXT,
            "certificate": nullable(ref("CertificatePart")),
            "transactions": array(closed({"transaction_id": HASH} | _OUTCOME)),
        }
    ),
    "CommittedTransaction": closed(
        _PLACE
        | {
            "status": one_of(("committed",)),
            "outcome": ref("Outcome"),
            "type": TEXT,
            "member": TEXT,
            "header": BASE64_TEXT,
            "signature": BASE64_TEXT,
            "fields": {"anyOf": [ref(name) for name in _HEADERS]},
            "erasure": nullable(closed(members_of(OwnerAct))),
            "erased_records": array(NUMBER),
        }
    ),
    "Dataset": closed(members_of(DatasetEntry) | {"totals": nullable(closed(members_of(DatasetTotals)))}),
    "ParcelLine": closed(_PLACE | {"record_count": NUMBER, "sealed": TRUTH, "code": TEXT}),
    "ReadLine": closed(_PLACE | {"type": TEXT, "member": TEXT, "code": TEXT}),
    "Record": closed(
        _RECORD | {"dataset": TEXT, "outcome": TEXT, "correction": nullable(closed(members_of(OwnerAct)))}, {"value"}
    ),
    "RecordLine": closed(_RECORD | {"cursor": TEXT, "corrected": TRUTH, "erased": TRUTH}, {"value", "body"}),
    "Contract": closed(_CONTRACT),
    "ContractSummary": closed(_without(_CONTRACT, "source", "parameters")),
    "Request": closed({"request": HASH} | _REQUEST | {"status": one_of(get_args(RequestStatus)), "sentence": TEXT}),
    "Member": closed(_MEMBER),
    "ProvenMember": closed(_MEMBER | {"height": NUMBER, "value": BASE64_TEXT, "proof": BASE64_TEXT}),
    "StateEntry": closed(
        {
            "key": TEXT,
            "height": NUMBER,
            "value": nullable(BASE64_TEXT),
            "proof": BASE64_TEXT,
            "state_root": HASH,
        }
    ),
    "MisbehaviourLine": closed(
        {name: NUMBER if type_ is int else TEXT for name, type_ in MisbehaviourFile.__annotations__.items()}
    ),
    "ShareLine": closed({"parcel": HASH, "releases": array(BASE64_TEXT)}),
    "Status": closed(_STATUS),
}
"""Schemas by their names."""

ANSWERS: dict[str, Json] = {
    "/v1/status": ref("Status"),
    "/v1/genesis": ref("GenesisFile"),
    "/v1/handovers": closed({"handovers": array(ref("HandOverPart"))}),
    "/healthz": closed({"status": one_of(("ok",))}),
    "/readyz": closed({"status": one_of(("ready",))}),
    "/v1/blocks": page("blocks", ref("BlockSummary")),
    "/v1/blocks/{height}": ref("Block"),
    "/v1/transactions": ref("Committed"),
    "/v1/transactions/{transaction_id}": {"anyOf": [ref("CommittedTransaction"), ref("Pending")]},
    "/v1/transactions/{transaction_id}/receipt": ref("Receipt"),
    "/v1/datasets": page("datasets", ref("Dataset")),
    "/v1/datasets/{dataset}": ref("Dataset"),
    "/v1/datasets/{dataset}/parcels": page("parcels", ref("ParcelLine")),
    "/v1/datasets/{dataset}/reads": page("reads", ref("ReadLine")),
    "/v1/datasets/{dataset}/records": page("records", ref("RecordLine")),
    "/v1/records/{transaction_id}/{index}": ref("Record"),
    "/v1/records/{transaction_id}/{index}/evidence": ref("RecordEvidence"),
    "/v1/parcels/{parcel}/derived": page("parcels", ref("ParcelLine")),
    "/v1/parcels/{parcel}/reads": page("reads", ref("ReadLine")),
    "/v1/members": page("members", ref("Member")),
    "/v1/members/{name}": ref("ProvenMember"),
    "/v1/state/{key}": ref("StateEntry"),
    "/v1/history/consistency": closed({"from": NUMBER, "to": NUMBER, "proof": array(HASH)}),
    "/v1/history/inclusion": closed({"height": NUMBER, "size": NUMBER, "proof": array(HASH)}),
    "/v1/contracts": page("contracts", ref("ContractSummary")),
    "/v1/contracts/{contract}": ref("Contract"),
    "/v1/requests": page("requests", ref("Request")),
    "/v1/requests/{request_id}": ref("Request"),
    "/v1/requests/{request_id}/evidence": ref("ReadEvidence"),
    "/v1/absence/grant": ref("NoGrantEvidence"),
    "/v1/absence/read": ref("NoReadEvidence"),
    "/v1/misbehaviour": closed({"misbehaviour": array(ref("MisbehaviourLine"))}),
    "/v1/misbehaviour/{file}": ref("MisbehaviourEvidence"),
    "/v1/shares": closed({"shares": array(ref("ShareLine"))}),
}
"""What a good answer in JSON is, by path."""
