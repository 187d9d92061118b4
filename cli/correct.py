"""``blockpool correct``: commit the record that takes the place of one that was wrong, and see who has read that."""

from pathlib import Path

import click
from rich.console import RenderableType

from blockpool import Client, PoolError, Provenance, ProvenanceBounds, RecordId, VerifiedReceipt
from chain.errors import ErrorCode
from chain.messages import time_text
from chain.messages.phrases import phrase
from chain.transactions.parcel import PARCEL
from chain.transactions.registry import decode_transaction_header
from cli.options import RecordIdType, Signing, WholeFile, key_secret_option, load_key_secret, signing_options
from cli.output import emit, facts, grid, talk
from cli.submit import source_options
from records.sources import CompactSource, SourceOptions, open_source, record_bodies

_NEAREST = ProvenanceBounds(depth=1)


@click.command()
@click.argument("record", metavar="RECORD", type=RecordIdType())
@click.argument("file", type=WholeFile())
@click.option("--legal-basis", required=True, help="Law, order or finding by which it is corrected; it stays.")
@click.option("--reason", required=True, help="What was wrong, in short; it stays on the chain too.")
@key_secret_option
@source_options
@signing_options
def correct(
    record: RecordId,
    file: Path,
    legal_basis: str,
    reason: str,
    key_secret_file: Path | None,
    read_as: SourceOptions,
    signing: Signing,
) -> None:
    """Commit the one record of FILE in the place of RECORD (TRANSACTION/INDEX), as the owner of its dataset.

    The old record stays, and every read and every proof of it says from then on that it was corrected, by what and why.
    Who has read the old one is listed, proven to be all of them.

    \b
    Example: blockpool correct 5f0c.../17 corrected.json --legal-basis "Statistics Law art. 25" \\
               --reason "hours were local time" --key pool/aviation/system.pem --genesis pool/genesis.json
    """
    urls, genesis, identity = signing.load()
    with Client(urls, genesis, identity) as client:
        header = PARCEL.of(
            decode_transaction_header(genesis.chain_id, client.transaction(record.transaction_id).header)
        )
        if header is None:
            raise PoolError(
                ErrorCode.UNKNOWN_PARCEL,
                phrase("{transaction_id} is no parcel", transaction_id=record.transaction_id.hex()),
            )
        body = _only_record(file, client.dataset(header.dataset).schema, read_as, is_compact=bool(header.envelope))
        secret = load_key_secret(key_secret_file, signing.key_file)
        receipt = client.correct(record, body, legal_basis, reason, key_secret=secret)
        graph = client.provenance(record, _NEAREST)
    readers = _readers(graph)
    corrected = {"record": str(record), "correction": str(receipt.record_ids[0]), "height": receipt.height}
    corrected |= {"dataset": header.dataset, "legal_basis": legal_basis, "reason": reason}
    emit(corrected | {"readers": readers}, *_shown(corrected, receipt, readers))
    if graph.uses[record.transaction_id].counters.history.count and not readers:
        talk().print(phrase("Too many have asked for its parcel to be listed here: see blockpool audit reads."))


def _only_record(file: Path, schema: str, read_as: SourceOptions, *, is_compact: bool) -> bytes:
    """The record of a file that holds one; raises ``malformed``, and ``bad_request`` for another number."""
    source = open_source(file, schema, read_as)
    bodies = list(record_bodies(CompactSource(source) if is_compact else source))
    if len(bodies) != 1:
        detail = phrase(
            "{name} holds {count:,} records; a correction is one. Nothing was sent.", name=file.name, count=len(bodies)
        )
        raise PoolError(ErrorCode.BAD_REQUEST, detail)
    return bodies[0]


def _readers(graph: Provenance) -> list[dict[str, object]]:
    """Who reported a read of the old record's parcel, each read once, in chain order."""
    found: list[dict[str, object]] = []
    for use in graph.uses[graph.record.transaction_id].reads:
        terms = use.request.terms
        asked = {"request": use.request_id.hex(), "purpose": terms.purpose, "person": terms.person}
        asked |= {"case_number": terms.case_number}
        for report in use.read_reports:
            found.append({"member": report.member, "time_ms": report.time_ms, "read_report": report.id.hex()} | asked)
    return found


def _shown(
    corrected: dict[str, object], receipt: VerifiedReceipt, readers: list[dict[str, object]]
) -> list[RenderableType]:
    rows: dict[str, object] = {"corrected": corrected["record"], "by": corrected["correction"]}
    rows |= {"dataset": corrected["dataset"], "legal basis": corrected["legal_basis"], "reason": corrected["reason"]}
    head = facts(rows | {"at height": f"{receipt.height:,}"})
    if not readers:
        return [head, "", "Nobody has reported a read of its parcel."]
    table = grid("who has read it", "when", "for", "person", "case")
    for reader in readers:
        when = time_text(int(str(reader["time_ms"])))
        table.add_row(*map(str, (reader["member"], when, reader["purpose"], reader["person"], reader["case_number"])))
    return [head, "", table]
