"""Nodes without processes or sockets: they answer a client's operations from a ledger in memory, honestly or as a test
says, and no time passes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from blockpool import exchange
from blockpool.identity import Identity
from blockpool.operations.session import Session
from chain.access.policy import granted_part, verify_grant
from chain.erasure import LeftParcel
from chain.errors import ErrorCode, PoolError
from chain.granularity import Part
from chain.ledger import Ledger
from chain.primitives.encoding import decode, encode
from chain.record_keys import split_keys
from chain.state.entries import RequestEntry, request_key
from chain.storage.blocks import Location
from chain.transactions.parcel import ParcelHeader, decode_sealed_shares
from chain.transactions.registry import decode_transaction_header
from chain.transactions.sealed import decode_envelope
from node.api.listing import Listing
from node.api.records import erased_at, stored_at
from node.api.views import block_view, text_of
from sealing import KemPrivateKey, KemPublicKey, ParcelContext, Release, open_own_share, release_part
from sealing.exchange import ShareQuery
from tests.networks import TestNetwork

T = TypeVar("T")
Body = Any
"""What the API answers, before it is JSON or MessagePack."""
Give = Callable[[str, bytes, Release], bytes | None]
"""(validator, its true share, what for) -> the share that it gives, None for none."""


@dataclass
class LedgerNode:
    """One node.

    Attributes:
        ledger: what it knows.
        kem: the validators' keys; all of them are reached.
        change: changes an answer: (path, answer) -> answer; may raise ``PoolError`` to refuse.
        give: changes the share that a validator gives.
    """

    ledger: Ledger
    kem: dict[str, KemPrivateKey] = field(default_factory=dict)
    change: Callable[[str, Body], Body] = lambda path, body: body
    give: Give = lambda validator, share, release: share
    parts: dict[str, Part] = field(default_factory=dict)
    """What a validator gives instead of what was granted."""
    is_up: bool = True
    asked: list[str] = field(default_factory=list)
    """Paths."""

    def answer(self, request: exchange.NodeRequest) -> exchange.Answer:
        """What comes back."""
        if not self.is_up:
            return exchange.Unreachable("connection refused")
        self.asked.append(request.path)
        try:
            body = self.change(request.path, self._body(request))
        except PoolError as error:
            problem = error.context | {"code": error.code, "detail": error.detail}
            return exchange.Reply(error.code.info.http_status, {}, orjson.dumps(problem))
        return exchange.Reply(200, {}, body if isinstance(body, bytes) else orjson.dumps(body))

    def _body(self, request: exchange.NodeRequest) -> Body:
        ledger, chain_id = self.ledger, self.ledger.chain_id
        match request.path.split("/")[2:]:
            case ["blocks", height]:
                number = ledger.tip.height if height == "latest" else int(height)
                return block_view(chain_id, ledger.block_at(number))
            case ["state", *key]:
                value, proof = ledger.state_proof("/".join(key).encode(), int(request.parameters["height"]))
                return {"value": None if value is None else text_of(value), "proof": text_of(encode(proof))}
            case ["datasets", dataset, "parcels"]:
                return self._parcels(dataset, request.parameters.get("after"), int(request.parameters["limit"]))
            case ["transactions", id_, "receipt"]:
                place = self._location(id_)
                return encode(ledger.receipts_of(place.height).receipt(place.position))
            case ["transactions", id_, "raw"]:
                return encode(stored_at(ledger, bytes.fromhex(id_), self._location(id_)))
            case ["transactions", id_, "left"]:
                location = self._location(id_)
                head, kept = ledger.head_at(location), erased_at(ledger, bytes.fromhex(id_), location)
                assert kept is not None
                return encode(LeftParcel(head.header, head.signature, kept))
            case ["transactions", id_]:
                head = ledger.blocks.transaction_head(self._location(id_))
                assert head is not None
                return {"transaction_id": id_, "status": "committed"} | {
                    name: text_of(getattr(head, name)) for name in ("header", "signature")
                }
            case ["parcels", id_, "derived" | "reads" as what]:
                return self._uses(id_, what, request.parameters.get("after"), int(request.parameters["limit"]))
            case ["shares"]:
                return encode(self._shares(decode(ShareQuery, request.body or b"")))
        raise AssertionError(request.path)

    def _location(self, id_: str) -> Location:
        place = self.ledger.blocks.location(bytes.fromhex(id_))
        if place is None:
            raise PoolError(ErrorCode.NOT_FOUND, f"no transaction {id_}")
        return place

    def _parcels(self, dataset: str, after: str | int | None, limit: int) -> Body:
        place = Location(*map(int, str(after).split("."))) if after else None
        found = self.ledger.blocks.parcels(dataset, place, limit)
        listing = Listing(self.ledger)
        following = f"{found[-1].height}.{found[-1].position}" if len(found) == limit else None
        return {"parcels": [listing.parcel(location) for location in found], "next": following}

    def _uses(self, id_: str, what: str, after: str | int | None, limit: int) -> Body:
        place = Location(*map(int, str(after).split("."))) if after else None
        parcel, blocks, listing = bytes.fromhex(id_), self.ledger.blocks, Listing(self.ledger)
        accepted = blocks.parcel(parcel, self.ledger.tip.height)
        assert accepted is not None
        if what == "derived":
            found = blocks.derived(parcel, place, limit)
            lines = {"parcels": [listing.parcel(location) for location in found]}
        else:
            found = blocks.parcel_reads(accepted.dataset, parcel, place, limit)
            lines = {"reads": [listing.read(location) for location in found]}
        following = f"{found[-1].height}.{found[-1].position}" if len(found) == limit else None
        return lines | {"next": following}

    def _shares(self, query: ShareQuery) -> tuple[tuple[bytes, ...], ...]:
        entry = self.ledger.entry(request_key(query.request), RequestEntry)
        assert entry is not None
        verify_grant(entry.decision, self.ledger.tip.header.time_ms)
        return tuple(self._releases(query.request, entry, parcel) for parcel in query.parcels)

    def _releases(self, request: bytes, entry: RequestEntry, parcel: bytes) -> tuple[bytes, ...]:
        stored = self.ledger.blocks.transaction(self._location(parcel.hex()))
        assert stored is not None
        header = decode_transaction_header(self.ledger.chain_id, stored.header)
        assert isinstance(header, ParcelHeader)
        envelope = decode_envelope(header.envelope)
        context = ParcelContext(header.chain_id, header.dataset, header.records_root)
        release = Release(header.chain_id, request, parcel)
        keys, count = split_keys(header.record_keys), header.record_count
        part = granted_part(entry, parcel, keys, count, envelope.granularity)
        given, reader = [], KemPublicKey(entry.terms.kem_key)
        sealed_shares = decode_sealed_shares(stored.payload)
        for validator, key in self.kem.items():
            share = self.give(validator, open_own_share(envelope, sealed_shares, context, validator, key), release)
            if share is not None:
                given.append(
                    encode(
                        release_part(
                            share, validator, release, envelope, context, count, self.parts.get(validator, part), reader
                        )
                    )
                )
        return tuple(given)


class Nodes:
    """Carries operations out against nodes; pauses pass at once.

    Args:
        network: whose genesis and keys.
        nodes: in order of preference.
        member: who signs.
    """

    def __init__(self, network: TestNetwork, nodes: Sequence[LedgerNode], member: str = "b") -> None:
        self.nodes = {f"http://node-{number}": node for number, node in enumerate(nodes)}
        self.now_s = 0.0
        policy = exchange.RetryPolicy(attempts_max=3)
        identity = Identity(member, network.system[member])
        pool = exchange.NodePool(list(self.nodes), lambda: self.now_s)
        self.session = Session(pool, policy, network.trust, identity)

    def run(self, operation: exchange.Operation[T]) -> T:
        """The operation's result."""
        return self._run(operation, [])

    def items(self, operation: exchange.Operation[None]) -> list[Any]:
        """What an operation emits."""
        emitted: list[Any] = []
        self._run(operation, emitted)
        return emitted

    def _run(self, operation: exchange.Operation[T], emitted: list[Any]) -> T:
        answer: exchange.Answer = None
        try:
            while True:
                action = operation.send(answer)
                answer = None
                if isinstance(action, exchange.Send):
                    answer = self.nodes[action.url].answer(action.request)
                elif isinstance(action, exchange.Pause):
                    self.now_s += action.seconds
                elif isinstance(action, exchange.Emit):
                    emitted.append(action.item)
        except StopIteration as end:
            result: T = end.value
            return result
