"""Reading the chain over HTTP: blocks, transactions, records, catalogue, members, state and history proofs."""

from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from chain.erasure import LeftParcel
from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS, MIB
from chain.packages import read_packages
from chain.primitives.encoding import decode, encode, encode_array
from chain.primitives.places import indexes_in
from chain.proofs import history
from chain.proofs.receipts import Receipt
from chain.state.entries import (
    DatasetEntry,
    DatasetTotals,
    OwnerAct,
    RecordPlaces,
    dataset_key,
    dataset_totals_key,
    erased_records_key,
    erasure_key,
    member_key,
)
from chain.state.members import Member
from chain.storage.blocks import Location
from chain.transactions.registry import decode_transaction_header
from node.api.bodies import MSGPACK
from node.api.listing import Listing
from node.api.pages import After, Limit, Line, Order, PageQuery, Register, block_heights, lines_at, make_page
from node.api.parameters import json_response, parse_hash, read_bytes, read_json
from node.api.problems import bad_request, parse_number
from node.api.records import erased_at, location_of, stored_at
from node.api.views import (
    Json,
    block_summary,
    block_view,
    dataset_view,
    fields_of,
    member_view,
    receipt_view,
    text_of,
    transaction_view,
)
from node.service import NodeService

_CHAIN_REPLY_BYTES = 8 * MIB

Height = Annotated[int, Query(ge=0)]


def reads_router(service: NodeService) -> APIRouter:
    """Routes that read."""
    router = APIRouter(prefix="/v1")
    _add_blocks(router, service)
    _add_transactions(router, service)
    _add_catalogue(router, service)
    _add_members(router, service)
    _add_proofs(router, service)
    return router


def _add_blocks(router: APIRouter, service: NodeService) -> None:
    ledger = service.ledger

    @router.get("/blocks", tags=["blocks"])
    async def list_blocks(after: After = None, limit: Limit = 100, order: Order = "oldest") -> Response:
        """Summaries of blocks."""
        heights = block_heights(ledger, PageQuery(after, limit, order == "newest"))

        def view(height: int) -> Json:
            return block_summary(ledger.chain_id, ledger.header_bytes_at(height))

        lines = (Line(str(height), view(height)) for height in heights)
        return await read_bytes(service, lambda: make_page("blocks", lines, limit))

    @router.get("/blocks/{height}", tags=["blocks"])
    async def get_block(height: str) -> Response:
        """A block by its height, or ``latest``."""
        newest = ledger.tip.height
        number = newest if height == "latest" else parse_number(height, "a height is a number, or latest")
        return await read_json(service, lambda: block_view(ledger.chain_id, ledger.block_at(number)))

    @router.get("/chain", tags=["blocks"])
    async def get_chain(from_: Annotated[int, Query(alias="from", ge=0)] = 0, limit: Limit = 100) -> Response:
        """Blocks with all transactions from the height ``from`` on, as MessagePack, for audits and copies."""
        count = min(limit, LIMITS.catch_up_blocks, ledger.tip.height - from_ + 1)
        if count <= 0:
            return Response(encode_array([]), media_type=MSGPACK)

        def packages() -> bytes:
            return encode_array(read_packages(ledger.blocks, from_, count, _CHAIN_REPLY_BYTES, ledger.prove_erasures))

        return await read_bytes(service, packages, MSGPACK)


