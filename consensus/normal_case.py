"""Pre-prepare, prepare, commit (Castro and Liskov 1999, section 4.2).

A replica that accepted the primary's proposal has its node execute it, prepares it, and commits once a quorum prepared
it. A quorum of commits finalises the block in whatever view it was reached, even if this replica is in a view change.

A block that the justification of a view binds the primary to is not executed before it is prepared again. Its prepared
certificate says that at least ``f+1`` honest replicas found it valid, and a verdict that depends on the time of day
(the proposer's clock) must not be asked for twice.
"""

from chain.blocks import Certificate, Proposal, block_hash, commit_message, decode_header
from chain.errors import InvariantBroken
from chain.primitives.crypto import Hash
from consensus.core import Core
from consensus.effects import Build, Deliver, Execute, SuggestCatchUp
from consensus.justification import Forged, Refused, verify_proposal
from consensus.messages import Commit, Prepare, PreparedCertificate, PrePrepare, Status, prepare_message


def ask_for_proposal(core: Core) -> None:
    """As primary of an active view, ask the node for a block if there is work; or propose the block we are bound to."""
    current = core.current
    if not core.can_vote or not core.is_active or core.primary != core.me or current.has_prepared:
        return
    if current.bound is not None:
        proposal = current.find_proposal(current.bound)
        if proposal is not None:  # None if a peer showed us a justification that we made before a restart
            _pre_prepare(core, current.bound, proposal)
    elif core.watch.oldest is not None and not current.is_building:
        current.is_building = True
        core.emit(Build(current.height, current.view))


def propose(core: Core, height: int, view: int, proposal: Proposal | None) -> None:
    """The node's answer to ``Build``; ignored if it came too late.

    Raises:
        InvariantBroken: our own node built a malformed block.
    """
    current = core.current
    if (height, view) != (current.height, current.view) or not current.is_building:
        return
    current.is_building = False
    if proposal is None or not core.is_active:
        return
    hash_ = block_hash(core.chain_id, proposal.header)
    try:
        header = verify_proposal(core.chain_id, proposal, current.height, core.tip.block_hash, hash_)
    except Refused as refused:
        raise InvariantBroken(f"our own proposal is malformed: {refused.reason}") from refused
    if header.proposer != core.me:
        raise InvariantBroken("our own proposal names another proposer")
    _pre_prepare(core, hash_, proposal)


def executed(core: Core, block_hash_: Hash, refusal: str | None, execution_ticks: int) -> None:
    """The node's verdict on a proposal; ignored if the proposal is no longer the accepted one.

    The primary needs as long to execute as we do, so that time is not counted against it. The rest was spent waiting
    for the proposal, or for transactions that only the primary had.
    """
    current = core.current
    if not core.is_active or current.accepted != block_hash_ or current.has_prepared:
        return
    if refusal is None:
        if current.view == current.start_view:
            core.watch.note_proposal(max(0, core.view_timer.waited_ticks - execution_ticks))
        _prepare(core, block_hash_)
    else:
        core.suspicion = "invalid proposal"


def on_pre_prepare(core: Core, sender: str, message: PrePrepare) -> None:
    """A primary's proposal."""
    current, vote = core.current, message.prepare
    if vote.validator != sender or core.validators.primary(vote.view) != sender:
        raise Refused("pre-prepare not from the primary")
    if vote.view > current.view or (vote.view == current.view and current.is_changing):
        _keep_for_later(core, sender, message)
        return
    if vote.block_hash == current.accepted and vote.view == current.view:
        _answer_repetition(core, sender)
        return
    held = current.prepares.find(vote.view, sender)
    if held is None or held.block_hash != vote.block_hash:
        if not core.is_signed(vote):
            raise Forged("vote does not verify")
        if not core.add_vote(current.prepares, vote, is_verified=True):
            return
    elif not current.prepares.is_verified(held) and not core.is_signed(vote):
        raise Forged("vote does not verify")
    _accept(core, message)


def on_prepare(core: Core, sender: str, vote: Prepare) -> None:
    """A prepare; one for a later view is kept for it."""
    current = core.current
    if vote.validator != sender:
        raise Refused("vote of another validator")
    if vote.view < current.view or not core.add_vote(current.prepares, vote):
        return
    if vote.view == current.view:
        check_prepared(core)


def on_commit(core: Core, sender: str, vote: Commit) -> None:
    """A commit from any view: a late quorum still finalises its block."""
    if vote.validator != sender:
        raise Refused("vote of another validator")
    current = core.current
    change = current.view_changes.get(sender)
    if change is not None:
        core.expose(change.vote, vote)
    if core.add_vote(current.commits, vote):
        _check_committed(core, vote.view, vote.block_hash)


def check_prepared(core: Core) -> None:
    """Commit once a quorum, ourselves included, has prepared the accepted block in the active view."""
    current = core.current
    if not core.is_active or not current.has_prepared or current.has_committed or current.accepted is None:
        return
    height, view, hash_ = current.height, current.view, current.accepted
    votes = current.prepares.quorum_for(view, hash_)
    if votes is None:
        return
    vote = Commit(height, view, hash_, core.me, core.sign(commit_message(core.chain_id, height, view, hash_)))
    core.record_votes(commit=vote, prepared=PreparedCertificate(height, view, hash_, votes))
    core.broadcast(vote)
    current.commits.add(vote, is_verified=True)
    _check_committed(core, view, hash_)


