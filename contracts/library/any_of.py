"""One of several contracts must allow.

Parameters:
    parts: list of ``{"source": ..., "parameters": {...}}``; ``{"library": NAME, ...}`` is filled in by the command
    line. Each part has a state of its own.

The first part that allows, decides. If none does, the first that asks, asks. If all deny, so does this, with their
reasons. Parts after the first that allows are not called.
"""

from blockpool.contract import Context, Dataset, Parameter, Request, Verdict, deny, evaluate

PARAMETERS = {"parts": Parameter("contracts", required=True)}


def can_read(request: Request, dataset: Dataset, ctx: Context) -> Verdict:
    """Ask every part in turn, up to the first that allows."""
    asking = None
    reasons = []
    for position, part in enumerate(ctx.parameters["parts"]):
        own = ctx._replace(
            parameters=part.get("parameters", {}),
            state=ctx.state.setdefault(str(position), {}),
        )
        verdict = evaluate(part["source"], request, dataset, own)
        if verdict.verdict == "allow":
            return verdict
        if verdict.verdict == "ask" and asking is None:
            asking = verdict
        reasons.append(verdict.reason)
    return asking or deny(("; ".join(reasons) or "there are no parts to allow anything")[:300])
