"""``blockpool dataset``: the catalogue."""

import json
from pathlib import Path

import click
import msgspec
from rich.console import RenderableType
from rich.syntax import Syntax

from blockpool import CatalogueEntry, Client, DatasetDefinition, ErrorCode, PoolError, load_genesis
from blockpool.dcat import dcat_catalogue
from chain.granularity import WHOLE, Granularity
from chain.messages.phrases import phrase
from chain.primitives.types import SharingClass
from cli.catalogue_fields import DescriptionOptions, description_options
from cli.options import (
    READABLE_FILE,
    Signing,
    WholeFile,
    json_option,
    node_urls,
    reading_client,
    reading_options,
    signing_options,
)
from cli.output import emit, facts, grid, progress, talk
from cli.submit import refuse, source_options
from records.field_table import COLUMNS, TABLE_SUFFIXES, read_fields, schema_of, write_fields
from records.inference import infer as infer_fields
from records.sources import SourceOptions
from records.writers import open_output


@click.group()
def dataset() -> None:
    """Define datasets and look at the catalogue."""


@dataset.command()
@click.argument("dataset_id", metavar="ID")
@click.option(
    "--schema",
    "schema_file",
    type=READABLE_FILE,
    help="What every record must satisfy: a table of the fields (.xlsx, .csv), or JSON Schema.",
)
@click.option("--title-zh", help="Chinese title; needed for a new dataset.")
@click.option("--title-en", help="English title; needed for a new dataset.")
@click.option(
    "--sharing",
    type=click.Choice(["open", "conditional", "closed"]),
    help="Sharing class: 无条件共享, 有条件共享, 不予共享. New datasets are open unless told otherwise.",
)
@click.option("--legal-basis", help="Law or rule that the sharing rests on.")
@click.option("--contract", metavar="OWNER.NAME", help="Access contract that decides who may read; yours, deployed.")
@click.option(
    "--column",
    "columns",
    metavar="FIELD,FIELD",
    multiple=True,
    help="Fields that are opened together, and without the others; repeat. Fields of the schema in none make up one.",
)
@click.option("--by-record/--by-parcel", default=None, help="Whether each record can be opened by itself.")
@click.option("--no-columns", is_flag=True, help="All fields are opened together from now on.")
@description_options
@signing_options
def define(
    dataset_id: str,
    schema_file: Path | None,
    title_zh: str | None,
    title_en: str | None,
    sharing: SharingClass | None,
    legal_basis: str | None,
    contract: str | None,
    columns: tuple[str, ...],
    by_record: bool | None,
    no_columns: bool,
    described: DescriptionOptions,
    signing: Signing,
) -> None:
    """Register dataset ID (OWNER.NAME), or update its entry: what is not given stays as it is.

    Records of an open dataset are there for all members. Those of a conditional one are sealed, and its contract
    decides who may read; those of a closed one are sealed, and their owner alone reads them.

    What is shared conditionally states --scope and --use; what is not shared, --legal-basis and, as --conditions, why;
    a schema that marks personal information, --impact-assessment. Validators refuse an entry without.

    Sealed parcels are opened whole, unless --column or --by-record says how finely: then a request may name fields or
    records, and no more than what was granted is opened. It holds for parcels that are submitted from then on.

    `blockpool dataset infer` proposes the table of the fields from a file of records.

    \b
    Example: blockpool dataset define aviation.flights --schema flights.json \\
               --title-zh 航班 --title-en Flights --legal-basis "Open data regulation, art. 4"
    """
    schema = read_schema(schema_file) if schema_file else None
    with signing.client() as client:
        present = find_dataset(client, dataset_id)
        if present is None and (title_zh is None or title_en is None):
            raise click.UsageError(
                phrase("{dataset_id} is new: give --title-zh and --title-en.", dataset_id=dataset_id)
            )
        definition = DatasetDefinition(
            dataset=dataset_id,
            title_zh=_first(title_zh, present.title_zh if present else None),
            title_en=_first(title_en, present.title_en if present else None),
            schema=_first(schema, present.schema if present else None),
            sharing=sharing or (present.sharing if present else "open"),
            legal_basis=_first(legal_basis, present.legal_basis if present else None),
            contract=_first(contract, present.contract if present else None),
            description=described.over(present),
            granularity=_granularity(
                columns, by_record, no_columns, schema or (present.schema if present else ""), present
            ),
        )
        _verify_contract(client, definition)
        receipt = client.define(definition)
        entry = client.dataset(dataset_id)
    if receipt is None:
        talk().print(phrase("The catalogue says the same already: nothing was changed."))
    else:
        talk().print(
            phrase("Version {version} is final at height {height}.", version=entry.version, height=receipt.height)
        )
    emit(entry, _facts(entry))


