"""``blockpool read``: the whole way from a request to records in a file.

The steps, each of which is on the chain or checked: the request and its verdict, the answers of the members that are
asked, the key shares of a threshold of validators, the plaintext of each record against what its owner committed to,
and the read report that says what was read. Records are written as they come, so memory stays flat however many there
are.

A file gets its name when all records are in it; the read report follows. If the program is ended in between, the
records are there and the read report is not: reading once more with ``--request`` makes up for it.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import click
from rich.text import Text

from blockpool import CatalogueEntry, Client, KemPrivateKey, PoolError, Reading, Record, RequestState
from cli.options import Signing, TransactionIdType, load_reader_key, reader_key_option, reading_client, signing_options
from cli.output import emit, facts, is_json, progress, talk
from cli.requests import Terms, settled, terms_options, verify_granted, wait_option
from records.writers import Format, RecordWriter, format_of, open_output, open_writer

_CORRECTED_LISTED = 100


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What a read has brought."""

    dataset: str
    request: str
    """Its id; empty for an open dataset, which needs none."""
    records: int
    file: str
    """Where the records are; empty for standard output."""
    format: Format
    read_reports: tuple[str, ...] = ()
    """Transaction ids of the read reports, each of at most 1,024 parcels; none without records or with --no-report."""
    erased: tuple[str, ...] = ()
    """Ids of parcels that were left out because their owner has erased them."""
    corrected: int = 0
    """Records among them that another has taken the place of."""
    corrected_records: tuple[str, ...] = ()
    """Ids of the first of these."""


