"""Reading the chain over HTTP: blocks, transactions, records, catalogue, members, state and history proofs."""

import contextlib
from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from chain.erasure import verify_not_erased
from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS, MIB
from chain.primitives.crypto import Hash
from chain.primitives.encoding import decode, encode, encode_array
from chain.proofs import history
from chain.state.entries import DatasetEntry, Erasure, erasure_key, member_key
from chain.state.members import Member
from chain.storage.blocks import Location
from chain.transactions.parcel import PARCEL, ParcelHeader, decode_content
from chain.transactions.registry import decode_transaction_header
from node.api.bodies import MSGPACK
from node.api.listing import Listing
from node.api.parameters import After, Limit, json_response, parse_hash, parse_place, place_text
from node.api.problems import bad_request, parse_number
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
    _add_records(router, service)
    _add_catalogue(router, service)
    _add_proofs(router, service)
    return router


def _add_blocks(router: APIRouter, service: NodeService) -> None:
    ledger = service.ledger

    @router.get("/blocks", tags=["blocks"])
    async def list_blocks(before: int | None = None, limit: Limit = 20) -> Response:
        """Summaries of blocks, newest first, below the height ``before``."""
        newest = ledger.tip.height if before is None else min(before - 1, ledger.tip.height)
        heights = range(newest, max(-1, newest - limit), -1)
        return json_response(
            {"blocks": [block_summary(ledger.chain_id, ledger.final_header_at(height).header) for height in heights]}
        )

    @router.get("/blocks/{height}", tags=["blocks"])
    async def get_block(height: str) -> Response:
        """A block by its height, or ``latest``."""
        newest = ledger.tip.height
        number = newest if height == "latest" else parse_number(height, "a height is a number, or latest")
        return json_response(block_view(ledger.chain_id, ledger.block_at(number)))

    @router.get("/chain", tags=["blocks"])
    async def get_chain(from_: Annotated[int, Query(alias="from", ge=0)] = 0, limit: Limit = 100) -> Response:
        """Blocks with all transactions from the height ``from`` on, as MessagePack, for audits and copies."""
        packages = await service.pool.read_packages(from_, min(limit, LIMITS.catch_up_blocks), _CHAIN_REPLY_BYTES)
        return Response(encode_array(packages), media_type=MSGPACK)


def _add_transactions(router: APIRouter, service: NodeService) -> None:
    ledger = service.ledger

    @router.get("/transactions/{transaction_id}", tags=["transactions"])
    async def get_transaction(transaction_id: str) -> Response:
        """A transaction: where it stands, its outcome, and the fields that its member signed."""
        id_ = parse_hash(transaction_id)
        if id_ in service.pool.mempool:
            return json_response({"transaction_id": transaction_id, "status": "pending"})
        location = _location(service, id_)
        head = ledger.blocks.transaction_head(location)
        if head is None:
            raise PoolError(ErrorCode.NOT_FOUND, f"no transaction {transaction_id}")
        header = decode_transaction_header(ledger.chain_id, head.header)
        outcome = ledger.outcome_at(location)
        view = transaction_view(header, outcome, location.height, location.position, head.header, head.signature)
        erasure = ledger.entry(erasure_key(id_), Erasure)
        return json_response(view | {"erasure": erasure and fields_of(erasure)})

    @router.get("/transactions/{transaction_id}/receipt", tags=["transactions"])
    async def get_receipt(transaction_id: str, accept: Annotated[str, Header()] = "") -> Response:
        """The receipt of a committed transaction, as JSON or MessagePack."""
        receipt = service.pool.receipt(_location(service, parse_hash(transaction_id)))
        if MSGPACK in accept.lower():
            return Response(encode(receipt), media_type=MSGPACK)
        return json_response(receipt_view(receipt))

    @router.get("/transactions/{transaction_id}/raw", tags=["transactions"])
    async def get_raw(transaction_id: str) -> Response:
        """The transaction's exact bytes, as MessagePack; 410 for a parcel that was erased."""
        id_ = parse_hash(transaction_id)
        stored = ledger.blocks.transaction(_location(service, id_))
        if stored is None:
            raise PoolError(ErrorCode.NOT_FOUND, f"no transaction {transaction_id}")
        verify_not_erased(ledger.entry, id_)
        return Response(encode(stored), media_type=MSGPACK)


