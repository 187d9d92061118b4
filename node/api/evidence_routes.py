"""Evidence files over HTTP: self-contained answers to an auditor's questions, to be verified offline.

They are made beside the loop, since some take a while. With ``tree_size`` a file speaks of the chain up to the last
block of the checkpoint of that size, and proves that its blocks are in the checkpoint's history.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from evidence.no_grant import make_no_grant_evidence
from evidence.no_read import make_no_read_evidence
from evidence.read import make_read_evidence
from evidence.record import make_record_evidence
from node.api.parameters import parse_hash, read_bytes
from node.service import NodeService

_LAST = 2**63 - 1
TreeSize = Annotated[int | None, Query(ge=1, le=_LAST, description="Size of the checkpoint that you hold")]
From = Annotated[int, Query(alias="from", ge=1, le=_LAST, description="First block of the range")]
Until = Annotated[int | None, Query(ge=1, le=_LAST, description="Last block of the range; without it, the newest")]


def evidence_router(service: NodeService) -> APIRouter:
    """Routes of evidence files."""
    router = APIRouter(prefix="/v1")
    _add_presence(router, service)
    _add_absence(router, service)
    return router


def _add_presence(router: APIRouter, service: NodeService) -> None:
    ledger = service.ledger

    @router.get("/records/{transaction_id}/{index}/evidence", tags=["evidence"])
    async def get_record_evidence(
        transaction_id: str, index: Annotated[int, Path(ge=0)], tree_size: TreeSize = None
    ) -> Response:
        """Where a record comes from, and what came of it."""
        id_ = parse_hash(transaction_id)
        return await read_bytes(service, lambda: make_record_evidence(ledger, id_, index, tree_size))

    @router.get("/requests/{request_id}/evidence", tags=["evidence"])
    async def get_read_evidence(request_id: str, tree_size: TreeSize = None) -> Response:
        """Who asked to read what and why, what was decided, who approved, and what was reported as read."""
        id_ = parse_hash(request_id)
        return await read_bytes(service, lambda: make_read_evidence(ledger, id_, tree_size))


def _add_absence(router: APIRouter, service: NodeService) -> None:
    ledger = service.ledger

    @router.get("/absence/grant", tags=["evidence"])
    async def get_no_grant_evidence(
        dataset: str, reader: str, from_: From = 1, until: Until = None, tree_size: TreeSize = None
    ) -> Response:
        """That a member had no grant on a dataset at any height of a range; refused where it had one."""
        return await read_bytes(
            service, lambda: make_no_grant_evidence(ledger, dataset, reader, from_, until, tree_size)
        )

    @router.get("/absence/read", tags=["evidence"])
    async def get_no_read_evidence(
        parcel: str, from_: From = 1, until: Until = None, tree_size: TreeSize = None
    ) -> Response:
        """That no read report for a sealed parcel was committed at any height of a range; refused where there is
        one.
        """
        id_ = parse_hash(parcel)
        return await read_bytes(service, lambda: make_no_read_evidence(ledger, id_, from_, until, tree_size))
