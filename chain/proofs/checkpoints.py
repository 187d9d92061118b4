"""Checkpoints: the head of the history tree as a signed note that any transparency tool reads, and its cosignatures.

A checkpoint says: the first ``size`` blocks of this chain have this root. It is text (C2SP ``tlog-checkpoint``)::

    blockpool/<chain id, 64 hexadecimal digits>
    <size>
    <root, base64>

    — <origin>/<member> <base64 of key id, 4 bytes, and what follows it>

A member signs with one Ed25519 key, a validator with its consensus key and a witness with its witness key, in one of
two ways (C2SP ``signed-note`` and ``tlog-cosignature``):

- *cosignature*, type 0x04: time, 8 bytes big endian, and 64 bytes of signature. "At this time, this was the largest
  head of this history that I had seen." Whoever signs so never signs a smaller head at a later time.
- *plain*, type 0x01: 64 bytes of signature over the text alone. "In my history, the head of this size is this."

The signed bytes begin with ``cosignature/v1`` or with the origin, no statement of consensus does, and both name the
chain: a key may sign all of them. What counts is a quorum of cosignatures by validators; two quorums share an honest
one, so two checkpoints with a quorum each never disagree while at most f validators are faulty.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Annotated

from msgspec import Meta

from chain.errors import ErrorCode, PoolError
from chain.limits import KIB
from chain.primitives.crypto import HASH_SIZE, SIGNATURE_SIZE, Signer, sha256, verify_signature
from chain.primitives.encoding import Wire
from chain.primitives.types import Hash32, Name, Signature, Unsigned
from chain.proofs.history import TreeHead
from chain.proofs.trust import TrustHistory

CHECKPOINT_SIZE_BYTES_MAX = 256 * KIB
"""Of a note; a hundred validators and as many witnesses take a quarter of it."""
SIGNATURE_LINES_MAX = 1024
_KEY_ID_SIZE = 4
_TIME_SIZE = 8
_UNSIGNED_MAX = 2**63 - 1
_SIZE_LINE = re.compile(r"[1-9][0-9]{0,18}\Z", re.ASCII)
_SIGNATURE_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})\Z")
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")


class SignatureType(IntEnum):
    """How a note is signed: the byte that goes into the key's id."""

    PLAIN = 0x01
    COSIGNATURE = 0x04


class Cosignature(Wire, frozen=True):
    """One member's signature on a head of the history."""

    member: Name
    size: Annotated[int, Meta(ge=1, le=_UNSIGNED_MAX)]
    """Blocks; see ``chain.proofs.history.TreeHead``."""
    root: Hash32
    time_s: Unsigned | None
    """When it was given, seconds since 1970; None for a plain signature."""
    signature: Signature
    """Ed25519 over ``signed_text``."""

    @property
    def head(self) -> TreeHead:
        """What is signed."""
        return TreeHead(self.size, self.root)

    @property
    def type(self) -> SignatureType:
        """How it is signed."""
        return SignatureType.PLAIN if self.time_s is None else SignatureType.COSIGNATURE


class CheckpointKeys:
    """Who may sign the checkpoints of one size: the validators of that height, and its witnesses, which have no vote.

    Args:
        trust: of the chain.
        size: of the checkpoint.
    """

    def __init__(self, trust: TrustHistory, size: int) -> None:
        self.chain_id = trust.chain_id
        self.validators = trust.signers_of(size)
        self.witnesses = self.validators.witnesses

    def key_of(self, member: str) -> bytes | None:
        """The key with which ``member`` signs checkpoints, or None if it signs none."""
        return self.validators.key_of(member) or self.witnesses.get(member)

    def signer_of(self, name: str, key_id: bytes) -> tuple[str, SignatureType] | None:
        """The member whose key has this name and id, and how it signs with it; None for an unknown key."""
        return self._by_name.get((name, key_id))

    @cached_property
    def _by_name(self) -> dict[tuple[str, bytes], tuple[str, SignatureType]]:
        known: dict[tuple[str, bytes], tuple[str, SignatureType]] = {}
        for member in (*self.validators.names, *self.witnesses):
            key = self.key_of(member) or b""
            name = key_name(self.chain_id, member)
            for type_ in SignatureType:
                known[name, note_key_id(name, type_, key)] = member, type_
        return known


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head with the signatures that known members have put under it. Those that ``parse_checkpoint`` gives verify."""

    head: TreeHead
    signatures: tuple[Cosignature, ...]
    """Each member at most once in each way; in order of their lines."""

    def cosigners(self, members: Iterable[str]) -> tuple[str, ...]:
        """Which of ``members`` have cosigned, in their order; plain signatures do not count."""
        signed = {item.member for item in self.signatures if item.type is SignatureType.COSIGNATURE}
        return tuple(member for member in members if member in signed)


def origin_line(chain_id: bytes) -> str:
    """First line of every checkpoint of a chain."""
    return f"blockpool/{chain_id.hex()}"


def key_name(chain_id: bytes, member: str) -> str:
    """Name of a member's key in a signature line."""
    return f"{origin_line(chain_id)}/{member}"


