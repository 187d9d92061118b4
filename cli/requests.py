"""``blockpool request``: ask to read a dataset, answer such requests, and see where they stand.

Asking and answering are transactions: who asked for what, why, and how it was decided stays on the chain for good, also
when it was denied.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import RenderableType
from rich.text import Text

from blockpool import Client, ErrorCode, KemPrivateKey, PoolError, Record, RecordId, RequestState
from chain.access.decision import RequestStatus
from chain.messages import time_text
from chain.messages.phrases import phrase
from chain.primitives.types import Answer
from cli.failures import ExitCode
from cli.options import (
    EndOfTime,
    Option,
    RecordIdType,
    RecordKeyType,
    Signing,
    TransactionIdType,
    load_identity,
    load_reader_key,
    member_option,
    optional_key_option,
    reader_key_option,
    reading_client,
    reading_options,
    signing_options,
    together,
)
from cli.output import emit, facts, grid, talk

_WAIT_AT_ONCE_S = 30.0
"""How long one question to a node waits for an answer to a request."""
_STYLES = {"granted": "green", "asked": "yellow", "denied": "red", "revoked": "red"}
STATUSES = tuple(_STYLES)
_STATUS_OF = {"allow": "granted", "ask": "asked", "deny": "denied"}
"""What a verdict makes of a request; a denial is for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a reader asks for, and why. Heights and times as in ``chain.transactions.base.RequestHeader``."""

    purpose: str = ""
    legal_basis: str = ""
    case_number: str = ""
    person: str = ""
    until_ms: int = 0
    parcels: tuple[bytes, ...] = ()
    from_height: int = 0
    until_height: int = 0
    keys: tuple[bytes, ...] = ()
    records: tuple[RecordId, ...] = ()
    fields: tuple[str, ...] = ()

    @property
    def is_part(self) -> bool:
        """Whether only some records or fields are wanted, which an open dataset does not know."""
        return bool(self.keys or self.records or self.fields)

    @property
    def is_narrow(self) -> bool:
        """Whether only some parcels are wanted."""
        return bool(self.parcels or self.from_height or self.until_height)

    def is_for(self, record: Record) -> bool:
        """Whether a record is wanted."""
        has_begun = record.height >= self.from_height
        has_ended = bool(self.until_height) and record.height > self.until_height
        return has_begun and not has_ended and (not self.parcels or record.id.transaction_id in self.parcels)

    def ask(self, client: Client, dataset: str, reader_key: KemPrivateKey) -> RequestState:
        """Commit the request; gives it as it stands then.

        Raises:
            PoolError: code ``bad_receipt`` if the node shows another verdict than it has proven.
        """
        asked = client.request(
            dataset,
            self.purpose,
            reader_key,
            parcels=self.parcels,
            from_height=self.from_height,
            until_height=self.until_height,
            until_ms=self.until_ms,
            legal_basis=self.legal_basis,
            case_number=self.case_number,
            person=self.person,
            keys=self.keys,
            records=self.records,
            fields=self.fields,
        )
        view = client.request_view(asked.id)
        proven = _STATUS_OF[asked.verdict.verdict]
        has_changed = proven != "denied" and view.decided_height > asked.receipt.height
        if view.status != proven and not has_changed:
            raise PoolError(
                ErrorCode.BAD_RECEIPT,
                phrase("the node shows {status}, its receipt proves {proven}", status=view.status, proven=proven),
            )
        return view


def terms_options(*, purpose_required: bool) -> Option:
    """The options that say what is asked for; the command gets them together as ``terms``."""
    height = click.IntRange(min=0)
    return together(
        "terms",
        Terms,
        click.option("--purpose", default="", required=purpose_required, help="What the data is for, in short."),
        click.option("--legal-basis", default="", help="Law or rule that the request rests on."),
        click.option("--case-number", default="", help="Number of the case that it is for."),
        click.option("--person", default="", help="Who answers for it."),
        click.option(
            "--until",
            "until_ms",
            type=EndOfTime(is_to_come=True),
            default=0,
            help="How long access is wanted: a date (the end of that day, UTC+8), or a time with its zone.",
        ),
        click.option("--parcel", "parcels", type=TransactionIdType(), multiple=True, help="Only this parcel; repeat."),
        click.option(
            "--record",
            "records",
            type=RecordIdType(),
            multiple=True,
            help="Only this record, of a dataset that is opened by records; repeat.",
        ),
        click.option(
            "--record-key",
            "keys",
            type=RecordKeyType(),
            multiple=True,
            help="Only the records of this key (48 hexadecimal digits: blockpool find); repeat.",
        ),
        click.option(
            "--field",
            "fields",
            multiple=True,
            help="Only this field, of a dataset that is opened by columns: all fields of each column; repeat.",
        ),
        click.option("--from-height", type=height, default=0, help="Only parcels of this block and later."),
        click.option("--until-height", type=height, default=0, help="Only parcels of this block and earlier."),
    )


wait_option = click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="Wait so long for the members that are asked.",
)


@click.group()
def request() -> None:
    """Ask to read a dataset, answer requests, and see where they stand."""


@request.command()
@click.argument("dataset_id", metavar="DATASET")
@terms_options(purpose_required=True)
@wait_option
@reader_key_option
@signing_options
def new(dataset_id: str, terms: Terms, wait_s: float, reader_key_file: Path | None, signing: Signing) -> None:
    """Ask to read DATASET, and show the verdict of its access contract.

    Exits with 0 if access is granted or members are asked, with 1 if it is denied. Either way it is on the chain.

    \b
    Example: blockpool request new aviation.flights --purpose "flight safety" --case-number 2026-17 \\
               --until 2026-12-31 --key pool/meteorology/system.pem --genesis pool/genesis.json
    """
    reader_key = load_reader_key(reader_key_file, signing.key_file)
    with signing.client() as client:
        view = settled(client, terms.ask(client, dataset_id, reader_key), wait_s)
    _emit(view)
    if view.status == "asked":
        talk().print(phrase("See where it stands: blockpool request show {request}", request=view.request))
    if view.status == "granted":
        talk().print(phrase("Read it: blockpool read --request {request} --out FILE", request=view.request))
    if view.status in ("denied", "revoked"):
        click.get_current_context().exit(ExitCode.FALSE)


_id_argument = click.argument("request_id", metavar="ID", type=TransactionIdType())
_reason_option = click.option("--reason", default="", help="Why; it stays on the chain with the answer.")


@request.command()
@_id_argument
@_reason_option
@signing_options
def approve(request_id: bytes, reason: str, signing: Signing) -> None:
    """Approve request ID, as one of the members that it was put to.

    The contract is called again with the answer: it may be that more members must approve.

    \b
    Example: blockpool request approve 5f0c... --key pool/aviation/system.pem --genesis pool/genesis.json
    """
    _answer(request_id, "approve", reason, signing)


@request.command()
@_id_argument
@_reason_option
@signing_options
def refuse(request_id: bytes, reason: str, signing: Signing) -> None:
    """Refuse request ID, as one of the members that it was put to.

    \b
    Example: blockpool request refuse 5f0c... --reason "no case number" --key pool/aviation/system.pem
    """
    _answer(request_id, "refuse", reason, signing)


@request.command()
@_id_argument
@_reason_option
@signing_options
def revoke(request_id: bytes, reason: str, signing: Signing) -> None:
    """Take back what was granted to request ID: by an approver, the dataset's owner, or the reader itself.

    From then on no validator gives out its share of a key for it. What was read before stays read.

    \b
    Example: blockpool request revoke 5f0c... --reason "case is closed" --key pool/aviation/system.pem
    """
    _answer(request_id, "revoke", reason, signing)


def _answer(request_id: bytes, answer: Answer, reason: str, signing: Signing) -> None:
    with signing.client() as client:
        present = client.request_view(request_id)
        receipt = client.answer(request_id, present.dataset, answer, reason)
        view = client.request_view(request_id)
    talk().print(phrase("The answer is final at height {height}.", height=receipt.height))
    _emit(view)


@request.command(name="list")
@click.option("--dataset", "dataset_id", metavar="ID", help="Only requests for this dataset.")
@click.option("--reader", help="Only those of this member.")
@click.option("--status", type=click.Choice(STATUSES), help="Only those that stand so.")
@click.option(
    "--for-me", is_flag=True, help="Only those that wait for your answer: for the member of --key or --member."
)
@optional_key_option
@member_option
@reading_options
def list_(
    dataset_id: str | None,
    reader: str | None,
    status: RequestStatus | None,
    for_me: bool,
    key_file: Path | None,
    member: str | None,
    nodes: tuple[str, ...],
    genesis_file: Path | None,
) -> None:
    """List requests in the order of the chain.

    \b
    Example: blockpool request list --for-me --key pool/aviation/system.pem --genesis pool/genesis.json
    """
    approver = _who(key_file, genesis_file, member) if for_me else None
    if for_me and status is None:
        status = "asked"
    with reading_client(nodes, genesis_file) as client:
        views = list(client.requests(dataset=dataset_id, reader=reader, status=status, approver=approver))
    if approver is not None:
        views = [view for view in views if approver not in {answer.member for answer in view.answers}]
    table = grid("request", "dataset", "reader", "status", "purpose", "asked at", "until")
    for view in views:
        status_ = Text(view.status, _STYLES[view.status])
        row = (time_text(view.time_ms), _until(view.until_ms) if view.status == "granted" else "")
        table.add_row(view.request, view.dataset, view.reader, status_, Text(view.purpose), *row)
    emit(views, table)


@request.command()
@click.argument("request_id", metavar="ID", type=TransactionIdType())
@reading_options
def show(request_id: bytes, nodes: tuple[str, ...], genesis_file: Path | None) -> None:
    """Show request ID: what was asked, how it was decided and by which contract, the answers, and what was read.

    \b
    Example: blockpool request show 5f0c...
    """
    with reading_client(nodes, genesis_file) as client:
        view = client.request_view(request_id)
    _emit(view)


def settled(client: Client, view: RequestState, wait_s: float) -> RequestState:
    """A request as it stands once nobody is asked any more, or after ``wait_s`` seconds."""
    deadline_s = time.monotonic() + wait_s
    if wait_s > 0 and view.approvers and view.status == "asked":
        talk().print(phrase("Waiting up to {wait_s:,.0f} s for the {view} ...", wait_s=wait_s, view=_approval(view)))
    while view.status == "asked" and (left_s := deadline_s - time.monotonic()) > 0:
        view = client.request_view(view.id, wait_s=min(left_s, _WAIT_AT_ONCE_S))
    return view


def verify_granted(view: RequestState) -> None:
    """Check that a request stands granted.

    Raises:
        PoolError: codes ``access_denied``, ``approval_pending``, ``grant_revoked``.
    """
    if view.status == "granted":
        return
    if view.status == "asked":
        raise PoolError(
            ErrorCode.APPROVAL_PENDING,
            phrase(
                "the {view} is needed. Once it is there: blockpool read --request {request}",
                view=_approval(view),
                request=view.request,
            ),
            request=view.request,
        )
    code = ErrorCode.ACCESS_DENIED if view.status == "denied" else ErrorCode.GRANT_REVOKED
    raise PoolError(
        code,
        phrase("{reason} (request {request})", reason=view.sentence or "no reason was given", request=view.request),
        request=view.request,
    )


def _who(key_file: Path | None, genesis_file: Path | None, member: str | None) -> str:
    """The member that uses the command."""
    if member is not None:
        return member
    if key_file is None or genesis_file is None:
        raise click.UsageError(phrase("--for-me: say who you are, with --member, or with --key and --genesis."))
    return load_identity(key_file, genesis_file, None)[1].member


def _emit(view: RequestState) -> None:
    rows: dict[str, object] = {
        "request": view.request,
        "status": Text(_status(view), _STYLES[view.status]),
        "reader": f"{view.reader}, {view.person}" if view.person else view.reader,
        "dataset": view.dataset,
        "wanted": _wanted(view),
        "purpose": view.purpose,
        "legal basis": view.legal_basis,
        "case number": view.case_number,
        "asked": f"{time_text(view.time_ms)}, block {view.height:,}",
        "decided": f"{time_text(view.decided_ms)}, block {view.decided_height:,}",
        "by": f"{view.contract} version {view.contract_version}, {view.fuel:,} fuel" if view.contract else "",
        "contract hash": view.contract_hash,
        "inputs hash": view.inputs_hash,
        "note": view.note,
        "only fields": "" if view.fields is None else ", ".join(view.fields) or "none",
        "read": f"{view.records_read:,} records, {view.read_reports:,} read reports" if view.read_reports else "",
    }
    shown: list[RenderableType] = [facts({name: value for name, value in rows.items() if value != ""})]
    if view.answers:
        table = grid("member", "answer", "reason", "at")
        for answer in view.answers:
            table.add_row(answer.member, answer.answer, Text(answer.reason), time_text(answer.time_ms))
        shown += ["", table]
    emit(view, *shown)


def _status(view: RequestState) -> str:
    """Where it stands, and why, in one line."""
    if view.status == "granted":
        return f"granted until {_until(view.until_ms)}"
    if view.status == "asked":
        return f"asked: the {_approval(view)} is needed"
    return f"{view.status}: {view.sentence or 'no reason was given'}"


def _approval(view: RequestState) -> str:
    """Whose approval is waited for."""
    names = ", ".join(view.approvers)
    if view.needed == len(view.approvers):
        return phrase("approval of {names}", names=names)
    return phrase("approval of {needed} of {names}", needed=view.needed, names=names)


def _wanted(view: RequestState) -> str:
    parcels = f"{len(view.parcels)} parcels" if view.parcels else "all parcels"
    until = f" to {view.until_height:,}" if view.until_height else " on"
    if named := len(view.records) + len(view.keys):
        parcels = f"{named} records"
    if view.wanted_fields:
        parcels = f"{', '.join(view.wanted_fields)} of {parcels}"
    heights = f", from block {view.from_height:,}{until}" if view.from_height or view.until_height else ""
    return parcels + heights + (f", until {time_text(view.wanted_until_ms)}" if view.wanted_until_ms else "")


def _until(until_ms: int) -> str:
    return time_text(until_ms) if until_ms else "it is revoked"
