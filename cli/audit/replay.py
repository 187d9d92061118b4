"""``blockpool audit replay``: execute every verdict of a chain again, and try a proposed contract on its requests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from audit.replay import Change, ProposedContract, Replay, Trial, TriedRequest, VerdictDifference
from audit.walk import walk
from blockpool import ErrorCode, PoolError, load_genesis
from chain.access.decision import Decision
from chain.contract_engine import EngineIdentity
from chain.messages import printable, time_text
from chain.messages.phrases import phrase
from chain.primitives.types import verify_dataset_id
from cli.audit.bar import AuditBar
from cli.audit.sources import open_source
from cli.contract_files import read_contract, read_parameters, show_line
from cli.failures import describe, exit_code
from cli.network_policy import NetworkPolicy
from cli.options import READABLE_FILE, genesis_option, json_option
from cli.output import emit, facts, grid, progress

_CHANGES: dict[Change, tuple[str, str]] = {
    "gains": ("would gain", "bold green"),
    "loses": ("would lose", "bold red"),
    "differs": ("would differ", "bold yellow"),
}


@click.command()
@click.argument("source", metavar="HOME_OR_URL")
@genesis_option
@click.option("--with", "proposed_file", type=READABLE_FILE, help="Proposed contract, to be tried on the requests.")
@click.option("--contract", "contract_id", metavar="OWNER.NAME", help="Deployed contract whose place it would take.")
@click.option(
    "--parameters",
    "parameters_file",
    type=READABLE_FILE,
    help="JSON object for the proposed contract; by default the deployed one's parameters.",
)
@json_option
@click.pass_context
def replay(
    context: click.Context,
    source: str,
    genesis_file: Path,
    proposed_file: Path | None,
    contract_id: str | None,
    parameters_file: Path | None,
) -> None:
    """Execute every verdict again, offline, and compare it with the chain: verdict, reason, fuel, inputs.

    With --with and --contract, the proposed contract is asked what the deployed one was asked: shows who would have
    gained access, and who would have lost it. It keeps its own state; all else that it is told is what really was.

    The whole chain is verified on the way. Exit code 1 if a verdict, or anything else, does not come out as the chain
    says; what the proposed contract says changes no exit code.

    \b
    Example: blockpool audit replay http://127.0.0.1:8000 --genesis genesis.json
             blockpool audit replay pool/aviation/node --with new.py --contract aviation.flight-readers
    """
    if (proposed_file is None) != (contract_id is None) or (parameters_file is not None and proposed_file is None):
        raise click.UsageError(phrase("Give --with and --contract together; --parameters only with them."))
    genesis = load_genesis(genesis_file)
    proposal = _proposal(proposed_file, contract_id, parameters_file)
    with open_source(source, genesis) as chain_source, progress() as bar:
        policy = NetworkPolicy(genesis.chain_id, bar.console.print)
        if proposal is not None:
            _verify_deployable(policy, genesis.protocol.engine, proposal)
        replayed = Replay(genesis, policy, proposal)
        shown = AuditBar(bar, phrase("Replaying blocks"), chain_source.newest)
        failure = walk(replayed, chain_source.blocks(0), chain_source.newest, shown)
    emit(describe_replay(source, replayed, failure), *replay_lines(replayed, failure))
    if failure is not None:
        context.exit(exit_code(failure))


def _proposal(file: Path | None, contract_id: str | None, parameters_file: Path | None) -> ProposedContract | None:
    if file is None or contract_id is None:
        return None
    verify_dataset_id(contract_id)
    parameters = read_parameters(parameters_file) if parameters_file is not None else None
    return ProposedContract(contract_id, read_contract(file), parameters)


def _verify_deployable(policy: NetworkPolicy, engine: EngineIdentity | None, proposal: ProposedContract) -> None:
    """Check that the proposal could be deployed; raises ``bad_contract`` with ``line`` in its context."""
    if engine is None:
        raise PoolError(ErrorCode.NO_CONTRACTS, phrase("the genesis file names no contract engine"))
    runner = policy.open_block(engine)
    try:
        runner.check(proposal.source, proposal.parameters or "{}")
    except PoolError as error:
        show_line(proposal.source, int(error.context.get("line", 0)))
        raise
    finally:
        runner.close()


def describe_replay(source: str, replayed: Replay, failure: PoolError | None) -> dict[str, Any]:
    """A replay for programs."""
    return {
        "source": source,
        "holds": failure is None,
        "height": replayed.report.height,
        "verdicts_replayed": replayed.verdicts,
        "verdicts": dict(replayed.report.verdicts),
        "fuel": replayed.report.fuel,
        "differences": [_describe_difference(difference) for difference in replayed.differences],
        "error": None if failure is None else describe(failure),
        **({"trial": _describe_trial(replayed.trial)} if replayed.trial is not None else {}),
    }


def _describe_difference(difference: VerdictDifference) -> dict[str, Any]:
    return {
        "height": difference.height,
        "transaction_id": difference.transaction_id.hex(),
        "request": difference.request_id.hex(),
        "part": difference.part,
        "recorded": difference.recorded,
        "replayed": difference.replayed,
    }


def _describe_trial(trial: Trial) -> dict[str, Any]:
    return {
        "contract": trial.proposal.contract,
        "requests": len(trial.requests),
        "unchanged": trial.unchanged,
        "calls": trial.calls,
        "changes": [
            {
                "change": tried.change,
                "request": request_id.hex(),
                "reader": tried.first.reader.name,
                "dataset": tried.first.dataset.dataset,
                "purpose": tried.first.request.terms.purpose,
                "height": tried.first.height,
                "real": _describe_decision(tried.real),
                "proposed": _describe_decision(tried.proposed),
            }
            for request_id, tried in trial.changes()
        ],
        "failures": [
            {
                "request": call.case.request_id.hex(),
                "height": call.case.height,
                "code": call.called.decision.failure,
                "reason": call.called.decision.sentence,
            }
            for call in trial.failures
        ],
    }


def _describe_decision(decision: Decision) -> dict[str, Any]:
    return {
        "verdict": decision.verdict,
        "failure": decision.failure,
        "reason": decision.sentence,
        "until_ms": decision.until_ms,
        "fields": decision.fields,
        "approvers": decision.approvers,
        "needed": decision.needed,
        "fuel": decision.fuel,
    }


def replay_lines(replayed: Replay, failure: PoolError | None) -> Iterator[Any]:
    """A replay for people."""
    report = replayed.report
    counts = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(report.verdicts.items())) or "none"
    yield facts(
        {
            "replayed to": f"height {report.height:,}, block {report.block_hash.hex()}",
            "verdicts": counts,
            "by contracts": f"{replayed.verdicts:,} executed again, {report.fuel:,} fuel",
        }
    )
    yield ""
    if replayed.trial is not None:
        yield from _trial_lines(replayed.trial)
    for difference in replayed.differences:
        where = f" at height {difference.height:,}, request {difference.request_id.hex()}: {difference.part} "
        what = f"is recorded as {difference.recorded!r}, executed again it is {difference.replayed!r}"
        yield Text.assemble(("Differs", "bold red"), where, what)
    if failure is None:
        yield "Every verdict came out as the chain says: verdict, reason, fuel and inputs."
        return
    where = f" from height {failure.context.get('height', '?')} on: {failure.code.value}"
    yield Text.assemble(("Does not hold", "bold red"), where, f"\n  {failure.detail}")


def _trial_lines(trial: Trial) -> Iterator[Any]:
    table = grid(
        "", "reader", "dataset", "purpose", "at height", "now", "under the proposal", right=frozenset({"at height"})
    )
    for _, tried in trial.changes():
        table.add_row(*_change_row(tried))
    if table.row_count:
        yield table
        yield ""
    for call in trial.failures:
        text = f" at height {call.case.height:,}, request {call.case.request_id.hex()}: "
        text += printable(call.called.decision.sentence)
        yield Text.assemble((f"Fails ({call.called.decision.failure})", "bold red"), text)
    counts = {name: sum(tried.change == name for _, tried in trial.changes()) for name in _CHANGES}
    changed = ", ".join(f"{count:,} {_CHANGES[name][0]}" for name, count in counts.items())
    yield Text(
        f"Of {len(trial.requests):,} requests put to {trial.proposal.contract}: {changed}, {trial.unchanged:,} same."
    )
    yield ""


def _change_row(tried: TriedRequest) -> tuple[Text, ...]:
    case, change = tried.first, tried.change
    title, style = _CHANGES[change] if change is not None else ("", "")
    return (
        Text(title, style),
        Text(case.reader.name),
        Text(case.dataset.dataset),
        Text(printable(case.request.terms.purpose)),
        Text(f"{case.height:,}"),
        Text(_terms(tried.real)),
        Text(_terms(tried.proposed)),
    )


def _terms(decision: Decision) -> str:
    text: str = decision.verdict
    if decision.verdict == "ask":
        text += f" {decision.needed} of {', '.join(decision.approvers)}"
    if decision.until_ms:
        text += f" until {time_text(decision.until_ms)}"
    if decision.fields is not None:
        text += f" of {', '.join(decision.fields)}"
    return printable(text + (f": {decision.sentence}" if decision.facts else ""))
