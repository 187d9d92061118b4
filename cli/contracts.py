"""``blockpool contract``: write, check and test access contracts. Everything here works without a network."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import click
import orjson
from rich.text import Text

from chain.access import contract_hash
from chain.crypto import ZERO_HASH
from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from cli.failures import ExitCode
from cli.options import READABLE_FILE, json_option
from cli.output import emit, facts, grid, is_json, print_json, talk
from contracts.cases import Case, CaseResult, read_cases
from contracts.compiled import Stage
from contracts.engine import Engine
from contracts.library import NAMES, expand_parts, source_of, summary_of
from contracts.sandbox import Sandbox

_STAGES = {
    Stage.COMPILING: "Compiling the contract engine (once on this machine, some ten seconds) ...",
    Stage.WAITING: "Waiting for another process that compiles the contract engine ...",
}


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
    source = _read(file)
    parameters = _read_parameters(parameters_file)
    try:
        with _sandbox() as sandbox:
            fuel = sandbox.check(source, parameters)
    except PoolError as error:
        if error.code is ErrorCode.BAD_CONTRACT:
            _show_line(source, int(error.context.get("line", 0)))
        raise
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
    source = _read(file)
    cases = read_cases(cases_file.read_bytes())
    with _sandbox() as sandbox:
        results = [_run(sandbox, source, case) for case in cases]
    table = grid("", "case", "verdict", "fuel", "what differs", right=frozenset({"fuel"}))
    for result in results:
        mark = Text("failed", "bold red") if result.differences else Text("ok", "green")
        differs = Text("\n".join(result.differences))
        table.add_row(mark, Text(result.name), result.decision.verdict, f"{result.decision.fuel:,}", differs)
    failed = sum(bool(result.differences) for result in results)
    emit([_summary(result) for result in results], table)
    for result in results:
        if result.decision.printed:
            talk().print(Text(f"printed by {result.name!r}:\n{result.decision.printed}"))
    talk().print(f"{len(results) - failed} of {len(results)} cases as expected.")
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


@contextlib.contextmanager
def _sandbox() -> Iterator[Sandbox]:
    """A sandbox; says so when its first start on this machine takes a while."""
    with contextlib.ExitStack() as waiting:

        def on_stage(stage: Stage) -> None:
            waiting.enter_context(talk().status(_STAGES[stage]))

        engine = Engine.open(on_stage=on_stage)
    yield Sandbox(engine)


def _run(sandbox: Sandbox, source: str, case: Case) -> CaseResult:
    session = sandbox.contract(source, case.parameters)
    try:
        return case.run(session)
    finally:
        session.close()


def _summary(result: CaseResult) -> dict[str, object]:
    decision = result.decision
    return {
        "name": result.name,
        "as_expected": not result.differences,
        "differences": list(result.differences),
        "verdict": decision.verdict,
        "code": decision.code,
        "reason": decision.reason,
        "fuel": decision.fuel,
        "printed": decision.printed,
    }


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise PoolError(ErrorCode.BAD_CONTRACT, f"{file} is not UTF-8 text") from None


def _read_parameters(file: Path | None) -> str:
    if file is None:
        return "{}"
    try:
        parameters = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise PoolError(ErrorCode.BAD_CONTRACT, f"{file} is not JSON: {error}") from None
    if not isinstance(parameters, dict):
        raise PoolError(ErrorCode.BAD_CONTRACT, f"{file} is not a JSON object")
    return orjson.dumps(expand_parts(parameters), option=orjson.OPT_SORT_KEYS).decode()


def _show_line(source: str, line: int) -> None:
    """The author's line that is at fault, with those around it."""
    if not line:
        return
    lines = source.splitlines()
    for number in range(max(1, line - 2), min(len(lines), line + 2) + 1):
        talk().print(Text(f"{'>' if number == line else ' '} {number:4} {lines[number - 1]}"))
