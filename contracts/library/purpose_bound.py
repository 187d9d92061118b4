"""Reading is bound to purposes that the owner has listed, each with the fields that it needs.

Parameters:
    purposes: object, by purpose: null for all fields, or the list of fields.
    required: optional; of ``legal_basis``, ``case_number``, ``person``: what a request must state. Default: none.
    days: optional; how long a grant lasts. Default: no end.
    records: optional; how many records a request names at most, by id or by key; it names some. Default: it may be for
        all.
"""

from datetime import timedelta

from blockpool.contract import Context, Dataset, Parameter, Request, Verdict, allow, deny

PARAMETERS = {
    "purposes": Parameter("fields", required=True),
    "required": Parameter("texts", choices=("legal_basis", "case_number", "person")),
    "days": Parameter("number"),
    "records": Parameter("count"),
}


def can_read(request: Request, dataset: Dataset, ctx: Context) -> Verdict:
    """Check the stated purpose, and that everything required is stated."""
    purposes = ctx.parameters["purposes"]
    if request.purpose not in purposes:
        return deny(f"{dataset.id} is not shared for the purpose {request.purpose!r}")
    stated = {"legal_basis": request.legal_basis, "case_number": request.case_number, "person": request.person}
    missing = [name for name in ctx.parameters.get("required", ()) if not stated[name].strip()]
    if missing:
        return deny(f"the request does not state {', '.join(missing)}")
    records, named = ctx.parameters.get("records"), len(request.records) + len(request.keys)
    if records is not None and not 0 < named <= records:
        return deny(f"a request names 1 to {records} records; this one names {named}")
    days = ctx.parameters.get("days")
    until = ctx.time + timedelta(days=days) if days else None
    return allow(until=until, fields=purposes[request.purpose], note=request.purpose)
