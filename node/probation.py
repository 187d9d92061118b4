"""When a validator that may have forgotten some of its votes can vote again.

It may have voted, before it lost them, up to the height after its last block, and honest validators stand within a
block or two of each other while they decide. Of the heights that the others claim, the ``f`` highest may be lies;
with a few blocks more than the next one claims, everything that the forgotten votes can have been about is decided.
Where the others cannot decide anything without this node (n < 4, no fault is tolerated anyway), having caught up
with them has to do. Where nobody, or no more than may lie, has a block yet, the network is new and so is this node,
unless others hold votes of it: a validator that loses its disk that early counts as faulty.

A validator that has forgotten nothing, as far as anybody knows (see ``node.rollback``), only catches up first: what
it fetches until then may still show votes that it does not remember.
"""

from collections.abc import Mapping

from chain.proofs.validators import ValidatorSet

MARGIN_BLOCKS = 3


def safe_height(
    me: str,
    validators: ValidatorSet,
    claims: Mapping[str, int],
    *,
    margin_blocks: int = MARGIN_BLOCKS,
    is_new: bool = True,
) -> int | None:
    """Height that ``me`` must have reached before it votes again; None while too few of the others have been heard.

    Args:
        me: this member's name.
        validators: the present validators.
        claims: heights that other members say they have reached.
        margin_blocks: how much further than the others; 0 for a validator that remembers.
        is_new: whether a network without blocks is taken for new.
    """
    heard = sorted((claims[name] for name in validators.names if name != me and name in claims), reverse=True)
    if len(heard) < validators.quorum - 1:
        return None
    claimed = heard[validators.max_faulty] if heard else 0
    is_decided_without_me = validators.max_faulty > 0
    return claimed + margin_blocks if is_decided_without_me and (claimed or not is_new) else claimed