def note_key_id(name: str, type_: SignatureType, public_key: bytes) -> bytes:
    """Id of a key in a signature line: 4 bytes (C2SP ``signed-note``)."""
    return sha256(name.encode() + b"\n" + bytes([type_]) + public_key)[:_KEY_ID_SIZE]


def checkpoint_text(chain_id: bytes, head: TreeHead) -> bytes:
    """The note's text: three lines, each with its line feed."""
    return f"{origin_line(chain_id)}\n{head.size}\n{base64.b64encode(head.root).decode()}\n".encode()


def signed_text(chain_id: bytes, head: TreeHead, time_s: int | None) -> bytes:
    """The bytes that a signature covers: the text, which a cosignature puts its name and time before."""
    text = checkpoint_text(chain_id, head)
    return text if time_s is None else b"cosignature/v1\ntime %d\n%b" % (time_s, text)


def sign_head(signer: Signer, chain_id: bytes, member: str, head: TreeHead, time_s: int | None = None) -> Cosignature:
    """``member``'s cosignature at ``time_s``, or its plain signature without a time."""
    signature = signer.sign(signed_text(chain_id, head, time_s))
    return Cosignature(member, head.size, head.root, time_s, signature)


def verify_cosignature(cosignature: Cosignature, trust: TrustHistory) -> None:
    """Check that a member signed what is claimed.

    Raises:
        PoolError: code ``bad_checkpoint``.
    """
    keys = CheckpointKeys(trust, cosignature.size)
    key = keys.key_of(cosignature.member)
    if key is None:
        raise _bad(f"{cosignature.member} is neither validator nor witness")
    message = signed_text(keys.chain_id, cosignature.head, cosignature.time_s)
    if not verify_signature(key, message, cosignature.signature):
        raise _bad(f"the signature of {cosignature.member} does not verify")


def is_contradiction(first: Cosignature, second: Cosignature) -> bool:
    """Whether no honest member, its memory intact, signs both: other roots at one size, or, in cosignatures, a smaller
    size at a later time, which cuts off what it had seen.
    """
    if first.member != second.member:
        return False
    if first.size == second.size:
        return first.root != second.root
    if first.time_s is None or second.time_s is None:
        return False
    earlier, later = sorted((first, second), key=lambda item: item.time_s or 0)
    return earlier.time_s != later.time_s and later.size < earlier.size


def encode_checkpoint(checkpoint: Checkpoint, trust: TrustHistory) -> bytes:
    """The note. Lines of members without a key are not possible.

    Raises:
        PoolError: code ``bad_checkpoint`` without a signature, or with one of a stranger.
    """
    if not checkpoint.signatures:
        raise _bad("it has no signature")
    keys = CheckpointKeys(trust, checkpoint.head.size)
    lines = [_signature_line(item, keys) for item in checkpoint.signatures]
    return checkpoint_text(trust.chain_id, checkpoint.head) + b"\n" + "".join(lines).encode()


def parse_checkpoint(content: bytes, trust: TrustHistory) -> Checkpoint:
    """Read a note of this chain and verify every signature under it whose key is known; others are passed over.

    Raises:
        PoolError: code ``bad_checkpoint``: no note of this form, another chain's, a bad signature, a member that signs
            twice in the same way, or no known signature at all.
    """
    head, lines = _split(content, trust.chain_id)
    keys = CheckpointKeys(trust, head.size)
    signatures: list[Cosignature] = []
    for line in lines:
        signature = _parse_line(line, head, keys)
        if signature is None:
            continue
        if any(item.member == signature.member and item.type == signature.type for item in signatures):
            raise _bad(f"{signature.member} signs twice")
        verify_cosignature(signature, trust)
        signatures.append(signature)
    if not signatures:
        raise _bad("nobody has signed it who is known here")
    return Checkpoint(head, tuple(signatures))