def finalise(core: Core, certificate: Certificate, peer: str) -> None:
    """Hand the block of a checked certificate to the node, or catch up from ``peer`` if we do not have it."""
    current = core.current
    current.certificate = certificate
    proposal = current.find_proposal(certificate.block_hash)
    if proposal is not None:
        current.is_delivered = True
        core.emit(Deliver(proposal, certificate))
    elif peer != core.me and core.rate_limit.is_allowed(peer, "catch-up"):
        core.emit(SuggestCatchUp(certificate.height, peer))


def _pre_prepare(core: Core, hash_: Hash, proposal: Proposal) -> None:
    current = core.current
    current.keep_proposal(hash_, proposal, core.config.proposals_kept)
    current.accepted = hash_
    vote = _record_prepare(core, hash_, proposal)
    core.broadcast(PrePrepare(vote, proposal))
    check_prepared(core)


def _prepare(core: Core, hash_: Hash) -> None:
    if not core.can_vote:
        return
    core.broadcast(_record_prepare(core, hash_, core.current.proposals[hash_]))
    check_prepared(core)


def _record_prepare(core: Core, hash_: Hash, proposal: Proposal) -> Prepare:
    """Our vote for a block in the active view, durable before it is sent; the proposal goes first in the batch."""
    current = core.current
    height, view = current.height, current.view
    if current.vote_record.prepare is not None and current.vote_record.prepare.view >= view:
        raise InvariantBroken(f"a second prepare in view {view}")
    vote = Prepare(height, view, hash_, core.me, core.sign(prepare_message(core.chain_id, height, view, hash_)))
    core.store_proposal(hash_, proposal)
    core.record_votes(prepare=vote)
    current.prepares.add(vote, is_verified=True)
    return vote


def _keep_for_later(core: Core, sender: str, message: PrePrepare) -> None:
    """Keep one proposal from each peer until its view is active, and ask the peer what justifies the view."""
    core.current.early[sender] = message
    if core.rate_limit.is_allowed(sender, "status"):
        core.send(sender, Status(core.tip.height, shown_view(core)))


def shown_view(core: Core) -> int:
    """The view that we report to peers: the active one, or during a view change the one before the wanted view."""
    return core.current.view - 1 if core.current.is_changing else core.current.view


def _answer_repetition(core: Core, sender: str) -> None:
    """The primary repeats its proposal, so it may lack our vote."""
    vote = core.current.vote_record.prepare
    if vote is not None and core.current.has_prepared and core.rate_limit.is_allowed(sender, "prepare"):
        core.send(sender, vote)


def _accept(core: Core, message: PrePrepare) -> None:
    """Check a proposal that its primary has signed. If it is invalid, the primary is provably at fault."""
    current, vote, proposal = core.current, message.prepare, message.proposal
    if proposal != current.find_proposal(vote.block_hash):
        try:
            verify_proposal(core.chain_id, proposal, current.height, core.tip.block_hash, vote.block_hash)
        except Refused:
            if vote.view == current.view and not current.has_prepared:
                core.suspicion = "invalid proposal"
            raise
    current.keep_proposal(vote.block_hash, proposal, core.config.proposals_kept)
    if current.certificate is not None:
        if current.certificate.block_hash == vote.block_hash:
            finalise(core, current.certificate, vote.validator)
        return
    if vote.view == current.view:
        _accept_in_active_view(core, vote, proposal)


def _accept_in_active_view(core: Core, vote: Prepare, proposal: Proposal) -> None:
    current = core.current
    record = current.vote_record.prepare
    if current.accepted is not None:
        raise Refused("second proposal in a view")
    if record is not None and record.view == vote.view:  # we were restarted and had lost the proposal
        if record.block_hash != vote.block_hash:
            raise Refused("second proposal in a view")
        current.accepted = vote.block_hash
        check_prepared(core)
        return
    if current.bound is None and decode_header(proposal.header).proposer != vote.validator:
        core.suspicion = "invalid proposal"
        raise Refused("fresh proposal of another proposer")
    if current.bound is not None and current.bound != vote.block_hash:
        core.suspicion = "invalid proposal"
        raise Refused("not the block that the view is bound to")
    current.accepted = vote.block_hash
    if current.bound is not None:
        _prepare(core, vote.block_hash)
    elif core.can_vote:
        core.emit(Execute(vote.block_hash, proposal))


def _check_committed(core: Core, view: int, hash_: Hash) -> None:
    current = core.current
    if current.is_decided:
        return
    votes = current.commits.quorum_for(view, hash_)
    if votes is None:
        return
    voters = [name for name, _ in votes if name != core.me]
    finalise(core, Certificate(current.height, view, hash_, votes), voters[0] if voters else core.me)
