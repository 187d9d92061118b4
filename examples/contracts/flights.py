"""Who may read the sealed flights: warnings at once, companies after the owner has agreed, everything else not.

Government departments and public bodies read for a warning of floods or storms, for 30 days. Enterprises may ask for
route planning; the owner decides each case, and what it approves lasts a week. A person has to answer for every read.
"""

from datetime import timedelta

from blockpool.contract import Context, Dataset, Request, Verdict, allow, ask, deny

WARNINGS = ("flood warning", "storm warning")


def can_read(request: Request, dataset: Dataset, ctx: Context) -> Verdict:
    if not request.person.strip():
        return deny("name the person who answers for this read")
    if ctx.reader.kind in ("government", "public") and request.purpose in WARNINGS:
        return allow(until=ctx.time + timedelta(days=30), note=request.purpose)
    if ctx.reader.kind == "enterprise" and request.purpose == "route planning":
        latest = {answer.member: answer.verdict for answer in ctx.approvals}
        match latest.get(ctx.owner.name):
            case "approve":
                return allow(until=ctx.time + timedelta(days=7), note=f"approved by {ctx.owner.name}")
            case "refuse" | "revoke":
                return deny(f"{ctx.owner.name} has not agreed")
        return ask([ctx.owner.name], note=f"{ctx.reader.name} plans routes with {dataset.id}")
    return deny(f"{dataset.id} is not shared with {ctx.reader.name} for {request.purpose!r}")
