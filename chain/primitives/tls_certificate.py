"""The self-signed X.509 certificate by which a member's node is known to the other nodes.

It stands in the member's record, and peers trust exactly these bytes (docs/adr/0001): no authority, no host names, no
expiry (RFC 5280, 4.1.2.5: 99991231235959Z says that there is no well-defined one). Ed25519 as in RFC 8410.
"""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

# Fixed dates: a node whose clock is off must still be able to join and be told so.
_NOT_BEFORE = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
_NOT_AFTER = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)


def make_tls_certificate(seed: bytes, member: str) -> bytes:
    """Self-signed certificate (DER, about 300 bytes) of the Ed25519 key with this 32-byte seed, in the member's name.

    The extensions say that it is an end-entity certificate: trusting it never means trusting others that it signed.
    """
    key = Ed25519PrivateKey.from_private_bytes(seed)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, member)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOT_BEFORE)
        .not_valid_after(_NOT_AFTER)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, None)
    )
    return certificate.public_bytes(Encoding.DER)
