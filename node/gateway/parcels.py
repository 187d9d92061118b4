"""From plain records to a signed parcel: everything that a system with a client library of its own does itself."""

from collections.abc import Sequence
from json.encoder import encode_basestring as json_string
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.primitives.crypto import Ed25519Signer
from chain.primitives.encoding import encode
from chain.primitives.json_reader import BadJson, read_json
from chain.primitives.json_text import decode_json
from chain.primitives.kem import verify_kem_key
from chain.schema import record_rules, unreadable
from chain.state.entries import DatasetEntry
from chain.transactions.base import Sender
from chain.transactions.keyed import KEYED_PARCEL
from chain.transactions.parcel import Source, open_content, sign_parcel
from chain.transactions.sealed import CommitmentKind
from sealing import SealingContext, seal_parcel

_COMMITMENTS = {"whole": CommitmentKind.WHOLE, "fields": CommitmentKind.FIELDS}


RecordText = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}/[0-9]{1,4}\Z")]
"""A record's id."""


class ParcelObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a system posts."""

    dataset: str
    records: Annotated[tuple[msgspec.Raw, ...], Meta(min_length=1, max_length=LIMITS.transaction_records)]
    """A string is a record's exact text; anything else is a record in JSON."""
    commitments: Literal["whole", "fields"] = "whole"
    """How sealed records are committed to; ``fields`` lets single fields be disclosed later."""
    derived_from: Annotated[tuple[RecordText, ...], Meta(max_length=LIMITS.derived_from)] = ()
    """Records, TRANSACTION/INDEX, that these were made from."""


def decode_parcel(body: bytes) -> ParcelObject:
    """Read what was posted; the records are not looked at yet.

    Raises:
        PoolError: code ``malformed``.
    """
    return decode_json(ParcelObject, body, ErrorCode.MALFORMED, "parcel")


def records_of(given: ParcelObject) -> list[bytes]:
    """The bodies of the records that were posted.

    Raises:
        PoolError: codes ``malformed`` (with ``record_index``), ``too_large``.
    """
    records = [_record(bytes(raw), index) for index, raw in enumerate(given.records)]
    size = sum(map(len, records))
    if size > LIMITS.transaction_size_bytes:
        raise PoolError(ErrorCode.TOO_LARGE, f"{size} bytes of records; a parcel takes {LIMITS.transaction_size_bytes}")
    return records


def make_parcel(
    given: ParcelObject,
    records: Sequence[bytes],
    keys: bytes,
    entry: DatasetEntry,
    kem_keys: dict[str, bytes],
    chain_id: bytes,
    signer: Ed25519Signer,
) -> bytes:
    """The encoded transaction that shares the records. Takes time that grows with them: not for the event loop.

    Validators cannot see whether sealed records satisfy the dataset's schema, so that is checked here.

    Args:
        given: what was posted.
        records: those of it that are shared.
        keys: theirs, 24 bytes each; empty where records have no keys.
        entry: of the dataset, which the signer's member owns.
        kem_keys: encoded KEM key of every validator, by name.
        chain_id: of the chain.
        signer: one of the owner's keys.

    Raises:
        PoolError: codes ``schema_violation``, ``bad_sealing`` (with ``record_index``), ``bad_request`` (a source that
            no parcel can hold), ``source_repeated``.
    """
    if (violation := record_rules(entry.schema).check(records)) is not None:
        raise violation
    if entry.sharing == "open":
        content = open_content(chain_id, records)
    else:
        context = SealingContext(chain_id, entry.dataset)
        suite = verify_kem_key(next(iter(kem_keys.values())))  # one for all; a validator's that differs is refused
        kind, granularity = _COMMITMENTS[given.commitments], entry.granularity
        content = seal_parcel(records, context, kem_keys, kind, suite, granularity=granularity).content
    sender = Sender(chain_id, entry.owner, signer)
    sources = tuple(map(_source, given.derived_from))
    if keys:
        return encode(sign_parcel(sender, entry.dataset, content, sources, None, KEYED_PARCEL, keys=keys))
    return encode(sign_parcel(sender, entry.dataset, content, sources))


def _source(text: str) -> Source:
    """A record's id as a header has it."""
    parcel, _, index = text.partition("/")
    return bytes.fromhex(parcel), int(index)


def _record(raw: bytes, index: int) -> bytes:
    """A record's bytes: a string's text as it is; JSON compact, its values as they were written.

    Numbers keep all their digits. The names of an object's members lose needless escapes, as commitments to fields
    want it.
    """
    try:
        if raw.startswith(b'"'):
            return msgspec.json.decode(raw, type=str).encode()
        read_json(raw)
        if not raw.startswith(b"{"):
            return msgspec.json.format(raw, indent=-1)
        members = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        texts = [b"%b:%b" % (json_string(name).encode(), _compact(value)) for name, value in members.items()]
        return b"{%b}" % b",".join(texts)
    except BadJson as bad:
        raise unreadable(index, bad) from None
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise PoolError(ErrorCode.MALFORMED, f"record {index}: {error}", record_index=index) from None


def _compact(value: msgspec.Raw) -> bytes:
    return msgspec.json.format(bytes(value), indent=-1)