@dataclass(slots=True)
class Copied:
    """What was written."""

    records: int = 0
    corrected: int = 0
    first_corrected: list[str] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Count a record."""
        self.records += 1
        if record.is_corrected:
            self.corrected += 1
            if len(self.first_corrected) < _CORRECTED_LISTED:
                self.first_corrected.append(str(record.id))


@dataclass(frozen=True, slots=True)
class Target:
    """Where records are written."""

    file: Path | None
    """None for standard output."""
    format: Format

    def open(self) -> AbstractContextManager[BinaryIO]:
        """The stream; a file gets its name once all is in it."""
        return open_output(self.file)

    def writer(self, stream: BinaryIO, entry: CatalogueEntry, fields: tuple[str, ...] | None = None) -> RecordWriter:
        """A writer for the records of a dataset, or for ``fields`` of them."""
        return open_writer(stream, self.format, entry.schema, fields)


@click.command()
@click.argument("dataset_id", metavar="DATASET", required=False)
@click.option("--request", "request_id", type=TransactionIdType(), help="Read under this request, made before.")
@terms_options(purpose_required=False)
@wait_option
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write; standard output if not given."
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["ndjson", "csv", "xlsx"]),
    help="Of what is written; by default as the file's name ends, ndjson on standard output.",
)
@click.option("--no-report", is_flag=True, help="Do not report on the chain what was read.")
@reader_key_option
@signing_options
def read(
    dataset_id: str | None,
    request_id: bytes | None,
    terms: Terms,
    wait_s: float,
    out: Path | None,
    format_: Format | None,
    no_report: bool,
    reader_key_file: Path | None,
    signing: Signing,
) -> None:
    """Read DATASET: ask, wait for who must approve, open the records, write them, and report what was read.

    Exits with 1 if access is denied, or members are still asked: go on with --request once they have answered. An
    open dataset is read without a request.

    \b
    Example: blockpool read aviation.flights --purpose "flight safety" --case-number 2026-17 --out flights.csv \\
               --key pool/meteorology/system.pem --genesis pool/genesis.json
    """
    if (dataset_id is None) == (request_id is None):
        raise click.UsageError("Give either a DATASET, or the --request that is there already.")
    if request_id is not None and replace(terms, parcels=()) != Terms():
        raise click.UsageError("A --request has its terms already: only --parcel goes with it, to read a part.")
    if out is None and is_json():
        raise click.UsageError("--json prints a summary to standard output: give the records a file with --out.")
    urls, genesis, identity = signing.load()
    target = Target(out, format_ or format_of(out))
    with reading_client(tuple(urls), signing.genesis_file) as looking:  # gives up soon if no node can be reached
        present = None if request_id is None else looking.request_view(request_id)
        entry = looking.dataset(present.dataset if present else str(dataset_id))
    with Client(urls, genesis, identity) as client:
        if entry.sharing == "open":
            result = _read_open(client, entry, terms, target)
        else:
            if present is None and not terms.purpose:
                raise click.UsageError(f"{entry.dataset} is not open: say with --purpose what it is read for.")
            reader_key = load_reader_key(reader_key_file, signing.key_file)
            with target.open() as stream:  # before anything is asked: what cannot be written is not asked for
                view = settled(client, present or _ask(client, entry, terms, reader_key), wait_s)
                verify_granted(view)
                chosen = (terms.parcels or None) if present else None
                reading = client.read(view.id, reader_key, parcels=chosen, on_culprit=_tell_culprit)
                writer = target.writer(stream, entry, view.fields)
                copied = _copy_sealed(client, reading, writer, with_report=not no_report)
            result = _result(entry.dataset, view.request, copied, target, reading.erased)
            if copied.records and not no_report:
                result = _acknowledge(client, reading, result)
    _show(result)


def _read_open(client: Client, entry: CatalogueEntry, terms: Terms, target: Target) -> ReadResult:
    """Read an open dataset: what anybody may read needs no request and leaves no read report."""
    talk().print(f"{entry.dataset} is open: no request is needed.")
    erased: list[bytes] = []
    wanted = (record for record in client.records(entry.dataset, erased=erased) if terms.is_for(record))
    with target.open() as stream:
        copied = _copy(wanted, target.writer(stream, entry), None if terms.is_narrow else entry.totals.records)
    return _result(entry.dataset, "", copied, target, erased)


def _result(dataset: str, request: str, copied: Copied, target: Target, erased: list[bytes]) -> ReadResult:
    return ReadResult(
        dataset,
        request,
        copied.records,
        str(target.file or ""),
        target.format,
        erased=tuple(map(bytes.hex, erased)),
        corrected=copied.corrected,
        corrected_records=tuple(copied.first_corrected),
    )


def _ask(client: Client, entry: CatalogueEntry, terms: Terms, reader_key: KemPrivateKey) -> RequestState:
    view = terms.ask(client, entry.dataset, reader_key)
    talk().print(f"Request {view.request} is final at height {view.height}: {view.status}.")
    return view


def _copy_sealed(client: Client, reading: Reading, writer: RecordWriter, *, with_report: bool) -> Copied:
    """Write the records of a read. Whoever takes them may have enough before the end: then those that
    were handed out are reported."""
    try:
        return _copy(reading, writer, total=None)
    except BrokenPipeError:
        if with_report:
            client.acknowledge(reading)
        raise


def _copy(records: Iterable[Record], writer: RecordWriter, total: int | None) -> Copied:
    """Write all records. A reading tells how many there will be once it has begun."""
    copied = Copied()
    with progress() as bar:
        task = bar.add_task("Reading", total=total)
        for record in records:
            writer.write(record)
            if copied.records == 0 and isinstance(records, Reading):
                bar.update(task, total=records.expected_records or None)
            copied.add(record)
            bar.advance(task)
    writer.close()
    return copied


def _tell_culprit(member: str, fault: PoolError) -> None:
    """A validator gave a wrong share: that is said, and another one is asked."""
    talk().print(Text(f"Key share of {member} is not used: {fault.detail}. Another validator is asked."))


def _acknowledge(client: Client, reading: Reading, result: ReadResult) -> ReadResult:
    """Report what was read."""
    try:
        read_reports = client.acknowledge(reading)
    except PoolError as error:
        where = f"The records are in {result.file}" if result.file else "The records were written"
        detail = f"{error.detail}. {where}, but their read report is not committed: read them again with --request"
        raise PoolError(error.code, f"{detail} {result.request}", **error.context) from None
    return replace(result, read_reports=tuple(report.transaction_id.hex() for report in read_reports))


def _show(result: ReadResult) -> None:
    """The summary: the payload if there is a file, else talk, since the records have gone to standard output."""
    rows: dict[str, object] = {
        "dataset": result.dataset,
        "records": f"{result.records:,}",
        "file": f"{result.file} ({result.format})" if result.file else "",
        "request": result.request,
        "read_reports": ", ".join(result.read_reports),
        "left out": f"{len(result.erased):,} parcels that their owner has erased" if result.erased else "",
        "CORRECTED": _corrected(result),
    }
    shown = facts({name: value for name, value in rows.items() if value})
    if result.file:
        emit(asdict(result), shown)
    else:
        talk().print(shown)


def _corrected(result: ReadResult) -> str:
    if not result.corrected:
        return ""
    more = ", ..." if result.corrected > 1 else ""
    which = f"{result.corrected_records[0]}{more}"
    return f"{result.corrected:,} of these records were wrong, and others have taken their place: {which}"