def _add_transactions(router: APIRouter, service: NodeService) -> None:
    ledger = service.ledger

    @router.get("/transactions/{transaction_id}", tags=["transactions"])
    async def get_transaction(transaction_id: str) -> Response:
        """A transaction: where it stands, its outcome, and the fields that its member signed."""
        id_ = parse_hash(transaction_id)
        if id_ in service.pool.mempool:
            return json_response({"transaction_id": transaction_id, "status": "pending"})
        location, snapshot = location_of(service, id_), ledger.snapshot()

        def view() -> Json:
            head = ledger.blocks.transaction_head(location)
            if head is None:
                raise PoolError(ErrorCode.NOT_FOUND, f"no transaction {transaction_id}")
            header = decode_transaction_header(ledger.chain_id, head.header)
            outcome = ledger.outcome_at(location)
            fields = transaction_view(header, outcome, location.height, location.position, head.header, head.signature)
            erasure = snapshot.entry(erasure_key(id_), OwnerAct)
            records = snapshot.entry(erased_records_key(id_), RecordPlaces) or RecordPlaces()
            erased = list(indexes_in(records.places))
            return fields | {"erasure": erasure and fields_of(erasure), "erased_records": erased}

        return await read_json(service, view)

    @router.get("/transactions/{transaction_id}/receipt", tags=["transactions"])
    async def get_receipt(transaction_id: str, accept: Annotated[str, Header()] = "") -> Response:
        """The receipt of a committed transaction, as JSON or MessagePack."""
        location = location_of(service, parse_hash(transaction_id))
        service.pool.flush()  # a receipt is a promise, so what it speaks of is durable first

        def receipt() -> Receipt:
            return ledger.receipts_of(location.height).receipt(location.position)

        if MSGPACK in accept.lower():
            return await read_bytes(service, lambda: encode(receipt()), MSGPACK)
        return await read_json(service, lambda: receipt_view(receipt()))

    @router.get("/transactions/{transaction_id}/raw", tags=["transactions"])
    async def get_raw(transaction_id: str) -> Response:
        """The transaction's exact bytes, as MessagePack; 410 for a parcel that was erased, or records of it."""
        id_ = parse_hash(transaction_id)
        location = location_of(service, id_)
        return await read_bytes(service, lambda: encode(stored_at(ledger, id_, location)), MSGPACK)

    @router.get("/transactions/{transaction_id}/left", tags=["transactions"])
    async def get_left(transaction_id: str) -> Response:
        """What is left of a parcel of which some records were erased, as MessagePack."""
        id_ = parse_hash(transaction_id)
        location = location_of(service, id_)

        def left() -> bytes:
            head, kept = ledger.head_at(location), erased_at(ledger, id_, location)
            ledger.blocks.transaction(location)  # says whom to ask where this node keeps none
            if kept is None:
                raise PoolError(ErrorCode.NOT_FOUND, f"no record of {transaction_id} was erased")
            return encode(LeftParcel(head.header, head.signature, kept))

        return await read_bytes(service, left, MSGPACK)


def _add_catalogue(router: APIRouter, service: NodeService) -> None:
    ledger = service.ledger
    register = Register(ledger, dataset_key(""), lambda value: decode(DatasetEntry, value).registered_height)
    service.pool.add_listener(register.on_committed)

    @router.get("/datasets", tags=["catalogue"])
    async def list_datasets(after: After = None, limit: Limit = 100, order: Order = "oldest") -> Response:
        """The catalogue, by the time of registration."""
        snapshot = ledger.snapshot()

        def view(name: str) -> Json | None:
            entry = snapshot.entry(dataset_key(name), DatasetEntry)
            totals = snapshot.entry(dataset_totals_key(name), DatasetTotals)
            return None if entry is None else dataset_view(entry, totals)

        lines = register.lines(PageQuery(after, limit, order == "newest"), view)
        return await read_bytes(service, lambda: make_page("datasets", lines, limit))

    @router.get("/datasets/{dataset}", tags=["catalogue"])
    async def get_dataset(dataset: str) -> Response:
        """A catalogue entry."""
        entry = ledger.dataset(dataset)
        if entry is None:
            raise PoolError(ErrorCode.NOT_FOUND, f"{dataset} is not in the catalogue")
        return json_response(dataset_view(entry, ledger.dataset_totals(dataset)))

    @router.get("/datasets/{dataset}/parcels", tags=["catalogue"])
    async def list_parcels(dataset: str, after: After = None, limit: Limit = 100, order: Order = "oldest") -> Response:
        """Parcels of a dataset; rejected ones among them."""
        wanted = PageQuery.of_chain(after, limit, order)
        if ledger.dataset(dataset) is None:
            raise PoolError(ErrorCode.NOT_FOUND, f"{dataset} is not in the catalogue")

        def places(after: Location | None, limit: int, newest: bool) -> list[Location]:
            return ledger.blocks.parcels(dataset, after, limit, is_newest_first=newest)

        lines = lines_at(places, wanted, Listing(ledger).parcel)
        return await read_bytes(service, lambda: make_page("parcels", lines, limit))


