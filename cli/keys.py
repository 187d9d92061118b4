"""``blockpool keys``: private keys."""

from __future__ import annotations

import base64
from pathlib import Path

import click

from chain.crypto import Ed25519Signer, key_id
from chain.keys import encode_private_key, load_signer, new_seed, write_secret_file
from cli.options import READABLE_FILE, json_option, new_passphrase, passphrase_for
from cli.output import emit, facts, talk


@click.group()
def keys() -> None:
    """Make and look at private keys."""


@keys.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--encrypt", is_flag=True, help="Encrypt it with a passphrase (BLOCKPOOL_PASSPHRASE, or typed).")
@json_option
def new(file: Path, encrypt: bool) -> None:
    """Make an Ed25519 private key in FILE: PKCS#8 PEM, mode 0600. An existing file is never overwritten.

    \b
    Example: blockpool keys new system.pem --encrypt
    """
    seed = new_seed()
    write_secret_file(file, encode_private_key(seed, new_passphrase(encrypt)))
    talk().print(f"Wrote {file}. Keep it secret, and keep a copy: nobody can make it again.")
    _show(file, Ed25519Signer(seed))


@keys.command()
@click.argument("file", type=READABLE_FILE)
@json_option
def show(file: Path) -> None:
    """Show the public key and key id of the private key in FILE.

    \b
    Example: blockpool keys show system.pem
    """
    _show(file, load_signer(file, passphrase_for(file)))


def _show(file: Path, signer: Ed25519Signer) -> None:
    public = {
        "file": str(file),
        "algorithm": "Ed25519",
        "public_key": base64.b64encode(signer.public_key).decode(),
        "key_id": key_id(signer.public_key).hex(),
    }
    emit(public, facts(dict(public)))
