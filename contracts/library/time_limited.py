"""Everybody may read, for some days at a time, and within a period if there is one.

Parameters:
    days: how long a grant lasts at most.
    opens, closes: optional; first and last moment, ISO 8601 with time zone, such as ``2026-01-01T00:00:00+08:00``.
"""

from datetime import datetime, timedelta

from blockpool.contract import Context, Dataset, Parameter, Request, Verdict, allow, deny

PARAMETERS = {"days": Parameter("number", required=True), "opens": Parameter("moment"), "closes": Parameter("moment")}


def can_read(request: Request, dataset: Dataset, ctx: Context) -> Verdict:
    """Grant until the earliest of: what was asked for, the days, the end of the period."""
    opens, closes = ctx.parameters.get("opens"), ctx.parameters.get("closes")
    if opens and ctx.time < datetime.fromisoformat(opens):
        return deny(f"{dataset.id} can be read from {opens} on")
    if closes and ctx.time >= datetime.fromisoformat(closes):
        return deny(f"{dataset.id} could be read until {closes}")
    until = ctx.time + timedelta(days=ctx.parameters["days"])
    if closes:
        until = min(until, datetime.fromisoformat(closes))
    if request.until_ms:
        asked = ctx.time + timedelta(milliseconds=request.until_ms - ctx.time_ms)
        if asked <= ctx.time:
            return deny("the request asks for a time that is over")
        until = min(until, asked)
    return allow(until=until)
