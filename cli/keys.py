"""``blockpool keys``: private keys."""

import base64
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chain.messages.phrases import phrase
from chain.primitives.crypto import Ed25519Signer, key_id
from chain.primitives.keys import encode_private_key, load_private_keys, load_signer, new_seed, write_secret_file
from cli.options import READABLE_FILE, json_option, new_passphrase, passphrase_for
from cli.output import emit, facts, talk
from sealing import KemPrivateKey, load_kem_key


@click.group()
def keys() -> None:
    """Make and look at private keys."""


@keys.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--encrypt", is_flag=True, help="Encrypt it with a passphrase (BLOCKPOOL_PASSPHRASE, or typed).")
@click.option("--reader", "for_reading", is_flag=True, help="A key that opens what is read, not one that signs.")
@json_option
def new(file: Path, encrypt: bool, for_reading: bool) -> None:
    """Make a private key in FILE: PKCS#8 PEM, mode 0600. An existing file is never overwritten.

    It is an Ed25519 key, which signs; with --reader a hybrid KEM key (ML-KEM-768 and X25519), to which key shares of
    sealed parcels are sealed.

    \b
    Example: blockpool keys new system.pem --encrypt
    """
    passphrase = new_passphrase(encrypt)
    key: Ed25519Signer | KemPrivateKey
    if for_reading:
        key = KemPrivateKey.generate()
        key.save(file, passphrase)
    else:
        seed = new_seed()
        write_secret_file(file, encode_private_key(seed, passphrase))
        key = Ed25519Signer(seed)
    talk().print(phrase("Wrote {file}. Keep it secret, and keep a copy: nobody can make it again.", file=file))
    _show(file, _public_part(key))


@keys.command()
@click.argument("file", type=READABLE_FILE)
@json_option
def show(file: Path) -> None:
    """Show the public key and key id of the private key in FILE.

    \b
    Example: blockpool keys show system.pem
    """
    _show(file, _public_part(_load(file)))


def _load(file: Path) -> Ed25519Signer | KemPrivateKey:
    """The key in a file, whichever kind it is."""
    passphrase = passphrase_for(file)
    is_signer = any(isinstance(key, Ed25519PrivateKey) for key in load_private_keys(file, passphrase))
    return load_signer(file, passphrase) if is_signer else load_kem_key(file, passphrase)


def _public_part(key: Ed25519Signer | KemPrivateKey) -> dict[str, str]:
    """What everybody may know of a key."""
    if isinstance(key, KemPrivateKey):
        public = key.public_key
        return _named(public.suite.name.lower(), public.encoded, public.id)
    return _named("Ed25519", key.public_key, key_id(key.public_key))


def _named(algorithm: str, public_key: bytes, id_: bytes) -> dict[str, str]:
    return {"algorithm": algorithm, "public_key": base64.b64encode(public_key).decode(), "key_id": id_.hex()}


def _show(file: Path, public: dict[str, str]) -> None:
    shown = {"file": str(file), **public}
    emit(shown, facts(dict(shown)))
