"""Key shares for readers: this validator's own, given out by what the chain says, and the other validators' collected.

A share is released only for a request that is granted in this node's own state, for a parcel that the request covers
and that took effect. Nothing else counts: neither who asks, nor what another node says. A release is sealed to the KEM
key in the committed request, so it may pass through anybody's hands.

The cryptography runs beside the event loop in one thread, which bounds what readers can take from consensus.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar, TypeVarTuple

from chain.access.policy import granted_part, verify_covered, verify_grant
from chain.erasure import verify_not_erased
from chain.errors import ErrorCode, PoolError
from chain.granularity import Part
from chain.limits import LIMITS
from chain.primitives.crypto import Hash
from chain.primitives.encoding import decode, encode
from chain.primitives.kem import kem_key_id
from chain.record_keys import split_keys
from chain.state.entries import RequestEntry, RequestTerms, request_key
from chain.storage.blocks import Location
from chain.transactions.parcel import ParcelHeader, decode_sealed_shares
from chain.transactions.registry import decode_transaction_header
from chain.transactions.sealed import Envelope, decode_envelope
from node.frames import FrameKind
from node.links import Links
from node.metrics import Metrics
from node.pool import Pool
from sealing import (
    KemPrivateKey,
    KemPublicKey,
    ParcelContext,
    Release,
    ShareAnswer,
    ShareQuery,
    ShareRelease,
    is_sized,
    open_own_share,
    release_part,
)

_BLOCKS_WAIT_S = 1.0
"""How long a query waits for blocks that are on their way: a reader may be quicker than they are."""
_GATHER_S = 3.0
"""For the other validators' answers: how long they wait for blocks, and their work."""
_QUERIES = 64
"""Queries worked on at once; further ones are refused."""
_WAITING = 16
"""Queries of readers, and again of peers, that wait at once; further ones are decided as things stand. Anybody can ask
for what will never come, and must not keep the others from being served.
"""
_ASKED_OF_PEER = 4
"""Our queries that a peer works on at once: half of what a link takes, so that readers never keep fetches waiting."""

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


class WantedParcel(NamedTuple):
    """What the chain says of a parcel whose shares are wanted."""

    id: Hash
    location: Location
    """Of its payload, which holds the sealed shares."""
    envelope: Envelope
    context: ParcelContext
    record_count: int
    part: Part
    """What the request opens of it."""


