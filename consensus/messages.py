"""Messages between replicas: shapes, the exact bytes that votes sign, strict decoding.

Three kinds of signed statement exist, and everything that must convince a third party (certificates, justification of a
new view, evidence) is made of them alone:

- ``Prepare``: "I find this block valid and vote for it in this view". The primary's own prepare is what makes its
  pre-prepare binding, so there is no fourth kind: a primary that proposes two blocks has signed two prepares.
- ``Commit``: "I know that a quorum prepared this block in this view". Signs ``chain.blocks.commit_message``: a quorum
  of them is the block's certificate.
- ``ViewChangeVote``: "I vote in no view below this one at this height, and the last block I saw prepared is this one".

Other messages come over links that authenticate the sender, and prove themselves by their content.
(Castro and Liskov, "Practical Byzantine Fault Tolerance", OSDI 1999, sections 4.2 and 4.4.)
"""

from typing import Annotated, TypeAlias

from msgspec import Meta

from chain.blocks import Certificate, Proposal, commit_message
from chain.limits import LIMITS
from chain.primitives.crypto import Hash, domain
from chain.primitives.encoding import Wire, decode, encode
from chain.primitives.types import Hash32, Name, Signature, Unsigned


class Prepare(Wire, frozen=True, tag=1):
    """A validator's vote for a block in a view, given after it found the block valid."""

    height: Unsigned
    view: Unsigned
    block_hash: Hash32
    validator: Name
    """Who votes."""
    signature: Signature
    """Over ``prepare_message``."""


class Commit(Wire, frozen=True, tag=2):
    """A validator's vote that finalises a block, given after it saw a quorum prepare it in this view."""

    height: Unsigned
    view: Unsigned
    block_hash: Hash32
    validator: Name
    """Who votes."""
    signature: Signature
    """Over ``chain.blocks.commit_message``."""


class ViewChangeVote(Wire, frozen=True, tag=3):
    """A validator's promise to vote in no view below ``view``, with the last block it saw prepared."""

    height: Unsigned
    view: Unsigned
    """The view it wants to enter; at least 1."""
    prepared_view: Unsigned | None
    """View in which the block was prepared, below ``view``; None if it saw no block prepared at this height."""
    prepared_hash: Hash32 | None
    """Hash of that block; None likewise."""
    validator: Name
    """Who votes."""
    signature: Signature
    """Over ``view_change_message``."""


class PreparedCertificate(Wire, frozen=True):
    """Proof that a quorum prepared a block in a view."""

    height: Unsigned
    view: Unsigned
    block_hash: Hash32
    votes: Annotated[tuple[tuple[Name, Signature], ...], Meta(max_length=LIMITS.validators)]
    """(validator, signature over ``prepare_message``), strictly ascending by name."""


class PrePrepare(Wire, frozen=True, tag=4):
    """The primary's proposal for a height and view."""

    prepare: Prepare
    """The primary's own vote for it."""
    proposal: Proposal


class ViewChange(Wire, frozen=True, tag=5):
    """A view-change vote with the proof of its claim and the block itself, so that it can be proposed again."""

    vote: ViewChangeVote
    prepared: PreparedCertificate | None
    """Proof of the vote's claim; None if it claims nothing."""
    proposal: Proposal | None
    """The prepared block; None likewise."""


class NewView(Wire, frozen=True, tag=6):
    """Justification of a view: a quorum of view-change votes for it. It proves itself, so anyone may pass it on."""

    height: Unsigned
    view: Unsigned
    votes: Annotated[tuple[ViewChangeVote, ...], Meta(max_length=LIMITS.validators)]
    """Strictly ascending by validator."""
    prepared: PreparedCertificate | None
    """Proof of the highest claim among the votes: its block is the only one that may be proposed. None: no claim."""


class Committed(Wire, frozen=True, tag=7):
    """For a replica that lags: the certificate of the sender's last block."""

    certificate: Certificate


class Status(Wire, frozen=True, tag=8):
    """The sender's height and view. Unsigned and never trusted: it only leads to help or to catch-up."""

    height: Unsigned
    """Last block it has delivered."""
    view: Unsigned
    """The last view in which it can vote; it asks for the justification of a later one."""


Vote: TypeAlias = Prepare | Commit
Statement: TypeAlias = Prepare | Commit | ViewChangeVote
"""What a validator signs."""
Message: TypeAlias = PrePrepare | Prepare | Commit | ViewChange | NewView | Committed | Status
"""What replicas send each other."""


def encode_message(message: Message) -> bytes:
    """The bytes of a message on the wire."""
    return encode(message)


def decode_message(data: bytes) -> Message:
    """The message in ``data``.

    Raises:
        EncodingError: not the canonical encoding of a message, or a field out of its bounds.
    """
    message: Message = decode(Message, data)  # type: ignore[arg-type]  # a union is a fine decoding target
    return message


def prepare_message(chain_id: bytes, height: int, view: int, block_hash: Hash) -> bytes:
    """The bytes that a prepare vote signs."""
    return domain("prepare", chain_id) + encode((height, view, block_hash))


def view_change_message(
    chain_id: bytes, height: int, view: int, prepared_view: int | None, prepared_hash: Hash | None
) -> bytes:
    """The bytes that a view-change vote signs."""
    return domain("view-change", chain_id) + encode((height, view, prepared_view, prepared_hash))


def signed_message(chain_id: bytes, statement: Statement) -> bytes:
    """The bytes that ``statement.signature`` signs."""
    if isinstance(statement, Prepare):
        return prepare_message(chain_id, statement.height, statement.view, statement.block_hash)
    if isinstance(statement, Commit):
        return commit_message(chain_id, statement.height, statement.view, statement.block_hash)
    return view_change_message(
        chain_id, statement.height, statement.view, statement.prepared_view, statement.prepared_hash
    )
