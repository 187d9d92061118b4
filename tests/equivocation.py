"""What a validator that equivocates tells those whom it misleads: as primary another block, and votes for that one."""

from chain.blocks import Proposal, block_hash, decode_header
from chain.ledger import Ledger
from chain.primitives.crypto import Hash, Signer
from consensus import messages
from node.mempool import Mempool

VOTES = messages.Prepare | messages.Commit


class Equivocation:
    """The other story of one validator.

    Args:
        chain_id: of the network.
        name: of the validator.
        signer: its genuine key.
    """

    def __init__(self, chain_id: bytes, name: str, signer: Signer) -> None:
        self._chain_id = chain_id
        self._name = name
        self._signer = signer
        self._told: dict[tuple[int, int], Proposal] = {}
        """What the misled were told, by height and view."""

    def instead_of(self, message: messages.Message, ledger: Ledger, mempool: Mempool) -> messages.Message | None:
        """What the misled get instead of a message of the validator's; None if it is the same."""
        if isinstance(message, messages.PrePrepare):
            return self._other_proposal(message, ledger, mempool)
        if isinstance(message, VOTES):
            other = self.block_told(message.height, message.view)
            return None if other is None else self.vote_for(other, message)
        return None

    def block_told(self, height: int, view: int) -> Hash | None:
        """What the misled take for the proposal there; None if it is the same as the others'."""
        other = self._told.get((height, view))
        return None if other is None else self._hash(other)

    def vote_for(self, hash_: Hash, vote: VOTES) -> VOTES:
        """The same vote for another block, genuinely signed."""
        made = type(vote)(vote.height, vote.view, hash_, self._name, bytes(64))
        signature = self._signer.sign(messages.signed_message(self._chain_id, made))
        return type(vote)(vote.height, vote.view, hash_, self._name, signature)

    def _other_proposal(
        self, message: messages.PrePrepare, ledger: Ledger, mempool: Mempool
    ) -> messages.PrePrepare | None:
        vote = message.prepare
        other = self._told.get((vote.height, vote.view)) or self._make(message.proposal, ledger, mempool)
        if other is None:
            return None
        self._told = {place: told for place, told in self._told.items() if place[0] >= vote.height - 1}
        self._told[vote.height, vote.view] = other
        prepare = self.vote_for(self._hash(other), vote)
        assert isinstance(prepare, messages.Prepare)
        return messages.PrePrepare(prepare, other)

    def _make(self, proposal: Proposal, ledger: Ledger, mempool: Mempool) -> Proposal | None:
        """A valid block like its own, a millisecond later."""
        header, tip = decode_header(proposal.header), ledger.tip
        if header.proposer != self._name or header.height != tip.height + 1:
            return None
        found = [mempool.get(id_) for id_ in proposal.transaction_ids]
        transactions = [checked for checked in found if checked is not None]
        return ledger.execute(transactions, header.time_ms + 1, self._name).proposal if transactions else None

    def _hash(self, proposal: Proposal) -> Hash:
        return block_hash(self._chain_id, proposal.header)
