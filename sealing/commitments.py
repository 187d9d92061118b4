"""Salted commitments to records' plaintexts, whole or field by field.

A commitment is in the record's leaf, so it binds the owner; its salts come from the seed, so whoever may read can also
check, and nobody else can even try values: a guess needs 128 unknown bits.

A record whose fields are committed to is a *compact* JSON object, read as strictly as an open record: ``{`` members
``}`` without white space between them, names written as RFC 8785 writes strings. Then its fields, in their order, are
exactly its bytes. Values are kept as they stand: nothing is parsed and written again.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec
import orjson

from chain.errors import ErrorCode, Refusal
from chain.limits import LIMITS
from chain.primitives.crypto import Hash, domain, hash_tagged
from chain.primitives.json_reader import BadJson, read_json
from chain.proofs.merkle import root_of_leaves
from chain.transactions.sealed import CommitmentKind

SALT_SIZE = 16
CACHED_NAME_LENGTH = 128
_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Field(NamedTuple):
    """One member of a JSON object, exact bytes."""

    name: str
    value: bytes
    """JSON text of the value."""


def derive_salts(salt_key: bytes, index: int, count: int) -> list[bytes]:
    """Salts of record ``index``: 16 bytes each, SHAKE-256 (FIPS 202) of key and index (8 bytes, big endian)."""
    stream = hashlib.shake_256(salt_key + index.to_bytes(8, "big")).digest(count * SALT_SIZE)
    return [stream[start : start + SALT_SIZE] for start in range(0, len(stream), SALT_SIZE)]


def commitment_of(kind: CommitmentKind, chain_id: bytes, salt_key: bytes, index: int, record: bytes) -> Hash:
    """The commitment to a record's plaintext.

    Raises:
        Refusal: code ``bad_sealing`` if fields are asked for and the record is no compact JSON object.
    """
    if kind is CommitmentKind.WHOLE:
        salt = hashlib.shake_256(salt_key + index.to_bytes(8, "big")).digest(SALT_SIZE)
        return whole_commitment(chain_id, salt, record)
    names, values = _split(record, index)
    prefix, sha = b"\x00" + domain("sealed-field", chain_id), hashlib.sha256
    salts = derive_salts(salt_key, index, len(names))
    leaves = [
        sha(b"%b%b%b%b" % (prefix, salt, name, value)).digest()
        for salt, name, value in zip(salts, names, values, strict=True)
    ]
    return fields_commitment(chain_id, len(leaves), root_of_leaves(leaves))


def whole_commitment(chain_id: bytes, salt: bytes, record: bytes) -> Hash:
    """Commitment to a record as a whole."""
    return hash_tagged("sealed-whole", chain_id, salt + record)


def fields_commitment(chain_id: bytes, count: int, root: Hash) -> Hash:
    """Commitment to ``count`` fields with the given RFC 6962 root over their leaves."""
    return hash_tagged("sealed-fields", chain_id, count.to_bytes(4, "big") + root)


def field_leaf(chain_id: bytes, salt: bytes, field: Field) -> Hash:
    """RFC 6962 leaf hash of one field. The name's length comes first, so no name can reach into a value."""
    data = domain("sealed-field", chain_id) + salt + _length_prefixed(field.name) + field.value
    return hashlib.sha256(b"\x00" + data).digest()


def split_fields(record: bytes, index: int = 0) -> list[Field]:
    """The fields of a compact JSON object in their order.

    Raises:
        Refusal: code ``bad_sealing``, with ``record_index``.
    """
    names, values = _split(record, index)
    return [Field(name[4:].decode(), value) for name, value in zip(names, values, strict=True)]


def _split(record: bytes, index: int) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """Length-prefixed names, and values, of a compact JSON object."""
    try:
        value = read_json(record)  # decides what is JSON: the other decoder skips values without a look at their UTF-8
    except BadJson as bad:
        raise Refusal(ErrorCode.BAD_SEALING, record_index=index, keyword=bad.fault.value, pointer=bad.pointer) from None
    if not isinstance(value, dict):
        raise Refusal(ErrorCode.BAD_SEALING, record_index=index, part="no JSON object")
    raw = _decoder.decode(record)
    if len(raw) > LIMITS.record_fields:
        raise Refusal(ErrorCode.BAD_SEALING, record_index=index, found=len(raw), limit=LIMITS.record_fields)
    values = [bytes(value) for value in raw.values()]
    forms = [_known_name_forms(name) if len(name) <= CACHED_NAME_LENGTH else _name_forms(name) for name in raw]
    members = [key + value for (_, key), value in zip(forms, values, strict=True)]
    if b"{%b}" % b",".join(members) != record:  # spaces between members, or needless escapes in names
        raise Refusal(ErrorCode.BAD_SEALING, record_index=index, part="no compact JSON")
    return [prefixed for prefixed, _ in forms], values


def _name_forms(name: str) -> tuple[bytes, bytes]:
    """A name with its length in front, and as it stands in a compact object."""
    return _length_prefixed(name), orjson.dumps(name) + b":"


_known_name_forms = lru_cache(maxsize=4096)(_name_forms)
"""Records share their names; long ones, which only an attack would have, are not kept."""


def _length_prefixed(name: str) -> bytes:
    data = name.encode()
    return len(data).to_bytes(4, "big") + data
