"""All of several contracts must allow.

Parameters:
    parts: list of ``{"source": ..., "parameters": {...}}``; ``{"library": NAME, ...}`` is filled in by the command
    line. Each part has a state of its own.

The first part that denies, denies; the first that asks, asks (the next is heard once that one is content). A grant ends
when the first of the parts' would, and has the fields that all of them allow.
"""

from blockpool.contract import Context, Dataset, Parameter, Request, Verdict, allow, deny, evaluate

PARAMETERS = {"parts": Parameter("contracts", required=True)}


def can_read(request: Request, dataset: Dataset, ctx: Context) -> Verdict:
    """Ask every part in turn, up to the first that does not allow."""
    allowed = []
    for position, part in enumerate(ctx.parameters["parts"]):
        own = ctx._replace(
            parameters=part.get("parameters", {}),
            state=ctx.state.setdefault(str(position), {}),
        )
        verdict = evaluate(part["source"], request, dataset, own)
        if verdict.verdict != "allow":
            return verdict
        allowed.append(verdict)
    if not allowed:
        return deny("there are no parts to allow anything")
    ends = [verdict.until_ms for verdict in allowed if verdict.until_ms]
    limited = [verdict.fields for verdict in allowed if verdict.fields is not None]
    fields = [name for name in limited[0] if all(name in others for others in limited)] if limited else None
    if fields == []:
        return deny("no field is allowed by all parts")
    note = "; ".join(verdict.note for verdict in allowed if verdict.note)
    return allow(until=min(ends) if ends else None, fields=fields, note=note[:2000])
