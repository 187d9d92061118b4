"""``blockpool disclose``: prove some fields of one sealed record, or all of it, to somebody who may not read it."""

from pathlib import Path

import click

from blockpool import RecordId
from chain.messages.phrases import phrase
from cli.options import Signing, TransactionIdType, load_reader_key, reader_key_option, signing_options
from cli.output import emit, talk
from records.writers import open_output


@click.command()
@click.argument("record_id", metavar="RECORD")
@click.option(
    "--request", "request_id", type=TransactionIdType(), required=True, help="Granted request that covers it."
)
@click.option("--field", "fields", multiple=True, metavar="NAME", help="Field to show; repeat. All else stays hidden.")
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write.")
@reader_key_option
@signing_options
def disclose(
    record_id: str,
    request_id: bytes,
    fields: tuple[str, ...],
    out: Path,
    reader_key_file: Path | None,
    signing: Signing,
) -> None:
    """Export a proof of what fields of RECORD (TRANSACTION/INDEX) say, for somebody who may not read the record.

    Whoever gets it checks it offline, with the genesis file alone, and learns nothing else of the record. Name no
    --field for a parcel that was submitted with --commitments whole: its records are shown whole or not at all.

    \b
    Example: blockpool disclose 5f0c.../17 --request 9a41... --field carrier --out carrier.disclosure.json \\
               --key pool/meteorology/system.pem --genesis pool/genesis.json
    """
    record = RecordId.parse(record_id)
    reader_key = load_reader_key(reader_key_file, signing.key_file)
    with signing.client() as client:
        content = client.disclose(record, request_id, reader_key, fields)
    with open_output(out) as stream:
        stream.write(content)
    written = {"record": str(record), "fields": fields, "file": str(out), "size_bytes": len(content)}
    emit(written, f"Wrote the disclosure {out} (JSON), {len(content):,} bytes.")
    talk().print(
        phrase(
            "Anyone can check it: blockpool verify {out} --genesis {genesis_file}",
            out=out,
            genesis_file=signing.genesis_file,
        )
    )
