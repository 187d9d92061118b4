"""The gateway's HTTP: who may call it, and its routes."""

import asyncio
import ipaddress
from collections.abc import Sequence

import orjson

from chain.blocks import Outcome
from chain.erasure import verify_not_erased
from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.primitives.crypto import Ed25519Signer, Hash, hash_tagged
from chain.primitives.encoding import decode
from chain.proofs.receipts import Receipt
from chain.schema import record_rules
from chain.state.entries import DatasetEntry
from chain.state.members import kem_keys
from node.api.bodies import (
    JSON,
    BodyAbandoned,
    Receive,
    Scope,
    Send,
    hear_language,
    read_body,
    refuse,
    request_headers,
    respond,
)
from node.api.commit import committed_answer, wait_for_receipt
from node.api.problems import bad_request, method_not_allowed
from node.api.views import receipt_view
from node.gateway.description import DESCRIPTION_PATH, KEY_LENGTH, PARCELS_PATH, STATUS_PATH, describe
from node.gateway.keyed import Row, Wanted, rows_of, wanted
from node.gateway.parcels import ParcelObject, decode_parcel, make_parcel, records_of
from node.gateway.posts import Post, Posts
from node.pool import CommittedBlock
from node.service import NodeService
from node.tokens import TokenFile

_BODY_BYTES = 2 * LIMITS.transaction_size_bytes
"""White space and escapes make a body longer than the records in it; so much of that is enough."""
_METHODS = {STATUS_PATH: "GET, HEAD", DESCRIPTION_PATH: "GET, HEAD", PARCELS_PATH: "POST"}
_PARCELS = 8
"""Parcels worked on at once; further ones are refused."""
_COMMIT_S = 30.0
"""How long an answer waits for the commit. The same post goes on waiting for the same transaction."""
_TURNS = 64
"""Posts of one key go one after the other, and so do those of a few other keys."""
_SIGNED_ANEW = frozenset({ErrorCode.UNKNOWN_KEY, ErrorCode.REVOKED_KEY})
"""Why a transaction that was signed before is refused now, and would be wherever it still waits."""


