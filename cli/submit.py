"""``blockpool submit``: share the records of a file.

First the whole file is read and checked against the dataset's schema, so that a file with a bad record changes nothing.
Then it is cut into parcels, signed and committed, several parcels in flight.

Interrupting it at any moment is harmless. Open parcels need no memory for that: a parcel's nonce is derived from the
dataset, the batch size, the parcel's number and its records, so running the same command again makes the same
transactions, and the chain itself knows which it has. If the file has changed in between, parcels with the same records
are recognised, and those that differ are submitted as new ones: nothing in the chain is replaced.

Sealing takes fresh randomness, so a sealed parcel cannot be made twice. What is signed is kept in a journal, a folder
beside the file, before it is sent; the same command sends those very bytes again. It goes when all is committed.
"""

import asyncio
import shutil
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import click
from rich.console import RenderableType

from blockpool import (
    AsyncClient,
    CatalogueEntry,
    Client,
    ErrorCode,
    PoolError,
    RecordId,
    TransactionRejected,
    VerifiedReceipt,
)
from blockpool.signing import PARCEL_RECORDS
from blockpool.window import IN_FLIGHT_MAX
from chain.errors import Refusal
from chain.facts import unpack
from chain.limits import LIMITS
from chain.messages import sentence
from chain.schema import RecordSchema, compile_schema
from chain.transactions.sealed import SEALED_OVERHEAD_SIZE
from cli.options import READABLE_FILE, RecordIdType, Signing, signing_options
from cli.output import emit, facts, progress
from cli.sources import CompactSource, RecordSource, SourceRecord, open_source
from sealing import split_fields

Commitments = Literal["whole", "fields"]
_CHECKED_AT_ONCE = 500


@dataclass(slots=True)
class SubmissionTotals:
    """What a submission has done so far."""

    dataset: str
    records: int = 0
    parcels: int = 0
    parcels_found: int = 0
    """Parcels that an earlier run had committed."""
    first_height: int = 0
    last_height: int = 0
    first_record: str = ""
    seconds: float = 0.0

    def add(self, receipt: VerifiedReceipt) -> None:
        """Count a parcel."""
        self.records += receipt.record_count
        self.parcels += 1
        self.parcels_found += receipt.is_earlier
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
    journal: Path | None
    """Where signed parcels are kept until all are committed; None for open ones, which can be made again."""


def journal_of(file: Path, dataset: str) -> Path:
    """The folder beside ``file`` that keeps its sealed parcels for ``dataset``."""
    return file.with_name(f"{file.name}.{dataset}.journal")