class KeyShares:
    """See the module. Methods are called on the event loop's thread.

    Args:
        pool: this node's chain.
        links: to the other validators.
        name: of this node's member.
        key: opens this validator's shares; None for a node that has none to give.
        metrics: counts the queries.
    """

    def __init__(self, pool: Pool, links: Links, name: str, key: KemPrivateKey | None, metrics: Metrics) -> None:
        self._pool = pool
        self._ledger = pool.ledger
        self._links = links
        self._name = name
        self._key = key
        self._metrics = metrics
        self._working = asyncio.Semaphore(_QUERIES)
        self._waiting_readers = asyncio.Semaphore(_WAITING)
        self._waiting_peers = asyncio.Semaphore(_WAITING)
        self._asked: dict[str, asyncio.Semaphore] = {}
        self._worker = ThreadPoolExecutor(1, "shares")
        self._log = logging.getLogger("blockpool.shares")

    async def own(self, query: ShareQuery) -> ShareAnswer:
        """This validator's releases: for each parcel one, or none where it holds no share.

        Raises:
            PoolError: codes ``unknown_request``, ``access_denied``, ``approval_pending``, ``grant_expired``,
                ``grant_revoked``, ``not_found``, ``not_covered``, ``access_not_needed`` (an open parcel),
                ``parcel_erased``, ``bad_request``, ``too_large``, ``not_ready``.
        """
        async with self._verified(query) as (terms, parcels):
            return await self._beside(self._release, query.request, terms, parcels)

    async def gather(self, query: ShareQuery, *, everything: bool = False) -> ShareAnswer:
        """Releases of all validators, this one included, as soon as each parcel has as many as open it.

        They are not proved right: only the reader can open them. One that finds a wrong one asks for everything.

        Args:
            query: what is wanted.
            everything: wait for every validator that answers in time.

        Returns:
            For each parcel what came, by the validators' names; fewer than needed if too many do not answer.

        Raises:
            PoolError: codes as in ``own``.
        """
        async with self._verified(query) as (terms, parcels):
            collection = _Collection(query, terms, parcels)
            own = self._beside(self._release, query.request, terms, parcels)
            sources = [_named(self._name, own), *(self._ask(peer, query) for peer in self._holders(parcels))]
            tasks = [asyncio.ensure_future(source) for source in sources]
            try:
                async with asyncio.timeout(_GATHER_S):
                    for task in asyncio.as_completed(tasks):
                        self._collect(collection, *await task)
                        if collection.is_enough and not everything:
                            break
            except TimeoutError:
                pass  # what came is handed on
            finally:
                for waiting in tasks:
                    waiting.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            return collection.answer

    async def serve(self, body: bytes) -> bytes:
        """Answer another node that gathers: ``ShareQuery`` in, ``ShareAnswer`` of this validator's releases out.

        The other node has found the request granted. If it is not here yet, the deciding block is under way.

        Raises:
            PoolError: codes as in ``own``; ``malformed``, ``not_canonical``.
        """
        query = decode(ShareQuery, body)
        async with self._verified(query, is_granted_elsewhere=True) as (terms, parcels):
            return encode(await self._beside(self._release, query.request, terms, parcels))

    async def close(self) -> None:
        """Return when the worker reads the databases no more; they must not be closed under it."""
        await asyncio.get_running_loop().run_in_executor(None, lambda: self._worker.shutdown(cancel_futures=True))

    # Deciding

    @contextlib.asynccontextmanager
    async def _verified(
        self, query: ShareQuery, *, is_granted_elsewhere: bool = False
    ) -> AsyncIterator[tuple[RequestTerms, list[WantedParcel]]]:
        """A place to work on a query that this node's own state at its tip allows: all of it, or nothing is given."""
        with self._count_refusal():
            await self._admit(query, is_granted_elsewhere)
        async with self._working:
            with self._count_refusal():
                terms, parcels = await self._verify(query)
            self._metrics.share_queries.labels("ok").inc()
            asked = {"reader": terms.reader, "request": query.request.hex(), "parcels": len(parcels)}
            self._log.info("shares are asked for, and granted", extra=asked)
            yield terms, parcels

    @contextlib.contextmanager
    def _count_refusal(self) -> Iterator[None]:
        try:
            yield
        except PoolError as error:
            self._metrics.share_queries.labels(error.code.value).inc()
            raise

    async def _admit(self, query: ShareQuery, is_granted_elsewhere: bool) -> None:
        """What costs nothing comes before a place is taken."""
        if len(set(query.parcels)) != len(query.parcels):
            raise PoolError(ErrorCode.BAD_REQUEST, "a parcel is named twice")
        if (unknown := self._pool.ledger.unknown_rules) is not None:
            raise PoolError(ErrorCode.NOT_READY, unknown)  # it does not learn of revoked grants any more
        waiting = self._waiting_peers if is_granted_elsewhere else self._waiting_readers
        if not waiting.locked():
            async with waiting:
                await self._wait_for_blocks(query, is_granted_elsewhere)
        if self._working.locked():
            raise PoolError(ErrorCode.NOT_READY, f"{_QUERIES} share queries are being worked on")

    async def _verify(self, query: ShareQuery) -> tuple[RequestTerms, list[WantedParcel]]:
        entry = self._entry(query.request)
        if entry is None:
            raise PoolError(ErrorCode.UNKNOWN_REQUEST, f"there is no request {query.request.hex()}")
        # A slow clock must not prolong a grant that the chain itself has outlived.
        verify_grant(entry.decision, max(self._pool.clock_ms(), self._ledger.tip.header.time_ms))
        for parcel in query.parcels:
            verify_not_erased(self._ledger.entry, parcel)
        return entry.terms, await self._beside(self._parcels, entry, query.parcels)

    async def _wait_for_blocks(self, query: ShareQuery, is_granted_elsewhere: bool) -> None:
        """Give blocks on their way a moment, if they could make a query good that would be refused now."""
        missing = [query.request, *query.parcels]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_BLOCKS_WAIT_S):
                while True:
                    missing = [id_ for id_ in missing if self._ledger.blocks.location(id_) is None]
                    entry = self._entry(query.request)
                    is_asked = entry is not None and entry.decision.status == "asked"
                    if not missing and not (is_asked and is_granted_elsewhere):
                        return
                    await self._pool.wait_for_height(self._pool.height + 1)

    def _entry(self, request: Hash) -> RequestEntry | None:
        return self._ledger.entry(request_key(request), RequestEntry)

    # Beside the loop

    async def _beside(self, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, work, *arguments)
        except RuntimeError:
            raise PoolError(ErrorCode.NOT_READY, "the node is shutting down") from None

    def _parcels(self, entry: RequestEntry, ids: Sequence[Hash]) -> list[WantedParcel]:
        parcels, cells = [], 0
        for id_ in ids:
            parcel = self._parcel(entry, id_)
            cells += 1 if parcel.part.is_all else parcel.part.size
            if cells > LIMITS.share_cells:
                raise PoolError(ErrorCode.TOO_LARGE, f"shares of {cells} cells; at most {LIMITS.share_cells} at once")
            parcels.append(parcel)
        return parcels

    def _parcel(self, entry: RequestEntry, id_: Hash) -> WantedParcel:
        """A parcel that took effect and that the request covers."""
        location = self._ledger.blocks.location(id_)
        if location is not None:
            self._ledger.verify_here(location.height)
        head = self._ledger.blocks.transaction_head(location) if location else None
        header = decode_transaction_header(self._ledger.chain_id, head.header) if head else None
        if location is None or not isinstance(header, ParcelHeader):
            raise PoolError(ErrorCode.NOT_FOUND, f"there is no parcel {id_.hex()}", parcel=id_.hex())
        outcome = self._ledger.outcome_at(location)
        if not outcome.is_ok:
            raise PoolError(ErrorCode.NOT_FOUND, f"parcel {id_.hex()} was rejected: {outcome.code}", parcel=id_.hex())
        try:
            verify_covered(entry.terms, id_, header.dataset, location.height)
            if not header.envelope:
                raise PoolError(ErrorCode.ACCESS_NOT_NEEDED, f"parcel {id_.hex()} is open")
            envelope, keys = decode_envelope(header.envelope), split_keys(header.record_keys)
            part = granted_part(entry, id_, keys, header.record_count, envelope.granularity)
        except PoolError as error:
            raise PoolError(error.code, error.detail, parcel=id_.hex()) from None
        context = ParcelContext(header.chain_id, header.dataset, header.records_root)
        return WantedParcel(id_, location, envelope, context, header.record_count, part)

    def _release(self, request: Hash, terms: RequestTerms, parcels: Sequence[WantedParcel]) -> ShareAnswer:
        reader_key = KemPublicKey(terms.kem_key)
        return tuple(self._release_one(request, reader_key, parcel) for parcel in parcels)

    def _release_one(self, request: Hash, reader_key: KemPublicKey, parcel: WantedParcel) -> tuple[bytes, ...]:
        """The encoded release for one parcel, or none: the other validators' shares may be enough."""
        if self._key is None or parcel.envelope.index_of(self._name) is None:
            return ()
        try:
            sealed_shares = self._sealed_shares(parcel.location)
            share = open_own_share(parcel.envelope, sealed_shares, parcel.context, self._name, self._key)
        except PoolError as error:
            self._log.warning("no share to release", extra={"parcel": parcel.id.hex(), "why": error.detail})
            return ()
        release = Release(parcel.context.chain_id, request, parcel.id)
        given = release_part(
            share, self._name, release, parcel.envelope, parcel.context, parcel.record_count, parcel.part, reader_key
        )
        return (encode(given),)

    def _sealed_shares(self, location: Location) -> tuple[bytes, ...]:
        """They stay when a payload is dropped, or records of it are erased; of an erased one there are none."""
        if (dropped := self._ledger.blocks.dropped_payload(location)) is not None:
            return dropped.sealed_shares
        erased, stored = self._ledger.blocks.erased_payload(location), self._ledger.blocks.transaction(location)
        payload = erased.left if erased is not None else stored.payload if stored is not None else b""
        return decode_sealed_shares(payload) if payload else ()

    # The other validators

    def _holders(self, parcels: Sequence[WantedParcel]) -> list[str]:
        """Validators that hold a share of a parcel and can be asked now."""
        holders = {share.validator for parcel in parcels for share in parcel.envelope.shares}
        return [peer for peer in self._links.connected if peer in holders]

    async def _ask(self, peer: str, query: ShareQuery) -> tuple[str, ShareAnswer]:
        """What a peer answers; nothing if it refuses, cannot be reached or talks nonsense."""
        places = self._asked.setdefault(peer, asyncio.Semaphore(_ASKED_OF_PEER))
        try:
            async with places:
                reply = await self._links.request(peer, FrameKind.FETCH_SHARES, encode(query), _GATHER_S)
            return peer, decode(ShareAnswer, reply)
        except PoolError as error:
            self._log.info("no shares came", extra={"peer": peer, "why": error.detail})
            return peer, ()

    def _collect(self, collection: "_Collection", validator: str, answer: ShareAnswer) -> None:
        try:
            collection.add(validator, answer)
        except PoolError as error:
            self._log.warning("a wrong answer to a share query", extra={"peer": validator, "why": error.detail})