class Gateway:
    """ASGI application. What it answers is JSON, refusals are problem documents as in the public API.

    Args:
        service: the node.
        signer: signs for the node's member.
        tokens: what callers must show one of.
        hosts: values of the Host header under which it may be reached.
        posts: what was posted before.
    """

    def __init__(
        self, service: NodeService, signer: Ed25519Signer, tokens: TokenFile, hosts: frozenset[str], posts: Posts
    ) -> None:
        self._service = service
        self._signer = signer
        self._tokens = tokens
        self._hosts = hosts
        self._posts = posts
        self._turns = [asyncio.Lock() for _ in range(_TURNS)]
        self._parcels = 0
        for id_ in posts.pending:
            if service.ledger.blocks.location(id_) is not None:
                posts.settled(id_)
        service.pool.add_listener(self._on_committed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        hear_language(scope)
        try:
            self._verify_caller(scope)
            status, media_type, body = await self._serve(scope, receive)
            await respond(send, status, media_type, body, {})
        except PoolError as error:
            if error.code.is_storage:
                self._service.fail(error)
            allowed = error.code is ErrorCode.METHOD_NOT_ALLOWED
            await refuse(send, error, {"Allow": _METHODS[scope["path"]]} if allowed else {})
        except BodyAbandoned as abandoned:
            await refuse(send, abandoned.error, {"Connection": "close"})

    def _verify_caller(self, scope: Scope) -> None:
        """Check that the caller is on this machine, knows the token and is no web page.

        A page that a browser on this machine has loaded can reach loopback addresses too: by its own origin, which
        the browser then names, or by a name of its own that it has pointed here, which stands in ``Host`` (DNS
        rebinding).

        Raises:
            PoolError: code ``gateway_refused``.
        """
        client = scope.get("client")
        if client is None or not ipaddress.ip_address(client[0]).is_loopback:
            raise _refused("it is called from another machine")
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        if any(name == b"origin" for name, _ in headers):
            raise _refused("it is called by a web page")
        hosts = [value.decode("latin-1").lower() for name, value in headers if name == b"host"]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            raise _refused("it is called under another host name")
        shown = [value for name, value in headers if name == b"authorization"]
        if len(shown) != 1 or not self._is_token(shown[0]):
            raise _refused("the token is missing or wrong")

    def _is_token(self, authorization: bytes) -> bool:
        scheme, _, token = authorization.decode("latin-1").partition(" ")
        return scheme == "Bearer" and self._tokens.has(token)

    async def _serve(self, scope: Scope, receive: Receive) -> tuple[int, str, bytes]:
        match scope["method"], scope["path"]:
            case "GET" | "HEAD", path if path == STATUS_PATH:
                return 200, JSON, orjson.dumps(self._status())
            case "GET" | "HEAD", path if path == DESCRIPTION_PATH:
                return 200, JSON, orjson.dumps(describe(self._service.software))
            case "POST", path if path == PARCELS_PATH:
                content_type, _, length = request_headers(scope)
                if content_type != JSON:
                    raise bad_request(f"Content-Type must be {JSON}, not {content_type or 'absent'}")
                return await self._share(_idempotency_key(scope), receive, length)
            case method, path if path in _METHODS:
                raise method_not_allowed(method)
            case _, path:
                raise PoolError(ErrorCode.NOT_FOUND, f"no resource at {path}")

    def _status(self) -> dict[str, object]:
        unready = self._service.readiness.unready_reason
        return {
            "member": self._service.home.member.name,
            "chain_id": self._service.ledger.chain_id.hex(),
            "public_key": self._signer.public_key.hex(),
            "is_ready": unready is None,
            "unready_reason": unready,
        }

    async def _share(self, key: bytes, receive: Receive, length: int | None) -> tuple[int, str, bytes]:
        if self._parcels >= _PARCELS:
            raise PoolError(ErrorCode.NOT_READY, f"{_PARCELS} parcels are being worked on")
        self._parcels += 1
        try:
            body = await read_body(receive, length, _BODY_BYTES)
            given, digest = decode_parcel(body), hash_tagged("gateway-post", self._service.ledger.chain_id, body)
            unready = self._service.readiness.unready_reason
            if unready is not None:
                raise PoolError(ErrorCode.NOT_READY, unready)
            name = hash_tagged("gateway-key", self._service.ledger.chain_id, key) if key else digest
            async with self._turns[name[0] % _TURNS]:
                return await self._share_once(name, digest, given, is_named=bool(key))
        finally:
            self._parcels -= 1

    async def _share_once(
        self, name: Hash, digest: Hash, given: ParcelObject, *, is_named: bool
    ) -> tuple[int, str, bytes]:
        """Commit a parcel, unless the same post has done so before. One that was rejected then is signed anew.

        Raises:
            PoolError: code ``idempotency_conflict`` if something else was posted under the key, ``parcel_erased`` if
                what was posted was erased since; and others.
        """
        service, known = self._service, self._posts.get(name)
        if known is not None:
            if known.digest != digest:
                raise PoolError(ErrorCode.IDEMPOTENCY_CONFLICT, "another parcel was posted under this key")
            location = service.ledger.blocks.location(known.transaction_id)
            if location is not None and service.ledger.outcome_at(location).is_ok:
                if is_named or not record_rules(self._dataset(given.dataset).schema).key_fields:
                    verify_not_erased(service.ledger.entry, known.transaction_id)
                    receipt = service.pool.receipt(location)
                    return await self._answer(given, known.transaction_id, receipt, is_earlier=True)
                known = None  # of records with keys the state says whether the same is still to be shared
        if known is not None:
            waiting = None if location is not None else self._posts.transaction(known.transaction_id)
            if location is None and waiting is None:
                raise PoolError(ErrorCode.NOT_READY, "the same was committed before, and is not here yet")
            if waiting is not None:
                try:
                    return await self._submit(given, waiting)
                except PoolError as error:
                    if error.code not in _SIGNED_ANEW:
                        raise
                self._posts.settled(known.transaction_id)
        entry = self._dataset(given.dataset)
        rows = await asyncio.to_thread(lambda: wanted(service.ledger, entry, records_of(given)))
        if not rows.records:
            return _unchanged(rows.present)
        data = await self._sign(given, rows, entry)
        id_ = service.pool.decode(data).id
        await asyncio.to_thread(self._posts.note, name, Post(digest, id_), data)
        return await self._submit(given, data)

    async def _sign(self, given: ParcelObject, rows: Wanted, entry: DatasetEntry) -> bytes:
        """The signed transaction, sealed if the dataset is not open. It does not expire: until it is committed, the
        same post is answered with it.
        """
        kem_keys = self._kem_keys(entry)
        chain_id = self._service.ledger.chain_id
        return await asyncio.to_thread(
            make_parcel, given, rows.records, rows.keys, entry, kem_keys, chain_id, self._signer
        )

    async def _submit(self, given: ParcelObject, data: bytes) -> tuple[int, str, bytes]:
        service = self._service
        id_, location = await service.dissemination.submit(data)
        try:
            receipt = service.pool.receipt(location) if location else await wait_for_receipt(service, id_, _COMMIT_S)
        except PoolError as error:
            raise PoolError(error.code, error.detail, **(error.context | {"transaction_id": id_.hex()})) from None
        if not decode(Outcome, receipt.outcome).is_ok:
            return committed_answer(id_, receipt, JSON)
        return await self._answer(given, id_, receipt, is_earlier=location is not None)

    async def _answer(
        self, given: ParcelObject, id_: Hash, receipt: Receipt, *, is_earlier: bool
    ) -> tuple[int, str, bytes]:
        """What is said of a parcel that was accepted, and of rows with keys that were not shared with it."""
        ledger, entry = self._service.ledger, self._dataset(given.dataset)
        location = ledger.blocks.location(id_)
        head = None if location is None else ledger.blocks.transaction_head(location)
        if location is None or head is None:
            raise PoolError(ErrorCode.NOT_READY, "the parcel was committed, and is not here yet")

        def look() -> list[Row]:
            return rows_of(ledger, entry, records_of(given), head.header, id_, location.height)

        rows = await asyncio.to_thread(look) if record_rules(entry.schema).key_fields else []
        answer: dict[str, object] = {
            "transaction_id": id_.hex(),
            "status": "committed",
            "is_earlier": is_earlier,
            "receipt": receipt_view(receipt),
            "records": [row.record for row in rows] or [f"{id_.hex()}/{index}" for index in range(len(given.records))],
            "changes": [row.change for row in rows] or None,
        }
        return 200, JSON, orjson.dumps(answer)

    def _on_committed(self, block: CommittedBlock) -> None:
        for id_ in self._posts.pending.intersection(block.executed.proposal.transaction_ids):
            self._posts.settled(id_)

    def _dataset(self, dataset: str) -> DatasetEntry:
        entry, owner = self._service.ledger.dataset(dataset), self._service.home.member.name
        if entry is None:
            raise PoolError(ErrorCode.UNKNOWN_DATASET, f"{dataset} is not in the catalogue")
        if entry.owner != owner:
            raise PoolError(ErrorCode.NOT_OWNER, f"{dataset} belongs to {entry.owner}, not to {owner}")
        return entry

    def _kem_keys(self, entry: DatasetEntry) -> dict[str, bytes]:
        """The keys that shares of a sealed parcel go to."""
        if entry.sharing == "open":
            return {}
        ledger = self._service.ledger
        keys = kem_keys(ledger.entry, ledger.validators)
        if len(keys) != len(ledger.validators):
            raise PoolError(ErrorCode.NO_CONTRACTS, "the validators have no keys to seal to")
        return keys


def _unchanged(rows: Sequence[Row]) -> tuple[int, str, bytes]:
    """The answer to a post of which the chain has all as it is."""
    answer = {
        "transaction_id": None,
        "status": "unchanged",
        "is_earlier": True,
        "receipt": None,
        "records": [row.record for row in rows],
        "changes": [row.change for row in rows],
    }
    return 200, JSON, orjson.dumps(answer)


def _idempotency_key(scope: Scope) -> bytes:
    """What the caller calls its post; empty if it does not.

    Raises:
        PoolError: code ``bad_request``.
    """
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    keys = [value for name, value in headers if name == b"idempotency-key"]
    if len(keys) > 1 or any(not 1 <= len(key) <= KEY_LENGTH for key in keys):
        raise bad_request(f"an Idempotency-Key has 1 to {KEY_LENGTH} bytes, and there is one")
    return keys[0] if keys else b""


def _refused(detail: str) -> PoolError:
    return PoolError(ErrorCode.GATEWAY_REFUSED, detail)
