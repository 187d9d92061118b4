"""What the author of an access contract works with: the facts, and the three verdicts.

Contracts import it as ``blockpool.contract``. The same file is part of the sandbox's guest and of the installed
package, so a contract runs unchanged under plain CPython in its author's own tests: standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, NamedTuple

from contracts.loader import ContractModule
from contracts.parameters import Parameter

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

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017  (one spelling for every Python that runs contracts)
_MILLISECOND = timedelta(milliseconds=1)


class Member(NamedTuple):
    """A member of the pool, as its committed record says."""

    name: str
    kind: str
    """``government``, ``enterprise``, ``social`` or ``public``."""
    roles: tuple[str, ...] = ()
    """Functions given to it, such as ``statistics``."""


class Request(NamedTuple):
    """What the reader signed."""

    id: str
    """Transaction id, 64 hexadecimal digits."""
    purpose: str
    legal_basis: str = ""
    case_number: str = ""
    person: str = ""
    """Who is responsible for it on the reader's side."""
    parcels: tuple[str, ...] = ()
    """Ids of the parcels wanted; empty for the whole dataset."""
    from_height: int = 0
    """Oldest block wanted; 0 for the first."""
    until_height: int = 0
    """Newest block wanted; 0 for no end."""
    until_ms: int = 0
    """How long access is wanted, milliseconds since 1970; 0 if the reader named no date."""
    fields: tuple[str, ...] = ()
    """Fields wanted; empty for all."""
    keys: tuple[str, ...] = ()
    """Keys of the records wanted, 48 hexadecimal digits each; with ``records``, empty for all records."""
    records: tuple[str, ...] = ()
    """Ids of the records wanted, ``PARCEL/INDEX``."""


class Dataset(NamedTuple):
    """The catalogue entry of the dataset."""

    id: str
    """``owner.name``."""
    owner: str
    sharing: str = "conditional"
    """``open``, ``conditional`` or ``closed``."""
    legal_basis: str = ""
    title_zh: str = ""
    title_en: str = ""
    version: int = 1
    registered_height: int = 0


class Approval(NamedTuple):
    """One committed answer to an ``ask`` of this request."""

    member: str
    verdict: str
    """``approve``, ``refuse`` or ``revoke``."""
    height: int = 0
    time_ms: int = 0
    reason: str = ""


class Grant(NamedTuple):
    """An earlier grant of this reader on this dataset."""

    request: str
    """Transaction id of the request."""
    height: int
    time_ms: int
    until_ms: int = 0
    """When it ends; 0 for no end."""
    purpose: str = ""
    note: str = ""
    """What the contract wrote down with it."""
    report_ms: int = 0
    """When the reader's read report was committed. 0 for none yet."""


class GrantCounts(NamedTuple):
    """Read counters."""

    reader_grants: int = 0
    """Grants of this reader on this dataset, ever."""
    dataset_grants: int = 0
    """Grants of anyone on this dataset, ever."""


class ReaderTotals(NamedTuple):
    """What the reader itself has put into the pool."""

    parcels: int = 0
    records: int = 0
    last_height: int = 0
    """Block of its newest parcel; 0 if it never shared."""
    last_time_ms: int = 0


class Context(NamedTuple):
    """Everything a contract may know besides the request and the dataset. The same on every validator."""

    height: int
    """Block that the decision stands in."""
    time_ms: int
    """That block's time: the only clock there is."""
    reader: Member
    owner: Member
    approvals: tuple[Approval, ...]
    """Answers to this request so far, oldest first."""
    grants: tuple[Grant, ...]
    """Earlier grants of this reader on this dataset, newest first; at most the newest 100."""
    grant_counts: GrantCounts
    reader_totals: ReaderTotals
    parameters: dict[str, Any]
    """What the owner set when it deployed the contract."""
    state: dict[str, Any]
    """Small JSON memory of this contract on this dataset. Changes are kept, whatever the verdict, unless the call
    fails."""

    @property
    def time(self) -> datetime:
        """The block's time, in UTC."""
        return _EPOCH + timedelta(milliseconds=self.time_ms)


class Verdict(NamedTuple):
    """A decision. Make it with ``allow``, ``deny`` or ``ask``."""

    verdict: str
    reason: str = ""
    until_ms: int = 0
    fields: tuple[str, ...] | None = None
    approvers: tuple[str, ...] = ()
    needed: int = 0
    note: str = ""


def allow(*, until: datetime | int | None = None, fields: Iterable[str] | None = None, note: str = "") -> Verdict:
    """The reader may read.

    Args:
        until: when the grant ends, as a datetime with a time zone or in milliseconds since 1970; None for no end.
        fields: the only fields of each record that may be used; None for all.
        note: kept with the grant, for auditors and for the contract itself (``ctx.grants``).
    """
    names = None if fields is None else _names("fields", fields)
    return Verdict("allow", until_ms=_milliseconds(until), fields=names, note=_text("note", note))


def deny(reason: str) -> Verdict:
    """The reader may not read, and is told ``reason`` (at most 300 characters)."""
    if not _text("reason", reason):
        raise ValueError("deny needs a reason: the reader is told")
    return Verdict("deny", reason=reason)


def ask(approvers: Iterable[str], *, needed: int | None = None, note: str = "") -> Verdict:
    """People decide. The contract is called again after each answer and finds them in ``ctx.approvals``.

    Args:
        approvers: names of the members whose answer counts.
        needed: how many of them must approve; None for all.
        note: what they are told.
    """
    names = _names("approvers", approvers)
    return Verdict("ask", approvers=names, needed=len(names) if needed is None else needed, note=_text("note", note))


def evaluate(source: str, request: Request, dataset: Dataset, ctx: Context) -> Verdict:
    """Call another contract from within this one, as ``all_of`` and ``any_of`` do.

    Args:
        source: the other contract.
        request: handed on.
        dataset: handed on.
        ctx: handed on; ``ctx._replace(parameters=..., state=...)`` gives the part its own.
    """
    verdict = _part(source).entry_point()(request, dataset, ctx)
    if type(verdict) is not Verdict:
        raise TypeError("a part returned something else than allow(), deny() or ask()")
    return verdict


@lru_cache(maxsize=64)
def _part(source: str) -> ContractModule:
    return ContractModule(source, "part.py")


def _milliseconds(moment: datetime | int | None) -> int:
    if moment is None:
        return 0
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError("until needs a time zone: start from ctx.time, or give tzinfo=timezone.utc")
        moment = (moment - _EPOCH) // _MILLISECOND
    if type(moment) is not int or moment <= 0:
        raise ValueError("until is a datetime, or milliseconds since 1970; leave it out for no end")
    return moment


def _names(what: str, names: Iterable[str]) -> tuple[str, ...]:
    result = () if isinstance(names, str) else tuple(names)
    if isinstance(names, str) or not all(isinstance(name, str) for name in result):
        raise TypeError(f"{what} is a list of names")
    return result


def _text(what: str, value: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} is a text, not {type(value).__name__}")
    return value
