"""``blockpool read``: the whole way from a request to records in a file.

The steps, each of which is on the chain or checked: the request and its verdict, the answers of the members that are
asked, the key shares of a threshold of validators, the plaintext of each record against what its owner committed to,
and the read report that says what was read. Records are written as they come, so memory stays flat however many there
are.

A file gets its name when all records are in it; the read report follows. If the program is ended in between, the
records are there and the read report is not: reading once more with ``--request`` makes up for it.

Each read ends at a block, its cursor. ``--since`` goes on there, and ``--follow`` does so by itself.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import click
from rich.text import Text

from blockpool import CatalogueEntry, Client, KemPrivateKey, PoolError, Reading, Record, Records, RequestState
from chain.messages.phrases import phrase
from cli.options import Signing, TransactionIdType, load_reader_key, reader_key_option, reading_client, signing_options
from cli.output import emit, facts, is_json, progress, talk
from cli.requests import Terms, settled, terms_options, verify_granted, wait_option
from records.writers import OUT_FORMATS, Format, RecordWriter, format_of, open_output, open_writer

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
    cursor: int = 0
    """Height up to which the records are: with --since, another read goes on there."""
    read_reports: tuple[str, ...] = ()
    """Transaction ids of the read reports, each of at most 1,024 parcels; none without records or with --no-report."""
    closed: tuple[str, ...] = ()
    """Ids of parcels that were left out because they can only be opened with more than was granted."""
    erased: tuple[str, ...] = ()
    """Ids of parcels that were left out because their owner has erased them."""
    erased_records: tuple[str, ...] = ()
    """Ids of records of other parcels that were left out for the same."""
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
    type=click.Choice(OUT_FORMATS),
    help="Of what is written; by default as the file's name ends, ndjson on standard output.",
)
@click.option(
    "--since",
    type=click.IntRange(min=0),
    default=0,
    help="Only what came after this block: the cursor of a read before.",
)
@click.option("--follow", is_flag=True, help="Go on with what comes, on standard output, until you end it.")
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
    since: int,
    follow: bool,
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
        raise click.UsageError(phrase("Give either a DATASET, or the --request that is there already."))
    if request_id is not None and replace(terms, parcels=()) != Terms():
        raise click.UsageError(phrase("A --request has its terms already: only --parcel goes with it, to read a part."))
    if out is None and is_json():
        raise click.UsageError(
            phrase("--json prints a summary to standard output: give the records a file with --out.")
        )
    if follow and (out is not None or format_ in ("xlsx", "parquet")):
        raise click.UsageError(phrase("--follow writes to standard output, ndjson or csv."))
    urls, genesis, identity = signing.load()
    target = Target(out, format_ or format_of(out))
    with reading_client(tuple(urls), signing.genesis_file) as looking:  # gives up soon if no node can be reached
        present = None if request_id is None else looking.request_view(request_id)
        entry = looking.dataset(present.dataset if present else str(dataset_id))
    with Client(urls, genesis, identity) as client:
        taking = Taking(client, entry, target, since, follow)
        if entry.sharing == "open":
            if terms.is_part:
                raise click.UsageError(
                    phrase(
                        "{dataset} is open: --record, --record-key and --field are for requests.", dataset=entry.dataset
                    )
                )
            talk().print(phrase("{dataset} is open: no request is needed.", dataset=entry.dataset))
            with target.open() as stream:
                taking.take(stream, lambda since: client.records(entry.dataset, since=since), is_wanted=terms.is_for)
            _show(taking.result())
            return
        if present is None and not terms.purpose:
            raise click.UsageError(
                phrase("{dataset} is not open: say with --purpose what it is read for.", dataset=entry.dataset)
            )
        reader_key = load_reader_key(reader_key_file, signing.key_file)
        taking.reports = not no_report
        with target.open() as stream:  # before anything is asked: what cannot be written is not asked for
            view = settled(client, present or _ask(client, entry, terms, reader_key), wait_s)
            verify_granted(view)
            taking.request = view.request
            chosen = (terms.parcels or None) if present else None

            def read_since(since: int) -> Reading:
                return client.read(view.id, reader_key, parcels=chosen, since=since, on_culprit=_tell_culprit)

            taking.take(stream, read_since, _fields(view))
        taking.report()
        _show(taking.result())


class Taking:
    """Takes records of a dataset to where they are wanted.

    Args:
        client: to read with.
        entry: the dataset's, in the catalogue.
        target: where they are wanted.
        since: only what came after this block.
        follows: whether to go on with what comes.
    """

    def __init__(self, client: Client, entry: CatalogueEntry, target: Target, since: int, follows: bool) -> None:
        self._client = client
        self._entry = entry
        self._target = target
        self._follows = follows
        self._cursor = since
        self._copied = Copied()
        self._erased: list[str] = []
        self._erased_records: list[str] = []
        self._closed: list[str] = []
        self._read_reports: list[str] = []
        self._reading: Records | Reading | None = None
        self.request = ""
        """Under which request; empty for an open dataset."""
        self.reports = False
        """Whether what was read is reported on the chain."""

    def take(
        self,
        stream: BinaryIO,
        read_since: Callable[[int], Records | Reading],
        fields: tuple[str, ...] | None = None,
        is_wanted: Callable[[Record], bool] = lambda record: True,
    ) -> None:
        """Write records, or ``fields`` of them: all that there are, then all that come if that is wanted."""
        writer = self._target.writer(stream, self._entry, fields)
        try:
            self._copy(read_since, writer, is_wanted)
            while self._follows:
                stream.flush()
                self.report()
                self._wait()
                self._copy(read_since, writer, is_wanted)
        except KeyboardInterrupt:
            if not self._follows:
                raise
        except BrokenPipeError:
            self.report()  # whoever takes them has enough: what was handed out is reported all the same
            raise
        writer.close()

    def report(self) -> None:
        """Report what was read and not reported yet, if that is wanted."""
        reading = self._reading
        if not self.reports or not isinstance(reading, Reading) or not reading.returned_records:
            return
        try:
            read_reports = self._client.acknowledge(reading)
        except PoolError as error:
            file = self._target.file
            where = phrase("The records are in {file}", file=file) if file else phrase("The records were written")
            detail = phrase(
                "{detail}. {where}, but their read report is not committed: read them again with --request",
                detail=error.detail,
                where=where,
            )
            raise PoolError(error.code, f"{detail} {self.request}", **error.context) from None
        self._read_reports += [report.transaction_id.hex() for report in read_reports]

    def result(self) -> ReadResult:
        """What has come of it."""
        return ReadResult(
            self._entry.dataset,
            self.request,
            self._copied.records,
            str(self._target.file or ""),
            self._target.format,
            self._cursor,
            read_reports=tuple(self._read_reports),
            closed=tuple(self._closed),
            erased=tuple(self._erased),
            erased_records=tuple(self._erased_records),
            corrected=self._copied.corrected,
            corrected_records=tuple(self._copied.first_corrected),
        )

    def _copy(
        self,
        read_since: Callable[[int], Records | Reading],
        writer: RecordWriter,
        is_wanted: Callable[[Record], bool],
    ) -> None:
        """Write what there is after the cursor. A reading tells how much that is once it has begun."""
        reading = self._reading = read_since(self._cursor)
        with closing(reading), progress() as bar:
            task = bar.add_task(phrase("Reading"), total=None)
            for number, record in enumerate(reading):
                if number == 0:
                    bar.update(task, total=reading.expected_records or None)
                bar.advance(task)
                if is_wanted(record):
                    writer.write(record)
                    self._copied.add(record)
        self._cursor = reading.cursor
        self._erased += map(bytes.hex, reading.erased)
        self._erased_records += map(str, reading.erased_records)
        if isinstance(reading, Reading):
            self._closed += map(bytes.hex, reading.closed)

    def _wait(self) -> None:
        """Return once a block has added to the dataset."""
        talk().print(
            phrase(
                "{records:,} records up to block {cursor:,}; waiting for more.",
                records=self._copied.records,
                cursor=self._cursor,
            )
        )
        with closing(self._client.events(self._cursor + 1)) as events:
            for event in events:
                if event.concerns(self._entry.dataset):
                    return


def _ask(client: Client, entry: CatalogueEntry, terms: Terms, reader_key: KemPrivateKey) -> RequestState:
    view = terms.ask(client, entry.dataset, reader_key)
    talk().print(
        phrase(
            "Request {request} is final at height {height}: {status}.",
            request=view.request,
            height=view.height,
            status=view.status,
        )
    )
    return view


def _fields(view: RequestState) -> tuple[str, ...] | None:
    """What of each record is written: what was asked for, as far as it was given; None for all."""
    if not view.wanted_fields:
        return view.fields
    return tuple(name for name in view.wanted_fields if view.fields is None or name in view.fields)


def _tell_culprit(member: str, fault: PoolError) -> None:
    """A validator gave a wrong share: that is said, and another one is asked."""
    talk().print(
        Text(
            phrase(
                "Key share of {member} is not used: {detail}. Another validator is asked.",
                member=member,
                detail=fault.detail,
            )
        )
    )


def _show(result: ReadResult) -> None:
    """The summary: the payload if there is a file, else talk, since the records have gone to standard output."""
    rows: dict[str, object] = {
        "dataset": result.dataset,
        "records": f"{result.records:,}",
        "file": f"{result.file} ({result.format})" if result.file else "",
        "cursor": f"{result.cursor} (go on with --since {result.cursor})",
        "request": result.request,
        "read_reports": ", ".join(result.read_reports),
        "left out": _left_out(result),
        "not opened": f"{len(result.closed):,} parcels, which hold more than was granted" if result.closed else "",
        "CORRECTED": _corrected(result),
    }
    shown = facts({name: value for name, value in rows.items() if value})
    if result.file:
        emit(asdict(result), shown)
    else:
        talk().print(shown)


def _left_out(result: ReadResult) -> str:
    counts = (len(result.erased), "parcels"), (len(result.erased_records), "records")
    found = " and ".join(f"{count:,} {what}" for count, what in counts if count)
    return f"{found} that their owner has erased" if found else ""


def _corrected(result: ReadResult) -> str:
    if not result.corrected:
        return ""
    more = ", ..." if result.corrected > 1 else ""
    which = f"{result.corrected_records[0]}{more}"
    return f"{result.corrected:,} of these records were wrong, and others have taken their place: {which}"
