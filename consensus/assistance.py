"""Helping replicas that lag, and noticing that we lag ourselves.

Links lose messages when they break. So replicas send their status at intervals, and repeat their votes while they are
stalled. A replica that is ahead answers with something that proves itself: the certificate of its last block, or the
justification of its view. A claim without proof only makes the node try to catch up (``SuggestCatchUp``). All answers
are rate-limited.
"""

from dataclasses import replace

from chain.blocks import Certificate
from chain.errors import PoolError
from chain.proofs.validators import verify_certificate
from consensus import normal_case, view_change
from consensus.core import Core
from consensus.effects import SuggestCatchUp
from consensus.justification import Forged
from consensus.messages import Committed, PrePrepare, Status


def broadcast_status(core: Core) -> None:
    """Send our height and view to the other validators."""
    if core.me in core.validators:
        core.broadcast(Status(core.tip.height, normal_case.shown_view(core)))


def on_status(core: Core, sender: str, message: Status) -> None:
    """A peer's height and view: help it if it lags, or catch up if we may lag."""
    if message.height > core.tip.height:
        suggest_catch_up(core, sender, message.height)
    else:
        assist(core, sender, message.height, message.view)


def suggest_catch_up(core: Core, peer: str, height: int) -> None:
    """Tell the node that ``peer`` claims to have delivered ``height``."""
    if height > core.tip.height and core.rate_limit.is_allowed(peer, "catch-up"):
        core.emit(SuggestCatchUp(height, peer))


def assist(core: Core, peer: str, height: int, view: int) -> None:
    """If we are ahead of a peer at ``height`` and ``view``, send it what it needs to follow."""
    current, certificate = core.current, core.tip.certificate
    if height == core.tip.height and (view >= current.view or current.is_changing):
        return
    if not core.rate_limit.is_allowed(peer, "assistance"):
        return
    if height == core.tip.height and current.justification is not None:
        core.send(peer, current.justification)
    elif certificate is not None:
        core.send(peer, Committed(certificate))


def on_committed(core: Core, sender: str, message: Committed) -> None:
    """A certificate finalises the block of the height in flight; one of the last block may raise our start view."""
    certificate = message.certificate
    if certificate.height > core.current.height:
        suggest_catch_up(core, sender, certificate.height)
    elif certificate.height == core.current.height and not core.current.is_decided:
        _verify(core, certificate, certificate.block_hash)
        normal_case.finalise(core, certificate, sender)
    elif certificate.height == core.tip.height:
        _raise_start_view(core, certificate)


def repeat_own_votes(core: Core) -> None:
    """Send again what peers may have lost. Nothing new is signed, so nothing is persisted."""
    current = core.current
    broadcast_status(core)
    if not core.can_vote:
        return
    if current.certificate is not None:
        for name, _ in current.certificate.votes:
            if name != core.me:
                suggest_catch_up(core, name, current.height)
        return
    record = current.vote_record
    if current.is_changing:
        core.broadcast(core.view_change_message())
    elif current.has_prepared and core.primary == core.me:
        _repeat_proposal(core)
    elif current.has_prepared and record.prepare is not None:
        core.broadcast(record.prepare)
    if record.commit is not None:  # from any view: it may still complete a quorum there
        core.broadcast(record.commit)


def _repeat_proposal(core: Core) -> None:
    """As primary, send the proposal, and what justifies the view, again to validators whose prepare is missing."""
    current = core.current
    vote, proposal = current.vote_record.prepare, None
    if vote is not None:
        proposal = current.find_proposal(vote.block_hash)
    if vote is None or proposal is None:
        return
    for name in core.validators.names:
        if name == core.me or current.prepares.find(current.view, name) is not None:
            continue
        if current.justification is not None:
            core.send(name, current.justification)
        core.send(name, PrePrepare(vote, proposal))


def _raise_start_view(core: Core, certificate: Certificate) -> None:
    """Adopt the later view in which others certified the last block. The validators of that height signed it. An epoch
    begins in view 0, whatever views its last block was certified in.
    """
    if core.previous_validators is None or certificate.view <= core.current.start_view or core.tip.ends_epoch:
        return
    if core.current.vote_record.prepare is not None:
        return
    _verify(core, certificate, core.tip.block_hash, is_tip=True)
    if view_change.adopt_start_view(core, certificate):
        core.tip = replace(core.tip, certificate=certificate)


def _verify(core: Core, certificate: Certificate, hash_: bytes, is_tip: bool = False) -> None:
    height = core.tip.height if is_tip else core.current.height
    validators = core.previous_validators if is_tip and core.previous_validators is not None else core.validators
    try:
        verify_certificate(core.chain_id, certificate, validators, height, hash_, core.verifier)
    except PoolError:
        raise Forged("certificate does not verify") from None
