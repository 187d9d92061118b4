"""What watchers ask a node: its checkpoints, and the evidence of misbehaviour that it holds."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from node.api.parameters import json_response
from node.service import NodeService

Size = Annotated[int | None, Query(ge=1, le=2**63 - 1)]


def checkpoints_router(service: NodeService) -> APIRouter:
    """Routes of watchers."""
    router = APIRouter(prefix="/v1")
    _add_checkpoints(router, service)
    _add_misbehaviour(router, service)
    return router


def _add_checkpoints(router: APIRouter, service: NodeService) -> None:
    @router.get("/checkpoint", tags=["proofs"])
    async def get_checkpoint(
        size: Size = None, witnesses: Annotated[int, Query(ge=0, le=LIMITS.members)] = 0
    ) -> Response:
        """The newest checkpoint that a quorum of validators, and as many ``witnesses``, have cosigned, as a signed
        note. With ``size`` this node's own signature on what its history was at that many blocks.
        """
        if size is not None and witnesses:
            raise PoolError(ErrorCode.BAD_REQUEST, "size asks for this node's word alone, witnesses for that of others")
        checkpoints = service.checkpoints
        note = checkpoints.note(witnesses) if size is None else checkpoints.own_note(size)
        return Response(note, media_type="text/plain; charset=utf-8")


def _add_misbehaviour(router: APIRouter, service: NodeService) -> None:
    @router.get("/misbehaviour", tags=["proofs"])
    async def list_misbehaviour() -> Response:
        """Evidence of misbehaviour that this node holds: who, and where in the chain."""
        files = service.misbehaviour.files
        return json_response({"misbehaviour": [file._asdict() for file in files]})

    @router.get("/misbehaviour/{file}", tags=["proofs"])
    async def get_misbehaviour(file: str) -> Response:
        """An evidence file by its name, to be verified offline."""
        return Response(service.misbehaviour.read(file), media_type="application/json")
