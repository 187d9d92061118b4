"""What came of a parcel, over HTTP: the parcels that were made from it, and the reads that name it.

That neither list leaves anything out can be proved: their ids fold to the histories in ``derived/ID`` and
``parcel-reads/DATASET/ID`` of the state (``/v1/state``).
"""

from fastapi import APIRouter
from starlette.responses import Response

from chain.errors import ErrorCode, PoolError
from chain.storage.blocks import Location
from node.api.listing import Listing
from node.api.pages import After, Limit, Order, PageQuery, lines_at, make_page
from node.api.parameters import parse_hash, read_bytes
from node.service import NodeService


def parcels_router(service: NodeService) -> APIRouter:
    """Routes about what came of a parcel."""
    router = APIRouter(prefix="/v1/parcels")
    ledger = service.ledger

    @router.get("/{parcel}/derived", tags=["records"])
    async def list_derived(parcel: str, after: After = None, limit: Limit = 100, order: Order = "oldest") -> Response:
        """Accepted parcels that name a record of this one as a source."""
        wanted = PageQuery.of_chain(after, limit, order)
        id_, _ = _accepted(service, parcel)

        def places(after: Location | None, limit: int, newest: bool) -> list[Location]:
            return ledger.blocks.derived(id_, after, limit, is_newest_first=newest)

        lines = lines_at(places, wanted, Listing(ledger).parcel)
        return await read_bytes(service, lambda: make_page("parcels", lines, limit))

    @router.get("/{parcel}/reads", tags=["access"])
    async def list_parcel_reads(
        parcel: str, after: After = None, limit: Limit = 100, order: Order = "oldest"
    ) -> Response:
        """Requests and read reports that name this parcel and took effect. A request for a whole dataset names none;
        the read reports under it do.
        """
        wanted = PageQuery.of_chain(after, limit, order)
        id_, dataset = _accepted(service, parcel)

        def places(after: Location | None, limit: int, newest: bool) -> list[Location]:
            return ledger.blocks.parcel_reads(dataset, id_, after, limit, is_newest_first=newest)

        lines = lines_at(places, wanted, Listing(ledger).read)
        return await read_bytes(service, lambda: make_page("reads", lines, limit))

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
