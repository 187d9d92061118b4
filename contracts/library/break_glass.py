"""Emergencies: granted at once, for hours only, and a report is due. Who owes one is let in no more.

The report is the reader's ``read_report``: the signed digest of what it read.

Parameters:
    purposes: what counts as an emergency, such as ``["rescue"]``.
    hours: how long a grant lasts.
    report_hours: how long after the grant the read report may come.
"""

from datetime import timedelta

from blockpool.contract import Context, Dataset, Parameter, Request, Verdict, allow, deny

NOTE = "break glass: a read report is due"
HOUR_MS = timedelta(hours=1) // timedelta(milliseconds=1)

PARAMETERS = {
    "purposes": Parameter("texts", required=True),
    "hours": Parameter("number", required=True),
    "report_hours": Parameter("number", required=True),
}


def can_read(request: Request, dataset: Dataset, ctx: Context) -> Verdict:
    """Refuse who owes a report; let in who has an emergency and a person who answers for it."""
    due_ms = ctx.parameters["report_hours"] * HOUR_MS
    overdue = [
        grant
        for grant in ctx.grants
        if grant.note == NOTE and not grant.report_ms and grant.time_ms + due_ms < ctx.time_ms
    ]
    if overdue:
        return deny(f"{ctx.reader.name} owes the report on request {overdue[-1].request[:16]}")
    if request.purpose not in ctx.parameters["purposes"]:
        return deny(f"{request.purpose!r} is no emergency; those are {', '.join(ctx.parameters['purposes'])}")
    if not request.person.strip():
        return deny("an emergency needs a person who answers for it")
    return allow(until=ctx.time_ms + ctx.parameters["hours"] * HOUR_MS, note=NOTE)