@dataset.command(name="list")
@reading_options
def list_(nodes: tuple[str, ...], genesis_file: Path | None) -> None:
    """List the catalogue, with how much each dataset holds.

    \b
    Example: blockpool dataset list --node http://127.0.0.1:8000
    """
    with reading_client(nodes, genesis_file) as client:
        entries = client.datasets()
    right = frozenset({"version", "records", "parcels", "MiB"})
    table = grid("dataset", "title", "sharing", "version", "records", "parcels", "MiB", right=right)
    for entry in entries:
        totals = entry.totals
        title = f"{entry.title_zh} {entry.title_en}".strip()
        counts = (f"{totals.records:,}", f"{totals.parcels:,}", f"{totals.size_bytes / 2**20:.1f}")
        table.add_row(entry.dataset, title, entry.sharing, str(entry.version), *counts)
    emit(entries, table)


@dataset.command()
@click.argument("dataset_id", metavar="ID")
@reading_options
def show(dataset_id: str, nodes: tuple[str, ...], genesis_file: Path | None) -> None:
    """Show the catalogue entry of dataset ID with its schema.

    \b
    Example: blockpool dataset show aviation.flights
    """
    with reading_client(nodes, genesis_file) as client:
        entry = client.dataset(dataset_id)
    schema = Syntax(entry.schema, "json", word_wrap=True, background_color="default") if entry.schema else "No schema."
    emit(entry, _facts(entry), "", schema)


@dataset.command()
@click.argument("file", type=WholeFile())
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the fields as a table (.xlsx, .csv), or as JSON Schema (.json).",
)
@source_options
@json_option
def infer(file: Path, out: Path | None, read_as: SourceOptions) -> None:
    """Propose the fields of a dataset from FILE, a file of its records; nothing is sent.

    What is proposed takes every record of the file. Numbers that would lose something stay text: leading zeros, codes,
    long ones. 身份证号, 统一社会信用代码, telephone numbers, dates and times are recognised if all values are such, and
    what looks like personal information is marked. Correct the table, then define the dataset with it.

    \b
    Example: blockpool dataset infer people.csv --out fields.xlsx
    """
    with progress() as bar:
        task = bar.add_task(phrase("Reading"), total=None)
        proposal = infer_fields(file, read_as, lambda count: bar.update(task, completed=count))
    talk().print(
        phrase(
            "{name}: {description}; {records:,} records.",
            name=file.name,
            description=proposal.description,
            records=proposal.records,
        ),
        markup=False,
    )
    if out is not None:
        with open_output(out) as stream:
            write_fields(stream, proposal.fields, out.suffix.lower())
        talk().print(
            phrase("Look it over, then: blockpool dataset define OWNER.NAME --schema {out}", out=out), markup=False
        )
    table = grid(*COLUMNS)
    for field in proposal.fields:
        table.add_row(*field.cells)
    emit(proposal, table)


def read_schema(path: Path) -> str:
    """The JSON Schema in a file: as JSON text, or of a table of the fields.

    Raises:
        PoolError: code ``malformed`` for a table of which a line cannot be understood; every problem is printed.
    """
    if path.suffix.lower() not in TABLE_SUFFIXES:
        return path.read_text(encoding="utf-8-sig")
    fields, check = read_fields(path)
    if check.problems or not fields:
        refuse(check, "a table of fields")
    return schema_of(fields)


