"""Rules for everything that a peer must prove: proposals, prepared certificates, view-change votes, new views.

Pure functions that raise ``Refused`` with the broken rule. No replica trusts a new primary: each checks the same quorum
of signed votes and derives from it which block may be proposed (Castro and Liskov 1999, section 4.4). Only the highest
claim among the votes needs a proof. A lower claim changes nothing, so a lie there has no effect; a highest claim
without proof makes the message invalid.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from chain.blocks import BlockHeader, Proposal, block_hash, decode_header
from chain.primitives.crypto import Hash
from chain.primitives.encoding import EncodingError
from chain.proofs.merkle import root
from chain.proofs.validators import ValidatorSet
from consensus.evidence import Verifier
from consensus.messages import NewView, PreparedCertificate, ViewChange, ViewChangeVote, prepare_message


class Refused(Exception):
    """A peer's message breaks a rule. ``reason`` is short and stable; the message has changed nothing."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Forged(Refused):
    """A signature or certificate does not verify: whoever sent it is provably at fault, since nobody passes on what it
    has not verified.
    """


def verify_proposal(chain_id: bytes, proposal: Proposal, height: int, parent_hash: Hash, hash_: Hash) -> BlockHeader:
    """Check that a proposal is the block ``hash_`` for this height and parent; returns its header.

    The hash covers the header alone; transaction ids are bound to it by their count and Merkle root.
    """
    if block_hash(chain_id, proposal.header) != hash_:
        raise Refused("proposal is not the block voted for")
    try:
        header = decode_header(proposal.header)
    except EncodingError:
        raise Refused("malformed block header") from None
    if header.height != height:
        raise Refused("header of another height")
    if header.parent_hash != parent_hash:
        raise Refused("header with another parent")
    if header.transaction_count != len(proposal.transaction_ids):
        raise Refused("transaction count differs from the header")
    if header.tx_root != root(proposal.transaction_ids):
        raise Refused("transaction ids differ from the header")
    return header


def verify_prepared(
    chain_id: bytes, validators: ValidatorSet, certificate: PreparedCertificate, verifier: Verifier
) -> None:
    """Check that a quorum of distinct validators signed prepares for exactly this height, view and block."""
    names = [name for name, _ in certificate.votes]
    if any(earlier >= later for earlier, later in pairwise(names)):
        raise Refused("prepared certificate out of order")
    if len(names) < validators.quorum:
        raise Refused("prepared certificate without a quorum")
    message = prepare_message(chain_id, certificate.height, certificate.view, certificate.block_hash)
    for name, signature in certificate.votes:
        key = validators.key_of(name)
        if key is None or not verifier(key, message, signature):
            raise Forged("prepared certificate does not verify")


def verify_claim_shape(vote: ViewChangeVote) -> None:
    """Check that a view-change vote is consistent in itself."""
    if vote.view == 0:
        raise Refused("view change to view 0")
    if (vote.prepared_view is None) != (vote.prepared_hash is None):
        raise Refused("view-change claim is half empty")
    if vote.prepared_view is not None and vote.prepared_view >= vote.view:
        raise Refused("view-change claim is from the future")


def verify_view_change_claim(
    chain_id: bytes, validators: ValidatorSet, parent_hash: Hash, message: ViewChange, verifier: Verifier
) -> None:
    """Check that a view change proves its vote's claim and carries the block. The vote's signature is not checked."""
    vote, prepared, proposal = message.vote, message.prepared, message.proposal
    if vote.prepared_view is None or vote.prepared_hash is None:
        if prepared is not None or proposal is not None:
            raise Refused("view change with proof of no claim")
        return
    if prepared is None or proposal is None:
        raise Refused("view-change claim without proof")
    if not _proves(prepared, vote):
        raise Refused("view-change proof of another claim")
    verify_proposal(chain_id, proposal, vote.height, parent_hash, vote.prepared_hash)
    verify_prepared(chain_id, validators, prepared, verifier)


def verify_new_view(
    chain_id: bytes,
    validators: ValidatorSet,
    message: NewView,
    is_signed: Callable[[ViewChangeVote], bool],
    verifier: Verifier,
) -> None:
    """Check that a quorum voted for this view and that the highest claim among its votes is proved."""
    names = [vote.validator for vote in message.votes]
    if any(earlier >= later for earlier, later in pairwise(names)):
        raise Refused("new-view votes out of order")
    if len(names) < validators.quorum or any(name not in validators for name in names):
        raise Refused("new view without a quorum")
    for vote in message.votes:
        if vote.height != message.height or vote.view != message.view:
            raise Refused("new view with votes for another one")
        verify_claim_shape(vote)
    highest = highest_claim(message.votes)
    if highest is None:
        if message.prepared is not None:
            raise Refused("new view with proof of no claim")
    elif message.prepared is None or not any(
        _proves(message.prepared, vote) for vote in message.votes if vote.prepared_view == highest
    ):
        raise Refused("new view without proof of its highest claim")
    if not all(is_signed(vote) for vote in message.votes):
        raise Forged("new-view vote does not verify")
    if message.prepared is not None:
        verify_prepared(chain_id, validators, message.prepared, verifier)


def highest_claim(votes: Sequence[ViewChangeVote]) -> int | None:
    """The highest prepared view that any of the votes claims, or None."""
    return max((vote.prepared_view for vote in votes if vote.prepared_view is not None), default=None)


def make_new_view(height: int, view: int, view_changes: Sequence[ViewChange]) -> NewView:
    """The justification of a view from a quorum of checked view changes for it."""
    votes = tuple(sorted((change.vote for change in view_changes), key=lambda vote: vote.validator))
    highest = highest_claim(votes)
    proofs = (change.prepared for change in view_changes if change.vote.prepared_view == highest)
    return NewView(height, view, votes, None if highest is None else next(proofs))


def _proves(prepared: PreparedCertificate, vote: ViewChangeVote) -> bool:
    return (prepared.height, prepared.view, prepared.block_hash) == (
        vote.height,
        vote.prepared_view,
        vote.prepared_hash,
    )
