"""The application: reads through FastAPI, the hot path in front of it, status, health, events and metrics."""

from dataclasses import asdict
from typing import Annotated

import msgspec
import orjson
from fastapi import FastAPI, Header, Query
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.storage.blocks import Location
from evidence.parts import HandOverPart
from node.api.access import access_router
from node.api.admission import Addresses, Admission
from node.api.bodies import AsgiApp, BodyAbandoned
from node.api.description import describe
from node.api.events import Events
from node.api.evidence_routes import evidence_router
from node.api.head import HeadAsGet
from node.api.parcels import parcels_router
from node.api.problems import bad_request, method_not_allowed, parse_number, problem_response
from node.api.reads import reads_router
from node.api.records import records_router
from node.api.submission import SubmissionEndpoint
from node.api.turns import TakingTurns, Turns, source_of
from node.api.views import Json, engine_view
from node.api.watcher_routes import checkpoints_router
from node.service import NodeService
from node.tokens import TokenFile


def make_app(service: NodeService) -> AsgiApp:
    """The node's ASGI application."""
    app = FastAPI(
        title="blockpool node 块数据池",
        version=service.software,
        description="A shared, append-only pool of signed records. Errors are problem documents with stable codes.",
        openapi_url="/openapi.json",
        generate_unique_id_function=lambda route: route.name,  # generated clients call their functions by it
        # FastAPI's pages for people load their scripts from the internet, which a machine room does not have.
        docs_url=None,
        redoc_url=None,
        # A redirect would lead to whatever host the caller has named.
        redirect_slashes=False,
    )
    turns = Turns(lambda: len(service.pool.mempool), lambda: service.pool.height)
    app.include_router(reads_router(service))
    app.include_router(records_router(service))
    app.include_router(access_router(service))
    app.include_router(checkpoints_router(service))
    app.include_router(parcels_router(service))
    app.include_router(evidence_router(service))
    _add_status(app, service)
    _add_events(app, service, Events(service, turns))
    _add_problems(app, service)
    app.openapi_schema = describe(app)
    section = service.home.config.file.api
    readable: AsgiApp = HeadAsGet(app)
    if section.readers == "members":
        readable = Admission(readable, service, TokenFile(service.home.config.path(section.token_file)))
    return Addresses(SubmissionEndpoint(service, TakingTurns(readable, turns)), section)


def status_view(service: NodeService) -> Json:
    """What ``/v1/status`` answers."""
    tip, replica, mempool = service.ledger.tip, service.driver.replica, service.pool.mempool
    unready = service.readiness.unready_reason
    return {
        "network": service.home.genesis.file.network,
        "chain_id": service.ledger.chain_id.hex(),
        "member": service.home.member.name,
        "role": "validator" if service.readiness.is_validator else "observer",
        "version": service.software,
        "height": tip.height,
        "block_hash": tip.block_hash.hex(),
        "time_ms": tip.header.time_ms,
        "clock_ms": service.pool.clock_ms(),
        "view": replica.view,
        "primary": replica.primary,
        "is_ready": unready is None,
        "unready_reason": unready,
        "syncing": service.heights.is_syncing,
        "state_sync_percent": service.state_sync.percent,
        "past_blocks": service.ledger.blocks.past_height,
        "peers": [
            {
                "member": member,
                "connected": status.connected,
                "rtt_ms": status.rtt_ms,
                "clock_offset_ms": status.clock_offset_ms,
                "height": service.heights.claims.get(member),
                "last_error": status.last_error,
            }
            for member, status in sorted(service.links.status().items())
        ],
        "payloads": {
            "policy": service.payloads.policy.name,
            "keepers": service.payloads.keepers,
            "warning": service.payloads.warning,
        },
        "engine": engine_view(service.ledger.protocol.engine),
        "gateway": service.home.config.file.gateway is not None,
        "mempool": {"transactions": len(mempool), "size_bytes": mempool.size_bytes},
        "limits": asdict(LIMITS),
    }


def _add_status(app: FastAPI, service: NodeService) -> None:
    @app.get("/v1/status", tags=["node"])
    async def get_status() -> Response:
        """Where this node stands."""
        return Response(orjson.dumps(status_view(service)), media_type="application/json")

    @app.get("/v1/genesis", tags=["node"])
    async def get_genesis() -> Response:
        """The genesis file's exact bytes. An auditor gets it from somewhere else: this copy proves nothing."""
        return Response(service.home.genesis.content, media_type="application/json")

    @app.get("/v1/handovers", tags=["node"])
    async def get_handovers(since: Annotated[int, Query(ge=0)] = 0) -> Response:
        """Proof of every change of validators and rules that begins after the height ``since``, in their order."""
        handovers = tuple(map(HandOverPart.of, service.ledger.trust.handovers_since(since)))
        return Response(msgspec.json.encode({"handovers": handovers}), media_type="application/json")

    @app.get("/healthz", tags=["node"])
    async def get_health() -> Response:
        """200 while the process serves."""
        return Response(b'{"status":"ok"}', media_type="application/json")

    @app.get("/readyz", tags=["node"])
    async def get_readiness() -> Response:
        """200 if transactions can be ordered through this node now."""
        reason = service.readiness.unready_reason
        if reason is not None:
            raise PoolError(ErrorCode.NOT_READY, reason)
        return Response(b'{"status":"ready"}', media_type="application/json")

    @app.get("/metrics", tags=["node"])
    async def get_metrics() -> Response:
        """Prometheus metrics."""
        return Response(service.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_events(app: FastAPI, service: NodeService, events: Events) -> None:
    @app.get("/v1/events", tags=["events"])
    async def get_events(
        request: Request,
        from_: Annotated[int | None, Query(alias="from", ge=0)] = None,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> Response:
        """Blocks as they become final, as server-sent events; resumes by height (``from`` or ``Last-Event-ID``). The
        data of each is a ``BlockEvent``.
        """
        if last_event_id:
            from_ = parse_number(last_event_id, "Last-Event-ID is a height") + 1
        first = service.pool.height + 1 if from_ is None else from_
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        followed = events.follow(source_of(request.scope), first)
        return StreamingResponse(followed, media_type="text/event-stream", headers=headers)


def _add_problems(app: FastAPI, service: NodeService) -> None:
    @app.exception_handler(PoolError)
    async def on_pool_error(_request: Request, error: PoolError) -> Response:
        if error.code.is_storage:
            service.fail(error)
        if error.code is ErrorCode.PAYLOAD_NOT_KEPT:
            location = Location(int(error.context["height"]), int(error.context["position"]))
            error.context["holders"] = " ".join(service.payloads.holders(location))
        elif error.code is ErrorCode.NOT_HERE_YET:
            error.context["holders"] = " ".join(service.payloads.keepers)
        return problem_response(error)

    @app.exception_handler(BodyAbandoned)
    async def on_abandoned_body(_request: Request, abandoned: BodyAbandoned) -> Response:
        response = problem_response(abandoned.error)
        response.headers["Connection"] = "close"
        return response

    @app.exception_handler(RequestValidationError)
    async def on_bad_parameters(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return problem_response(bad_request(f"{where}: {first['msg']}"))

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            return problem_response(PoolError(ErrorCode.NOT_FOUND, f"no resource at {request.url.path}"))
        if error.status_code == 405:
            response = problem_response(method_not_allowed(request.method))
            response.headers.update(error.headers or {})
            return response
        return problem_response(bad_request(str(error.detail)), error.status_code)
