"""When a validator that may have forgotten some of its votes can vote again.

It may have voted, before it lost them, up to the height after its last block, and honest validators stand within a
block or two of each other while they decide. Of the heights that the others claim, the ``f`` highest may be lies;
with a few blocks more than the next one claims, everything that the forgotten votes can have been about is decided.
Where the others cannot decide anything without this node (n < 4, no fault is tolerated anyway), having caught up
with them has to do. Where nobody has a block yet, the network is new and so is this node.
"""

from __future__ import annotations

from collections.abc import Mapping

from chain.validators import ValidatorSet

MARGIN_BLOCKS = 3


def safe_height(me: str, validators: ValidatorSet, claims: Mapping[str, int]) -> int | None:
    """Height that ``me`` must have reached before it votes again; None while too few of the others have been heard.

    Args:
        me: this member's name.
        validators: the present validators.
        claims: heights that other members say they have reached.
    """
    heard = sorted((claims[name] for name in validators.names if name != me and name in claims), reverse=True)
    if len(heard) < validators.quorum - 1:
        return None
    claimed = heard[validators.max_faulty] if heard else 0
    is_decided_without_me = validators.max_faulty > 0
    return claimed + MARGIN_BLOCKS if claimed and is_decided_without_me else claimed