@dataset.command()
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write; standard output if not given."
)
@reading_options
def export(out: Path | None, nodes: tuple[str, ...], genesis_file: Path | None) -> None:
    """Write the catalogue in DCAT-AP (JSON-LD), for other catalogues to harvest.

    \b
    Example: blockpool dataset export --out catalogue.jsonld
    """
    with reading_client(nodes, genesis_file) as client:
        status, entries = client.status(), client.datasets()
    genesis = load_genesis(genesis_file) if genesis_file else None
    titles = {member.name: (member.title_zh, member.title_en) for member in (genesis.founders if genesis else ())}
    url = node_urls(nodes, genesis)[0]
    document = dcat_catalogue(status.network, status.chain_id, url, entries, titles)
    with open_output(out) as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
    talk().print(phrase("{count:,} datasets.", count=len(entries)))


def find_dataset(client: Client, dataset_id: str) -> CatalogueEntry | None:
    """A catalogue entry, or None."""
    try:
        return client.dataset(dataset_id)
    except PoolError as error:
        if error.code is not ErrorCode.NOT_FOUND:
            raise
        return None


def _verify_contract(client: Client, definition: DatasetDefinition) -> None:
    """Check that a conditional dataset's contract is there, before anything is sent.

    Raises:
        PoolError: code ``unknown_contract``.
    """
    if definition.sharing == "conditional" and not definition.contract:
        raise PoolError(
            ErrorCode.UNKNOWN_CONTRACT,
            phrase(
                "{dataset} is shared conditionally: name the contract that decides with --contract",
                dataset=definition.dataset,
            ),
        )
    if not definition.contract:
        return
    try:
        client.contract(definition.contract)
    except PoolError as error:
        if error.code is not ErrorCode.NOT_FOUND:
            raise
        raise PoolError(
            ErrorCode.UNKNOWN_CONTRACT, phrase("{contract} is not deployed", contract=definition.contract)
        ) from None


def _granularity(
    columns: tuple[str, ...], by_record: bool | None, no_columns: bool, schema: str, present: CatalogueEntry | None
) -> Granularity:
    """What parcels are opened by: what is given, over what the entry says. Fields of the schema that no column has make
    up the last one.
    """
    before = present.granularity.wire() if present else WHOLE
    is_by_record = before.by_record if by_record is None else by_record
    if columns and no_columns:
        raise click.UsageError(phrase("Give --column or --no-columns, not both."))
    if no_columns or not columns:
        return Granularity(() if no_columns else before.columns, is_by_record)
    groups = [tuple(name.strip() for name in column.split(",") if name.strip()) for column in columns]
    named = {name for group in groups for name in group}
    properties = json.loads(schema).get("properties", {}) if schema else {}
    if rest := tuple(name for name in properties if name not in named):
        groups.append(rest)
    return Granularity(tuple(group for group in groups if group), is_by_record)


def _opened_by(granularity: Granularity) -> str:
    columns = "; ".join(", ".join(names) for names in granularity.columns)
    parts = ["record"] if granularity.by_record else []
    return " and ".join([*parts, *([f"column ({columns})"] if columns else [])])


def _first(*values: str | None) -> str:
    return next((value for value in values if value is not None), "")


def _facts(entry: CatalogueEntry) -> RenderableType:
    totals = entry.totals
    return facts(
        {
            "dataset": entry.dataset,
            "title": f"{entry.title_zh} {entry.title_en}".strip(),
            "owner": entry.owner,
            "sharing": entry.sharing,
            "contract": entry.contract or "-",
            "legal basis": entry.legal_basis or "-",
            "opened by": _opened_by(entry.granularity.wire()) or "parcel",
            **{
                name.replace("_", " "): value
                for name, value in msgspec.structs.asdict(entry.description).items()
                if value
            },
            "version": f"{entry.version}, of height {entry.updated_height}; registered at {entry.registered_height}",
            "records": f"{totals.records:,} in {totals.parcels:,} parcels, {totals.size_bytes:,} bytes",
            "transaction": entry.transaction_id,
        }
    )
