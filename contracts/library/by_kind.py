"""Members of some kinds may read, if wanted only those that hold a role.

Parameters:
    kinds: of ``government``, ``enterprise``, ``social``, ``public``.
    roles: optional; if given, a reader needs one of them as well.
"""

from blockpool.contract import Context, Dataset, Parameter, Request, Verdict, allow, deny

PARAMETERS = {
    "kinds": Parameter("texts", required=True, choices=("government", "enterprise", "social", "public")),
    "roles": Parameter("texts"),
}


def can_read(request: Request, dataset: Dataset, ctx: Context) -> Verdict:
    """Compare the reader's kind and roles, as the pool has committed them."""
    if ctx.reader.kind not in ctx.parameters["kinds"]:
        return deny(f"{dataset.id} is not shared with members of kind {ctx.reader.kind}")
    roles = ctx.parameters.get("roles")
    if roles and not set(roles) & set(ctx.reader.roles):
        return deny(f"{ctx.reader.name} has none of the roles {', '.join(roles)}")
    return allow()
