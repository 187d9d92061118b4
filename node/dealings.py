"""Checking what owners deal out: does this validator's share of a sealed parcel open, and is it the one committed to?

Looked at as the parcel is committed, a dealer's fault comes to light long before somebody needs the share. It changes
nothing on the chain: the parcel is committed, its readers manage with a quorum of good shares, and the operators talk.
"""

import asyncio
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import Hash
from chain.transactions.parcel import PARCEL, ParcelHeader
from chain.transactions.sealed import decode_envelope
from node.metrics import Metrics
from node.pool import CommittedBlock
from sealing import KemPrivateKey, ParcelContext, open_own_share

WAITING_MAX = 256
"""Parcels that wait to be checked; each holds a header and sealed shares. Further ones are only checked when read."""


class DealingCheck:
    """Listens to a validator's pool.

    Args:
        name: of this node's member.
        key: opens its shares.
        metrics: counts what is found.
    """

    def __init__(self, name: str, key: KemPrivateKey, metrics: Metrics) -> None:
        self._name = name
        self._key = key
        self._metrics = metrics
        self._room = threading.BoundedSemaphore(WAITING_MAX)
        self._worker = ThreadPoolExecutor(1, "dealings")
        self._log = logging.getLogger("blockpool.dealings")

    def on_committed(self, block: CommittedBlock) -> None:
        """Check the block's sealed parcels beside the loop."""
        for checked, header in block.executed.accepted(PARCEL):
            if header.envelope and checked.sealed_shares:  # none in an erased one
                if self._room.acquire(blocking=False):
                    self._worker.submit(self._check, checked.id, header, checked.sealed_shares)
                else:
                    self._metrics.shares_checked.labels("skipped").inc()

    async def close(self) -> None:
        """Drop what waits."""
        await asyncio.get_running_loop().run_in_executor(None, lambda: self._worker.shutdown(cancel_futures=True))

    def _check(self, id_: Hash, header: ParcelHeader, sealed_shares: Sequence[bytes]) -> None:
        context = ParcelContext(header.chain_id, header.dataset, header.records_root)
        try:
            open_own_share(decode_envelope(header.envelope), sealed_shares, context, self._name, self._key)
            self._metrics.shares_checked.labels("good").inc()
        except PoolError as error:
            is_dealers = error.code is ErrorCode.BAD_SEALING
            self._metrics.shares_checked.labels("dealer_fault" if is_dealers else "not_opened").inc()
            self._log.error(
                "a dealer has sealed a wrong share for this validator"
                if is_dealers
                else "own share of a parcel cannot be opened",
                extra={"parcel": id_.hex(), "dataset": header.dataset, "reason": error.detail},
            )
        finally:
            self._room.release()
