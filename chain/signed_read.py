"""Reads that a member signs: who asks a node for what names persons, so that it need not answer strangers.

``Authorization: Blockpool BASE64`` holds the encoded ``ReadSignature``. What is signed names the chain, the method and
the target exactly as they are sent, and the time; a node takes it for ``WINDOW_MS`` on either side of its clock.
Whoever listens could send it again in that time, and would get again what it has heard.
"""

import base64
import binascii

from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import Signer, domain, key_id, verify_signature
from chain.primitives.encoding import EncodingError, Wire, decode, encode
from chain.primitives.types import KeyId, Name, Signature, Unsigned

SCHEME = "Blockpool"
WINDOW_MS = 120_000
_LENGTH_MAX = 1024


class ReadSignature(Wire, frozen=True):
    """What stands in the header."""

    member: Name
    key_id: KeyId
    time_ms: Unsigned
    """When it was signed, by the signer's clock."""
    signature: Signature


class _SignedRead(Wire, frozen=True):
    member: Name
    key_id: KeyId
    time_ms: Unsigned
    method: str
    target: str


def sign_read(chain_id: bytes, member: str, signer: Signer, method: str, target: str, time_ms: int) -> str:
    """The value of ``Authorization``.

    Args:
        chain_id: of the pool.
        member: who signs.
        signer: one of its keys.
        method: such as ``GET``.
        target: path and query, as they are sent.
        time_ms: now, milliseconds since 1970.
    """
    id_ = key_id(signer.public_key)
    signature = signer.sign(_message(chain_id, _SignedRead(member, id_, time_ms, method, target)))
    shown = encode(ReadSignature(member, id_, time_ms, signature))
    return f"{SCHEME} {base64.b64encode(shown).decode()}"


def parse_authorization(value: str) -> ReadSignature:
    """Read the value of ``Authorization``.

    Raises:
        PoolError: code ``credentials_refused``.
    """
    scheme, _, shown = value.partition(" ")
    if scheme.lower() != SCHEME.lower() or len(shown) > _LENGTH_MAX:
        raise _refused(f"Authorization is neither Bearer nor {SCHEME}")
    try:
        return decode(ReadSignature, base64.b64decode(shown, validate=True))
    except (binascii.Error, ValueError, EncodingError):
        raise _refused("the signature cannot be read") from None


def verify_read(
    chain_id: bytes, public_key: bytes, shown: ReadSignature, method: str, target: str, now_ms: int
) -> None:
    """Check a signature and its time.

    Raises:
        PoolError: code ``credentials_refused``.
    """
    late_ms = now_ms - shown.time_ms
    if abs(late_ms) > WINDOW_MS:
        raise _refused(f"it was signed {abs(late_ms)} ms {'ago' if late_ms > 0 else 'ahead'} by this node's clock")
    signed = _SignedRead(shown.member, shown.key_id, shown.time_ms, method, target)
    if not verify_signature(public_key, _message(chain_id, signed), shown.signature):
        raise _refused("the signature does not verify")


def _message(chain_id: bytes, signed: _SignedRead) -> bytes:
    return domain("read-signature", chain_id) + encode(signed)


def _refused(detail: str) -> PoolError:
    return PoolError(ErrorCode.CREDENTIALS_REFUSED, detail)
