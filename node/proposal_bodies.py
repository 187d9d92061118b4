"""The transactions of proposals: a proposal names ids only, so their bodies are found here, fetched, or remembered."""

from collections.abc import Mapping

from chain.blocks import Proposal, decode_header
from chain.errors import PoolError
from chain.primitives.crypto import Hash
from chain.primitives.encoding import encode
from chain.storage.votes import VoteStore
from chain.transactions.base import CheckedTransaction
from consensus.memory import load_proposals
from node.dissemination import Dissemination
from node.execution import is_local_fault
from node.intake import Intake
from node.pool import Pool

_FETCH_ROUNDS = 3


class ProposalBodies:
    """Finds the transactions of proposals. Those that were voted for before the last stop are found again.

    Args:
        pool: the node's ledger and mempool.
        votes: keeps bodies of what was voted for durably.
        intake: verifies what waits there and a proposal needs.
        dissemination: fetches what is missing.
    """

    def __init__(self, pool: Pool, votes: VoteStore, intake: Intake, dissemination: Dissemination) -> None:
        self._pool = pool
        self._votes = votes
        self._intake = intake
        self._dissemination = dissemination
        self._fetched: dict[Hash, CheckedTransaction] = {}
        pool.voted_for = self._restored()

    @property
    def are_waiting(self) -> bool:
        """Whether transactions wait in the mempool, or to be verified."""
        return self._pool.mempool.oldest is not None or self._intake.is_behind

    @property
    def are_coming(self) -> bool:
        """Whether transactions wait to be verified."""
        return self._intake.is_behind

    def find(self, proposal: Proposal) -> list[CheckedTransaction] | None:
        """The proposal's transactions, or None if one is missing here."""
        found = []
        self._intake.hurry(proposal.transaction_ids)
        for id_ in proposal.transaction_ids:
            checked = self._body(id_)
            if checked is None:
                return None
            found.append(checked)
        return found

    async def fetch(self, proposal: Proposal) -> None:
        """Fetch what is missing, in a few rounds, while the height is still to be decided here."""
        height = self._pool.height
        for _ in range(_FETCH_ROUNDS):
            missing = [id_ for id_ in proposal.transaction_ids if self._body(id_) is None]
            if not missing or self._pool.height != height:
                return
            proposer = decode_header(proposal.header).proposer
            self._fetched |= await self._dissemination.fetch(missing, proposer)

    def keep(self, persists: Mapping[bytes, bytes]) -> None:
        """Make the bodies of what we vote for durable, before the votes: once a quorum has prepared a block, no other
        one can be decided, and after a power cut the mempools are empty.

        Args:
            persists: what is about to be written into the vote store.
        """
        voted_for = load_proposals({**self._votes.read(), **persists})
        ids = {
            id_: None
            for proposal in voted_for
            if proposal is not None and decode_header(proposal.header).height > self._pool.height
            for id_ in proposal.transaction_ids
        }
        bodies = {id_: checked for id_ in ids if (checked := self._body(id_)) is not None}
        if bodies.keys() - self._pool.voted_for.keys():
            self._votes.keep_bodies([encode(checked.transaction) for checked in bodies.values()])
        self._pool.voted_for = bodies

    def clear(self) -> None:
        """The height is decided: drop what belonged to it."""
        self._fetched.clear()
        self._pool.voted_for = {}

    def _restored(self) -> dict[Hash, CheckedTransaction]:
        """Bodies of what was voted for before the last stop and is not committed."""
        found = {}
        for data in self._votes.bodies:
            try:
                verified = self._pool.verify(self._pool.decode(data), is_proposed=True)
            except PoolError as error:
                if is_local_fault(error):
                    raise
                continue
            if verified.checked is not None:
                found[verified.id] = verified.checked
        return found

    def _body(self, id_: Hash) -> CheckedTransaction | None:
        return self._pool.mempool.get(id_) or self._fetched.get(id_) or self._pool.voted_for.get(id_)