def _add_records(router: APIRouter, service: NodeService) -> None:
    ledger = service.ledger

    @router.get("/records/{transaction_id}/{index}", tags=["records"])
    async def get_record(transaction_id: str, index: int) -> Response:
        """A record with where it comes from; 410 if its parcel was erased."""
        location, header, body = _record(service, transaction_id, index)
        is_sealed = bool(header.envelope)
        view: Json = {
            "record": f"{transaction_id}/{index}",
            "dataset": header.dataset,
            "member": header.member,
            "height": location.height,
            "time_ms": ledger.header_at(location.height).time_ms,
            "outcome": ledger.outcome_at(location).code,
            "sealed": is_sealed,
            "body": text_of(body),
        }
        if not is_sealed:
            with contextlib.suppress(orjson.JSONDecodeError):  # a dataset without a schema may hold any bytes
                view["value"] = orjson.loads(body)
        return json_response(view)

    @router.get("/records/{transaction_id}/{index}/raw", tags=["records"])
    async def get_record_bytes(transaction_id: str, index: int) -> Response:
        """The record's exact bytes."""
        _, _, body = _record(service, transaction_id, index)
        return Response(body, media_type="application/octet-stream")


def _add_catalogue(router: APIRouter, service: NodeService) -> None:
    ledger = service.ledger

    @router.get("/datasets", tags=["catalogue"])
    async def list_datasets() -> Response:
        """The catalogue."""
        entries = [decode(DatasetEntry, value) for value in ledger.entries(b"dataset/").values()]
        return json_response(
            {"datasets": [dataset_view(entry, ledger.dataset_totals(entry.dataset)) for entry in entries]}
        )

    @router.get("/datasets/{dataset}", tags=["catalogue"])
    async def get_dataset(dataset: str) -> Response:
        """A catalogue entry."""
        entry = ledger.dataset(dataset)
        if entry is None:
            raise PoolError(ErrorCode.NOT_FOUND, f"{dataset} is not in the catalogue")
        return json_response(dataset_view(entry, ledger.dataset_totals(dataset)))

    @router.get("/datasets/{dataset}/parcels", tags=["catalogue"])
    async def list_parcels(dataset: str, after: After = None, limit: Limit = 100) -> Response:
        """Parcels of a dataset in chain order; rejected ones among them."""
        place = parse_place(after)
        if ledger.dataset(dataset) is None:
            raise PoolError(ErrorCode.NOT_FOUND, f"{dataset} is not in the catalogue")
        found = ledger.blocks.parcels(dataset, place, limit)
        listing = Listing(ledger)
        following = place_text(found[-1]) if len(found) == limit else None
        return json_response({"parcels": [listing.parcel(location) for location in found], "next": following})

    @router.get("/members", tags=["members"])
    async def list_members() -> Response:
        """All members."""
        members = [decode(Member, value) for value in ledger.entries(b"member/").values()]
        return json_response({"members": [member_view(member) for member in members]})

    @router.get("/members/{name}", tags=["members"])
    async def get_member(name: str, height: Annotated[int | None, Query(ge=0)] = None) -> Response:
        """A member, after the block at ``height`` (the newest by default), with the proof of its entry."""
        height = ledger.tip.height if height is None else height
        value, proof = ledger.state_proof(member_key(name), height)
        if value is None:
            raise PoolError(ErrorCode.NOT_FOUND, f"{name} is no member at height {height}")
        proven = {"height": height, "value": text_of(value), "proof": text_of(encode(proof))}
        return json_response(member_view(decode(Member, value)) | proven)


def _add_proofs(router: APIRouter, service: NodeService) -> None:
    ledger = service.ledger

    @router.get("/state/{key:path}", tags=["proofs"])
    async def get_state(key: str, height: Annotated[int | None, Query(ge=0)] = None) -> Response:
        """A state entry, or its absence, after the block at ``height``, with the proof."""
        height = ledger.tip.height if height is None else height
        value, proof = ledger.state_proof(key.encode(), height)
        answer = {
            "key": key,
            "height": height,
            "value": None if value is None else text_of(value),
            "proof": text_of(encode(proof)),
            "state_root": ledger.header_at(height).state_root.hex(),
        }
        return json_response(answer)

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


def _location(service: NodeService, id_: Hash) -> Location:
    location = service.ledger.blocks.location(id_)
    if location is None:
        raise PoolError(ErrorCode.NOT_FOUND, f"no transaction {id_.hex()}")
    return location


def _record(service: NodeService, transaction_id: str, index: int) -> tuple[Location, ParcelHeader, bytes]:
    id_ = parse_hash(transaction_id)
    location = _location(service, id_)
    stored = service.ledger.blocks.transaction(location)
    header = PARCEL.of(decode_transaction_header(service.ledger.chain_id, stored.header)) if stored else None
    if stored is None or header is None or not 0 <= index < header.record_count:
        raise PoolError(ErrorCode.NOT_FOUND, f"no record {transaction_id}/{index}")
    verify_not_erased(service.ledger.entry, id_)
    return location, header, decode_content(header, stored.payload).records[index]
