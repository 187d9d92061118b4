"""What access contracts import: the facts that they are told, and ``allow``, ``deny`` and ``ask``.

docs/contracts.md teaches it. Contracts find the same module inside the sandbox.
"""

from contracts.author import (
    Approval,
    Context,
    Dataset,
    Grant,
    GrantCounts,
    Member,
    Parameter,
    ReaderTotals,
    Request,
    Verdict,
    allow,
    ask,
    deny,
    evaluate,
)

__all__ = [
    "Approval",
    "Context",
    "Dataset",
    "Grant",
    "GrantCounts",
    "Member",
    "Parameter",
    "ReaderTotals",
    "Request",
    "Verdict",
    "allow",
    "ask",
    "deny",
    "evaluate",
]
