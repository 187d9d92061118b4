"""TLS 1.3 between nodes: both sides authenticated, the members' self-signed certificates are the trust store.

Python can only ask a client for a certificate by verifying it against trusted ones, so the pinned certificates
themselves are what is trusted (docs/adr/0001). `Links` then looks up the member by the peer's exact certificate.
"""

import hashlib
import os
import secrets
import ssl
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509 import load_der_x509_certificate

from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import Hash
from chain.primitives.keys import load_seed

_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""``X509_V_FLAG_NO_CHECK_TIME`` of OpenSSL, which the module ``ssl`` has no name for."""


@dataclass(frozen=True, slots=True)
class LinkIdentity:
    """Who this node is towards its peers."""

    member: str
    """Our member's name."""
    certificate: bytes
    """Our X.509 certificate (DER), the one in our member's record."""
    private_key: Ed25519PrivateKey = field(repr=False)
    """The key of that certificate. It authenticates links and signs nothing else."""


def load_identity(member: str, certificate: bytes, key_path: Path, passphrase: str | None = None) -> LinkIdentity:
    """Our identity, with the PKCS#8 PEM key of ``certificate`` (DER) read from ``key_path``.

    Raises:
        PoolError: codes ``bad_key`` (also when key and certificate do not belong together), ``key_permissions``,
            ``wrong_passphrase``.
    """
    private_key = Ed25519PrivateKey.from_private_bytes(load_seed(key_path, passphrase))
    if load_der_x509_certificate(certificate).public_key() != private_key.public_key():
        raise PoolError(ErrorCode.BAD_KEY, f"{key_path} is not the key of the TLS certificate of {member}")
    return LinkIdentity(member, certificate, private_key)


def fingerprint(certificate: bytes) -> Hash:
    """SHA-256 of a DER certificate: 32 bytes."""
    return hashlib.sha256(certificate).digest()


def server_context(me: LinkIdentity, trusted: Iterable[bytes]) -> ssl.SSLContext:
    """Context for accepting links from holders of the ``trusted`` certificates (DER) and nobody else."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, me, trusted)
    context.num_tickets = 0  # a resumed session would skip the certificate check
    return context


def client_context(me: LinkIdentity, trusted: Iterable[bytes]) -> ssl.SSLContext:
    """Context for dialling a node that holds one of the ``trusted`` certificates (DER)."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, me, trusted)


def peer_certificate(ssl_object: ssl.SSLObject) -> bytes:
    """The peer's certificate (DER) of a finished handshake; empty if there is none."""
    return ssl_object.getpeercert(binary_form=True) or b""


def _context(protocol: int, me: LinkIdentity, trusted: Iterable[bytes]) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # the pin is stronger than a name
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= _NO_CHECK_TIME  # what is trusted is pinned; a clock that is wrong cuts no node off
    _load_own_key(context, me)
    store = b"".join(trusted)
    if store:  # a network of one trusts nobody, and OpenSSL refuses to load nothing
        context.load_verify_locations(cadata=store)
    return context


def _load_own_key(context: ssl.SSLContext, me: LinkIdentity) -> None:
    """Give our certificate and key to OpenSSL, which reads them from a file only.

    The file is ours alone (0600) and the key in it is encrypted under a password that is never written anywhere.
    """
    password = secrets.token_hex(32)
    encryption = BestAvailableEncryption(password.encode())
    key_pem = me.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    descriptor, path = tempfile.mkstemp(prefix="blockpool-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(ssl.DER_cert_to_PEM_cert(me.certificate).encode() + key_pem)
        context.load_cert_chain(path, password=password)
    finally:
        Path(path).unlink()
