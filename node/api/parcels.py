"""What came of a parcel, over HTTP: the parcels that were made from it, and the reads that name it.

That neither list leaves anything out can be proved: their ids fold to the histories in ``derived/ID`` and
``parcel-reads/DATASET/ID`` of the state (``/v1/state``).
"""

from fastapi import APIRouter
from starlette.responses import Response

from chain.errors import ErrorCode, PoolError
from chain.storage.blocks import Location
from node.api.listing import Listing
from node.api.parameters import After, Limit, json_response, parse_hash, parse_place, place_text
from node.service import NodeService


def parcels_router(service: NodeService) -> APIRouter:
    """Routes about what came of a parcel."""
    router = APIRouter(prefix="/v1/parcels")
    ledger = service.ledger

    @router.get("/{parcel}/derived", tags=["records"])
    async def list_derived(parcel: str, after: After = None, limit: Limit = 100) -> Response:
        """Accepted parcels that name a record of this one as a source, in chain order."""
        id_, _ = _accepted(service, parcel)
        found = ledger.blocks.derived(id_, parse_place(after), limit)
        listing = Listing(ledger)
        return json_response({"parcels": [listing.parcel(location) for location in found], "next": _next(found, limit)})

    @router.get("/{parcel}/reads", tags=["access"])
    async def list_reads(parcel: str, after: After = None, limit: Limit = 100) -> Response:
        """Requests and read reports that name this parcel and took effect, in chain order. A request for a whole
        dataset names none; the read reports under it do.
        """
        id_, dataset = _accepted(service, parcel)
        found = ledger.blocks.parcel_reads(dataset, id_, parse_place(after), limit)
        listing = Listing(ledger)
        return json_response({"reads": [listing.read(location) for location in found], "next": _next(found, limit)})

    return router


def _accepted(service: NodeService, parcel: str) -> tuple[bytes, str]:
    """Id and dataset of an accepted parcel.

    Raises:
        PoolError: codes ``bad_request``, ``not_found``.
    """
    id_ = parse_hash(parcel)
    accepted = service.ledger.blocks.parcel(id_, service.ledger.tip.height)
    if accepted is None:
        raise PoolError(ErrorCode.NOT_FOUND, f"the chain has accepted no parcel {parcel}")
    return id_, accepted.dataset


def _next(found: list[Location], limit: int) -> str | None:
    return place_text(found[-1]) if len(found) == limit else None
