"""A reader gets so many grants in so many days.

Parameters:
    grants: how many, at most 100.
    days: in how many days, counted back from now.
"""

from datetime import timedelta

from blockpool.contract import Context, Dataset, Parameter, Request, Verdict, allow, deny

PARAMETERS = {"grants": Parameter("count", required=True), "days": Parameter("number", required=True)}


def can_read(request: Request, dataset: Dataset, ctx: Context) -> Verdict:
    """Count the reader's grants of the last days."""
    limit, days = ctx.parameters["grants"], ctx.parameters["days"]
    if not 0 < limit <= 100:
        raise ValueError("parameter grants is 1 to 100")
    since_ms = ctx.time_ms - timedelta(days=days) // timedelta(milliseconds=1)
    spent = sum(grant.time_ms > since_ms for grant in ctx.grants)
    if spent >= limit:
        return deny(f"{ctx.reader.name} has had {spent} grants in {days} days; {limit} are allowed")
    return allow(note=f"{spent + 1} of {limit} in {days} days")
