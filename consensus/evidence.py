"""Which statements of one validator contradict each other, and how anyone can check that they do.

The rule is a pure function of two signed statements, so all honest nodes judge evidence the same way at any time. It
accuses no validator that follows the protocol and keeps its vote record: statements are persisted before they are sent.
"""

from collections.abc import Callable

from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import verify_signature
from chain.proofs.validators import ValidatorSet
from consensus.messages import Commit, Prepare, Statement, ViewChangeVote, signed_message

Verifier = Callable[[bytes, bytes, bytes], bool]
"""``verifier(public_key, message, signature)``: whether the signature is valid. Never raises."""


def is_contradiction(first: Statement, second: Statement) -> bool:
    """Whether no honest validator signs both statements, in either order.

    - Two prepares or two commits of one height and view for different blocks (equivocation).
    - Two view-change votes for one view with different claims.
    - A commit in a view below a view-change vote that claims less than this commit implies (amnesia): who commits has
      seen the block prepared in that view, and who has voted for a later view commits in no earlier one.
    """
    if first.validator != second.validator or first.height != second.height:
        return False
    if isinstance(first, ViewChangeVote) and isinstance(second, Commit):
        first, second = second, first
    if isinstance(first, Commit) and isinstance(second, ViewChangeVote):
        return _forgets(second, first)
    if first.view != second.view:
        return False
    if isinstance(first, ViewChangeVote) and isinstance(second, ViewChangeVote):
        return (first.prepared_view, first.prepared_hash) != (second.prepared_view, second.prepared_hash)
    if isinstance(first, Prepare) and isinstance(second, Prepare):
        return first.block_hash != second.block_hash
    return isinstance(first, Commit) and isinstance(second, Commit) and first.block_hash != second.block_hash


def verify_evidence(
    chain_id: bytes,
    validators: ValidatorSet,
    first: Statement,
    second: Statement,
    verifier: Verifier = verify_signature,
) -> str:
    """Check evidence against the validators of its height; returns the accused validator's name.

    Raises:
        PoolError: code ``bad_evidence``.
    """
    if not is_contradiction(first, second):
        raise PoolError(ErrorCode.BAD_EVIDENCE, "the two statements do not contradict each other")
    key = validators.key_of(first.validator)
    if key is None:
        raise PoolError(ErrorCode.BAD_EVIDENCE, f"{first.validator} is no validator at height {first.height}")
    for statement in (first, second):
        if not verifier(key, signed_message(chain_id, statement), statement.signature):
            raise PoolError(ErrorCode.BAD_EVIDENCE, f"a statement of {first.validator} is not signed by it")
    return first.validator


def _forgets(view_change: ViewChangeVote, commit: Commit) -> bool:
    if commit.view >= view_change.view:
        return False
    if view_change.prepared_view is None or view_change.prepared_view < commit.view:
        return True
    return view_change.prepared_view == commit.view and view_change.prepared_hash != commit.block_hash
