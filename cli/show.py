"""``blockpool show``: blocks, transactions and records, as a node gives them."""

from pathlib import Path

import click
from rich.console import RenderableType
from rich.syntax import Syntax

from blockpool import BlockAnswer, RecordAnswer, RecordId, TransactionAnswer
from blockpool.signing import parse_transaction_id
from chain.messages import time_text
from chain.messages.phrases import phrase
from cli.options import reading_client, reading_options
from cli.output import emit, facts, grid

_LONG = 1_000


@click.group()
def show() -> None:
    """Show a block, transaction or record, as a node gives it. For proof, see `evidence` and `audit`."""


@show.command()
@click.argument("height", default="latest")
@reading_options
def block(height: str, nodes: tuple[str, ...], genesis_file: Path | None) -> None:
    """Show the block at HEIGHT, the newest by default.

    \b
    Example: blockpool show block 12
    """
    if height != "latest" and not (height.isascii() and height.isdigit()):
        raise click.BadParameter(phrase("a height is a number, or latest"), param_hint="HEIGHT")
    with reading_client(nodes, genesis_file) as client:
        answer = client.block(None if height == "latest" else int(height))
    emit(answer, *_shown_block(answer))


def _shown_block(answer: BlockAnswer) -> tuple[RenderableType, ...]:
    certificate = answer.certificate
    signers = ", ".join(vote.validator for vote in certificate.votes) if certificate else ""
    votes = f"view {certificate.view}: {signers}" if certificate else "-"
    head = facts(
        {
            "height": answer.height,
            "hash": answer.hash,
            "parent": answer.parent_hash,
            "time": time_text(answer.time_ms),
            "proposer": answer.proposer or "-",
            "votes": votes,
            "transactions root": answer.tx_root,
            "results root": answer.result_root,
            "state root": answer.state_root,
            "history root": answer.history_root,
        }
    )
    table = grid("transaction", "outcome", "reason")
    for transaction in answer.transactions:
        table.add_row(transaction.transaction_id, transaction.code, transaction.sentence)
    return head, "", table


@show.command()
@click.argument("transaction_id", metavar="ID")
@reading_options
def transaction(transaction_id: str, nodes: tuple[str, ...], genesis_file: Path | None) -> None:
    """Show where transaction ID stands and what it says.

    \b
    Example: blockpool show transaction 5f0c... (64 hexadecimal digits)
    """
    with reading_client(nodes, genesis_file) as client:
        answer = client.transaction(parse_transaction_id(transaction_id))
    emit(answer, _shown_transaction(answer))


def _shown_transaction(answer: TransactionAnswer) -> RenderableType:
    outcome = answer.outcome or {}
    rows: dict[str, object] = {
        "transaction": answer.transaction_id,
        "status": answer.status,
        "type": answer.type,
        "member": answer.member,
    }
    if answer.status == "committed":
        rows["place"] = f"block {answer.height}, transaction {answer.index}"
        reason = f": {outcome['sentence']}" if outcome.get("sentence") else ""
        verdict = outcome.get("verdict")
        rows["outcome"] = str(outcome.get("code", "")) + ("" if verdict else reason)
        if verdict:
            rows["verdict"] = (
                f"{verdict['verdict']}{reason}, by {verdict['contract'] or 'rule'}, {outcome.get('fuel', 0):,} fuel"
            )
    if answer.erasure is not None:
        rows["content"] = f"erased at height {answer.erasure['height']:,}: {answer.erasure['legal_basis']}"
    elif answer.erased_records:
        rows["content"] = f"records erased: {', '.join(map(str, answer.erased_records))}"
    return facts(rows | {name: _brief(value) for name, value in answer.fields.items()})


def _brief(value: object) -> object:
    """A field as it is, or how long it is: envelopes and keys tell a person nothing."""
    text = str(value)
    return value if len(text) <= _LONG else f"{len(text):,} characters; --json shows them"


@show.command()
@click.argument("record_id", metavar="ID")
@reading_options
def record(record_id: str, nodes: tuple[str, ...], genesis_file: Path | None) -> None:
    """Show record ID (TRANSACTION/INDEX) and where it stands.

    \b
    Example: blockpool show record 5f0c.../17
    """
    with reading_client(nodes, genesis_file) as client:
        answer = client.record(RecordId.parse(record_id))
    emit(answer, *_shown_record(answer))


def _shown_record(answer: RecordAnswer) -> tuple[RenderableType, ...]:
    head = facts(
        {
            "record": answer.record,
            "dataset": answer.dataset,
            "member": answer.member,
            "block": f"{answer.height}, {time_text(answer.time_ms)}",
            "outcome": answer.outcome,
        }
        | _correction_rows(answer)
    )
    if answer.sealed:
        note = f"Sealed, {len(answer.body):,} bytes. It takes a grant to read it: blockpool read {answer.dataset}"
        return head, "", note
    text = answer.body.decode("utf-8", errors="replace")
    return head, "", Syntax(text, "json", word_wrap=True, background_color="default")


def _correction_rows(answer: RecordAnswer) -> dict[str, object]:
    rows: dict[str, object] = {}
    if answer.corrects is not None:
        rows["corrects"] = answer.corrects
    if (correction := answer.correction) is not None:
        by = f"{correction['transaction_id']}/0 at height {correction['height']:,}"
        rows["CORRECTED"] = f"by {by}: {correction['reason']} ({correction['legal_basis']})"
    return rows
