"""``blockpool contract``: write, check, test and deploy access contracts. Only deploying and looking need a network."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import RenderableType
from rich.syntax import Syntax
from rich.text import Text

from blockpool import ContractAnswer
from chain.access.policy import contract_hash
from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.messages.phrases import phrase
from chain.primitives.crypto import ZERO_HASH
from cli.contract_files import read_contract, read_parameters, show_line
from cli.failures import ExitCode
from cli.network_policy import open_sandbox
from cli.options import READABLE_FILE, Signing, json_option, reading_client, reading_options, signing_options
from cli.output import emit, facts, grid, is_json, print_json, talk
from contracts.cases import Case, CaseResult, read_cases
from contracts.library import NAMES, source_of, summary_of

if TYPE_CHECKING:
    from contracts.sandbox import Sandbox


@click.group()
def contract() -> None:
    """Write, check and test access contracts: Python that decides who may read a dataset."""


@contract.command()
@click.argument("file", type=READABLE_FILE)
@click.option("--parameters", "parameters_file", type=READABLE_FILE, help="JSON object that it would be deployed with.")
@json_option
def check(file: Path, parameters_file: Path | None) -> None:
    """Check that contract FILE can be deployed: size, syntax, can_read(request, dataset, ctx), runs in the sandbox.

    \b
    Example: blockpool contract check flights.py
    """
    source = read_contract(file)
    parameters = read_parameters(parameters_file)
    fuel = _check(source, parameters)
    found = {
        "contract": str(file),
        "size_bytes": len(source.encode()),
        "load_fuel": fuel,
        "hash": contract_hash(ZERO_HASH, source, parameters).hex(),
    }
    rows: dict[str, object] = {
        "contract": f"{file} can be deployed",
        "size": f"{found['size_bytes']:,} of {LIMITS.contract_source_size_bytes:,} bytes",
        "fuel to load": f"{fuel:,} of {LIMITS.contract_fuel:,}",
    }
    emit(found, facts(rows))


@contract.command()
@click.argument("file", type=READABLE_FILE)
@click.argument("cases_file", metavar="CASES.json", type=READABLE_FILE)
@json_option
def test(file: Path, cases_file: Path) -> None:
    """Run contract FILE in the sandbox on every case of CASES.json. Exits with 1 if one comes out otherwise.

    What the contract prints is shown here, and nowhere else.

    \b
    Example: blockpool contract test flights.py flights.cases.json
    """
    source = read_contract(file)
    cases = read_cases(cases_file.read_bytes())
    sandbox = open_sandbox(talk().print)
    results = [_run(sandbox, source, case) for case in cases]
    table = grid("", "case", "verdict", "fuel", "what differs", right=frozenset({"fuel"}))
    for result in results:
        mark = Text("failed", "bold red") if result.differences else Text("ok", "green")
        differs = Text("\n".join(result.differences))
        table.add_row(
            mark, Text(result.name), result.called.decision.verdict, f"{result.called.decision.fuel:,}", differs
        )
    failed = sum(bool(result.differences) for result in results)
    emit([_summary(result) for result in results], table)
    for result in results:
        if result.called.printed:
            talk().print(
                Text(phrase("printed by {name!r}:\n{printed}", name=result.name, printed=result.called.printed))
            )
    talk().print(phrase("{passed} of {count} cases as expected.", passed=len(results) - failed, count=len(results)))
    if failed:
        click.get_current_context().exit(ExitCode.FALSE)


@contract.command()
@click.argument("name", required=False)
@json_option
def library(name: str | None) -> None:
    """List the ready contracts, or show the source of NAME, to deploy as it is or to start from.

    \b
    Example: blockpool contract library purpose_bound > flights.py
    """
    if name is not None:
        source = source_of(name)
        if is_json():
            print_json({"name": name, "source": source})
        else:
            click.echo(source, nl=False)
        return
    table = grid("name", "what it decides")
    for each in NAMES:
        table.add_row(each, Text(summary_of(each)))
    emit([{"name": each, "summary": summary_of(each)} for each in NAMES], table)


@contract.command()
@click.argument("file", type=READABLE_FILE, required=False)
@click.option("--library", "library_name", metavar="NAME", help="Deploy this contract of the library; give no FILE.")
@click.option("--name", "contract_id", required=True, metavar="OWNER.NAME", help="Its id in the pool.")
@click.option(
    "--parameters", "parameters_file", type=READABLE_FILE, help="JSON object that it finds in ctx.parameters."
)
@signing_options
def deploy(
    file: Path | None, library_name: str | None, contract_id: str, parameters_file: Path | None, signing: Signing
) -> None:
    """Deploy contract FILE, or update it: what it decides from then on, it decides by the new version.

    It is checked in the sandbox here first; a mistake is shown with its line, and nothing is sent. Datasets that use it
    name it: blockpool dataset define --contract.

    \b
    Example: blockpool contract deploy flights.py --name aviation.flight-readers \\
               --parameters flights.parameters.json --key pool/aviation/system.pem --genesis pool/genesis.json
    """
    if (file is None) == (library_name is None):
        raise click.UsageError(phrase("Give either the FILE of a contract, or --library and the name of a ready one."))
    source = read_contract(file) if file is not None else source_of(library_name or "")
    parameters = read_parameters(parameters_file)
    _check(source, parameters)
    with signing.client() as client:
        receipt = client.deploy(contract_id, source, parameters)
        deployed = client.contract(contract_id)
    if receipt is None:
        talk().print(phrase("The same is deployed already: nothing was changed."))
    else:
        talk().print(
            phrase("Version {version} is final at height {height}.", version=deployed.version, height=receipt.height)
        )
    emit(deployed, _facts(deployed))


@contract.command(name="list")
@reading_options
def list_(nodes: tuple[str, ...], genesis_file: Path | None) -> None:
    """List the deployed contracts.

    \b
    Example: blockpool contract list --node http://127.0.0.1:8000
    """
    with reading_client(nodes, genesis_file) as client:
        deployed = client.contracts()
    table = grid("contract", "version", "height", "hash", right=frozenset({"version", "height"}))
    for each in deployed:
        table.add_row(each.contract, str(each.version), f"{each.updated_height:,}", each.hash)
    emit(deployed, table)


@contract.command()
@click.argument("contract_id", metavar="ID")
@click.option("--source", "source_only", is_flag=True, help="Print its source text only, as it was deployed.")
@reading_options
def show(contract_id: str, source_only: bool, nodes: tuple[str, ...], genesis_file: Path | None) -> None:
    """Show deployed contract ID: its version, parameters and source.

    \b
    Example: blockpool contract show aviation.flight-readers --source > deployed.py
    """
    with reading_client(nodes, genesis_file) as client:
        deployed = client.contract(contract_id)
    if source_only and not is_json():
        click.echo(deployed.source, nl=False)
        return
    source = Syntax(deployed.source, "python", word_wrap=True, background_color="default")
    emit(deployed, _facts(deployed), "", Text(deployed.parameters), "", source)


def _facts(deployed: ContractAnswer) -> RenderableType:
    return facts(
        {
            "contract": deployed.contract,
            "owner": deployed.owner,
            "version": f"{deployed.version}, of height {deployed.updated_height}; "
            f"deployed at {deployed.deployed_height}",
            "hash": deployed.hash,
            "transaction": deployed.transaction_id,
        }
    )


def _check(source: str, parameters: str) -> int:
    """Try a contract in the sandbox: the fuel that loading it took. A mistake is shown with its line, and raised."""
    try:
        return open_sandbox(talk().print).check(source, parameters).fuel
    except PoolError as error:
        if error.code is ErrorCode.BAD_CONTRACT:
            show_line(source, int(error.context.get("line", 0)))
        raise


def _run(sandbox: "Sandbox", source: str, case: Case) -> CaseResult:
    session = sandbox.contract(source, case.parameters)
    try:
        return case.run(session)
    finally:
        session.close()


def _summary(result: CaseResult) -> dict[str, object]:
    decision = result.called.decision
    return {
        "name": result.name,
        "as_expected": not result.differences,
        "differences": list(result.differences),
        "verdict": decision.verdict,
        "code": decision.failure or None,
        "reason": decision.sentence,
        "fuel": decision.fuel,
        "printed": result.called.printed,
    }
