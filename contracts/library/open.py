"""Everybody may read (无条件共享). What is read, by whom and for what is still on the chain.

Parameters: none.
"""

from blockpool.contract import Context, Dataset, Parameter, Request, Verdict, allow

PARAMETERS: dict[str, Parameter] = {}


def can_read(request: Request, dataset: Dataset, ctx: Context) -> Verdict:
    """Allow."""
    return allow()