def _add_members(router: APIRouter, service: NodeService) -> None:
    ledger = service.ledger
    register = Register(ledger, member_key(""), _member_since)
    service.pool.add_listener(register.on_committed)

    @router.get("/members", tags=["members"])
    async def list_members(after: After = None, limit: Limit = 100, order: Order = "oldest") -> Response:
        """Members, by the height from which they may sign."""
        snapshot = ledger.snapshot()

        def view(name: str) -> Json | None:
            member = snapshot.entry(member_key(name), Member)
            return None if member is None else member_view(member)

        lines = register.lines(PageQuery(after, limit, order == "newest"), view)
        return await read_bytes(service, lambda: make_page("members", lines, limit))

    @router.get("/members/{name}", tags=["members"])
    async def get_member(name: str, height: Annotated[int | None, Query(ge=0)] = None) -> Response:
        """A member, after the block at ``height`` (the newest by default), with the proof of its entry."""
        at = ledger.tip.height if height is None else height

        def view() -> Json:
            value, proof = ledger.state_proof(member_key(name), at)
            if value is None:
                raise PoolError(ErrorCode.NOT_FOUND, f"{name} is no member at height {at}")
            proven = {"height": at, "value": text_of(value), "proof": text_of(encode(proof))}
            return member_view(decode(Member, value)) | proven

        return await read_json(service, view)


def _add_proofs(router: APIRouter, service: NodeService) -> None:
    ledger = service.ledger

    @router.get("/state/{key:path}", tags=["proofs"])
    async def get_state(key: str, height: Annotated[int | None, Query(ge=0)] = None) -> Response:
        """A state entry, or its absence, after the block at ``height``, with the proof."""
        at = ledger.tip.height if height is None else height

        def view() -> Json:
            value, proof = ledger.state_proof(key.encode(), at)
            return {
                "key": key,
                "height": at,
                "value": None if value is None else text_of(value),
                "proof": text_of(encode(proof)),
                "state_root": ledger.header_at(at).state_root.hex(),
            }

        return await read_json(service, view)

    @router.get("/history/consistency", tags=["proofs"])
    async def get_consistency(from_: Annotated[int, Query(alias="from", ge=0)], to: Height) -> Response:
        """Proof that the history of ``from`` blocks is a prefix of that of ``to`` blocks."""
        if not from_ <= to <= ledger.tip.height + 1:
            raise bad_request(f"0 <= from <= to <= {ledger.tip.height + 1}")
        proof = history.consistency_proof(from_, to, ledger.blocks.history_node)
        return json_response({"from": from_, "to": to, "proof": [item.hex() for item in proof]})

    @router.get("/history/inclusion", tags=["proofs"])
    async def get_inclusion(height: Height, size: Height) -> Response:
        """Proof that the block at ``height`` is in the history of ``size`` blocks."""
        if not height < size <= ledger.tip.height + 1:
            raise bad_request(f"height < size <= {ledger.tip.height + 1}")
        proof = history.inclusion_proof_at(height, size, ledger.blocks.history_node)
        return json_response({"height": height, "size": size, "proof": [item.hex() for item in proof]})


def _member_since(value: bytes) -> int:
    return min((key.from_height for key in decode(Member, value).keys), default=0)
