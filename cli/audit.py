"""``blockpool audit``: verify a whole chain, from a node's files or over HTTP, trusting nobody."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from blockpool import Client, ErrorCode, Genesis, PoolError, load_genesis
from chain.audit import AuditReport, ChainAudit
from chain.packages import BlockPackage, read_package
from chain.storage.blocks import BlockStore
from chain.storage.head import HeadFile
from chain.storage.level import LevelEngine
from cli.failures import describe, exit_code
from cli.homes import NODE_FOLDER
from cli.options import genesis_option, json_option
from cli.output import emit, facts, grid, progress

Packages = tuple[int, Iterator[BlockPackage]]
"""Height of the newest block, and every block from genesis on."""


@click.group()
def audit() -> None:
    """Verify whole chains."""


@audit.command()
@click.argument("source", metavar="HOME_OR_URL")
@genesis_option
@json_option
@click.pass_context
def chain(context: click.Context, source: str, genesis_file: Path) -> None:
    """Recompute and check everything: each hash, signature, certificate, root and outcome, from block 0 on.

    HOME is a node's home whose daemon is stopped; URL is a running node's API. Exit code 1 if anything does not
    hold, with the first height and the reason.

    \b
    Example: blockpool audit chain http://127.0.0.1:8000 --genesis genesis.json
             blockpool audit chain pool/aviation/node --genesis genesis.json
    """
    genesis = load_genesis(genesis_file)
    opened = open_url(source) if source.startswith(("http://", "https://")) else open_home(Path(source), genesis)
    started_s = time.monotonic()
    with opened as packages:
        report, failure = audit_packages(genesis, packages)
    seconds = time.monotonic() - started_s
    emit(describe_audit(source, report, failure, seconds), *audit_tables(report, failure, seconds))
    if failure is not None:
        context.exit(exit_code(failure))


def audit_packages(genesis: Genesis, packages: Packages) -> tuple[AuditReport, PoolError | None]:
    """Verify a chain to its end or to the first thing that does not hold.

    Returns:
        What was verified, and the failure with ``height`` in its context.

    Raises:
        PoolError: if the blocks cannot be had, such as ``unreachable``.
    """
    newest, blocks = packages
    checker = ChainAudit(genesis)
    with progress() as bar:
        task = bar.add_task("Auditing blocks", total=newest + 1)
        for package in blocks:
            try:
                checker.add(package)
            except PoolError as error:
                return checker.report, error
            bar.advance(task)
    report = checker.report
    if report.height < newest or not report.blocks:
        detail = f"the chain ends at height {report.height}, but {newest} was acknowledged: blocks were lost"
        return report, PoolError(ErrorCode.DATABASE_DAMAGED, detail, height=checker.next_height)
    return report, None


@contextmanager
def open_url(url: str) -> Iterator[Packages]:
    """A chain as a node serves it."""
    with Client(url) as client:
        yield client.status().height, client.chain()


@contextmanager
def open_home(path: Path, genesis: Genesis) -> Iterator[Packages]:
    """A chain in a stopped node's database.

    Raises:
        PoolError: codes ``data_folder_locked`` while its daemon runs, ``wrong_data_folder``, ``database_damaged``.
    """
    data = _data_folder(path)
    head = _read_head(data / "HEAD")
    try:
        engine = LevelEngine(data / "blocks")
    except PoolError as error:
        if error.code is ErrorCode.DATA_FOLDER_LOCKED:
            detail = f"the daemon of {path} is running: stop it, or audit the URL of its API"
            raise PoolError(error.code, detail) from None
        raise
    try:
        store = BlockStore(engine)
        store.open(genesis.chain_id)
        yield max(head, store.last_height() or 0), _stored_packages(store)
    finally:
        engine.close()


def _data_folder(path: Path) -> Path:
    """The data folder of a node's home, or of the member's folder around it. Nothing is created."""
    for home in (path, path / NODE_FOLDER):
        config = home / "config.toml"
        if config.is_file():
            try:
                settings = tomllib.loads(config.read_text(encoding="utf-8"))
                data: Path = home / settings["node"].get("data", "data")
            except (tomllib.TOMLDecodeError, KeyError, AttributeError) as error:
                raise PoolError(ErrorCode.BAD_CONFIGURATION, f"{config}: {error}") from None
            if (data / "blocks").is_dir():
                return data
            raise PoolError(ErrorCode.BAD_CONFIGURATION, f"{data} holds no chain: the node has never run")
    raise click.BadParameter(f"{path} is neither a node's home nor a URL", param_hint="HOME_OR_URL")


def _read_head(path: Path) -> int:
    """The last height that the node acknowledged; 0 without a HEAD file."""
    if not path.is_file():
        return 0
    anchor = HeadFile(path)
    try:
        head = anchor.read()
    finally:
        anchor.close()
    return head.height if head else 0


def _stored_packages(store: BlockStore) -> Iterator[BlockPackage]:
    height = 0
    while (package := read_package(store, height)) is not None:
        yield package
        height += 1


def describe_audit(source: str, report: AuditReport, failure: PoolError | None, seconds: float) -> dict[str, Any]:
    """An audit for programs."""
    return {
        "source": source,
        "holds": failure is None,
        "height": report.height,
        "block_hash": report.block_hash.hex(),
        "blocks": report.blocks,
        "transactions": report.transactions,
        "records": report.records,
        "record_bytes": report.record_bytes,
        "certificate_signatures": report.certificate_signatures,
        "transaction_signatures": report.transaction_signatures,
        "outcomes": dict(report.outcomes),
        "records_by_dataset": dict(report.records_by_dataset),
        "seconds": round(seconds, 3),
        "error": None if failure is None else describe(failure),
    }


def audit_tables(report: AuditReport, failure: PoolError | None, seconds: float) -> tuple[Any, ...]:
    """An audit for people: what was counted, and what follows."""
    right = frozenset({"transactions", "records"})
    outcomes = grid("outcome", "transactions", right=right)
    for code, count in sorted(report.outcomes.items()):
        outcomes.add_row(code, f"{count:,}")
    datasets = grid("dataset", "records", right=right)
    for dataset, count in sorted(report.records_by_dataset.items()):
        datasets.add_row(dataset, f"{count:,}")
    rate = report.records / seconds if seconds else 0
    verified = facts(
        {
            "verified to": f"height {report.height:,}, block {report.block_hash.hex()}",
            "blocks": f"{report.blocks:,}, with {report.certificate_signatures:,} votes checked",
            "transactions": f"{report.transactions:,}, with {report.transaction_signatures:,} signatures checked",
            "records": f"{report.records:,} hashed again, {report.record_bytes:,} bytes",
            "took": f"{seconds:.1f} s, {rate:,.0f} records/s",
        }
    )
    tables = (verified, "", outcomes, "", datasets, "")
    if failure is None:
        return (*tables, "Every block holds: hashes, certificates, signatures, roots and outcomes were recomputed.")
    where = f"[bold red]Does not hold[/] from height {failure.context.get('height', '?')} on: {failure.code.value}"
    return (*tables, where, f"  {failure.detail}")
