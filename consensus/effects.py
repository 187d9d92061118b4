"""What the core asks its node to do: one ordered list after every batch of inputs.

The node carries the effects out in order. A ``Persist`` must be durable before any later effect of the list begins.
Several may be written first, in one synced batch: it is always safe to have persisted more than was sent.
"""

from typing import TypeAlias

import msgspec

from chain.blocks import Certificate, Proposal
from chain.primitives.crypto import Hash
from consensus.messages import Message, Statement


class _Effect(msgspec.Struct, frozen=True, gc=False):
    """Base of all effects."""


class Persist(_Effect, frozen=True):
    """Keep ``value`` under ``key`` durably; the newest value of every key is given back after a restart."""

    key: bytes
    value: bytes


class SendMessage(_Effect, frozen=True):
    """Send a message to one validator. It may be lost."""

    to: str
    message: Message


class Broadcast(_Effect, frozen=True):
    """Send a message to all other validators of this height. It may be lost."""

    message: Message


class Build(_Effect, frozen=True):
    """We are primary and work is pending: answer with ``propose`` for this height and view."""

    height: int
    view: int


class Execute(_Effect, frozen=True):
    """Judge a primary's fresh proposal against the parent state: answer with ``executed``.

    Already checked: header well formed, height, parent hash, proposer, transaction count and root.
    """

    block_hash: Hash
    proposal: Proposal


class Deliver(_Effect, frozen=True):
    """The block is final: store it, then call ``advance``. It may never have been sent to ``Execute``."""

    proposal: Proposal
    certificate: Certificate


class SuggestCatchUp(_Effect, frozen=True):
    """A peer says that it has delivered ``height``, which we have not. A hint: nothing about it is verified."""

    height: int
    peer: str


class Evidence(_Effect, frozen=True):
    """Two statements that no honest validator signs both. Anyone can check them: ``verify_evidence``."""

    accused: str
    first: Statement
    second: Statement


class ViewChangeStarted(_Effect, frozen=True):
    """This replica left the view before ``view`` and votes again only in ``view`` or later."""

    height: int
    view: int
    reason: str


class ViewEntered(_Effect, frozen=True):
    """A new view is active at this replica."""

    height: int
    view: int
    primary: str


class Reject(_Effect, frozen=True):
    """A peer's message was refused; ``reason`` is short and stable, for counters."""

    peer: str
    reason: str
    is_forged: bool
    """Whether the peer is provably at fault: it sent a signature or certificate that does not verify."""


Effect: TypeAlias = (
    Persist
    | SendMessage
    | Broadcast
    | Build
    | Execute
    | Deliver
    | SuggestCatchUp
    | Evidence
    | ViewChangeStarted
    | ViewEntered
    | Reject
)
