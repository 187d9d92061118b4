"""``blockpool submit``: share the records of a file.

First the whole file is read and checked against the dataset's schema, so that a file with a bad record changes nothing.
Then it is cut into parcels, signed and committed, several parcels in flight.

Interrupting it at any moment is harmless: a parcel's nonce is derived from the dataset, the batch size, the parcel's
number and its records, so running the same command again makes the same transactions, and the chain itself knows which
it has. There is no journal to lose. If the file has changed in between, parcels with the same records are recognised,
and those that differ are submitted as new ones: nothing in the chain is replaced.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import click
from rich.console import RenderableType

from blockpool import AsyncClient, Client, Dataset, ErrorCode, PoolError, TransactionRejected, VerifiedReceipt
from blockpool.signing import PARCEL_RECORDS
from chain.limits import LIMITS
from chain.schema import RecordSchema, compile_schema, record_index_of
from cli.options import READABLE_FILE, json_option, load_identity, node_urls, signing_options
from cli.output import emit, facts, progress
from cli.sources import RecordSource, SourceRecord, open_source

_CHECKED_AT_ONCE = 500


@dataclass(slots=True)
class Submission:
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
@click.option("--in-flight", type=click.IntRange(1, 64), default=4, show_default=True, help="Parcels sent at a time.")
@signing_options
@json_option
def submit(
    file: Path,
    dataset_id: str,
    batch: int,
    in_flight: int,
    genesis_file: Path,
    key_file: Path,
    member: str | None,
    nodes: tuple[str, ...],
) -> None:
    """Share the records of FILE (.csv, .ndjson or .jsonl), and verify the receipt of every parcel.

    The whole file is checked against the dataset's schema first: a bad record is named with its line, and nothing is
    sent. Interrupted? Run the same command again: nothing is committed twice.

    CSV fields become what the schema says (integer, number, boolean, string); empty and NA become null where null is
    allowed. Lines of NDJSON are shared as they are.

    \b
    Example: blockpool submit flights.csv --dataset aviation.flights --batch 500 \\
               --key pool/aviation/system.pem --genesis pool/genesis.json
    """
    genesis, identity = load_identity(key_file, genesis_file, member)
    urls = node_urls(nodes, genesis, identity.member)
    with Client(urls) as client:
        entry = client.dataset(dataset_id)
    source = open_source(file, entry.schema)
    total = check_records(source, entry)
    submission = Submission(dataset_id)

    started_s = time.monotonic()
    with progress() as bar:
        task = bar.add_task(f"Sharing {file.name}", total=total)

        def on_receipt(receipt: VerifiedReceipt) -> None:
            submission.add(receipt)
            bar.advance(task, receipt.record_count)

        pool = AsyncClient(urls, genesis, identity)
        try:
            asyncio.run(_commit_all(pool, source, dataset_id, batch, in_flight, on_receipt))
        except TransactionRejected as error:
            raise locate_rejection(error, source, submission.records) from None
    submission.seconds = round(time.monotonic() - started_s, 3)
    emit(asdict(submission), _facts(submission))


async def _commit_all(
    pool: AsyncClient,
    source: RecordSource,
    dataset: str,
    batch: int,
    in_flight: int,
    on_receipt: Callable[[VerifiedReceipt], None],
) -> None:
    async with pool:
        stream = pool.submit_stream(
            (record.body for record in source),
            dataset,
            parcel_records=batch,
            idempotency_key=f"batch {batch}",
            in_flight=in_flight,
        )
        async with aclosing(stream) as receipts:
            async for receipt in receipts:
                on_receipt(receipt)


def check_records(source: RecordSource, entry: Dataset) -> int:
    """Check every record against the dataset's schema, as the validators will, and count them.

    Raises:
        PoolError: code ``schema_violation``, with ``record_index`` (from 0, in the file) and ``line``; what
            ``source`` raises.
    """
    schema = compile_schema(entry.schema) if entry.schema else None
    count = 0
    records = iter(source)
    with progress() as bar:
        task = bar.add_task("Checking", total=None)
        while chunk := list(islice(records, _CHECKED_AT_ONCE)):
            _verify_chunk(chunk, count, schema)
            count += len(chunk)
            bar.update(task, completed=count)
        bar.update(task, total=count)
    return count


def _verify_chunk(chunk: list[SourceRecord], before: int, schema: RecordSchema | None) -> None:
    for offset, record in enumerate(chunk):
        if len(record.body) > LIMITS.record_size_bytes:
            raise _located(
                ErrorCode.TOO_LARGE,
                f"{len(record.body)} bytes; at most {LIMITS.record_size_bytes}",
                record,
                before + offset,
            )
    error = schema.check([record.body for record in chunk]) if schema else None
    if error is not None:
        offset = int(error.context["record_index"])
        reason = error.detail.partition(": ")[2]
        raise _located(error.code, reason, chunk[offset], before + offset)


def _located(code: ErrorCode, reason: str, record: SourceRecord, index: int) -> PoolError:
    return PoolError(
        code, f"line {record.line} (record {index}): {reason}. Nothing was sent.", record_index=index, line=record.line
    )


def locate_rejection(error: TransactionRejected, source: RecordSource, confirmed: int) -> PoolError:
    """A parcel's rejection, with the place in the file of the record that it names."""
    context = dict(error.context)
    detail = error.detail
    offset = record_index_of(error.detail)
    if offset is not None:
        index = confirmed + offset
        line = next(islice(source, index, None)).line
        detail = f"line {line}: {detail} of its parcel"
        context |= {"record_index": index, "line": line}
    before = f"The {confirmed:,} records before it are" if confirmed else "Nothing is"
    return PoolError(error.code, f"{detail}. {before} committed.", **context)


def _facts(submission: Submission) -> RenderableType:
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
