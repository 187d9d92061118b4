"""Everybody may read (无条件共享). What is read, by whom and for what is still on the chain.

Parameters: none.
"""

from blockpool.contract import Context, Dataset, Request, Verdict, allow


def can_read(request: Request, dataset: Dataset, ctx: Context) -> Verdict:
    """Allow."""
    return allow()
