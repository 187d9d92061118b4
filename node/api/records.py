"""Records over HTTP: one by its id, and those of a dataset in pages, for programs that take what is new."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import orjson
from fastapi import APIRouter
from starlette.responses import Response

from chain.erasure import verify_not_erased
from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.limits import LIMITS
from chain.primitives import json_reader
from chain.primitives.crypto import Hash
from chain.primitives.places import count_of, has_place
from chain.state.entries import (
    OwnerAct,
    RecordPlaces,
    corrected_records_key,
    correction_key,
    erasure_key,
)
from chain.storage.blocks import Location
from chain.transactions.base import ErasedPayload, Transaction
from chain.transactions.correction import CORRECTION
from chain.transactions.parcel import PARCEL, ParcelHeader, decode_content
from chain.transactions.registry import decode_transaction_header
from node.api.pages import After, Limit, Line, Order, make_page, parse_place, place_text
from node.api.parameters import parse_hash, read_bytes
from node.api.problems import bad_request, parse_number
from node.api.views import Json, fields_of, text_of
from node.service import NodeService

_PARCELS = 16
"""Parcels looked up at a time."""


def records_router(service: NodeService) -> APIRouter:
    """Routes of records."""
    router = APIRouter(prefix="/v1", tags=["records"])
    _add_single(router, service)
    _add_list(router, service)
    return router


def location_of(service: NodeService, id_: Hash) -> Location:
    """Where a transaction stands.

    Raises:
        PoolError: code ``not_found``, and ``not_here_yet`` while its block is still to be fetched.
    """
    location = service.ledger.blocks.location(id_)
    if location is None:
        raise PoolError(ErrorCode.NOT_FOUND, f"no transaction {id_.hex()}")
    service.ledger.verify_here(location.height)
    return location


def stored_at(ledger: Ledger, id_: Hash, location: Location) -> Transaction:
    """A transaction with its payload. In a reader's thread a block may erase it at any moment, and is written before
    the state is known.

    Raises:
        PoolError: codes ``not_found``, ``parcel_erased``, ``record_erased`` (some of its records), ``parcel_rejected``,
            ``not_ready``, ``payload_not_kept``.
    """
    stored = ledger.blocks.transaction(location)
    if stored is None:
        raise PoolError(ErrorCode.NOT_FOUND, f"no transaction {id_.hex()}")
    if stored.payload:
        verify_not_erased(ledger.snapshot().entry, id_)
        return stored
    if (kept := erased_at(ledger, id_, location)) is not None:
        detail = f"{count_of(kept.places)} records of parcel {id_.hex()} were erased: ask for what is left"
        raise PoolError(ErrorCode.RECORD_ERASED, detail, parcel=id_.hex())
    return stored


def erased_at(ledger: Ledger, id_: Hash, location: Location) -> ErasedPayload | None:
    """What is left of a parcel without some records; None for a transaction that never had a payload.

    Raises:
        PoolError: codes ``parcel_erased``, ``parcel_rejected``, ``not_ready``.
    """
    verify_not_erased(ledger.snapshot().entry, id_)
    kept = ledger.blocks.erased_payload(location)
    if kept is None or kept.places:
        return kept
    if not (outcome := ledger.blocks.outcome(location)).is_ok:
        detail = f"parcel {id_.hex()} was rejected ({outcome.code}) at height {location.height}"
        raise PoolError(ErrorCode.PARCEL_REJECTED, detail, parcel=id_.hex(), height=location.height)
    raise PoolError(ErrorCode.NOT_READY, "the block that erases it is being committed")


def bodies_at(ledger: Ledger, header: ParcelHeader, id_: Hash, location: Location) -> tuple[bytes | None, ...]:
    """The records of an accepted parcel; None for each that was erased.

    Raises:
        PoolError: codes as of ``stored_at``, but ``record_erased``.
    """
    stored = ledger.blocks.transaction(location)
    if stored is None:
        raise PoolError(ErrorCode.NOT_FOUND, f"no transaction {id_.hex()}")
    if stored.payload:
        verify_not_erased(ledger.snapshot().entry, id_)
        return decode_content(header, stored.payload).records
    kept = erased_at(ledger, id_, location)
    if kept is None:  # it moved between the two looks
        raise PoolError(ErrorCode.NOT_READY, "the block that erases of it is being committed")
    records = decode_content(header, kept.left).records
    return tuple(None if has_place(kept.places, index) else body for index, body in enumerate(records))


def _add_single(router: APIRouter, service: NodeService) -> None:
    ledger = service.ledger

    @router.get("/records/{transaction_id}/{index}")
    async def get_record(transaction_id: str, index: int) -> Response:
        """A record with where it comes from; 410 if it or its parcel was erased."""
        id_ = parse_hash(transaction_id)
        location, snapshot = location_of(service, id_), ledger.snapshot()

        def view() -> bytes:
            header, body = _record(ledger, id_, location, index)
            correction = snapshot.entry(correction_key(id_, index), OwnerAct)
            fields: Json = {
                "record": f"{transaction_id}/{index}",
                "dataset": header.dataset,
                "member": header.member,
                "height": location.height,
                "time_ms": ledger.header_at(location.height).time_ms,
                "outcome": ledger.outcome_at(location).code,
                "sealed": bool(header.envelope),
                "body": text_of(body),
                "correction": correction and fields_of(correction),
                "corrects": _corrects(header),
            }
            return orjson.dumps(fields | _value(header, body))

        return await read_bytes(service, view)

    @router.get("/records/{transaction_id}/{index}/raw")
    async def get_record_bytes(transaction_id: str, index: int) -> Response:
        """The record's exact bytes."""
        id_ = parse_hash(transaction_id)
        location = location_of(service, id_)
        return await read_bytes(service, lambda: _record(ledger, id_, location, index)[1], "application/octet-stream")


