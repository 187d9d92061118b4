"""``blockpool erase``: have every node drop a parcel's content for good."""

import click

from blockpool import Client, ErrorCode, Genesis, PoolError
from chain.transactions.base import transaction_id
from chain.transactions.parcel import PARCEL
from chain.transactions.registry import decode_transaction_header
from cli.failures import ExitCode
from cli.options import Signing, TransactionIdType, signing_options
from cli.output import emit, facts, is_json, talk


@click.command()
@click.argument("parcel", metavar="PARCEL", type=TransactionIdType())
@click.option("--legal-basis", required=True, help="Law or order by which it has to go; it stays on the chain.")
@click.option("--reason", default="", help="More about it, in short; it stays on the chain too.")
@click.option("--yes", is_flag=True, help="Do not ask; needed with --json.")
@signing_options
@click.pass_context
def erase(context: click.Context, parcel: bytes, legal_basis: str, reason: str, yes: bool, signing: Signing) -> None:
    """Erase PARCEL, a transaction id, as the owner of its dataset: every node drops its records and the shares of its
    key, from its files too. It cannot be undone.

    Who shared it and when, the hashes of its records, who has read it, and this erasure with its legal basis stay
    provable. Readers' copies, parcels made from it and backups are not touched.

    \b
    Example: blockpool erase 5f0c... --legal-basis "PIPL art. 47" --key pool/aviation/system.pem \\
               --genesis pool/genesis.json
    """
    if not yes and is_json():
        raise click.UsageError("Say --yes: with --json nobody is asked.")
    urls, genesis, identity = signing.load()
    with Client(urls, genesis, identity) as client:
        if not yes and not click.confirm(_question(client, genesis, parcel), err=True):
            talk().print("Nothing was erased.")
            context.exit(ExitCode.FALSE)
        receipt = client.erase(parcel, legal_basis, reason)
    erased = {"parcel": parcel.hex(), "legal_basis": legal_basis, "reason": reason}
    found = erased | {"transaction_id": receipt.transaction_id.hex(), "height": receipt.height}
    rows: dict[str, object] = {"erased": parcel.hex(), "legal basis": legal_basis, "reason": reason or "none given"}
    emit(found, facts(rows | {"by": receipt.transaction_id.hex(), "at height": f"{receipt.height:,}"}))
    talk().print("The nodes drop it now. Readers' copies, parcels made from it and backups are not touched.")
    talk().print(f"Who read it, and what was made of it: blockpool provenance {parcel.hex()}/0")


def _question(client: Client, genesis: Genesis, parcel: bytes) -> str:
    """What is about to go; the id vouches for it."""
    data = client.transaction(parcel).header
    if transaction_id(genesis.chain_id, data) != parcel:
        raise PoolError(ErrorCode.BAD_PROOF, f"the node gave another transaction than {parcel.hex()}")
    header = PARCEL.of(decode_transaction_header(genesis.chain_id, data))
    if header is None:
        raise PoolError(ErrorCode.UNKNOWN_PARCEL, f"{parcel.hex()} is no parcel")
    records = "its one record" if header.record_count == 1 else f"all its {header.record_count:,} records"
    return f"Erase a parcel of {header.dataset}, {records}, on every node and for good?"
