"""People approve each request: the owner, or k of n members that are named.

Parameters:
    approvers: optional; names of members. Default: the owner.
    needed: optional; how many of them must approve. Default: all.
    days: optional; how long a grant lasts from its last approval on. Default: no end.

One refusal is not the end while enough others can still approve. An answer that is revoked counts no more.
"""

from datetime import timedelta

from blockpool.contract import Context, Dataset, Parameter, Request, Verdict, allow, ask, deny

PARAMETERS = {"approvers": Parameter("members"), "needed": Parameter("count"), "days": Parameter("number")}


def can_read(request: Request, dataset: Dataset, ctx: Context) -> Verdict:
    """Count the latest answer of each approver."""
    approvers = ctx.parameters.get("approvers") or [ctx.owner.name]
    needed = ctx.parameters.get("needed", len(approvers))
    latest = {answer.member: answer for answer in ctx.approvals if answer.member in approvers}
    approved = [name for name, answer in latest.items() if answer.verdict == "approve"]
    refused = [name for name, answer in latest.items() if answer.verdict != "approve"]
    if len(approved) >= needed:
        days = ctx.parameters.get("days")
        until = ctx.time + timedelta(days=days) if days else None
        return allow(until=until, note=f"approved by {', '.join(sorted(approved))}")
    if len(approvers) - len(refused) < needed:
        return deny(f"refused by {', '.join(sorted(refused))}")
    return ask(approvers, needed=needed, note=f"{ctx.reader.name} asks for {dataset.id}: {request.purpose}")
