"""Self-signed TLS certificates of nodes. The certificate itself stands in the member's record, so it is its own
authority.
"""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from chain.errors import ErrorCode, PoolError

_NOT_BEFORE = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_NOT_AFTER = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)
"""RFC 5280, section 4.1.2.5: the date for a certificate without a set end. Members change keys by a transaction
instead.
"""


def make_tls_key() -> bytes:
    """A fresh Ed25519 private key for TLS: PKCS#8 PEM, not encrypted."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def make_tls_certificate(key_pem: bytes, member: str) -> bytes:
    """Self-signed certificate for ``member``'s TLS key: X.509, DER."""
    key = load_pem_private_key(key_pem, None)
    if not isinstance(key, Ed25519PrivateKey):
        raise PoolError(ErrorCode.BAD_KEY, "a node's TLS key is an Ed25519 key")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, member)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOT_BEFORE)
        .not_valid_after(_NOT_AFTER)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    )
    return builder.sign(key, None).public_bytes(Encoding.DER)


def certificate_pem(der: bytes) -> bytes:
    """The certificate as PEM."""
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
