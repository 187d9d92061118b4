"""Who may read, over HTTP: contracts, requests, the history of a dataset's reads, and key shares for readers."""

import asyncio
import contextlib
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from chain.access.decision import RequestStatus
from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.ledger_view import Snapshot
from chain.limits import KIB, LIMITS
from chain.primitives.crypto import Hash
from chain.primitives.encoding import decode, encode
from chain.primitives.json_text import decode_json
from chain.primitives.types import is_dataset_id
from chain.state.entries import ContractEntry, RequestEntry, RequestTotals, contract_key, request_key, totals_key
from chain.storage.blocks import Location
from chain.transactions.base import transaction_id
from chain.transactions.registry import type_named_by
from chain.transactions.request import REQUEST
from node.api.bodies import JSON, MSGPACK, read_body, request_headers, verify_content_type
from node.api.listing import Listing
from node.api.pages import After, Limit, Order, PageQuery, Register, lines_at, make_page
from node.api.parameters import json_response, parse_hash, read_bytes
from node.api.problems import bad_request
from node.api.turns import step_back
from node.api.views import Json, contract_summary, fields_of, request_view, text_of
from node.service import NodeService
from sealing import ShareAnswer, ShareQuery

MAX_WAIT_MS = 60_000
_QUERY_BYTES = 16 * KIB

Name = Annotated[str | None, Query(max_length=LIMITS.name_length)]
Scope = Literal["all", "own", "every"]


class QueryObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A ``ShareQuery`` as JSON."""

    request: str
    parcels: Annotated[tuple[str, ...], Meta(min_length=1, max_length=LIMITS.share_parcels)]


_HEX = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_SHARES_DOC: Json = {
    "requestBody": {
        "required": True,
        "content": {
            MSGPACK: {"schema": {"type": "string", "format": "binary", "description": "ShareQuery"}},
            JSON: {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["request", "parcels"],
                    "properties": {
                        "request": _HEX,
                        "parcels": {"type": "array", "minItems": 1, "maxItems": LIMITS.share_parcels, "items": _HEX},
                    },
                }
            },
        },
    }
}


def access_router(service: NodeService) -> APIRouter:
    """Routes about reading what is not open."""
    router = APIRouter(prefix="/v1")
    _add_contracts(router, service)
    _add_requests(router, service)
    _add_reads(router, service)
    _add_shares(router, service)
    return router


def _add_contracts(router: APIRouter, service: NodeService) -> None:
    ledger = service.ledger
    register = Register(ledger, contract_key(""), lambda value: decode(ContractEntry, value).deployed_height)
    service.pool.add_listener(register.on_committed)

    @router.get("/contracts", tags=["access"])
    async def list_contracts(after: After = None, limit: Limit = 100, order: Order = "oldest") -> Response:
        """Access contracts without their sources, by the time of their first deployment."""
        snapshot = ledger.snapshot()

        def view(name: str) -> Json | None:
            entry = snapshot.entry(contract_key(name), ContractEntry)
            return None if entry is None else contract_summary(entry)

        lines = register.lines(PageQuery(after, limit, order == "newest"), view)
        return await read_bytes(service, lambda: make_page("contracts", lines, limit))

    @router.get("/contracts/{contract}", tags=["access"])
    async def get_contract(contract: str) -> Response:
        """An access contract with its source and parameters."""
        entry = ledger.entry(contract_key(contract), ContractEntry)
        if entry is None:
            raise PoolError(ErrorCode.NOT_FOUND, f"there is no contract {contract}")
        return json_response(fields_of(entry))


def _add_requests(router: APIRouter, service: NodeService) -> None:
    ledger = service.ledger

    @router.get("/requests", tags=["access"])
    async def list_requests(
        dataset: Annotated[str, Query(max_length=2 * LIMITS.name_length + 1)] = "",
        reader: Name = None,
        status: RequestStatus | None = None,
        approver: Name = None,
        after: After = None,
        limit: Limit = 100,
        order: Order = "oldest",
    ) -> Response:
        """Requests to read that took effect. A page may be shorter than ``limit``, or empty, and still go on."""

        def is_wanted(entry: RequestEntry) -> bool:
            return (
                (reader is None or entry.terms.reader == reader)
                and (status is None or entry.decision.status == status)
                and (approver is None or approver in entry.decision.approvers)
            )

        if dataset and not is_dataset_id(dataset):
            raise bad_request("a dataset id has the form owner.name")
        wanted, snapshot = PageQuery.of_chain(after, limit, order), ledger.snapshot()

        def places(after: Location | None, limit: int, newest: bool) -> list[Location]:
            return ledger.blocks.read_transactions(dataset, after, limit, is_newest_first=newest)

        def view(location: Location) -> Json | None:
            found = _request_at(ledger, snapshot, location)
            return _view(snapshot, *found) if found is not None and is_wanted(found[1]) else None

        lines = lines_at(places, wanted, view)
        return await read_bytes(service, lambda: make_page("requests", lines, limit))

    @router.get("/requests/{request_id}", tags=["access"])
    async def get_request(request_id: str, wait_ms: Annotated[int, Query(ge=0, le=MAX_WAIT_MS)] = 0) -> Response:
        """A request with the decision that holds now. With ``wait_ms`` the answer waits until one has been made."""
        id_ = parse_hash(request_id)
        key = request_key(id_)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_ms / 1000):
                while (entry := ledger.entry(key, RequestEntry)) is None or entry.decision.status == "asked":
                    step_back()
                    await service.pool.wait_for_height(service.pool.height + 1)
        entry = ledger.entry(key, RequestEntry)
        if entry is None:
            raise PoolError(ErrorCode.NOT_FOUND, f"there is no request {request_id}")
        return json_response(_view(ledger, id_, entry))


def _add_reads(router: APIRouter, service: NodeService) -> None:
    ledger = service.ledger

    @router.get("/datasets/{dataset}/reads", tags=["access"])
    async def list_reads(dataset: str, after: After = None, limit: Limit = 100, order: Order = "oldest") -> Response:
        """Requests, approvals and read reports of a dataset; rejected ones among them.

        That none is left out can be proved: the ids with the code ``ok`` fold to the history in ``reads/DATASET`` of
        the state (``/v1/state``).
        """
        wanted = PageQuery.of_chain(after, limit, order)
        if ledger.dataset(dataset) is None:
            raise PoolError(ErrorCode.NOT_FOUND, f"{dataset} is not in the catalogue")

        def places(after: Location | None, limit: int, newest: bool) -> list[Location]:
            return ledger.blocks.read_transactions(dataset, after, limit, is_newest_first=newest)

        lines = lines_at(places, wanted, Listing(ledger).read)
        return await read_bytes(service, lambda: make_page("reads", lines, limit))


def _add_shares(router: APIRouter, service: NodeService) -> None:
    @router.post("/shares", tags=["access"], openapi_extra=_SHARES_DOC)
    async def post_shares(request: Request, scope: Scope = "all") -> Response:
        """Key shares of parcels under a granted request, each sealed to the reader.

        ``own``: this validator's. ``all``: this node asks the other validators too, and answers once each parcel has
        enough. ``every``: all that can be had, for a reader who has found a wrong one among the first.
        """
        content_type, accept, length = request_headers(request.scope)
        verify_content_type(content_type)
        body = await read_body(request.receive, length, _QUERY_BYTES)
        query = _from_json(body) if content_type == JSON else decode(ShareQuery, body)
        if scope == "own":
            answer = await service.key_shares.own(query)
        else:
            answer = await service.key_shares.gather(query, everything=scope == "every")
        if JSON in accept or (content_type == JSON and MSGPACK not in accept):
            return json_response(_answer_view(query, answer))
        return Response(encode(answer), media_type=MSGPACK)


def _request_at(ledger: Ledger, snapshot: Snapshot, location: Location) -> tuple[Hash, RequestEntry] | None:
    """The request that was made at a place, if one was and it took effect."""
    head = ledger.blocks.transaction_head(location)
    if head is not None and type_named_by(head.header) is not REQUEST:
        return None
    # Of a block of the past that is not whole yet the outcomes are here, which have the ids too.
    id_ = ledger.outcome_at(location).transaction_id if head is None else transaction_id(ledger.chain_id, head.header)
    entry = snapshot.entry(request_key(id_), RequestEntry)
    return None if entry is None else (id_, entry)


def _view(state: Snapshot | Ledger, request_id: Hash, entry: RequestEntry) -> Json:
    return request_view(request_id, entry, state.entry(totals_key(request_id), RequestTotals))


def _from_json(body: bytes) -> ShareQuery:
    given = decode_json(QueryObject, body, ErrorCode.MALFORMED, "share query")
    return ShareQuery(parse_hash(given.request), tuple(parse_hash(parcel) for parcel in given.parcels))


def _answer_view(query: ShareQuery, answer: ShareAnswer) -> Json:
    shares = [
        {"parcel": parcel.hex(), "releases": [text_of(release) for release in releases]}
        for parcel, releases in zip(query.parcels, answer, strict=True)
    ]
    return {"shares": shares}
