"""Only the members that are named may read.

Parameters:
    readers: names of members.
"""

from blockpool.contract import Context, Dataset, Parameter, Request, Verdict, allow, deny

PARAMETERS = {"readers": Parameter("members", required=True)}


def can_read(request: Request, dataset: Dataset, ctx: Context) -> Verdict:
    """Look the reader up."""
    if ctx.reader.name in ctx.parameters["readers"]:
        return allow()
    return deny(f"{ctx.reader.name} is not on the list of readers of {dataset.id}")
