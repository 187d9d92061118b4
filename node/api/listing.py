"""Lines of lists of transactions."""

from chain.blocks import Outcome
from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.primitives.encoding import decode
from chain.storage.blocks import Location
from chain.transactions.base import Header
from chain.transactions.parcel import PARCEL
from chain.transactions.registry import decode_transaction_header, type_of
from node.api.views import Json


class Listing:
    """Makes the lines of one list.

    Args:
        ledger: where the transactions are.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._outcomes: tuple[int, list[bytes]] = -1, []
        """Of the last block looked at: lines of one block follow each other."""

    def parcel(self, location: Location) -> Json:
        """A parcel in the list of its dataset's."""
        header, outcome = PARCEL.of(self._header(location)), self._outcome(location)
        if header is None:
            raise _damaged(location)
        return {
            "transaction_id": outcome.transaction_id.hex(),
            "height": location.height,
            "index": location.position,
            "record_count": header.record_count,
            "sealed": bool(header.envelope),
            "code": outcome.code,
        }

    def read(self, location: Location) -> Json:
        """A request, approval or read report in the list of its dataset's."""
        header, outcome = self._header(location), self._outcome(location)
        return {
            "transaction_id": outcome.transaction_id.hex(),
            "height": location.height,
            "index": location.position,
            "type": type_of(header).name,
            "member": header.member,
            "code": outcome.code,
        }

    def _outcome(self, location: Location) -> Outcome:
        if self._outcomes[0] != location.height:
            self._outcomes = location.height, self._ledger.blocks.outcomes(location.height)
        outcomes = self._outcomes[1]
        if location.position >= len(outcomes):
            raise _damaged(location)
        return decode(Outcome, outcomes[location.position])

    def _header(self, location: Location) -> Header:
        return decode_transaction_header(self._ledger.chain_id, self._ledger.head_at(location).header)


def _damaged(location: Location) -> PoolError:
    return PoolError(ErrorCode.DATABASE_DAMAGED, f"the index names another transaction at {location}")
