"""What a read has handed out, kept for the read reports that tell it."""

from collections.abc import Sequence

from blockpool.access_signing import sign_read_report
from blockpool.identity import Identity
from blockpool.signing import SignedTransaction
from chain.access.policy import ReadDigest
from chain.genesis import Genesis
from chain.limits import LIMITS


class ReadReporter:
    """Counts and digests records as they are handed out; signs a read report for at most 1,024 parcels.

    A read report is signed once: sending it again after an interruption reports nothing twice.

    Args:
        genesis: of the network.
        dataset: that is read.
        request_id: under which it is read.
        fields: whose columns are opened; none for all.
    """

    def __init__(self, genesis: Genesis, dataset: str, request_id: bytes, fields: Sequence[str] = ()) -> None:
        self._genesis = genesis
        self._dataset = dataset
        self._request_id = request_id
        self._fields = fields
        self._closed: list[tuple[tuple[bytes, ...], int, bytes]] = []
        self._signed: list[SignedTransaction] = []
        self.record_count = 0
        """Records handed out, all read reports together."""
        self._begin()

    def returned(self, parcel_id: bytes, index: int, plaintext: bytes) -> None:
        """A record is handed out; parcels come one after the other."""
        if not self._parcels or self._parcels[-1] != parcel_id:
            if len(self._parcels) == LIMITS.report_parcels:
                self._close()
            self._parcels.append(parcel_id)
        self._digest.add(parcel_id, index, plaintext)
        self._count += 1
        self.record_count += 1

    def unreported(self, identity: Identity) -> list[SignedTransaction]:
        """Read reports still to be committed, for everything handed out so far."""
        if self._parcels:
            self._close()
        for parcels, count, digest in self._closed:
            signed = sign_read_report(
                self._genesis, identity, self._dataset, self._request_id, parcels, count, digest, self._fields
            )
            self._signed.append(signed)
        self._closed.clear()
        return list(self._signed)

    def reported(self, report: SignedTransaction) -> None:
        """A read report is committed."""
        self._signed.remove(report)

    def _begin(self) -> None:
        self._parcels: list[bytes] = []
        self._count = 0
        self._digest = ReadDigest(self._genesis.chain_id)

    def _close(self) -> None:
        self._closed.append((tuple(self._parcels), self._count, self._digest.digest()))
        self._begin()
