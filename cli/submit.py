"""``blockpool submit``: share the records of a file.

First the whole file is read and checked against the dataset's schema, so that a file with a bad record changes nothing.
Then it is cut into parcels, signed and committed, several parcels in flight.

Interrupting it at any moment is harmless, and so is submitting the file again, grown or with parcels of another size: a
journal beside the file says which of its records are in which parcel (``blockpool.journal``). Where it is lost, an open
parcel is recognised by its nonce, which is derived from the dataset, the batch size, the place and its records.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, NoReturn

import click
from rich.console import RenderableType

from blockpool import (
    AsyncClient,
    Client,
    ErrorCode,
    PoolError,
    RecordId,
    TransactionRejected,
    VerifiedReceipt,
)
from blockpool.record_keys import KeyMaker
from blockpool.signing import PARCEL_RECORDS
from blockpool.window import IN_FLIGHT_MAX
from chain.errors import Refusal
from chain.limits import LIMITS
from chain.messages.phrases import phrase
from chain.schema import record_rules
from cli.changes import ChangedRecords
from cli.options import (
    RecordIdType,
    Signing,
    WholeFile,
    is_standard_input,
    key_secret_option,
    load_key_secret,
    signing_options,
    together,
)
from cli.output import emit, facts, grid, progress, talk
from records.checking import Check, RecordRules, check_records
from records.sources import FORMATS, CompactSource, RecordSource, SourceOptions, open_source, record_bodies
from records.spool import spooled

Commitments = Literal["whole", "fields"]

source_options = together(
    "read_as",
    SourceOptions,
    click.option("--encoding", metavar="NAME", help="Of a text file, such as gb18030; found by itself if not given."),
    click.option("--delimiter", metavar="CHARACTER", help="Between the fields of CSV; found by itself if not given."),
    click.option(
        "--format", type=click.Choice(FORMATS), help="Of the file, where its name does not end in it: standard input."
    ),
    click.option("--sheet", metavar="NAME", help="Of a workbook; needed where more than one sheet holds rows."),
    click.option(
        "--null", "nulls", multiple=True, metavar="TEXT", help="A cell's text that means null; repeat for more."
    ),
)
"""What the user says of a file of records."""


@dataclass(slots=True)
class SubmissionTotals:
    """What a submission has done so far."""

    dataset: str
    records: int = 0
    parcels: int = 0
    unchanged: int = 0
    """Records with keys that were left out, since they were shared before as they are."""
    parcels_found: int = 0
    """Parcels that an earlier run had committed."""
    out_of_order: int = 0
    """Parcels that stand before the one that was sent before them: a node or a link between nodes has failed."""
    first_height: int = 0
    last_height: int = 0
    first_record: str = ""
    seconds: float = 0.0
    _place: tuple[int, int] = (0, 0)

    def add(self, receipt: VerifiedReceipt) -> None:
        """Count a parcel."""
        self.records += receipt.record_count
        self.parcels += 1
        self.parcels_found += receipt.is_earlier
        place = receipt.height, receipt.receipt.index
        self.out_of_order += place < self._place
        self._place = place
        self.first_height = self.first_height or receipt.height
        self.last_height = max(self.last_height, receipt.height)
        self.first_record = self.first_record or str(receipt.record_ids[0])


@dataclass(frozen=True, slots=True)
class Plan:
    """How a file is submitted."""

    dataset: str
    batch: int
    """Records in a parcel."""
    in_flight: int | None
    """Parcels sent at a time; None for as many as keep the network busy."""
    commitments: Commitments
    derived_from: tuple[RecordId, ...]
    """What the records were made from."""
    sealed: bool
    journal: Path
    """Remembers what was shared of the file."""
    anew: bool
    key_secret: bytes | None
    """Blinds the keys of sealed records."""
    memory: Path | None
    """Remembers in the place of the journal what was shared of a dataset whose records have keys."""


def journal_of(file: Path, dataset: str, chain_id: bytes) -> Path:
    """The folder beside ``file`` that remembers what was shared of it in ``dataset`` of one pool."""
    return file.with_name(f"{file.name}.{dataset}.{chain_id.hex()[:8]}.journal")


def memory_of(key_file: Path, dataset: str, chain_id: bytes) -> Path:
    """The file beside the signing key that remembers what was shared of a dataset whose records have keys."""
    return key_file.with_name(f"{dataset}.{chain_id.hex()[:8]}.shared")


@click.command()
@click.argument("file", type=WholeFile())
@click.option("--dataset", "dataset_id", required=True, metavar="ID", help="Dataset that the records belong to.")
@click.option(
    "--batch",
    type=click.IntRange(1, LIMITS.transaction_records),
    default=PARCEL_RECORDS,
    show_default=True,
    help="Records in a parcel.",
)
@click.option(
    "--in-flight",
    type=click.IntRange(1, IN_FLIGHT_MAX),
    help="Parcels sent at a time; by default as many as keep the network busy. 1 keeps the order even if nodes fail.",
)
@click.option("--sealed", is_flag=True, help="Insist on sealing: refuse to share in an open dataset.")
@click.option(
    "--commitments",
    type=click.Choice(["whole", "fields"]),
    default="whole",
    show_default=True,
    help="What of a sealed record can be disclosed later: all of it, or single fields (for JSON objects).",
)
@click.option(
    "--derived-from",
    type=RecordIdType(),
    multiple=True,
    metavar="RECORD",
    help="A record (TRANSACTION/INDEX) that these were made from; repeat it for more, up to 256.",
)
@click.option("--again", is_flag=True, help="Share all records once more, whatever was shared of the file before.")
@click.option(
    "--journal",
    "journal_folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Remembers what was shared of the file; by default beside it. Standard input needs one to be resumed.",
)
@click.option("--dry-run", is_flag=True, help="Check the file, name every problem, and send nothing.")
@key_secret_option
@source_options
@signing_options
def submit(
    file: Path,
    dataset_id: str,
    batch: int,
    in_flight: int | None,
    sealed: bool,
    commitments: Commitments,
    derived_from: tuple[RecordId, ...],
    again: bool,
    journal_folder: Path | None,
    dry_run: bool,
    key_secret_file: Path | None,
    read_as: SourceOptions,
    signing: Signing,
) -> None:
    """Share the records of FILE (.csv, .tsv, .xlsx, .parquet, .ndjson, .jsonl, .json), and verify the receipt of every
    parcel.

    The whole file is checked against the dataset's schema first: every bad record is named with its line, and nothing
    is sent. Interrupted, or has the file grown? Run the command again: what is new is shared, and nothing twice. The
    folder FILE.DATASET.POOL.journal remembers what was shared.

    FILE is - for standard input; say its --format, and with --journal a folder that remembers what was shared of it:
    cut off and sent again, or longer, what is new is shared. Without, what an open dataset has of it is recognised.

    Records of a dataset that is not open are sealed here, before they leave this machine. Where they have keys, these
    are blinded with a secret, which is made beside the signing key at first use: keep it. Of records with keys only
    those are shared that are new or changed, whatever file they come in; a file beside the signing key remembers them.

    The cells of a table become what the schema says (integer, number, boolean, string), digit by digit as they stand;
    an empty one is null where null is allowed, and so is what --null names. Records of JSON are shared as they are.

    Where the records were made from others, name these with --derived-from: every parcel says so then, and
    `blockpool provenance` follows it both ways.

    \b
    Example: blockpool submit flights.csv --dataset aviation.flights --batch 500 \\
               --key pool/aviation/system.pem --genesis pool/genesis.json
    """
    urls, genesis, identity = signing.load()
    with Client(urls) as client:
        entry = client.dataset(dataset_id)
        verify_sources(client, derived_from)
    is_sealed = entry.sharing != "open"
    if sealed and not is_sealed:
        raise Refusal(ErrorCode.OPEN_PARCEL_REQUIRED, dataset=dataset_id)
    source = open_source(file, entry.schema, read_as)
    granularity = entry.granularity.wire()
    by_fields = is_sealed and (commitments == "fields" or bool(granularity.columns))
    if by_fields:
        source = CompactSource(source)
    talk().print(f"{file.name}: {source.description}.", markup=False)
    rules = RecordRules.of(entry.schema, is_sealed=is_sealed, by_fields=by_fields, granularity=granularity)
    has_keys = bool(record_rules(entry.schema).key_fields)
    memory = memory_of(signing.key_file, dataset_id, genesis.chain_id) if has_keys else None
    secret = load_key_secret(key_secret_file, signing.key_file) if has_keys and is_sealed else None
    known: ChangedRecords | None = None
    if memory is not None and memory.exists() and not again and (secret is not None or not is_sealed):
        maker = KeyMaker(genesis.chain_id, dataset_id, entry.schema, secret, is_sealed)
        known = ChangedRecords(source, memory, maker)
    if dry_run:
        check = check_file(known or source, rules, known)
        talk().print(phrase("Nothing was sent: --dry-run."))
        found = {"dataset": dataset_id, "file": str(file), "read_as": source.description, "records": check.records}
        if has_keys:
            found["unchanged"] = unchanged_of(known)
        emit(found, facts(dict(found)))
        return
    if is_standard_input() and is_sealed and not (has_keys or journal_folder or again):
        detail = phrase(
            "cut off and sent again, what is sealed would be shared twice: name a folder with --journal, or say --again"
        )
        raise PoolError(ErrorCode.BAD_REQUEST, detail)
    journal = journal_folder or journal_of(file, dataset_id, genesis.chain_id)
    with spooled(known or source, spool_folder(file)) as spool:
        check = check_file(spool, rules, known)
        if has_keys and is_sealed and secret is None:
            secret = load_key_secret(key_secret_file, signing.key_file, makes=True)
        plan = Plan(dataset_id, batch, in_flight, commitments, derived_from, is_sealed, journal, again, secret, memory)
        submission = SubmissionTotals(dataset_id)
        if check.records:
            submission = _share(AsyncClient(urls, genesis, identity), spool, plan, check.records)
    if has_keys:
        submission.unchanged = check.records + unchanged_of(known) - submission.records
    emit({name: value for name, value in asdict(submission).items() if name != "_place"}, _facts(submission))


def verify_sources(client: Client, derived_from: tuple[RecordId, ...]) -> None:
    """Check that the records named as sources are there. Validators look no further than at their parcels.

    Raises:
        PoolError: code ``not_found``.
    """
    counts: dict[bytes, int] = {}
    for source in derived_from:
        if source.transaction_id not in counts:
            fields = client.transaction(source.transaction_id).fields
            counts[source.transaction_id] = fields.get("record_count", 0)
        if source.index >= counts[source.transaction_id]:
            raise PoolError(ErrorCode.NOT_FOUND, phrase("there is no record {source}: nothing was sent", source=source))


def _share(pool: AsyncClient, source: RecordSource, plan: Plan, total: int) -> SubmissionTotals:
    """Commit all records."""
    submission = SubmissionTotals(plan.dataset)
    started_s = time.monotonic()
    with progress() as bar:
        task = bar.add_task(phrase("Sharing"), total=total)

        def on_receipt(receipt: VerifiedReceipt) -> None:
            submission.add(receipt)
            bar.advance(task, receipt.record_count)

        try:
            asyncio.run(_commit_all(pool, source, plan, on_receipt))
        except TransactionRejected as error:
            if plan.memory:
                raise
            raise locate_rejection(error, source, submission.records) from None
        except PoolError as error:
            if error.code not in (ErrorCode.BAD_REQUEST, ErrorCode.PARCEL_ERASED):
                raise
            raise PoolError(
                error.code, phrase("{detail}. To share all of the file once more: --again", detail=error.detail)
            ) from None
    submission.seconds = round(time.monotonic() - started_s, 3)
    return submission


async def _commit_all(
    pool: AsyncClient, source: RecordSource, plan: Plan, on_receipt: Callable[[VerifiedReceipt], None]
) -> None:
    async with pool:
        stream = pool.submit_stream(
            record_bodies(source),
            plan.dataset,
            parcel_records=plan.batch,
            idempotency_key=None if plan.sealed or plan.memory else f"batch {plan.batch}",
            in_flight=plan.in_flight,
            commitments=plan.commitments,
            sealed=True if plan.sealed else None,  # checked against the proven entry: what a node says is not enough
            journal=None if plan.memory else plan.journal,
            memory=plan.memory,
            anew=plan.anew,
            derived_from=plan.derived_from,
            key_secret=plan.key_secret,
        )
        async with aclosing(stream) as receipts:
            async for receipt in receipts:
                on_receipt(receipt)


def unchanged_of(known: ChangedRecords | None) -> int:
    """How many records of a file that was read were shared before as they are."""
    return 0 if known is None else known.unchanged


def check_file(source: RecordSource, rules: RecordRules, known: ChangedRecords | None = None) -> Check:
    """Check every record, before anything is sent, with a bar that shows how many.

    Args:
        source: the file.
        rules: for its records.
        known: leaves out what was shared before.

    Raises:
        PoolError: for a file with problems, or without records.
    """
    with progress() as bar:
        task = bar.add_task(phrase("Checking"), total=None)
        check = check_records(source, rules, lambda count: bar.update(task, completed=count))
        bar.update(task, total=check.records + check.problem_count)
    if check.problems or not check.records + unchanged_of(known):
        refuse(check, source.description)
    return check


def spool_folder(file: Path) -> Path:
    """Where a file's records are while they are sent: beside it, since the folder for temporary files may be in memory;
    there if nothing can be written beside it.
    """
    return file.parent if os.access(file.parent, os.W_OK) else Path(tempfile.gettempdir())


def refuse(check: Check, description: str) -> NoReturn:
    """Name what is wrong with a file. Its first problem is the error.

    Raises:
        PoolError: always.
    """
    if not check.problems:
        raise PoolError(
            ErrorCode.MALFORMED,
            phrase("the file ({description}) holds no records. Nothing was sent.", description=description),
        )
    if check.problem_count > 1:
        table = grid(
            "line", "column", "problem", title=phrase("{problem_count:,} problems", problem_count=check.problem_count)
        )
        for problem in check.problems:
            table.add_row(str(problem.line), problem.column, problem.reason)
        if check.problem_count > len(check.problems):
            table.add_row("…", "", phrase("and {count:,} more", count=check.problem_count - len(check.problems)))
        talk().print(table)
    error = check.problems[0].error()
    detail = phrase("{detail}. Nothing was sent.", detail=error.detail)
    if check.problem_count > 1:
        detail = phrase(
            "{problem_count:,} problems, the first in {detail}", problem_count=check.problem_count, detail=detail
        )
    raise PoolError(error.code, detail, **error.context, problems=check.problem_count)


def locate_rejection(error: TransactionRejected, source: RecordSource, confirmed: int) -> PoolError:
    """A parcel's rejection, with the place in the file of the record that it names."""
    context = dict(error.context)
    detail = error.detail
    offset = context.get("record_index")
    if isinstance(offset, int):
        index = confirmed + offset
        line = next(islice(source, index, None)).line  # the file was read to its end without a problem before
        detail = phrase("line {line}: {detail} of its parcel", line=line, detail=detail)
        context |= {"record_index": index, "line": line}
    before = phrase("The {confirmed:,} records before it are shared", confirmed=confirmed)
    if not confirmed:
        before = phrase("No record before it is shared")
    return PoolError(
        error.code,
        phrase("{detail}. {before}; of its parcel no node keeps any record.", detail=detail, before=before),
        **context,
    )


def _facts(submission: SubmissionTotals) -> RenderableType:
    rate = submission.records / submission.seconds if submission.seconds else 0
    order = phrase("as in the file")
    if submission.out_of_order:
        count = submission.out_of_order
        order = phrase("{out_of_order:,} parcels stand before an earlier one", out_of_order=count)
    counts = {"records": submission.records, "parcels": submission.parcels}
    committed = phrase("{records:,} records in {parcels:,} parcels", **counts)
    if submission.parcels_found:
        earlier = "{records:,} records in {parcels:,} parcels, {parcels_found:,} of them by an earlier run"
        committed = phrase(earlier, parcels_found=submission.parcels_found, **counts)
    left_out = phrase("{unchanged:,} unchanged records", unchanged=submission.unchanged)
    heights = {"first_height": submission.first_height, "last_height": submission.last_height}
    return facts(
        {
            "dataset": submission.dataset,
            "committed": committed,
            **({"left out": left_out} if submission.unchanged else {}),
            "blocks": phrase("{first_height:,} to {last_height:,}", **heights),
            "order": order,
            "first record": submission.first_record or "-",
            "took": phrase("{seconds:.1f} s, {rate:,.0f} records/s", seconds=submission.seconds, rate=rate),
        }
    )
