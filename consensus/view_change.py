"""Replacing the primary (Castro and Liskov 1999, sections 4.4 and 4.5.2).

A replica that leaves a view promises to vote in no lower one and shows the last block it saw prepared. A quorum of
such votes for a view justifies it and determines which block, if any, its primary must propose again. The timer for
the new view runs only once a quorum wants that view or a later one, so no replica runs ahead. A replica joins when
``f+1`` others want later views, so none falls behind.
"""

from __future__ import annotations

from chain.blocks import Certificate
from chain.primitives.quorum import honest_support, max_faulty
from consensus import normal_case
from consensus.core import Core
from consensus.effects import ViewChangeStarted, ViewEntered
from consensus.justification import (
    Forged,
    Refused,
    make_new_view,
    verify_claim_shape,
    verify_new_view,
    verify_view_change_claim,
)
from consensus.messages import NewView, ViewChange, ViewChangeVote, view_change_message


def start(core: Core, view: int, reason: str) -> None:
    """Leave every view below ``view`` at this height. The vote is durable before it is sent."""
    current = core.current
    if not core.can_vote or current.is_decided:
        return
    prepared = current.vote_record.prepared
    prepared_view, prepared_hash = (None, None) if prepared is None else (prepared.view, prepared.block_hash)
    signature = core.sign(view_change_message(core.chain_id, current.height, view, prepared_view, prepared_hash))
    current.leave_view(view, is_changing=True)
    core.record_votes(
        view_change=ViewChangeVote(current.height, view, prepared_view, prepared_hash, core.me, signature)
    )
    message = core.view_change_message()
    core.broadcast(message)
    current.view_changes[core.me] = message
    core.view_timer.restart()
    core.emit(ViewChangeStarted(current.height, view, reason))
    _make_new_view(core)


def has_support(core: Core) -> bool:
    """Whether a quorum, ourselves included, wants our view or a later one."""
    current = core.current
    supporters = sum(change.vote.view >= current.view for change in current.view_changes.values())
    return supporters >= core.validators.quorum


def on_view_change(core: Core, sender: str, message: ViewChange) -> None:
    """A peer's view change."""
    current, vote = core.current, message.vote
    if vote.validator != sender:
        raise Refused("vote of another validator")
    held = current.view_changes.get(sender)
    if held is not None and held.vote.view >= vote.view:
        core.expose(held.vote, vote)
        return
    verify_claim_shape(vote)
    if not core.is_signed(vote):
        raise Forged("vote does not verify")
    verify_view_change_claim(core.chain_id, core.validators, core.tip.block_hash, message, core.verifier)
    for commit in current.commits.of(sender):
        core.expose(commit, vote)
    current.view_changes[sender] = message
    _join(core)
    _make_new_view(core)


def on_new_view(core: Core, sender: str, message: NewView) -> None:
    """The justification of a view, from any peer."""
    current = core.current
    if message.view < current.view or (message.view == current.view and not current.is_changing):
        return

    def is_signed(vote: ViewChangeVote) -> bool:
        held = current.view_changes.get(vote.validator)
        return (held is not None and held.vote == vote) or core.is_signed(vote)

    verify_new_view(core.chain_id, core.validators, message, is_signed, core.verifier)
    _enter(core, message)


def adopt_start_view(core: Core, certificate: Certificate) -> bool:
    """Start this height in a later view, since the parent was also certified there (checked by the caller).

    Only a replica that has voted in no view of this height may do so. Therefore any two quorums of unjustified votes
    in different views would share an honest replica that voted in both, and cannot both exist.
    """
    current = core.current
    view = certificate.view
    is_later = view > current.view or (view == current.view and current.is_changing)
    if not is_later or current.vote_record.prepare is not None or not core.can_vote:
        return False
    current.leave_view(view, is_changing=False)
    current.start_view = view
    core.watch.follow(view, max_faulty(len(core.validators)))
    _begin_view(core)
    return True


def _join(core: Core) -> None:
    """Follow ``f+1`` others into the lowest of their later views: one of them is honest."""
    current = core.current
    later = [
        change.vote.view
        for name, change in current.view_changes.items()
        if name != core.me and change.vote.view > current.view
    ]
    if len(later) >= honest_support(len(core.validators)):
        start(core, min(later), "joined")


def _make_new_view(core: Core) -> None:
    """As primary of the wanted view, justify it once a quorum wants it."""
    current = core.current
    if not current.is_changing or core.primary != core.me or not core.can_vote:
        return
    changes = [change for change in current.view_changes.values() if change.vote.view == current.view]
    if len(changes) < core.validators.quorum:
        return
    message = make_new_view(current.height, current.view, changes)
    core.broadcast(message)
    _enter(core, message)


def _enter(core: Core, message: NewView) -> None:
    current = core.current
    current.leave_view(message.view, is_changing=False)
    current.justification = message
    current.bound = message.prepared.block_hash if message.prepared is not None else None
    _begin_view(core)


def _begin_view(core: Core) -> None:
    """The view is active: propose as its primary, or handle the proposal that came before the justification."""
    current = core.current
    core.view_timer.restart()
    core.emit(ViewEntered(current.height, current.view, core.primary))
    normal_case.ask_for_proposal(core)
    early = current.early.pop(core.primary, None)
    if early is not None and early.prepare.view == current.view:
        try:
            normal_case.on_pre_prepare(core, core.primary, early)
        except Refused as refused:
            core.reject(core.primary, refused)