def verify_quorum(checkpoint: Checkpoint, trust: TrustHistory) -> None:
    """Check that a quorum of validators has cosigned. The signatures themselves must have been verified.

    Raises:
        PoolError: code ``bad_checkpoint``.
    """
    validators = trust.signers_of(checkpoint.head.size)
    given = len(checkpoint.cosigners(validators.names))
    if given < validators.quorum:
        raise _bad(f"{given} validators have cosigned it; {validators.quorum} of {len(validators)} are needed")


def trusted_head(content: bytes, trust: TrustHistory) -> TreeHead:
    """The head in a note that a quorum of validators has cosigned.

    Raises:
        PoolError: code ``bad_checkpoint``.
    """
    checkpoint = parse_checkpoint(content, trust)
    verify_quorum(checkpoint, trust)
    return checkpoint.head


def _split(content: bytes, chain_id: bytes) -> tuple[TreeHead, list[str]]:
    """The head that a note is for, and its signature lines."""
    if len(content) > CHECKPOINT_SIZE_BYTES_MAX:
        raise _bad(f"it is larger than {CHECKPOINT_SIZE_BYTES_MAX} bytes")
    try:
        note = content.decode()
    except UnicodeDecodeError:
        raise _bad("it is no UTF-8 text") from None
    text, blank, signed = note.rpartition("\n\n")
    if not blank or not signed.endswith("\n") or _CONTROL.search(note):
        raise _bad("it is no signed note: text, an empty line, signature lines")
    lines = signed[:-1].split("\n")
    if len(lines) > SIGNATURE_LINES_MAX:
        raise _bad(f"it has more than {SIGNATURE_LINES_MAX} signature lines")
    return _parse_text(text, chain_id), lines


def _parse_text(text: str, chain_id: bytes) -> TreeHead:
    lines = text.split("\n")
    if len(lines) != 3:
        raise _bad("its text is not three lines: origin, size, root")
    origin, size, root_text = lines
    if origin != origin_line(chain_id):
        raise _bad("it is of another chain")
    if not _SIZE_LINE.match(size) or int(size) > _UNSIGNED_MAX:
        raise _bad("its size is no number of blocks")
    root = _decode_base64(root_text)
    if len(root) != HASH_SIZE:
        raise _bad(f"its root is not {HASH_SIZE} bytes of base64")
    return TreeHead(int(size), root)


def _parse_line(line: str, head: TreeHead, keys: CheckpointKeys) -> Cosignature | None:
    """What a line claims; None if its key is unknown."""
    match = _SIGNATURE_LINE.match(line)
    if match is None:
        raise _bad("a signature line has another form")
    name, payload = match[1], _decode_base64(match[2])
    known = keys.signer_of(name, payload[:_KEY_ID_SIZE])
    if known is None:
        return None
    member, type_ = known
    timed = payload[_KEY_ID_SIZE:]
    time_size = _TIME_SIZE if type_ is SignatureType.COSIGNATURE else 0
    if len(timed) != time_size + SIGNATURE_SIZE:
        raise _bad(f"the signature of {member} has another length")
    time_s = int.from_bytes(timed[:time_size]) if time_size else None
    if time_s is not None and time_s > _UNSIGNED_MAX:
        raise _bad(f"the time of {member} is out of bounds")
    return Cosignature(member, head.size, head.root, time_s, timed[time_size:])


def _signature_line(item: Cosignature, keys: CheckpointKeys) -> str:
    key = keys.key_of(item.member)
    if key is None:
        raise _bad(f"{item.member} is neither validator nor witness")
    name = key_name(keys.chain_id, item.member)
    time_bytes = b"" if item.time_s is None else item.time_s.to_bytes(_TIME_SIZE)
    payload = note_key_id(name, item.type, key) + time_bytes + item.signature
    return f"— {name} {base64.b64encode(payload).decode()}\n"


def _decode_base64(text: str) -> bytes:
    """Canonical base64 only: whoever reads a note must read the same bytes, and write the same text."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if base64.b64encode(content).decode() != text or not content:
        raise _bad("it holds something that is no canonical base64")
    return content


def _bad(detail: str) -> PoolError:
    return PoolError(ErrorCode.BAD_CHECKPOINT, detail)
