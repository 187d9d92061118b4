"""Read mine if you share yours: for members that have put data into the pool lately (two-way flow).

Parameters:
    days: how long ago the reader's newest parcel may be.
    records: optional; how many records it must have shared altogether. Default: 1.
"""

from datetime import timedelta

from blockpool.contract import Context, Dataset, Parameter, Request, Verdict, allow, deny

PARAMETERS = {"days": Parameter("number", required=True), "records": Parameter("count")}


def can_read(request: Request, dataset: Dataset, ctx: Context) -> Verdict:
    """Look at what the reader has shared; grant for as long as its newest parcel counts."""
    days, records = ctx.parameters["days"], ctx.parameters.get("records", 1)
    if ctx.reader_totals.records < records:
        return deny(f"{ctx.reader.name} has shared {ctx.reader_totals.records} records; {records} are needed")
    counts_until = ctx.reader_totals.last_time_ms + timedelta(days=days) // timedelta(milliseconds=1)
    if counts_until <= ctx.time_ms:
        return deny(f"{ctx.reader.name} has shared nothing for {days} days")
    return allow(until=counts_until)