def _add_list(router: APIRouter, service: NodeService) -> None:
    ledger = service.ledger

    @router.get("/datasets/{dataset}/records")
    async def list_records(dataset: str, after: After = None, limit: Limit = 100, order: Order = "oldest") -> Response:
        """Records of a dataset. ``record`` of each is its id, ``cursor`` its place: given back as ``after``, it brings
        what came since, however long ago that was. What was erased is listed without its content.
        """
        place = _RecordPlace.parse(after)
        if ledger.dataset(dataset) is None:
            raise PoolError(ErrorCode.NOT_FOUND, f"{dataset} is not in the catalogue")
        lines = _RecordLines(ledger, dataset, order == "newest").after(place)
        return await read_bytes(service, lambda: make_page("records", lines, limit))


class _RecordPlace(NamedTuple):
    """Where a record stands in the chain."""

    location: Location
    record: int

    def __str__(self) -> str:
        return f"{place_text(self.location)}.{self.record}"

    @classmethod
    def parse(cls, text: str | None) -> "_RecordPlace | None":
        """Read ``HEIGHT.INDEX.RECORD``; raises ``bad_request``."""
        if not text:
            return None
        place, dot, index = text.rpartition(".")
        refusal = "after has the form HEIGHT.INDEX.RECORD"
        location = parse_place(place) if dot and "." in place else None
        if location is None:
            raise bad_request(refusal)
        return cls(location, parse_number(index, refusal))


class _RecordLines:
    """The lines of one list."""

    def __init__(self, ledger: Ledger, dataset: str, is_newest_first: bool) -> None:
        self._ledger = ledger
        self._dataset = dataset
        self._is_newest_first = is_newest_first
        self._snapshot = ledger.snapshot()

    def after(self, place: _RecordPlace | None) -> Iterator[Line]:
        """Those that follow a place."""
        at = None if place is None else place.location
        if at is not None:
            yield from self._parcel(at, place)
        while found := self._ledger.blocks.parcels(self._dataset, at, _PARCELS, is_newest_first=self._is_newest_first):
            for at in found:
                yield from self._parcel(at, None)

    def _parcel(self, location: Location, after: _RecordPlace | None) -> Iterator[Line]:
        """The records of a parcel, none if it was rejected, or none is there."""
        ledger = self._ledger
        header = _header_at(ledger, location)
        if header is None or header.dataset != self._dataset:
            return  # ``after`` names no parcel of this dataset: what follows it is listed all the same
        outcome = ledger.blocks.outcome(location)
        if not outcome.is_ok:
            yield Line(str(_RecordPlace(location, LIMITS.transaction_records)), None)
            return
        id_ = outcome.transaction_id
        bodies = self._bodies(header, id_, location)
        corrected = self._snapshot.entry(corrected_records_key(id_), RecordPlaces) or RecordPlaces()
        shared: Json = {
            "member": header.member,
            "height": location.height,
            "time_ms": ledger.header_at(location.height).time_ms,
            "sealed": bool(header.envelope),
            "corrects": _corrects(header),
        }
        for index in self._indexes(header.record_count, after):
            place = str(_RecordPlace(location, index))
            named: Json = {"record": f"{id_.hex()}/{index}", "cursor": place, "corrected": corrected.has(index)}
            body = bodies[index] if bodies else None
            yield Line(place, named | shared | {"erased": body is None} | _content(header, body))

    def _indexes(self, count: int, after: _RecordPlace | None) -> range:
        if self._is_newest_first:
            return range((count if after is None else min(after.record, count)) - 1, -1, -1)
        return range(0 if after is None else after.record + 1, count)

    def _bodies(self, header: ParcelHeader, id_: Hash, location: Location) -> tuple[bytes | None, ...]:
        """The records of an accepted parcel; None for each that was erased, and none if all of it was."""
        if self._snapshot.entry(erasure_key(id_), OwnerAct) is not None:
            return ()
        try:
            return bodies_at(self._ledger, header, id_, location)
        except PoolError as error:
            if error.code is ErrorCode.PARCEL_ERASED:  # since the list began
                return ()
            raise


def _header_at(ledger: Ledger, location: Location) -> ParcelHeader | None:
    """The header of the parcel at a place; None if there is none."""
    head = ledger.blocks.transaction_head(location)
    return PARCEL.of(decode_transaction_header(ledger.chain_id, head.header)) if head else None


def _record(ledger: Ledger, id_: Hash, location: Location, index: int) -> tuple[ParcelHeader, bytes]:
    header = _header_at(ledger, location)
    if header is None or not 0 <= index < header.record_count:
        raise PoolError(ErrorCode.NOT_FOUND, f"no record {id_.hex()}/{index}")
    body = bodies_at(ledger, header, id_, location)[index]
    if body is None:
        verify_not_erased(ledger.snapshot().entry, id_, index)
        raise PoolError(ErrorCode.NOT_READY, "the block that erases it is being committed")
    return header, body


def _content(header: ParcelHeader, body: bytes | None) -> Json:
    """A record's value if it is open and JSON, else its bytes; neither if it was erased."""
    if body is None:
        return {}
    return _value(header, body) or {"body": text_of(body)}


def _value(header: ParcelHeader, body: bytes) -> Json:
    """A record's value if it is open and JSON, every digit as it was shared."""
    if not header.envelope:
        with contextlib.suppress(json_reader.BadJson):  # a dataset without a schema may hold any bytes
            json_reader.read_json(body)
            return {"value": orjson.Fragment(body)}
    return {}


def _corrects(header: ParcelHeader) -> str | None:
    correction = CORRECTION.of(header)
    if correction is None:
        return None
    parcel, index = correction.corrected
    return f"{parcel.hex()}/{index}"
