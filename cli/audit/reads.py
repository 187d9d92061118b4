"""``blockpool audit reads``: who read what and why, with the proof that no read is left out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from audit.reads import FoundReads, ReadProof, Wanted, collect_reads, proof_of
from blockpool import Client, Genesis, RecordId, RetryPolicy, load_genesis
from chain.access.decision import RequestStatus
from chain.access.history import ReadFilter
from chain.messages import time_text
from chain.messages.phrases import phrase
from cli.audit.bar import AuditBar
from cli.audit.reads_view import describe_read, read_lines
from cli.audit.sources import is_url, open_source
from cli.network_policy import NetworkPolicy
from cli.options import EndOfTime, TransactionIdType, genesis_option, json_option
from cli.output import emit, progress

_DAY_MS = 24 * 60 * 60 * 1000
_RETRY = RetryPolicy(attempts_max=4, total_max_s=15)


class StartOfTime(EndOfTime):
    """When something begins: a date (the start of that day in the pool's zone) or an ISO 8601 time with its zone."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> int:
        """Milliseconds since 1970."""
        is_day = isinstance(value, str) and len(value) == len("2026-12-31")
        return super().convert(value, parameter, context) - (_DAY_MS if is_day else 0)


@click.command()
@click.argument("source", metavar="HOME_OR_URL")
@genesis_option
@click.option("--dataset", default="", metavar="ID", help="Only reads of this dataset.")
@click.option("--reader", default="", metavar="MEMBER", help="Only reads by this member; says if it never had a grant.")
@click.option("--record", metavar="ID", help="Only reads of the parcel that holds this record (TRANSACTION/INDEX).")
@click.option(
    "--parcel", type=TransactionIdType(), help="Only requests for this parcel, and read reports that name it."
)
@click.option("--purpose", default="", metavar="TEXT", help="Only purposes that contain this text.")
@click.option(
    "--since", "since_ms", type=StartOfTime(), default=0, help="Only what happened from this date on (UTC+8)."
)
@click.option("--until", "until_ms", type=EndOfTime(), default=0, help="Only what happened up to this date (UTC+8).")
@click.option(
    "--verdict",
    type=click.Choice(["granted", "denied", "asked", "revoked"]),
    help="Only requests that stand like this now.",
)
@click.option("--proof", is_flag=True, help="Do not go through the chain: prove the list by the dataset's counters.")
@json_option
def reads(
    source: str,
    genesis_file: Path,
    dataset: str,
    reader: str,
    record: str | None,
    parcel: bytes | None,
    purpose: str,
    since_ms: int,
    until_ms: int,
    verdict: RequestStatus | None,
    proof: bool,
) -> None:
    """Show who asked to read what and why, what was decided by which contract, who answered, and what was read.

    Verifies the whole chain on the way, contracts included. With --proof, which takes a URL and --dataset, only the
    reads themselves are fetched; that none is left out is proven by the dataset's counters in the state of the newest
    block. Both are checked here against the genesis file; the node is not believed. Exit code 1 if anything does not
    hold.

    \b
    Example: blockpool audit reads http://127.0.0.1:8000 --dataset aviation.flights --proof --genesis genesis.json
             blockpool audit reads pool/aviation/node --reader insurer --since 2026-01-01 --genesis genesis.json
    """
    if record is not None and parcel is not None:
        raise click.UsageError(phrase("Give either --record or --parcel."))
    if proof and not (is_url(source) and dataset):
        raise click.UsageError(phrase("--proof takes the URL of a node and --dataset."))
    genesis = load_genesis(genesis_file)
    parcel_id = RecordId.parse(record).transaction_id if record is not None else parcel
    wanted = Wanted(ReadFilter(dataset, reader, None, purpose, since_ms, until_ms, verdict), parcel_id)
    found = prove_reads(source, genesis, wanted) if proof else collect_from(source, genesis, wanted)
    emit(describe_reads(found), *reads_lines(found))


def collect_from(source: str, genesis: Genesis, wanted: Wanted) -> FoundReads:
    """Verify a whole chain and take the reads from it; raises as ``collect_reads``."""
    with open_source(source, genesis) as chain_source, progress() as bar:
        policy = NetworkPolicy(genesis.chain_id, bar.console.print)
        shown = AuditBar(bar, phrase("Verifying the chain"), chain_source.newest)
        return collect_reads(genesis, chain_source, policy, wanted, shown)


def prove_reads(url: str, genesis: Genesis, wanted: Wanted) -> FoundReads:
    """Fetch a dataset's reads from a node, and the proof that these are all.

    Raises:
        PoolError: what does not hold, or cannot be had.
    """
    asked = wanted.filter
    with Client(url, genesis, retry=_RETRY) as client, progress() as bar:
        task = bar.add_task(phrase("Fetching reads"))
        proven = client.read_history(
            asked.dataset,
            reader=asked.reader,
            parcel_id=wanted.parcel_id,
            on_read=lambda done, total: bar.update(task, completed=done, total=total),
        )
    log = proven.log
    proofs = [proof_of(log, asked.dataset, asked.reader, proven.reader)]
    return FoundReads(proven.height, proven.time_ms, log.reads(wanted.of(log)), log.request_count, proofs)


def describe_reads(found: FoundReads) -> dict[str, Any]:
    """Reads for programs."""
    return {
        "height": found.height,
        "time_ms": found.time_ms,
        "requests": found.total,
        "shown": len(found.reads),
        "reads": [describe_read(read) for read in found.reads],
        "proofs": [
            {
                "dataset": proof.dataset,
                "transactions": proof.transactions,
                "is_complete": True,
                "height": found.height,
                **({"reader": _describe_reader(proof)} if proof.reader else {}),
            }
            for proof in found.proofs
        ],
    }


def _describe_reader(proof: ReadProof) -> dict[str, Any]:
    return {
        "member": proof.reader,
        "requests": proof.requests,
        "grants": proof.grants,
        "never_granted": not proof.grants,
    }


def reads_lines(found: FoundReads) -> Iterator[Any]:
    """Reads for people: each with all that came of it, then what is proven about them."""
    for read in found.reads:
        yield from read_lines(read)
        yield ""
    yield Text(f"{len(found.reads):,} of {found.total:,} requests shown.")
    for proof in found.proofs:
        count = f"{proof.transactions:,} of {proof.transactions:,} reads"
        yield Text.assemble(
            f"{proof.dataset}: ",
            (count, "bold green"),
            f", none left out: proven at height {found.height:,}",
            (f" ({time_text(found.time_ms)})", "dim"),
            ".",
        )
        if proof.reader:
            yield Text.assemble(f"{proof.dataset}: ", *_reader_claim(proof, found.height))


def _reader_claim(proof: ReadProof, height: int) -> list[str | tuple[str, str]]:
    asked = "1 request" if proof.requests == 1 else f"{proof.requests:,} requests"
    if proof.grants:
        return [f"{proof.reader} made {asked}, granted {proof.grants:,} times, up to height {height:,}."]
    claim = (f"{proof.reader} never had a grant", "bold green")
    return [claim, f" up to height {height:,} ({asked}): proven by the state."]