@click.command()
@click.argument("file", type=READABLE_FILE)
@click.option("--dataset", "dataset_id", required=True, metavar="ID", help="Dataset that the records belong to.")
@click.option(
    "--batch",
    type=click.IntRange(1, LIMITS.transaction_records),
    default=PARCEL_RECORDS,
    show_default=True,
    help="Records in a parcel. Use the same number when you repeat an interrupted submission.",
)
@click.option(
    "--in-flight",
    type=click.IntRange(1, IN_FLIGHT_MAX),
    help="Parcels sent at a time; by default as many as keep the network busy. 1 keeps the order of the file.",
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
@signing_options
def submit(
    file: Path,
    dataset_id: str,
    batch: int,
    in_flight: int | None,
    sealed: bool,
    commitments: Commitments,
    derived_from: tuple[RecordId, ...],
    signing: Signing,
) -> None:
    """Share the records of FILE (.csv, .ndjson or .jsonl), and verify the receipt of every parcel.

    The whole file is checked against the dataset's schema first: a bad record is named with its line, and nothing is
    sent. Interrupted? Run the same command again: nothing is committed twice.

    Records of a dataset that is not open are sealed here, before they leave this machine. What is signed is kept in
    the folder FILE.DATASET.journal until all is committed.

    CSV fields become what the schema says (integer, number, boolean, string); empty and NA become null where null is
    allowed. Lines of NDJSON are shared as they are.

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
    source = open_source(file, entry.schema)
    if is_sealed and commitments == "fields":
        source = CompactSource(source)
    total = check_records(source, RecordRules.of(entry, commitments if is_sealed else None))
    journal = journal_of(file, dataset_id) if is_sealed else None
    plan = Plan(dataset_id, batch, in_flight, commitments, derived_from, journal)
    submission = _share(AsyncClient(urls, genesis, identity), source, plan, total)
    emit(asdict(submission), _facts(submission))


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
            raise PoolError(ErrorCode.NOT_FOUND, f"there is no record {source}: nothing was sent")


def _share(pool: AsyncClient, source: RecordSource, plan: Plan, total: int) -> SubmissionTotals:
    """Commit all records, and forget the journal then."""
    submission = SubmissionTotals(plan.dataset)
    started_s = time.monotonic()
    with progress() as bar:
        task = bar.add_task("Sharing", total=total)

        def on_receipt(receipt: VerifiedReceipt) -> None:
            submission.add(receipt)
            bar.advance(task, receipt.record_count)

        try:
            asyncio.run(_commit_all(pool, source, plan, on_receipt))
        except TransactionRejected as error:
            raise locate_rejection(error, source, submission.records) from None
        except PoolError as error:
            if plan.journal is None or error.code is not ErrorCode.BAD_REQUEST:
                raise
            detail = f"{error.detail}. To share the changed file anew, remove {plan.journal}"
            raise PoolError(error.code, detail) from None
    if plan.journal is not None:
        shutil.rmtree(plan.journal, ignore_errors=True)
    submission.seconds = round(time.monotonic() - started_s, 3)
    return submission


async def _commit_all(
    pool: AsyncClient, source: RecordSource, plan: Plan, on_receipt: Callable[[VerifiedReceipt], None]
) -> None:
    async with pool:
        stream = pool.submit_stream(
            (record.body for record in source),
            plan.dataset,
            parcel_records=plan.batch,
            idempotency_key=None if plan.journal else f"batch {plan.batch}",
            in_flight=plan.in_flight,
            commitments=plan.commitments,
            sealed=True if plan.journal else None,  # checked against the proven entry: what a node says is not enough
            journal=plan.journal,
            derived_from=plan.derived_from,
        )
        async with aclosing(stream) as receipts:
            async for receipt in receipts:
                on_receipt(receipt)


@dataclass(frozen=True, slots=True)
class RecordRules:
    """What every record of a submission must keep. Validators cannot check sealed ones: nobody does after this."""

    schema: RecordSchema | None
    size_max_bytes: int
    by_fields: bool
    """Whether fields are committed to one by one, which needs JSON objects."""

    @classmethod
    def of(cls, entry: CatalogueEntry, commitments: Commitments | None) -> "RecordRules":
        """The rules for a dataset; ``commitments`` is None for open parcels."""
        schema = compile_schema(entry.schema) if entry.schema else None
        overhead_bytes = 0 if commitments is None else SEALED_OVERHEAD_SIZE
        return cls(schema, LIMITS.record_size_bytes - overhead_bytes, commitments == "fields")

    def verify(self, chunk: list[SourceRecord], before: int) -> None:
        """Check records of which the first is number ``before`` of the file."""
        for index, record in enumerate(chunk, start=before):
            if len(record.body) > self.size_max_bytes:
                detail = f"{len(record.body)} bytes; at most {self.size_max_bytes}"
                raise _located(ErrorCode.TOO_LARGE, detail, record, index)
            if self.by_fields:
                _verify_fields(record, index)
        error = self.schema.check([record.body for record in chunk]) if self.schema else None
        if error is not None:
            offset = int(error.context["record_index"])
            raise _refused(error, chunk[offset], before + offset)


def check_records(source: RecordSource, rules: RecordRules) -> int:
    """Check every record, before anything is sent, and count them.

    Raises:
        PoolError: codes ``schema_violation``, ``too_large``, ``bad_sealing``, with ``record_index`` (from 0, in the
            file) and ``line``; what ``source`` raises.
    """
    count = 0
    records = iter(source)
    with progress() as bar:
        task = bar.add_task("Checking", total=None)
        while chunk := list(islice(records, _CHECKED_AT_ONCE)):
            rules.verify(chunk, count)
            count += len(chunk)
            bar.update(task, completed=count)
        bar.update(task, total=count)
    return count


def _verify_fields(record: SourceRecord, index: int) -> None:
    try:
        split_fields(record.body)
    except Refusal as refusal:
        raise _refused(refusal, record, index) from None


def _refused(refusal: Refusal, record: SourceRecord, index: int) -> PoolError:
    named = unpack(refusal.facts)
    del named["record_index"]
    return _located(refusal.code, sentence(refusal.code, named), record, index)


def _located(code: ErrorCode, reason: str, record: SourceRecord, index: int) -> PoolError:
    return PoolError(
        code, f"line {record.line} (record {index}): {reason}. Nothing was sent.", record_index=index, line=record.line
    )


def locate_rejection(error: TransactionRejected, source: RecordSource, confirmed: int) -> PoolError:
    """A parcel's rejection, with the place in the file of the record that it names."""
    context = dict(error.context)
    detail = error.detail
    offset = context.get("record_index")
    if isinstance(offset, int):
        index = confirmed + offset
        line = next(islice(source, index, None)).line
        detail = f"line {line}: {detail} of its parcel"
        context |= {"record_index": index, "line": line}
    before = f"The {confirmed:,} records before it are" if confirmed else "Nothing is"
    return PoolError(error.code, f"{detail}. {before} committed.", **context)


def _facts(submission: SubmissionTotals) -> RenderableType:
    rate = submission.records / submission.seconds if submission.seconds else 0
    earlier = f", {submission.parcels_found:,} of them by an earlier run" if submission.parcels_found else ""
    return facts(
        {
            "dataset": submission.dataset,
            "committed": f"{submission.records:,} records in {submission.parcels:,} parcels{earlier}",
            "blocks": f"{submission.first_height:,} to {submission.last_height:,}",
            "first record": submission.first_record or "-",
            "took": f"{submission.seconds:.1f} s, {rate:,.0f} records/s",
        }
    )
