"""Identities: key and certificate belong together, the key stays where it is, a certificate vouches for itself only."""

import tempfile
from pathlib import Path

import pytest
from cryptography import x509

from chain.errors import ErrorCode
from chain.primitives.keys import encode_private_key, write_secret_file
from chain.primitives.tls_certificate import make_tls_certificate
from node.tls import load_identity, server_context
from tests.node.link_cluster import identity
from tests.refusals import refuses

SEED = bytes(range(32))


def key_file(folder: Path, seed: bytes = SEED, passphrase: str | None = None) -> Path:
    path = folder / "tls.key.pem"
    write_secret_file(path, encode_private_key(seed, passphrase))
    return path


def test_identity_is_loaded_from_an_encrypted_key(tmp_path: Path) -> None:
    certificate = make_tls_certificate(SEED, "aviation")
    me = load_identity("aviation", certificate, key_file(tmp_path, passphrase="secret"), "secret")
    assert me.private_key.private_bytes_raw() == SEED
    with refuses(ErrorCode.WRONG_PASSPHRASE):
        load_identity("aviation", certificate, tmp_path / "tls.key.pem", "wrong")


def test_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    with refuses(ErrorCode.BAD_KEY, "not the key of the TLS certificate"):
        load_identity("aviation", make_tls_certificate(bytes(32), "aviation"), key_file(tmp_path))


def test_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    path.chmod(0o640)
    with refuses(ErrorCode.KEY_PERMISSIONS):
        load_identity("aviation", make_tls_certificate(SEED, "aviation"), path)


def test_certificate_vouches_for_itself_only_and_does_not_expire() -> None:
    certificate = x509.load_der_x509_certificate(make_tls_certificate(SEED, "aviation"))
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.not_valid_after_utc.year == 9999
    certificate.verify_directly_issued_by(certificate)


def test_nothing_of_the_key_is_shown_or_left_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    me = identity("aviation")
    server_context(me, [identity("registry").certificate])
    assert list(tmp_path.iterdir()) == []
    assert "private" not in repr(me)
