"""Which payloads this node keeps, what becomes of the others, and who has those.

``[storage] payloads`` says which: ``all``; ``own``, of its own member's parcels; or those of so many days. Every node
keeps its own member's and those of the last hour, which nodes that lag may still ask for. Of any other it keeps the
leaves of its records, and the sealed shares of its key (``chain.transactions.base.DroppedPayload``); headers,
signatures, outcomes and certificates always.

A node says in its hello what it keeps. That is no proof, and needs none: what it gives is held against the signed root.
Nothing is dropped here while fewer than f + 1 other members' nodes say that they keep all: f of them may lie. What this
node should keep and has not, since it kept less before or has caught up from a node that keeps less, is fetched from
those who have it.

Reading and checking happen beside the loop, a few blocks at a time; writing on it, where blocks are committed, so that
what is erased meanwhile stays erased.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from chain.erasure import bodies_left, checked_at, payload_dropped
from chain.errors import ErrorCode, PoolError
from chain.packages import Packages, open_package
from chain.primitives.crypto import Hash
from chain.primitives.encoding import decode, encode
from chain.storage.blocks import Location
from chain.transactions.base import CheckedTransaction, DroppedPayload, transaction_id
from chain.transactions.registry import decode_transaction_header
from node.execution import is_local_fault
from node.frames import BlockRange, FrameKind
from node.links import Links
from node.metrics import Metrics
from node.periodic import BackgroundWork
from node.pool import Pool

ALL, OWN = "all", "own"
TICK_S = 1.0
_DAY_MS = 86_400_000
RECENT_MS = 3_600_000
_BLOCKS = 256
_BYTES = 8 * 1024 * 1024
"""Of payloads, for one look at some blocks."""
_PAUSE_S = 0.05
"""Between two looks, and between two requests."""
_REQUEST_TIMEOUT_S = 10.0
_NOTED_BLOCKS = 1024
"""After so many, how far it has come is written down; after a crash they are looked at again."""
_LACKING_MAX = 256
"""Blocks that nobody had so far; while there are as many, no further ones are looked for."""
_RETRIED_TICKS = 60
"""After so long, they are asked for again."""


@dataclass(frozen=True, slots=True)
class PayloadPolicy:
    """Which payloads a node keeps.

    Args:
        setting: ``all``, ``own``, or a number of days.
        member: the node's.
    """

    setting: str | float
    member: str

    @property
    def name(self) -> str:
        """As other nodes and people are told: ``all``, ``own``, ``30 days``."""
        return self.setting if isinstance(self.setting, str) else f"{self.setting:g} days"

    @property
    def recent_ms(self) -> int | None:
        """Age at which other members' payloads go; None for never."""
        if self.setting == ALL:
            return None
        return RECENT_MS if isinstance(self.setting, str) else max(RECENT_MS, round(self.setting * _DAY_MS))

    def keeps(self, member: str, age_ms: int) -> bool:
        """Whether it keeps the payloads of a member's parcels of this age, by the newest block's time."""
        return member == self.member or self.recent_ms is None or age_ms < self.recent_ms


class _Old(NamedTuple):
    """What is to be dropped of some blocks."""

    until: int
    """Height of the last of them."""
    payloads: list[tuple[Location, DroppedPayload]]