class _Collection:
    """What has come for each parcel of a query, as far as a node that cannot open it can tell right from wrong."""

    def __init__(self, query: ShareQuery, terms: RequestTerms, parcels: Sequence[WantedParcel]) -> None:
        self._request = query.request
        self._key_id = kem_key_id(terms.kem_key)
        self._parcels = parcels
        self._found: list[dict[str, bytes]] = [{} for _ in parcels]

    @property
    def is_enough(self) -> bool:
        """Whether each parcel has as many releases as open it."""
        return all(
            len(found) >= parcel.envelope.threshold for found, parcel in zip(self._found, self._parcels, strict=True)
        )

    @property
    def answer(self) -> ShareAnswer:
        """All that came, by the validators' names."""
        return tuple(tuple(release for _, release in sorted(found.items())) for found in self._found)

    def add(self, validator: str, answer: ShareAnswer) -> None:
        """Add what ``validator`` answered: an element for each parcel, or none at all.

        Raises:
            PoolError: code ``bad_share``, or those of decoding; of such an answer the rest is dropped.
        """
        if answer and len(answer) != len(self._parcels):
            raise PoolError(ErrorCode.BAD_SHARE, f"{len(answer)} answers for {len(self._parcels)} parcels")
        for found, parcel, releases in zip(self._found, self._parcels, answer, strict=False):
            if not releases:
                continue
            release = decode(ShareRelease, releases[0])
            named = (release.validator, release.request_id, release.parcel_id, release.key_id)
            if len(releases) > 1 or named != (validator, self._request, parcel.id, self._key_id):
                raise PoolError(ErrorCode.BAD_SHARE, "it is another validator's, request's, parcel's or reader's")
            if not is_sized(release, parcel.envelope, parcel.part):
                raise PoolError(ErrorCode.BAD_SHARE, "it holds more or less than was granted")
            found[validator] = releases[0]


async def _named(name: str, answer: Coroutine[None, None, ShareAnswer]) -> tuple[str, ShareAnswer]:
    return name, await answer
