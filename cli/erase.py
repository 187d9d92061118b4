"""``blockpool erase``: have every node drop a parcel's content for good, or that of some of its records."""

import click

from blockpool import Client, ErrorCode, Genesis, PoolError
from blockpool.signing import RecordId, parse_transaction_id
from chain.messages.phrases import phrase
from chain.transactions.base import transaction_id
from chain.transactions.parcel import PARCEL, ParcelHeader
from chain.transactions.registry import decode_transaction_header
from cli.failures import ExitCode
from cli.options import Signing, signing_options
from cli.output import emit, facts, is_agreed, talk, verify_can_ask


@click.command()
@click.argument("targets", metavar="ID...", nargs=-1, required=True)
@click.option("--legal-basis", required=True, help="Law or order by which it has to go; it stays on the chain.")
@click.option("--reason", default="", help="More about it, in short; it stays on the chain too.")
@click.option("--yes", is_flag=True, help="Do not ask; needed with --json.")
@signing_options
@click.pass_context
def erase(
    context: click.Context, targets: tuple[str, ...], legal_basis: str, reason: str, yes: bool, signing: Signing
) -> None:
    """Erase a parcel, or records of one, as the owner of its dataset: each ID is TRANSACTION for the parcel or
    TRANSACTION/INDEX for a record. Every node drops the content, from its files too; it cannot be undone.

    With a whole parcel the shares of its key go. Where single records go, the others of the parcel stay as they are.

    Who shared it and when, the hashes of its records, who has read it, and this erasure with its legal basis stay
    provable. Readers' copies, parcels made from it and backups are not touched.

    \b
    Example: blockpool erase 5f0c.../17 --legal-basis "PIPL art. 47" --key pool/aviation/system.pem \\
               --genesis pool/genesis.json
    """
    verify_can_ask(must_ask=not yes)
    parcel, records = _parsed(targets)
    urls, genesis, identity = signing.load()
    with Client(urls, genesis, identity) as client:
        if not yes and not is_agreed(_question(client, genesis, parcel, records), phrase("Nothing was erased.")):
            context.exit(ExitCode.FALSE)
        receipt = client.erase(parcel, legal_basis, reason, records)
    erased = {"parcel": parcel.hex(), "records": list(records), "legal_basis": legal_basis, "reason": reason}
    found = erased | {"transaction_id": receipt.transaction_id.hex(), "height": receipt.height}
    rows: dict[str, object] = {"erased": ", ".join(targets), "legal basis": legal_basis}
    rows |= {"reason": reason or "none given", "by": receipt.transaction_id.hex(), "at height": f"{receipt.height:,}"}
    emit(found, facts(rows))
    talk().print(phrase("The nodes drop it now. Readers' copies, parcels made from it and backups are not touched."))
    record = f"{parcel.hex()}/{records[0] if records else 0}"
    talk().print(phrase("Who read it, and what was made of it: blockpool provenance {record}", record=record))


def _parsed(targets: tuple[str, ...]) -> tuple[bytes, tuple[int, ...]]:
    """The parcel that is named, and which of its records; none for all of it."""
    try:
        if len(targets) == 1 and "/" not in targets[0]:
            return parse_transaction_id(targets[0]), ()
        found = [RecordId.parse(target) for target in targets]
    except PoolError as error:
        raise click.UsageError(
            phrase("{detail}. Name one parcel, or records of one parcel.", detail=error.detail)
        ) from None
    if len({record.transaction_id for record in found}) != 1:
        raise click.UsageError(phrase("Name records of one parcel; each parcel is erased from by itself."))
    return found[0].transaction_id, tuple(sorted({record.index for record in found}))


def _question(client: Client, genesis: Genesis, parcel: bytes, records: tuple[int, ...]) -> str:
    """What is about to go; the id vouches for it."""
    header = _header(client, genesis, parcel)
    if records:
        which = f"{len(records):,} of {header.record_count:,} records of a parcel of {header.dataset}"
        return f"Erase {which}, on every node and for good?"
    count = "its one record" if header.record_count == 1 else f"all its {header.record_count:,} records"
    return f"Erase a parcel of {header.dataset}, {count}, on every node and for good?"


def _header(client: Client, genesis: Genesis, parcel: bytes) -> ParcelHeader:
    data = client.transaction(parcel).header
    if transaction_id(genesis.chain_id, data) != parcel:
        raise PoolError(
            ErrorCode.BAD_PROOF, phrase("the node gave another transaction than {parcel}", parcel=parcel.hex())
        )
    header = PARCEL.of(decode_transaction_header(genesis.chain_id, data))
    if header is None:
        raise PoolError(ErrorCode.UNKNOWN_PARCEL, phrase("{parcel} is no parcel", parcel=parcel.hex()))
    return header