class Payloads:
    """See the module. Methods are called on the event loop's thread.

    Args:
        pool: this node's chain.
        links: to the other nodes.
        policy: this node's.
        metrics: counts what is dropped and fetched.
        on_fatal: told if the disk fails.
    """

    def __init__(
        self,
        pool: Pool,
        links: Links,
        policy: PayloadPolicy,
        metrics: Metrics,
        on_fatal: Callable[[Exception], None],
    ) -> None:
        self._pool = pool
        self._blocks = pool.ledger.blocks
        self._links = links
        self.policy = policy
        self._metrics = metrics
        self._reviewed = self._noted = self._blocks.reviewed(policy.name)
        self._lacking: list[int] = []
        """Heights of blocks with payloads that nobody has had so far, ascending."""
        self._work = BackgroundWork(on_fatal)
        self._ticks = 0
        self._log = logging.getLogger("blockpool.payloads")

    @property
    def keepers(self) -> list[str]:
        """The other members whose nodes say that they keep all payloads, those that are connected first."""
        status = self._links.status()
        found = [member for member, link in status.items() if link.payloads == ALL]
        return sorted(found, key=lambda member: (not status[member].connected, member))

    @property
    def warning(self) -> str | None:
        """Why nothing is dropped although it should be; None if nothing is wrong."""
        needed, keepers = self._pool.ledger.validators.max_faulty + 1, self.keepers
        if self.policy.recent_ms is None or len(keepers) >= needed:
            return None
        return f"{len(keepers)} other nodes say that they keep all payloads, {needed} are needed: nothing is dropped"

    def holders(self, location: Location) -> list[str]:
        """Members whose nodes should have the payload of the parcel at a place: its sender, and those that keep all."""
        found = dict.fromkeys([self._sender(location), *self.keepers])
        return [member for member in found if member != self.policy.member]

    def tick(self) -> None:
        """Look whether there is anything to do; called every ``TICK_S``."""
        self._metrics.payload_keepers.set(len(self.keepers))
        self._ticks += 1
        # Of a past that comes later, what the policy does not keep is not known yet: it waits until that is whole.
        if not self._pool.is_closing and not self._blocks.past_height:
            self._work.start(self._run)

    async def close(self) -> None:
        """Stop."""
        await self._work.close()
        self._note(1)

    def _retry(self) -> None:
        self._ticks = 0
        if (warning := self.warning) is not None:
            self._log.warning("payloads that this node does not want stay", extra={"reason": warning})
        if self._lacking:
            self._log.warning("payloads are missing that nobody has given", extra={"blocks": len(self._lacking)})
            self._reviewed = self._reviewed._replace(fetched=self._lacking[0] - 1)
            self._lacking = []

    async def _run(self) -> None:
        if self._ticks >= _RETRIED_TICKS:
            self._retry()
        await self._fetch_missing()
        await self._drop_old()
        self._note(_NOTED_BLOCKS)

    def _note(self, blocks: int) -> None:
        """Write down how far it has come, if that is at least so many blocks further."""
        first_lacking = min(self._lacking, default=self._reviewed.fetched + 1)
        reviewed = self._reviewed._replace(fetched=first_lacking - 1)
        if max(reviewed.fetched - self._noted.fetched, reviewed.dropped - self._noted.dropped) >= blocks:
            self._blocks.review(self.policy.name, reviewed)
            self._noted = reviewed

    def _sender(self, location: Location) -> str:
        head = self._blocks.transaction_head(location)
        return decode_transaction_header(self._pool.ledger.chain_id, head.header).member if head is not None else ""

    def _keeps(self, location: Location) -> bool:
        ledger = self._pool.ledger
        age_ms = ledger.tip.header.time_ms - ledger.header_at(location.height).time_ms
        return self.policy.keeps(self._sender(location), age_ms)

    # Dropping

    async def _drop_old(self) -> None:
        while self.policy.recent_ms is not None and self.warning is None:
            first = self._reviewed.dropped + 1
            old = await self._pool.read(partial(self._old, first))
            if old.until < first:
                return
            self._blocks.drop(old.payloads)
            self._metrics.payloads_dropped.inc(len(old.payloads))
            self._reviewed = self._reviewed._replace(dropped=old.until)
            await asyncio.sleep(_PAUSE_S)

    def _old(self, first: int) -> _Old:
        """What is to go of the next blocks that are old enough."""
        ledger, found, size_bytes = self._pool.ledger, list[tuple[Location, DroppedPayload]](), 0
        newest_ms, recent_ms = ledger.tip.header.time_ms, self.policy.recent_ms or 0
        for height in range(first, min(first + _BLOCKS, ledger.tip.height + 1)):
            if newest_ms - ledger.header_at(height).time_ms < recent_ms or size_bytes > _BYTES:
                return _Old(height - 1, found)
            sizes = {place: len(payload) for place, payload in self._blocks.payloads(height, height)}
            left = self._blocks.erased_payloads(height).items()
            sizes |= {Location(height, index): len(kept.left) for index, kept in left if kept.places}
            for location, payload_bytes in sizes.items():
                size_bytes += payload_bytes
                checked = None if self._keeps(location) else checked_at(ledger.chain_id, self._blocks, location)
                if checked is not None:
                    found.append((location, payload_dropped(checked)))
        return _Old(min(first + _BLOCKS - 1, ledger.tip.height), found)

    # Fetching

    async def _fetch_missing(self) -> None:
        while len(self._lacking) < _LACKING_MAX:
            first, last = self._reviewed.fetched + 1, self._pool.height
            missing = await self._pool.read(partial(self._missing, first, last))
            if not missing:
                self._reviewed = self._reviewed._replace(fetched=last)
                return
            height = missing[0].height
            if not await self._fetch(height, missing):
                self._lacking.append(height)
            self._reviewed = self._reviewed._replace(fetched=height)
            await asyncio.sleep(_PAUSE_S)

    def _missing(self, first: int, last: int) -> list[Location]:
        """The payloads of the next block that this node should have and has not."""
        found: list[Location] = []
        for location, _ in self._blocks.dropped_payloads(first, last):
            if found and location.height != found[0].height:
                break
            if self._keeps(location):
                found.append(location)
        return found

    async def _fetch(self, height: int, missing: Sequence[Location]) -> bool:
        """Whether all payloads of a block that are missing are here now."""
        connected = set(self._links.connected)
        peers = dict.fromkeys(peer for location in missing for peer in self.holders(location))
        wanted = set(missing)
        for peer in peers:
            if peer not in connected:
                continue
            try:
                body = encode(BlockRange(height, 1))
                reply = await self._links.request(peer, FrameKind.FETCH_BLOCKS, body, timeout_s=_REQUEST_TIMEOUT_S)
                found = await self._pool.read(partial(self._payloads_in, reply, frozenset(wanted)))
            except PoolError as error:
                if is_local_fault(error) or error.code is ErrorCode.NOT_READY:
                    raise
                self._log.info("payloads did not come", extra={"peer": peer, "height": height, "reason": str(error)})
                continue
            taken = self._pool.ledger.restore(found)
            self._metrics.payloads_fetched.inc(len(taken))
            wanted -= taken
            if not wanted:
                break
        return not wanted

    def _payloads_in(self, reply: bytes, wanted: frozenset[Location]) -> list[tuple[Location, CheckedTransaction]]:
        """Parcels that a peer has given with those among the wanted payloads, or what is left of them, verified."""
        found: list[tuple[Location, CheckedTransaction]] = []
        ids = {self._id_at(location): location for location in wanted}
        for package in decode(Packages, reply)[:1]:
            _, transactions = open_package(self._pool.ledger.chain_id, package)
            for checked in transactions:
                location = ids.get(checked.id)
                if location is not None and any(body is not None for body in bodies_left(checked)):
                    found.append((location, checked))
        return found

    def _id_at(self, location: Location) -> Hash | None:
        head = self._blocks.transaction_head(location)
        return transaction_id(self._pool.ledger.chain_id, head.header) if head is not None else None
