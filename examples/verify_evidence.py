#!/usr/bin/env python3
"""Verifies an evidence file of a block data pool from the genesis file alone: no network, no node, no other program.

    python verify_evidence.py flight.evidence.json --genesis genesis.json [--checkpoint checkpoint.note]

Written from docs/protocol.md; section numbers below are of that document. It shares no code with the project, so that
both agreeing means something, and needs Python 3.11 and the ``cryptography`` package. Copy this one file anywhere.

The steps that passed are printed with what each has found. Exit codes: 0 everything holds; 1 something does not, and
the step, its error code (section 14) and the reason are printed; 2 usage; 3 a file cannot be read.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from copy import copy as copy_of
from datetime import date
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT = "blockpool-evidence/2"
UNSIGNED_MAX = 2**63 - 1
OK = "ok"
VERSION = 2
"""Of the protocol."""


class Refused(Exception):
    """Something in the file does not hold.

    Attributes:
        code: error code of section 14.
        detail: the reason in words.
        step, title: number and title of the step that failed; 0 before there is one.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.step = 0
        self.title = ""


def refuse(code: str, detail: str) -> NoReturn:
    raise Refused(code, detail)


# --- Types and bounds, of MessagePack and JSON alike ------------------------------------------------------------------

Check = Callable[[Any], Any]
"""Gives the value as it is used on, or raises ``ValueError``."""


def unsigned(minimum: int = 0, maximum: int = UNSIGNED_MAX) -> Check:
    def check(value: Any) -> int:
        if type(value) is not int or not minimum <= value <= maximum:
            raise ValueError(f"no integer from {minimum} to {maximum}")
        return value

    return check


def raw(minimum: int = 0, maximum: int = UNSIGNED_MAX) -> Check:
    """Bytes."""

    def check(value: Any) -> bytes:
        if type(value) is not bytes or not minimum <= len(value) <= maximum:
            raise ValueError(f"no byte string of {minimum} to {maximum} bytes")
        return value

    return check


def text(minimum: int = 0, maximum: int = UNSIGNED_MAX, pattern: str = "") -> Check:
    """A string; lengths are in code points."""
    compiled = re.compile(pattern, re.ASCII)

    def check(value: Any) -> str:
        if type(value) is not str or not minimum <= len(value) <= maximum:
            raise ValueError(f"no string of {minimum} to {maximum} characters")
        if pattern and not compiled.fullmatch(value):
            raise ValueError(f"no string of the form {pattern}")
        return value

    return check


def choice(*values: object) -> Check:
    def check(value: Any) -> Any:
        if value not in values or type(value) not in {type(allowed) for allowed in values}:
            raise ValueError(f"none of {', '.join(map(str, values))}")
        return value

    return check


def flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("neither true nor false")
    return value


def array(item: Check, minimum: int = 0, maximum: int = UNSIGNED_MAX) -> Check:
    def check(value: Any) -> list[Any]:
        if type(value) is not list or not minimum <= len(value) <= maximum:
            raise ValueError(f"no array of {minimum} to {maximum} elements")
        return [item(element) for element in value]

    return check


def optional(item: Check) -> Check:
    def check(value: Any) -> Any:
        return None if value is None else item(value)

    return check


def structure(fields: str, /, tag: int | None = None, **special: Check) -> Check:
    """A MessagePack array of named fields: each of a type of ``TYPES`` (``name:type``), or with a check of its own."""
    named = [field.partition(":")[::2] for field in fields.split()]
    checks = [(name, TYPES[type_] if type_ else special[name]) for name, type_ in named]
    offset = 0 if tag is None else 1

    def check(value: Any) -> SimpleNamespace:
        if type(value) is not list or len(value) != len(checks) + offset:
            raise ValueError(f"no array of {len(checks) + offset} elements")
        if tag is not None and (type(value[0]) is not int or value[0] != tag):
            raise ValueError(f"its tag is not {tag}")
        elements = zip(checks, value[offset:], strict=True)
        return SimpleNamespace(**{name: check_field(element) for (name, check_field), element in elements})

    return check


def record_of(**fields: Check) -> Check:
    """A JSON object with exactly these members."""

    def check(value: Any) -> SimpleNamespace:
        if type(value) is not dict or value.keys() != fields.keys():
            raise ValueError(f"no object with exactly {', '.join(fields)}")
        return SimpleNamespace(**{name: check_field(value[name]) for name, check_field in fields.items()})

    return check


def in_base64(item: Check) -> Check:
    """Bytes in a JSON file, in the one text that base64 has for them."""

    def check(value: Any) -> Any:
        if type(value) is not str:
            raise ValueError("no base64")
        decoded = base64.b64decode(value, validate=True)
        if base64.b64encode(decoded).decode() != value:
            raise ValueError("no canonical base64")
        return item(decoded)

    return check


def unhex(value: Any) -> bytes:
    """A hash in a JSON file: 64 lowercase hexadecimal digits."""
    if type(value) is not str or not re.fullmatch("[0-9a-f]{64}", value):
        raise ValueError("no hash: 64 hexadecimal digits")
    return bytes.fromhex(value)


def facts(value: Any) -> dict[str, int | bytes | str]:
    """Facts of an outcome by name (section 8): known numbers, ascending, each once."""
    pairs = array(array(lambda item: item, 2, 2))(value)
    numbers = [number for number, _ in pairs]
    if any(type(number) is not int or number not in FACTS for number in numbers) or numbers != sorted(set(numbers)):
        raise ValueError("facts have known numbers, ascending, each once")
    return {FACTS[number][0]: FACTS[number][1](found) for number, found in pairs}


HASH = raw(32, 32)
NAME_FORM = "[a-z0-9-]{1,32}"
NAME = text(pattern=NAME_FORM)
DATASET = text(maximum=65)
TYPES: dict[str, Check] = {
    "number": unsigned(),
    "bytes": raw(),
    "text": text(),
    "texts": array(text()),
    "hash": HASH,
    "hashes": array(HASH),
    "id": raw(16, 16),
    "name": NAME,
    "dataset": DATASET,
    "version": unsigned(1, 2**31),
    "title": text(maximum=200),
    "basis": text(maximum=2000),
    "reason": text(maximum=300),
    "code": text(maximum=65_536),
    "kem_key": raw(1, 1217),
    "flag": flag,
    "facts": facts,
    "sharing": choice("open", "conditional", "closed"),
    "answer": choice("approve", "refuse", "revoke"),
}
"""Types that several structures have."""
FACTS: dict[int, tuple[str, Check]] = {
    1: ("record_index", unsigned(0, 4095)),
    2: ("pointer", text(maximum=200)),
    3: ("keyword", text(maximum=64)),
    4: ("expected", unsigned()),
    5: ("found", unsigned()),
    6: ("limit", unsigned()),
    7: ("height", unsigned()),
    8: ("from_height", unsigned()),
    9: ("until_height", unsigned()),
    10: ("time_ms", unsigned()),
    11: ("until_ms", unsigned()),
    12: ("member", text(maximum=32)),
    13: ("owner", text(maximum=32)),
    14: ("key_id", raw(16, 16)),
    15: ("dataset", text(maximum=65)),
    16: ("contract", text(maximum=65)),
    17: ("parcel", HASH),
    18: ("request", HASH),
    19: ("sharing", text(maximum=16)),
    20: ("status", text(maximum=16)),
    21: ("denial", text(maximum=64)),
    22: ("line", unsigned()),
    23: ("part", text(maximum=32)),
    24: ("text", text(maximum=300)),
    25: ("by", HASH),
}
"""Number, name and type of each fact."""


# --- MessagePack (section 2) ------------------------------------------------------------------------------------------


class Unpacker:
    """Reads one value; notes whether every part of it has its shortest form."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.is_shortest = True

    def whole(self) -> Any:
        value = self.value()
        if self.position != len(self.data):
            raise ValueError("bytes follow the value")
        return value

    def take(self, count: int) -> bytes:
        taken = self.data[self.position : self.position + count]
        if len(taken) != count:
            raise ValueError("the value is cut short")
        self.position += count
        return taken

    def number(self, size: int, shortest_from: int) -> int:
        """A big-endian integer that would have been written shorter if it were below ``shortest_from``."""
        found = int.from_bytes(self.take(size), "big")
        self.is_shortest &= found >= shortest_from
        return found

    def value(self, depth: int = 0) -> Any:
        first = self.take(1)[0]
        if depth > 16:
            raise ValueError("it is nested deeper than any structure")
        if first < 0x80:
            return first
        if first in UNSIGNED_FORMS:
            return self.number(*UNSIGNED_FORMS[first])
        if first in SIGNED_FORMS:  # for numbers that the protocol does not have: never the shortest form of others
            self.is_shortest = False
            return int.from_bytes(self.take(SIGNED_FORMS[first]), "big", signed=True)
        if first in BYTES_FORMS:
            return self.take(self.number(*BYTES_FORMS[first]))
        if 0xA0 <= first < 0xC0:
            return self.take(first - 0xA0).decode()
        if first in STRING_FORMS:
            return self.take(self.number(*STRING_FORMS[first])).decode()
        if 0x90 <= first < 0xA0:
            return self.elements(first - 0x90, depth)
        if first in ARRAY_FORMS:
            return self.elements(self.number(*ARRAY_FORMS[first]), depth)
        if first in CONSTANTS:
            return CONSTANTS[first]
        raise ValueError(f"byte {first:02x} begins no value of the protocol")

    def elements(self, count: int, depth: int) -> list[Any]:
        if count > len(self.data) - self.position:
            raise ValueError("the value is cut short")
        return [self.value(depth + 1) for _ in range(count)]


CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
UNSIGNED_FORMS = {0xCC: (1, 1 << 7), 0xCD: (2, 1 << 8), 0xCE: (4, 1 << 16), 0xCF: (8, 1 << 32)}
BYTES_FORMS = {0xC4: (1, 0), 0xC5: (2, 1 << 8), 0xC6: (4, 1 << 16)}
STRING_FORMS = {0xD9: (1, 32), 0xDA: (2, 1 << 8), 0xDB: (4, 1 << 16)}
ARRAY_FORMS = {0xDC: (2, 16), 0xDD: (4, 1 << 16)}
"""First byte: size of the number that follows, and the least value that needs it."""
SIGNED_FORMS = {0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}


def unpack(check: Check, data: bytes) -> Any:
    """The value of this type whose one encoding ``data`` is."""
    unpacker = Unpacker(data)
    try:
        value = check(unpacker.whole())
    except ValueError as error:
        refuse("malformed", str(error))
    if not unpacker.is_shortest:
        refuse("not_canonical", "not the shortest encoding of its value")
    return value


def pack(value: Any) -> bytes:
    """The shortest encoding of integers, bytes, strings, None, and arrays of them."""
    if value is None:
        return b"\xc0"
    if type(value) is int:
        return bytes([value]) if value < 0x80 else packed_head(value, UNSIGNED_FORMS)
    if type(value) is bytes:
        return packed_head(len(value), BYTES_FORMS) + value
    if type(value) is str:
        encoded = value.encode()
        size = len(encoded)
        return (bytes([0xA0 + size]) if size < 32 else packed_head(size, STRING_FORMS)) + encoded
    count = len(value)
    head = bytes([0x90 + count]) if count < 16 else packed_head(count, ARRAY_FORMS)
    return head + b"".join(map(pack, value))


def packed_head(number: int, forms: dict[int, tuple[int, int]]) -> bytes:
    first, size = next((first, size) for first, (size, _) in forms.items() if number < 1 << 8 * size)
    return bytes([first]) + number.to_bytes(size, "big")


# --- JSON -------------------------------------------------------------------------------------------------------------


def strict_json(content: bytes, **numbers: Callable[[str], Any]) -> Any:
    """JSON in UTF-8 without byte order mark, no key twice in one object; raises ``ValueError``."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise ValueError("a key appears twice in one object")
        return members

    def refuse_constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is no JSON")

    decoded = content.decode()
    try:
        value = json.loads(decoded, object_pairs_hook=unique, parse_constant=refuse_constant, **numbers)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if "\\u" in decoded:  # only an escape can stand for half a surrogate pair, which is no character
        json.dumps(value, ensure_ascii=False, default=str).encode()
    return value


# --- Hashes and signatures (section 3) --------------------------------------------------------------------------------


def domain(kind: str, chain_id: bytes) -> bytes:
    return b"blockpool/2\0" + kind.encode() + b"\0" + chain_id


def tagged_hash(kind: str, chain_id: bytes, data: bytes) -> bytes:
    return hash_of(domain(kind, chain_id) + data)


def hash_of(data: bytes) -> bytes:
    return sha256(data).digest()


NEUTRAL = b"\x01" + bytes(31)
"""The neutral element: nodes take no signature that begins with it. OpenSSL does, and whoever holds the key can make
one that fits. The other rules of section 3 are OpenSSL's too, for keys of the prime-order group, like a genesis file's.
"""


def is_signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether nodes take this Ed25519 signature."""
    if len(signature) != 64 or signature[:32] == NEUTRAL:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


# --- Merkle trees (section 4) -----------------------------------------------------------------------------------------


def leaf_hash(data: bytes) -> bytes:
    return hash_of(b"\0" + data)


def node_hash(left: bytes, right: bytes) -> bytes:
    return hash_of(b"\1" + left + right)


def implied_root(leaf: bytes, index: int, size: int, proof: Sequence[bytes], code: str = "bad_proof") -> bytes:
    """The root that an inclusion proof leads to (RFC 9162, section 2.1.3.2)."""
    if index >= size:
        refuse(code, f"leaf {index} lies outside a tree of {size}")
    result, position, last = leaf, index, size - 1
    for sibling in proof:
        if last == 0:
            refuse(code, "the inclusion proof is too long")
        if position % 2 or position == last:
            result = node_hash(sibling, result)
            while position and not position % 2:
                position, last = position >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        position, last = position >> 1, last >> 1
    if last:
        refuse(code, "the inclusion proof is too short")
    return result


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    if implied_root(leaf, index, size, proof) != root:
        refuse("bad_proof", "the inclusion proof leads to another root")


STATE_PROOF = structure("siblings:hashes leaf_path:bytes leaf_value_hash:bytes")


def verify_state(chain_id: bytes, root: bytes, key: str, value: bytes | None, encoded_proof: bytes) -> None:
    """Check that ``key`` has this value, or none, in the state with this root."""
    proof = unpack(STATE_PROOF, encoded_proof)
    siblings, leaf_path, value_hash = proof.siblings, proof.leaf_path, proof.leaf_value_hash
    path = tagged_hash("state-key", chain_id, key.encode())
    if len(siblings) > 256 or len(leaf_path) not in (0, 32) or len(value_hash) != len(leaf_path):
        refuse("malformed", "no proof has this shape")
    if value is not None and (leaf_path != path or value_hash != tagged_hash("state-value", chain_id, value)):
        refuse("bad_proof", f"the proof is not of this value of {key}")
    if value is None and (leaf_path == path or (leaf_path and common_bits(leaf_path, path) < len(siblings))):
        refuse("bad_proof", f"the proof does not show that {key} is absent")
    current = leaf_hash(leaf_path + value_hash) if leaf_path else bytes(32)
    bits = int.from_bytes(path, "big")
    for depth in reversed(range(len(siblings))):
        is_right = bits >> (255 - depth) & 1
        current = node_hash(siblings[depth], current) if is_right else node_hash(current, siblings[depth])
    if current != root:
        refuse("bad_proof", f"the proof of {key} leads to another root")


def common_bits(first: bytes, second: bytes) -> int:
    return 256 - (int.from_bytes(first, "big") ^ int.from_bytes(second, "big")).bit_length()


# --- Genesis file (section 5) -----------------------------------------------------------------------------------------


class Electorate:
    """Who votes at a height, and who cosigns checkpoints besides."""

    def __init__(self, chain_id: bytes, validators: dict[str, bytes], witnesses: dict[str, bytes]) -> None:
        self.validators = validators
        self.witnesses = {name: key for name, key in witnesses.items() if name not in validators}
        parts = (self.validators, self.witnesses)
        entry = [[[name, key] for name, key in part.items()] for part in parts]
        self.hash = tagged_hash("validators", chain_id, pack(entry))
        faulty = (len(validators) - 1) // 3
        self.quorum = (len(validators) + faulty) // 2 + 1

    def checkpoint_key(self, member: str) -> bytes | None:
        """The key that signs checkpoints for ``member``."""
        return self.validators.get(member) or self.witnesses.get(member)


class Epoch:
    """From which height on who signs, under which version of the protocol."""

    def __init__(self, since_height: int, signers: Electorate, version: int) -> None:
        self.since_height = since_height
        self.signers = signers
        self.version = version


class Network:
    """What is known of a chain: its genesis file, which is trusted, and who signs at which height. Each change of that
    is proven by a hand-over, which the old signers have certified.
    """

    def __init__(self, content: bytes) -> None:
        file = strict_json(content)
        members = sorted(file["members"], key=lambda member: str(member["name"]))
        self.chain_id = hash_of(content)
        self.name: str = file["network"]
        founders = Electorate(self.chain_id, public_keys(members, "consensus_key"), public_keys(members, "witness_key"))
        self.epochs = [Epoch(0, founders, VERSION)]

    def copy(self) -> Network:
        """The same, to be told of hand-overs that the original does not learn."""
        copy = copy_of(self)
        copy.epochs = list(self.epochs)
        return copy

    def epoch_at(self, height: int) -> Epoch:
        return [epoch for epoch in self.epochs if epoch.since_height <= height][-1]

    def signers_at(self, height: int) -> Electorate:
        return self.epoch_at(height).signers

    def extend(self, handover: Any) -> None:
        """Learn from a hand-over who signs after its block."""
        header = unpack(BLOCK_HEADER, handover.header)
        header.hash = tagged_hash("block", self.chain_id, handover.header)
        self.verify_named(header)
        self.verify_certificate(handover.certificate, header)
        if tagged_hash("validators", self.chain_id, handover.validators) != header.next_validators_hash:
            refuse("bad_handover", "the next validators are not those that the header names")
        is_same = header.next_validators_hash == header.validators_hash and header.next_version == header.version
        if is_same or header.height < self.epochs[-1].since_height:
            refuse("bad_handover", f"block {header.height} hands nothing over")
        entry = unpack(VALIDATORS_ENTRY, handover.validators)
        validators, witnesses = (
            {item.member: item.key for item in part} for part in (entry.validators, entry.witnesses)
        )
        signers = Electorate(self.chain_id, validators, witnesses)
        self.epochs.append(Epoch(header.height + 1, signers, header.next_version))

    def verify_named(self, header: Any) -> None:
        """Check that a block names the signers and the rules of its height."""
        epoch = self.epoch_at(header.height)
        if header.validators_hash != epoch.signers.hash or header.version != epoch.version:
            refuse("unknown_validators", "the block names validators or rules that do not follow from genesis")
        verify_version(header)

    def verify_certificate(self, certificate: Any, header: Any) -> str:
        """Every vote counts: an honest node makes no certificate with a bad one."""
        names, signers = [vote.validator for vote in certificate.votes], self.signers_at(header.height)
        if names != sorted(set(names)):
            refuse("bad_certificate", "the votes are not in ascending order of their signers, each once")
        strangers = set(names) - signers.validators.keys()
        if strangers:
            refuse("bad_certificate", f"{min(strangers)} is no validator")
        if len(names) < signers.quorum:
            refuse("bad_certificate", f"{len(names)} votes are no quorum of {len(signers.validators)}")
        message = domain("commit", self.chain_id) + pack([header.height, certificate.view, header.hash])
        for vote in certificate.votes:
            if not is_signed(signers.validators[vote.validator], message, vote.signature):
                refuse("bad_certificate", f"the vote of {vote.validator} does not verify")
        return f"{len(names)} of {len(signers.validators)} validators: {', '.join(names)}"


def verify_version(header: Any) -> None:
    """Check that a block follows the rules that this program knows."""
    if header.version != VERSION:
        refuse("unknown_protocol", f"block {header.height} follows protocol version {header.version}, not {VERSION}")


def public_keys(members: Sequence[dict[str, Any]], field: str) -> dict[str, bytes]:
    return {member["name"]: base64.b64decode(member[field]) for member in members if member.get(field)}


# --- Transactions, state and blocks (sections 6 to 8) -----------------------------------------------------------------


HEADER = "chain_id:hash member:name key_id:id nonce:id expiry_ms:number "
"""What every transaction's header begins with, after its tag."""
DATASET_HEADER, PARCEL_HEADER, CONTRACT_HEADER, REQUEST_HEADER, ANSWER_HEADER, REPORT_HEADER, ERASE_HEADER = range(1, 8)
CORRECTION_HEADER, KEYED_HEADER = 8, 9
PARCELS = (PARCEL_HEADER, CORRECTION_HEADER, KEYED_HEADER)
"""Types that share records."""
PARCEL_FIELDS = HEADER + "dataset:dataset record_count records_root:hash envelope derived_from"
SOURCE = structure("parcel:hash index", index=unsigned(0, 4095))
DESCRIPTION = structure(
    "summary:basis contact:title update_cycle theme:title grade format:title method:title scope:basis use:basis "
    "conditions:basis impact_assessment:title source:title",
    update_cycle=choice(
        *("", "irregular", "real-time", "daily", "weekly", "monthly", "quarterly", "half-yearly", "yearly", "other")
    ),
    grade=choice("", "general", "important", "core"),
)
GRANULARITY = structure("columns by_record:flag", columns=array(array(text(1, 200), 1, 1024), maximum=16))
FIELDS = array(text(1, 200), maximum=256)
HEADERS = {
    DATASET_HEADER: structure(
        HEADER + "dataset:dataset version:version title_zh:title title_en:title schema:code sharing:sharing "
        "legal_basis:basis contract:dataset description granularity",
        tag=DATASET_HEADER,
        description=DESCRIPTION,
        granularity=GRANULARITY,
    ),
    PARCEL_HEADER: structure(
        PARCEL_FIELDS,
        tag=PARCEL_HEADER,
        record_count=unsigned(1, 4096),
        envelope=raw(maximum=131_072),
        derived_from=array(SOURCE, maximum=256),
    ),
    CORRECTION_HEADER: structure(
        PARCEL_FIELDS + " legal_basis reason key",
        tag=CORRECTION_HEADER,
        record_count=unsigned(1, 1),
        envelope=raw(maximum=131_072),
        derived_from=array(SOURCE, 1, 256),
        legal_basis=text(1, 2000),
        reason=text(1, 300),
        key=raw(maximum=24),
    ),
    KEYED_HEADER: structure(
        PARCEL_FIELDS + " keys",
        tag=KEYED_HEADER,
        record_count=unsigned(1, 4096),
        envelope=raw(maximum=131_072),
        derived_from=array(SOURCE, maximum=256),
        keys=raw(24, 98_304),
    ),
    CONTRACT_HEADER: structure(
        HEADER + "contract:dataset version:version source:code parameters:code", tag=CONTRACT_HEADER
    ),
    REQUEST_HEADER: structure(
        HEADER + "dataset:dataset parcels from_height:number until_height:number until_ms:number purpose "
        "legal_basis:basis case_number:title person:title kem_key:kem_key keys records fields",
        tag=REQUEST_HEADER,
        keys=array(raw(24, 24), maximum=256),
        records=array(SOURCE, maximum=256),
        fields=FIELDS,
        parcels=array(HASH, maximum=256),
        purpose=text(1, 200),
    ),
    ANSWER_HEADER: structure(HEADER + "dataset:dataset request:hash answer:answer reason:reason", tag=ANSWER_HEADER),
    REPORT_HEADER: structure(
        HEADER + "dataset:dataset request:hash parcels record_count digest:hash fields",
        tag=REPORT_HEADER,
        fields=array(text(1, 200), maximum=1024),
        parcels=array(HASH, 1, 1024),
        record_count=unsigned(1, 1024 * 4096),
    ),
    ERASE_HEADER: structure(
        HEADER + "dataset:dataset parcel:hash records legal_basis reason:reason",
        tag=ERASE_HEADER,
        records=array(unsigned(0, 4095), maximum=4096),
        legal_basis=text(1, 2000),
    ),
}


def any_header(value: Any) -> SimpleNamespace:
    """A header of any type; ``tag`` says which."""
    tag = value[0] if type(value) is list and value else None
    if type(tag) is not int or tag not in HEADERS:
        raise ValueError("no transaction has this tag")
    header: SimpleNamespace = HEADERS[tag](value)
    header.tag = tag
    return header


def transaction_header(chain_id: bytes, data: bytes) -> Any:
    header = unpack(any_header, data)
    if header.chain_id != chain_id:
        refuse("wrong_chain", f"the transaction is signed for chain {header.chain_id.hex()[:16]}")
    for name in ("derived_from", "parcels"):
        items = [repr(item) for item in getattr(header, name, ())]
        if len(set(items)) != len(items):
            refuse("bad_request", "something is named twice")
    if header.tag == REQUEST_HEADER and 0 < header.until_height < header.from_height:
        refuse("bad_request", "there are no such heights")
    if header.tag == ERASE_HEADER and header.records != sorted(set(header.records)):
        refuse("bad_request", "the records are not in order")
    if header.tag == REQUEST_HEADER and any(record.parcel not in header.parcels for record in header.records):
        refuse("bad_request", "a record is of a parcel that is not named")
    if header.tag == DATASET_HEADER:
        fields = [name for column in header.granularity.columns for name in column]
        if len(set(fields)) != len(fields):
            refuse("bad_request", "a field is in two columns")
    return header


def transaction_id(chain_id: bytes, header: bytes) -> bytes:
    return tagged_hash("transaction", chain_id, header)


MEMBER = structure(
    "name:name kind title_zh:title title_en:title roles keys consensus_key kem_key node witness_key",
    kind=choice("government", "enterprise", "social", "public"),
    roles=array(NAME, maximum=16),
    keys=array(structure("public_key:hash from_height:number until_height:number"), maximum=64),
    consensus_key=optional(HASH),
    kem_key=optional(raw(1, 1217)),
    node=optional(structure("address:text api_url:text tls_certificate:bytes")),
    witness_key=optional(HASH),
)
DATASET_ENTRY = structure(
    "dataset:text owner:name version:number title_zh:text title_en:text schema:text sharing:sharing legal_basis:text "
    "contract:text description registered_height:number updated_height:number transaction_id:hash granularity",
    description=DESCRIPTION,
    granularity=GRANULARITY,
)
CONTRACT_ENTRY = structure(
    "contract:text owner:name version:number source:text parameters:text hash:hash deployed_height:number "
    "updated_height:number transaction_id:hash"
)
VERDICT_NAME = choice("allow", "deny", "ask")
REQUEST_ENTRY = structure(
    "terms decision contract:text contract_version:number contract_hash:bytes decided_height:number decided_ms:number "
    "answers",
    terms=structure(
        "reader:name dataset:text parcels:hashes from_height:number until_height:number wanted_until_ms:number "
        "purpose:text legal_basis:text case_number:text person:text kem_key:bytes height:number time_ms:number "
        "keys records wanted_fields",
        keys=array(raw(24, 24)),
        records=array(SOURCE),
        wanted_fields=array(text()),
    ),
    decision=structure(
        "verdict until_ms:number facts:facts fields approvers:texts needed:number note:text fuel:number "
        "inputs_hash:bytes",
        verdict=VERDICT_NAME,
        fields=optional(array(text())),
    ),
    answers=array(structure("member:name answer:answer reason:text height:number time_ms:number")),
)
REQUEST_TOTALS = structure("read_reports:number records_read:number first_report_ms:number")
HISTORY = structure("count:number head:hash")
DATASET_READS = structure(
    "requests:number grants:number denials:number read_reports:number records_read:number last_height:number history",
    history=HISTORY,
)
READER_ENTRY = structure("requests:number grants:number granted", granted=array(HASH, maximum=100))
PARCEL_READS = structure("requests:number read_reports:number history", history=HISTORY)
DERIVED_PARCELS = structure("history", history=HISTORY)
OWNER_ACT = structure(
    "dataset:text owner:name legal_basis:text reason:text height:number time_ms:number transaction_id:hash"
)
"""An erasure, or a correction."""
PRESENT_RECORD = structure(
    "transaction_id:hash index height:number versions:number previous",
    index=unsigned(0, 4095),
    previous=optional(structure("parcel:hash index:number")),
)
BLOCK_HEADER = structure(
    "version height:number parent_hash:hash time_ms:number proposer transaction_count tx_root:hash result_root:hash "
    "state_root:hash history_root:hash validators_hash:hash next_validators_hash:hash next_version",
    version=unsigned(1, 65535),
    next_version=unsigned(1, 65535),
    proposer=text(pattern=f"({NAME_FORM})?"),
    transaction_count=unsigned(0, 4096),
)
SIGNER = structure("member:name key:hash")
VALIDATORS_ENTRY = structure(
    "validators witnesses", validators=array(SIGNER, 1, 100), witnesses=array(SIGNER, maximum=100)
)
VERDICT = structure(
    "verdict until_ms:number contract:dataset contract_version:number contract_hash inputs_hash",
    verdict=VERDICT_NAME,
    contract_hash=raw(0, 32),
    inputs_hash=raw(0, 32),
)
OUTCOME = structure(
    "transaction_id:hash code facts:facts fuel:number verdict", code=text(1, 64), verdict=optional(VERDICT)
)


# --- Checkpoints (section 10) -----------------------------------------------------------------------------------------

PLAIN, COSIGNATURE = 0x01, 0x04
NOTE_SIZE_BYTES_MAX = 256 * 1024
NOTE_LINES_MAX = 1024


class NoteSignature:
    """One member's signature under a checkpoint."""

    def __init__(self, member: str, type_: int, time_s: int | None) -> None:
        self.member = member
        self.type = type_
        self.time_s = time_s


class Checkpoint:
    """A checkpoint whose every known signature verifies."""

    def __init__(self, network: Network, content: bytes) -> None:
        if len(content) > NOTE_SIZE_BYTES_MAX:
            refuse("bad_checkpoint", "the note is too large")
        try:
            note = content.decode()
        except UnicodeDecodeError:
            refuse("bad_checkpoint", "the note is no UTF-8")
        body, blank, signed = note.rpartition("\n\n")
        if not blank or not signed.endswith("\n") or re.search("[\0-\x09\x0b-\x1f]", note):
            refuse("bad_checkpoint", "no signed note has this form")
        self.text = body + "\n"
        self.size, self.root = self._head(network, body.split("\n"))
        lines = signed[:-1].split("\n")
        if len(lines) > NOTE_LINES_MAX:
            refuse("bad_checkpoint", f"the note has more than {NOTE_LINES_MAX} signature lines")
        found = [self._signature(network, line) for line in lines]
        self.signatures = [signature for signature in found if signature is not None]
        signers = [(signature.member, signature.type) for signature in self.signatures]
        if len(set(signers)) != len(signers):
            refuse("bad_checkpoint", "a member signs the note twice in the same way")
        if not signers:
            refuse("bad_checkpoint", "nobody who is known here has signed the note")

    @staticmethod
    def _head(network: Network, lines: Sequence[str]) -> tuple[int, bytes]:
        if len(lines) != 3:
            refuse("bad_checkpoint", "the note's text is not three lines")
        origin, size, root = lines
        if origin != f"blockpool/{network.chain_id.hex()}":
            refuse("bad_checkpoint", "the note is of another chain")
        if not re.fullmatch("[1-9][0-9]{0,18}", size) or int(size) > UNSIGNED_MAX:
            refuse("bad_checkpoint", "the note's size is no number of blocks")
        root_hash = note_base64(root)
        if len(root_hash) != 32:
            refuse("bad_checkpoint", "the note's root is no hash")
        return int(size), root_hash

    def _signature(self, network: Network, line: str) -> NoteSignature | None:
        """The signature of a line, verified; None if nobody here has the key that it names."""
        match = re.fullmatch(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})", line)
        if match is None:
            refuse("bad_checkpoint", "a signature line has another form")
        payload = note_base64(match[2])
        origin, _, member = match[1].rpartition("/")
        key = network.signers_at(self.size - 1).checkpoint_key(member)
        if key is None or origin != f"blockpool/{network.chain_id.hex()}":
            return None
        types = [type_ for type_ in (PLAIN, COSIGNATURE) if payload[:4] == note_key_id(match[1], type_, key)]
        if not types:
            return None
        time_size = 8 if types[0] == COSIGNATURE else 0
        if len(payload) != 4 + time_size + 64:
            refuse("bad_checkpoint", f"the signature of {member} has another length")
        time_s = int.from_bytes(payload[4:12], "big") if time_size else None
        if time_s is not None and time_s > UNSIGNED_MAX:
            refuse("bad_checkpoint", f"the time of {member} is out of bounds")
        head = "" if time_s is None else f"cosignature/v1\ntime {time_s}\n"
        if not is_signed(key, (head + self.text).encode(), payload[4 + time_size :]):
            refuse("bad_checkpoint", f"the signature of {member} does not verify")
        return NoteSignature(member, types[0], time_s)

    def is_cosigned_by_quorum(self, network: Network) -> bool:
        """Whether a quorum of validators vouches for it."""
        cosigners = {signature.member for signature in self.signatures if signature.type == COSIGNATURE}
        signers = network.signers_at(self.size - 1)
        return len(cosigners & signers.validators.keys()) >= signers.quorum


def note_key_id(name: str, type_: int, public_key: bytes) -> bytes:
    return hash_of(name.encode() + b"\n" + bytes([type_]) + public_key)[:4]


def note_base64(encoded: str) -> bytes:
    try:
        decoded = base64.b64decode(encoded, validate=True)
    except ValueError:
        decoded = b""
    if not decoded or base64.b64encode(decoded).decode() != encoded:
        refuse("bad_checkpoint", "the note holds something that is no canonical base64")
    return decoded


# --- Schemas of open records (section 6) ------------------------------------------------------------------------------


def is_json_type(value: Any, name: str) -> bool:
    types = {"null": type(None), "boolean": bool, "object": dict, "array": list, "string": str}
    return type(value) is types.get(name, Decimal) and (name != "integer" or value == value.to_integral_value())


def is_equal(first: Any, second: Any) -> bool:
    """JSON equality: true is not 1."""
    return bool(first == second) and isinstance(first, bool) == isinstance(second, bool)


LENGTHS = {"Length": (str,), "Items": (list,), "Properties": (dict,)}
BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "minimum": lambda value, bound: value >= bound,
    "maximum": lambda value, bound: value <= bound,
    "exclusiveMinimum": lambda value, bound: value > bound,
    "exclusiveMaximum": lambda value, bound: value < bound,
}


def is_day(year: str, month: str, day: str) -> bool:
    try:
        date(int(year), int(month), int(day))
    except ValueError:
        return False
    return True


def is_format(text: str, name: str) -> bool:
    """Whether a string has one of the formats of the protocol."""
    found = re.fullmatch(FORMATS[name], text)
    if found is None:
        return False
    if name in ("date", "date-time"):
        return is_day(found[1], found[2], found[3])
    if name == "cn-identity-number":
        total = sum("0123456789X".index(sign) * 2 ** (17 - place) for place, sign in enumerate(text))
        return is_day(found[1], found[2], found[3]) and total % 11 == 1
    if name == "cn-credit-code":
        values = ["0123456789ABCDEFGHJKLMNPQRTUWXY".index(sign) for sign in text]
        return (sum(value * 3**place for place, value in enumerate(values[:17])) + values[17]) % 31 == 0
    return True


DAY = "([0-9]{4})-([0-9]{2})-([0-9]{2})"
CREDIT = "[0-9A-HJ-NPQRTUW-Y]"
FORMATS = {
    "date": DAY,
    "date-time": DAY + r"T([01][0-9]|2[0-3])(:[0-5][0-9]){2}(\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])",
    "cn-identity-number": "[1-9][0-9]{5}((?:1[89]|2[01])[0-9]{2})([0-9]{2})([0-9]{2})[0-9]{3}[0-9X]",
    "cn-credit-code": CREDIT + "{2}[0-9]{6}" + CREDIT + "{10}",
    "phone": r"1[3-9][0-9]{9}|0[1-9][0-9]{1,2}-[2-9][0-9]{6,7}(-[0-9]{1,6})?|\+[1-9][0-9]{6,14}",
}
Node = Any
"""Of a pattern: a set of characters as a test of one; ("all", nodes), ("any", nodes), ("repeat", node, least, most)."""


class PatternReader:
    """Reads a pattern that validators have taken: what is wrong with others is not looked for."""

    def __init__(self, pattern: str) -> None:
        self.rest = pattern

    def take(self, expected: str) -> bool:
        found = self.rest.startswith(expected)
        self.rest = self.rest[len(expected) :] if found else self.rest
        return found

    def next(self) -> str:
        sign, self.rest = self.rest[0], self.rest[1:]
        return sign

    def branches(self) -> Node:
        branches = [self.sequence()]
        while self.take("|"):
            branches.append(self.sequence())
        return "any", branches

    def sequence(self) -> Node:
        parts = []
        while self.rest and self.rest[0] not in "|)$":
            atom = self.atom()
            count = re.match(r"\{(\d+)(,?)(\d*)\}|[?*+]", self.rest)
            if count:
                self.rest = self.rest[count.end() :]
                least, most = {"?": (0, 1), "*": (0, None), "+": (1, None)}.get(count[0]) or (
                    int(count[1]),
                    int(count[3] or count[1]) if count[3] or not count[2] else None,
                )
                atom = ("repeat", atom, least, most)
            parts.append(atom)
        return "all", parts

    def atom(self) -> Node:
        sign = self.next()
        if sign == "(":
            self.take("?:")
            inner = self.branches()
            self.take(")")
            return inner
        if sign == "[":
            return self.members()
        if sign == ".":
            return lambda character: character not in "\n\r\u2028\u2029"
        ends = self.ends(sign)
        return lambda character: any(first <= character <= last for first, last in ends)

    def ends(self, sign: str) -> list[tuple[str, str]]:
        if sign == "\\":
            sign = self.next()
            named = {"d": [("0", "9")], "w": [("0", "9"), ("A", "Z"), ("_", "_"), ("a", "z")]}
            if sign in named:
                return named[sign]
        return [(sign, sign)]

    def members(self) -> Node:
        negated = self.take("^")
        ranges: list[tuple[str, str]] = []
        while not self.take("]"):
            sign = self.next()
            found = self.ends(sign)
            if sign != "-" and self.rest[0] == "-" and self.rest[1] != "]":
                self.take("-")
                found = [(found[0][0], self.ends(self.next())[0][1])]
            ranges += found
        return lambda character: negated != any(first <= character <= last for first, last in ranges)


def ends_of(node: Node, text: str, starts: set[int]) -> set[int]:
    """Where what a pattern's node takes may end, if it begins at one of these places."""
    if callable(node):
        return {start + 1 for start in starts if start < len(text) and node(text[start])}
    kind, inner, *counts = node
    if kind == "any":
        return set().union(*(ends_of(part, text, starts) for part in inner))
    if kind == "all":
        for part in inner:
            starts = ends_of(part, text, starts)
        return starts
    least, most = counts
    for _ in range(least):
        starts = ends_of(inner, text, starts)
    found, newest, rounds = starts, starts, 0
    while newest and (most is None or rounds < most - least):
        newest = ends_of(inner, text, newest) - found
        found, rounds = found | newest, rounds + 1
    return found


def matches(text: str, pattern: str) -> bool:
    reader = PatternReader(pattern)
    starts = {0} if reader.take("^") else set(range(len(text) + 1))
    ends = ends_of(reader.branches(), text, starts)
    return len(text) in ends if reader.take("$") else bool(ends)


def satisfies(value: Any, schema: Any) -> bool:
    """Whether a JSON value satisfies a schema of the keywords that datasets may use."""
    if isinstance(schema, bool):
        return schema
    return all(satisfies_keyword(value, keyword, argument, schema) for keyword, argument in schema.items())


def satisfies_keyword(value: Any, keyword: str, argument: Any, schema: dict[str, Any]) -> bool:
    if keyword == "type":
        return any(is_json_type(value, name) for name in ([argument] if isinstance(argument, str) else argument))
    if keyword in ("enum", "const"):
        return any(is_equal(value, allowed) for allowed in (argument if keyword == "enum" else [argument]))
    if keyword in BOUNDS:
        return type(value) is not Decimal or bool(BOUNDS[keyword](value, argument))
    if keyword == "multipleOf":
        return type(value) is not Decimal or (Fraction(value) / Fraction(argument)).denominator == 1
    if keyword in ("pattern", "format"):
        return type(value) is not str or (matches if keyword == "pattern" else is_format)(value, argument)
    if keyword[:3] in ("min", "max") and keyword[3:] in LENGTHS:
        if type(value) not in LENGTHS[keyword[3:]]:
            return True
        return bool(len(value) >= argument if keyword.startswith("min") else len(value) <= argument)
    if type(value) is list and keyword == "items":
        return all(satisfies(item, argument) for item in value)
    if type(value) is not dict:
        return True
    if keyword == "required":
        return all(name in value for name in argument)
    if keyword == "properties":
        return all(satisfies(value[name], child) for name, child in argument.items() if name in value)
    if keyword == "additionalProperties":
        return all(
            satisfies(item, argument) for name, item in value.items() if name not in schema.get("properties", {})
        )
    return True  # $schema, title, titleEn, description, $comment, personal


def exact(number: str) -> Decimal:
    """The value of a JSON number."""
    digits, _, exponent = number.lower().partition("e")
    if sum(map(str.isdigit, digits)) > 64 or len(exponent.lstrip("+-")) > 3:
        raise ValueError("a number has too many digits")
    return Decimal(number)


def depth_of(value: Any) -> int:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if children is None else 1 + max(map(depth_of, children), default=0)


def nests_too_deep(body: bytes) -> bool:
    """Whether bytes that begin and end as JSON with members does nest deeper than 32."""
    ends = body.strip(b" \t\n\r")
    if ends[:1] not in (b"{", b"[") or ends[-1:] not in (b"}", b"]"):
        return False
    level = 0
    for token in re.findall(rb'"(?:[^"\\]++|\\.)*+"?|[][{}]', ends, re.DOTALL):
        level += {b"{": 1, b"[": 1, b"}": -1, b"]": -1}.get(token, 0)
        if level > 32:
            return True
    return False


def verify_schema(schema: str, body: bytes) -> None:
    try:
        value = strict_json(body, parse_int=exact, parse_float=exact)
    except ValueError as error:
        refuse("schema_violation", f"the record is no strict JSON: {error}")
    if depth_of(value) > 32 or not satisfies(value, json.loads(schema, parse_int=exact, parse_float=exact)):
        refuse("schema_violation", "the record breaks the dataset's schema")


# --- Parts of evidence files (section 10) -----------------------------------------------------------------------------

VIEW = unsigned()
PROOF = array(unhex, maximum=64)
HEADER_BYTES = in_base64(raw(maximum=131_072))
BLOCK_BYTES = in_base64(raw(maximum=1024))
SIGNATURE_BYTES = in_base64(raw(64, 64))
CERTIFICATE_PART = record_of(
    view=VIEW, votes=array(record_of(validator=text(maximum=32), signature=SIGNATURE_BYTES), maximum=100)
)
HANDOVER_PART = record_of(
    header=BLOCK_BYTES, certificate=CERTIFICATE_PART, validators=in_base64(raw(maximum=32 * 1024))
)
BLOCK_PART = record_of(
    header=BLOCK_BYTES,
    certificate=CERTIFICATE_PART,
    inclusion=optional(record_of(tree_size=unsigned(1), proof=PROOF)),
)
TRANSACTION_PART = record_of(
    header=HEADER_BYTES,
    signature=SIGNATURE_BYTES,
    outcome=in_base64(raw(maximum=4096)),
    index=unsigned(),
    proof=PROOF,
)
COMMITTED_PART = record_of(block=BLOCK_PART, transaction=TRANSACTION_PART)
ENTRY_PART = record_of(value=optional(in_base64(raw())), proof=in_base64(raw()))
LISTED_MAX = 64
COMMITTED_LIST = optional(array(COMMITTED_PART, maximum=LISTED_MAX))
HEADER_LIST = optional(array(HEADER_BYTES, maximum=LISTED_MAX))


def mapping(key: Check, item: Check, maximum: int = UNSIGNED_MAX) -> Check:
    """A JSON object whose keys are data."""

    def check(value: Any) -> dict[str, Any]:
        if type(value) is not dict or len(value) > maximum:
            raise ValueError(f"no object of at most {maximum} members")
        for name in value:
            key(name)
        return {name: item(element) for name, element in value.items()}

    return check


class Verifier:
    """Verifies parts of files from a genesis file, and a checkpoint if the auditor holds one."""

    def __init__(self, network: Network, checkpoint: Checkpoint | None = None) -> None:
        self.network = network
        self.chain_id = network.chain_id
        self.checkpoint = checkpoint

    def verify_chain(self, file: Any) -> str:
        if file.chain_id != self.chain_id:
            refuse("wrong_chain", f"it is evidence of chain {file.chain_id.hex()[:16]}")
        for handover in file.handovers:
            self.network.extend(handover)
        return f"{self.chain_id.hex()[:16]}, network {self.network.name}"

    def block_header(self, part: Any) -> Any:
        """A block's header; whether the block is final is not known yet."""
        header = unpack(BLOCK_HEADER, part.header)
        header.hash = tagged_hash("block", self.chain_id, part.header)
        if not self.is_in_checkpoint(part):
            self.network.verify_named(header)
        verify_version(header)
        return header

    def is_in_checkpoint(self, part: Any) -> bool:
        """Whether a part says where its block stands in the history of the checkpoint that is held."""
        inclusion = part.inclusion
        return self.checkpoint is not None and inclusion is not None and inclusion.tree_size == self.checkpoint.size

    def verify_final(self, part: Any, header: Any) -> str:
        """Check that the block is in the checkpoint's history, or that a quorum of the validators committed it."""
        held = self.checkpoint
        if held is not None and self.is_in_checkpoint(part):
            verify_inclusion(leaf_hash(header.hash), header.height, held.size, part.inclusion.proof, held.root)
            return f"in the checkpoint's history of {held.size} blocks"
        return self.network.verify_certificate(part.certificate, header)

    def block(self, part: Any) -> Any:
        """The header of a final block."""
        header = self.block_header(part)
        self.verify_final(part, header)
        return header

    def transaction(self, block: Any, part: Any) -> Any:
        """The header of a transaction that a final block holds, and that took effect there. With it go its ``id``, its
        ``outcome``, its ``place`` (height, index) and the time of its block.
        """
        verify_inclusion(leaf_hash(part.outcome), part.index, block.transaction_count, part.proof, block.result_root)
        outcome, id_ = unpack(OUTCOME, part.outcome), transaction_id(self.chain_id, part.header)
        if outcome.transaction_id != id_ or outcome.code != OK:
            refuse("bad_evidence", "the outcome is another transaction's, or a rejection")
        header = transaction_header(self.chain_id, part.header)
        header.id, header.outcome, header.place = id_, outcome, (block.height, part.index)
        header.block_time_ms = block.time_ms
        return header

    def committed(self, part: Any) -> Any:
        """The same for a transaction with its block."""
        return self.transaction(self.block(part.block), part.transaction)

    def entry(self, state_root: bytes, key: str, part: Any, check: Check) -> Any:
        """A state entry, or None for one that is not there."""
        verify_state(self.chain_id, state_root, key, part.value, part.proof)
        return None if part.value is None else unpack(check, part.value)

    def present_entry(self, state_root: bytes, key: str, part: Any, check: Check) -> Any:
        entry = self.entry(state_root, key, part, check)
        if entry is None:
            refuse("bad_evidence", f"there is no {key} in the state")
        return entry

    def member(self, state_root: bytes, name: str, part: Any) -> Any:
        return self.present_entry(state_root, f"member/{name}", part, MEMBER)

    def public_key(self, transaction: Any, member: Any) -> bytes:
        """The key that a transaction names, which must have been its member's at that height."""
        name, height = transaction.member, transaction.place[0]
        for key in member.keys:
            if tagged_hash("key", b"", key.public_key)[:16] == transaction.key_id:
                if key.from_height <= height and (not key.until_height or height <= key.until_height):
                    return bytes(key.public_key)
                refuse("revoked_key", f"that key of {name} is not valid at height {height}")
        refuse("unknown_key", f"{name} has no key {transaction.key_id.hex()}")

    def verify_signed(self, transaction: Any, part: Any, member: Any) -> None:
        public_key = self.public_key(transaction, member)
        if not is_signed(public_key, domain("transaction-signature", self.chain_id) + part.header, part.signature):
            refuse("bad_signature", f"the signature of {transaction.member} does not verify")


Steps = Iterator[str]
"""What each step of a verification has found; raises ``Refused`` at the one that fails."""


# --- A record, or a disclosure of one ---------------------------------------------------------------------------------

RECORD_PART = record_of(
    transaction_id=unhex,
    index=unsigned(0, 4095),
    body=optional(in_base64(raw(maximum=262_144))),
    leaf=optional(unhex),
    proof=PROOF,
)
SINCE = {
    "block": BLOCK_PART,
    "erasure": ENTRY_PART,
    "record_erasure": ENTRY_PART,
    "correction": ENTRY_PART,
    "present": optional(ENTRY_PART),
}
SINCE_PART = record_of(**SINCE)
USES_PART = record_of(
    **SINCE,
    reads=ENTRY_PART,
    read_transactions=HEADER_LIST,
    derived=ENTRY_PART,
    derived_transactions=HEADER_LIST,
)
COMMON: dict[str, Check] = {
    "kind": text(),
    "format": choice(FORMAT),
    "chain_id": unhex,
    "handovers": array(HANDOVER_PART),
}
PARCEL_PARTS: dict[str, Check] = {
    "block": BLOCK_PART,
    "parcel": TRANSACTION_PART,
    "member": ENTRY_PART,
    "dataset": ENTRY_PART,
    "contract": optional(ENTRY_PART),
}
PLACE = record_of(
    parcel_id=in_base64(HASH),
    index=unsigned(0, 4095),
    body_hash=in_base64(HASH),
    proof=array(in_base64(HASH), maximum=13),
    columns=array(in_base64(HASH), maximum=16),
)
SALT = in_base64(raw(16, 16))
FIELD_DISCLOSURE = record_of(
    format=choice("blockpool-field-disclosure/1"),
    place=PLACE,
    field_count=unsigned(1, 1024),
    fields=array(
        record_of(
            position=unsigned(0, 1023),
            name=text(maximum=262_144),
            value=text(maximum=262_144),
            salt=SALT,
            proof=array(in_base64(HASH), maximum=13),
        ),
        1,
        1024,
    ),
)
RECORD_DISCLOSURE = record_of(
    format=choice("blockpool-record-disclosure/1"),
    place=PLACE,
    record=in_base64(raw(maximum=262_144)),
    salt=SALT,
)


def disclosure_part(value: Any) -> Any:
    is_fields = type(value) is dict and value.get("format") == "blockpool-field-disclosure/1"
    return (FIELD_DISCLOSURE if is_fields else RECORD_DISCLOSURE)(value)


def verify_parcel(verifier: Verifier, file: Any, content: Callable[[Any], str], open_body: bytes | None) -> Steps:
    """Steps 1 to 8 of a record's file and of a disclosure's; ``content`` verifies what is said of the parcel."""
    # 1. The file speaks of this chain.
    yield verifier.verify_chain(file)

    # 2. The block's header names the validators of the genesis file.
    block = verifier.block_header(file.block)
    yield f"height {block.height}, hash {block.hash.hex()[:16]}, proposed by {block.proposer}"

    # 3. The block is final.
    yield verifier.verify_final(file.block, block)

    # 4. The transaction is in it, and took effect.
    parcel = verifier.transaction(block, file.parcel)
    yield f"transaction {file.parcel.index + 1} of {block.transaction_count} in the block, accepted"

    # 5. It is a parcel, and what the file says of its content is so.
    if parcel.tag not in PARCELS:
        refuse("bad_evidence", "the transaction is no parcel")
    yield content(parcel)

    # 6. Its signer is a member with that key.
    member = verifier.member(block.state_root, parcel.member, file.member)
    verifier.public_key(parcel, member)
    yield f"{member.name} ({member.title_zh} {member.title_en}), key {parcel.key_id.hex()[:16]}"

    # 7. That key signed it.
    verifier.verify_signed(parcel, file.parcel, member)
    yield f"Ed25519 by {member.name} over the parcel's header"

    # 8. The member owns the dataset, whose schema and contract are these.
    yield verify_dataset(verifier, file, block, parcel, open_body)


def verify_dataset(verifier: Verifier, file: Any, block: Any, parcel: Any, open_body: bytes | None) -> str:
    root, key = block.state_root, f"dataset/{parcel.dataset}"
    dataset = verifier.present_entry(root, key, file.dataset, DATASET_ENTRY)
    if dataset.owner != parcel.member:
        refuse("not_owner", f"{parcel.dataset} belongs to {dataset.owner}")
    # A dataset updated in the parcel's own block shows its newer schema; the outcome vouches for the older one.
    if open_body is not None and not parcel.envelope and dataset.updated_height < block.height:
        if dataset.schema:
            verify_schema(dataset.schema, open_body)
        elif nests_too_deep(open_body):
            refuse("schema_violation", "the record is nested too deep")
    if (file.contract is None) != (dataset.contract == ""):
        refuse("bad_evidence", "the dataset's contract is missing, or it has none")
    found = f"{dataset.dataset} ({dataset.title_zh} {dataset.title_en}), version {dataset.version}, {dataset.sharing}"
    if file.contract is not None:
        contract = verifier.present_entry(root, f"contract/{dataset.contract}", file.contract, CONTRACT_ENTRY)
        code = pack([contract.source, contract.parameters])
        if contract.hash != tagged_hash("contract", verifier.chain_id, code):
            refuse("bad_evidence", "the contract is not of its hash")
        found += f", contract {contract.contract} version {contract.version}"
    return found


def verify_record(verifier: Verifier, file: Any) -> Steps:
    record = file.record

    def content(parcel: Any) -> str:
        if record.transaction_id != parcel.id:
            refuse("bad_evidence", "the record's id does not name this parcel")
        if (record.body is None) == (record.leaf is None):
            refuse("bad_evidence", "a record has either its body or, if it is erased, its leaf")
        leaf = record.leaf if record.body is None else record_leaf(verifier.chain_id, parcel, record.body)
        verify_inclusion(leaf, record.index, parcel.record_count, record.proof, parcel.records_root)
        what = "erased: its leaf alone" if record.body is None else f"{len(record.body)} bytes"
        return f"record {record.index + 1} of {parcel.record_count}, {'sealed, ' if parcel.envelope else ''}{what}"

    yield from verify_parcel(verifier, file, content, record.body)
    yield verify_uses(verifier, file)


def record_leaf(chain_id: bytes, parcel: Any, body: bytes) -> bytes:
    if not parcel.envelope:
        return leaf_hash(tagged_hash("record", chain_id, body))
    if len(body) < 48:
        refuse("bad_sealing", "the record is too short to be sealed")
    return leaf_hash(tagged_hash("sealed-record", chain_id, body[32:]) + body[:32])


def verify_uses(verifier: Verifier, file: Any) -> str:
    """Step 9: what came of the parcel up to the height of another block."""
    uses, chain_id = file.uses, verifier.chain_id
    id_, parcel = transaction_id(chain_id, file.parcel.header), transaction_header(chain_id, file.parcel.header)
    root, erasure, since = verify_since(verifier, file, uses, file.record.index)
    reads_key = f"parcel-reads/{parcel.dataset}/{id_.hex()}"
    reads = verifier.entry(root, reads_key, uses.reads, PARCEL_READS) or no_reads()
    headers = verify_history(chain_id, reads.history, uses.read_transactions)
    verify_readers(reads, headers, parcel.dataset, id_)
    derived = verifier.entry(root, f"derived/{id_.hex()}", uses.derived, DERIVED_PARCELS) or no_reads()
    for header in verify_history(chain_id, derived.history, uses.derived_transactions) or ():
        if header.tag not in PARCELS or id_ not in {source.parcel for source in header.derived_from}:
            refuse("bad_evidence", "a transaction is listed that was not made from this parcel")
    if erasure is None and file.record.body is None:
        refuse("bad_evidence", "the record is left out, and nothing shows that it was erased")
    if erasure is not None and file.record.body is not None:
        refuse("parcel_erased", f"it was erased at height {erasure.height}, and the file has its content")
    readers = sorted({header.member for header in headers or ()})
    named = f" by {', '.join(readers)}" if readers else ""
    return (
        f"{since}, {reads.requests} requests and {reads.read_reports} read reports name "
        f"the parcel{named}, {derived.history.count} parcels were made from it"
    )


def verify_since(verifier: Verifier, file: Any, part: Any, index: int) -> tuple[bytes, Any, str]:
    """Whether a record still stands as of a block: its state root, the erasure if there is one, and both in words."""
    id_ = transaction_id(verifier.chain_id, file.parcel.header)
    header = transaction_header(verifier.chain_id, file.parcel.header)
    dataset = header.dataset
    block = verifier.block(part.block)
    if block.height < unpack(BLOCK_HEADER, file.block.header).height:
        refuse("bad_evidence", "what came of the record is of a block before the parcel's")
    root, record = block.state_root, f"{id_.hex()}/{index}"
    of_parcel = verifier.entry(root, f"erasure/{id_.hex()}", part.erasure, OWNER_ACT)
    of_record = verifier.entry(root, f"erasure/{record}", part.record_erasure, OWNER_ACT)
    correction = verifier.entry(root, f"correction/{record}", part.correction, OWNER_ACT)
    found = f"up to height {block.height}"
    acts = (of_record, "erased"), (of_parcel, "erased with its parcel"), (correction, "CORRECTED")
    for entry, what in acts:
        if entry is not None:
            if entry.dataset != dataset:
                refuse("bad_evidence", f"it was {what} in another dataset")
            by = f" by {entry.transaction_id.hex()}/0" if entry is correction else ""
            found += f": {what} at height {entry.height}{by} ({entry.legal_basis})"
    keys = getattr(header, "keys", getattr(header, "key", b""))
    if (part.present is None) != (keys == b""):
        refuse("bad_evidence", "the present record of its key is left out, or it has no key")
    if part.present is not None:
        key = f"key/{dataset}/{keys[24 * index : 24 * index + 24].hex()}"
        present = verifier.present_entry(block.state_root, key, part.present, PRESENT_RECORD)
        which = f"{present.transaction_id.hex()}/{present.index}"
        found += f": the present record of its key is {'it' if which == f'{id_.hex()}/{index}' else which}"
    return block.state_root, of_record or of_parcel, found


def no_reads() -> Any:
    """What holds where there is no entry."""
    return SimpleNamespace(requests=0, read_reports=0, history=SimpleNamespace(count=0, head=bytes(32)))


def verify_history(chain_id: bytes, history: Any, listed: Sequence[bytes] | None) -> list[Any] | None:
    """The headers of a list that must be all there are; None where there are too many to list."""
    if listed is None:
        if history.count <= LISTED_MAX:
            refuse("bad_evidence", "a list is left out that is not too long")
        return None
    head = bytes(32)
    for data in listed:
        head = tagged_hash("read-history", chain_id, head + transaction_id(chain_id, data))
    if len(listed) != history.count or head != history.head:
        refuse("bad_proof", "the list does not lead to the history in the state")
    return [transaction_header(chain_id, data) for data in listed]


def verify_readers(reads: Any, headers: Sequence[Any] | None, dataset: str, parcel_id: bytes) -> None:
    if headers is None:
        return
    for header in headers:
        if header.tag not in (REQUEST_HEADER, REPORT_HEADER) or header.dataset != dataset:
            refuse("bad_evidence", "a transaction is listed that is no request or read report of this dataset")
        if parcel_id not in header.parcels:
            refuse("bad_evidence", "a transaction is listed that does not name the parcel")
    tags = [header.tag for header in headers]
    if (tags.count(REQUEST_HEADER), tags.count(REPORT_HEADER)) != (reads.requests, reads.read_reports):
        refuse("bad_evidence", "the counters are not those of the list")


def verify_disclosed(verifier: Verifier, file: Any) -> Steps:
    def content(parcel: Any) -> str:
        if not parcel.envelope:
            refuse("bad_disclosure", "the parcel is not sealed")
        disclosure = file.disclosure
        is_fields = hasattr(disclosure, "fields")
        if disclosure.place.parcel_id != parcel.id:
            refuse("bad_disclosure", "the disclosure is of another parcel")
        if is_fields:
            commitment = fields_commitment(verifier.chain_id, disclosure)
        else:
            commitment = tagged_hash("sealed-whole", verifier.chain_id, disclosure.salt + disclosure.record)
        place = disclosure.place
        if place.columns:
            if commitment not in place.columns:
                refuse("bad_disclosure", "the disclosure is of none of the record's columns")
            commitment = tagged_hash("sealed-columns", verifier.chain_id, b"".join(place.columns))
        leaf = leaf_hash(place.body_hash + commitment)
        if implied_root(leaf, place.index, parcel.record_count, place.proof, "bad_disclosure") != parcel.records_root:
            refuse("bad_disclosure", "the disclosure does not lead to the parcel's records")
        where = f"sealed record {place.index + 1} of {parcel.record_count}"
        if not is_fields:
            return f"{where} as a whole, {len(disclosure.record)} bytes"
        names = ", ".join(field.name for field in disclosure.fields)
        return f"{len(disclosure.fields)} of {disclosure.field_count} fields of {where}: {names}"

    yield from verify_parcel(verifier, file, content, None)
    yield verify_since(verifier, file, file.since, file.disclosure.place.index)[2]


def fields_commitment(chain_id: bytes, disclosure: Any) -> bytes:
    """The commitment that all disclosed fields lead to (docs/sealing.md, section 4)."""
    positions = [field.position for field in disclosure.fields]
    if positions != sorted(set(positions)):
        refuse("bad_disclosure", "the fields are not in ascending order, each once")
    roots = set()
    for field in disclosure.fields:
        try:
            json.loads(field.value)
        except (ValueError, RecursionError):
            refuse("bad_disclosure", f"the value of {field.name} is no JSON")
        name = field.name.encode()
        data = (
            domain("sealed-field", chain_id) + field.salt + len(name).to_bytes(4, "big") + name + field.value.encode()
        )
        size = disclosure.field_count
        roots.add(implied_root(leaf_hash(data), field.position, size, field.proof, "bad_disclosure"))
    if len(roots) != 1:
        refuse("bad_disclosure", "the fields are not of one record")
    return tagged_hash("sealed-fields", chain_id, disclosure.field_count.to_bytes(4, "big") + roots.pop())


# --- A read -----------------------------------------------------------------------------------------------------------

SAME = ["dataset", "parcels", "from_height", "until_height", "purpose", "legal_basis", "case_number", "person"]
SAME += ["keys", "records"]
"""What a request's terms have from its header under the same name."""


def verify_read(verifier: Verifier, file: Any) -> Steps:
    # 1. The file speaks of this chain.
    yield verifier.verify_chain(file)

    # 2. A final block holds the request.
    request = verifier.committed(file.request)
    if request.tag != REQUEST_HEADER:
        refuse("bad_evidence", "the transaction is no request")
    yield f"{request.member} asked for {request.dataset} at height {request.place[0]}: {request.purpose}"

    # 3. The state of a block not before it says where the request stands.
    block = verifier.block(file.state.block)
    root, id_ = block.state_root, request.id.hex()
    entry = verifier.present_entry(root, f"request/{id_}", file.state.request, REQUEST_ENTRY)
    totals = verifier.entry(root, f"request-totals/{id_}", file.state.totals, REQUEST_TOTALS) or no_totals()
    if block.height < request.place[0] or not are_terms_of(entry.terms, request):
        refuse("bad_evidence", "the entry is not of this request, or of a block before it")
    yield f"as of height {block.height}"

    # 4. The reader signed the request.
    signers = Signers(verifier, block.state_root, file.members)
    signers.verify(request, file.request.transaction)
    yield f"{request.member}, key {request.key_id.hex()[:16]}"

    # 5. It was decided.
    if request.outcome.verdict is None:
        refuse("bad_evidence", "the request has no verdict")
    yield f"at first {request.outcome.verdict.verdict}, then {described_status(entry)}"

    # 6. These are all answers to it, each signed by who gave it.
    answers = listed(verifier, signers, file.answers, block, len(entry.answers), LISTED_MAX)
    for answer, noted in zip(answers, entry.answers if answers else (), strict=True):
        if answer.tag != ANSWER_HEADER or answer.request != request.id:
            refuse("bad_evidence", "what is listed among the answers is none to this request")
        given = (answer.member, answer.answer, answer.reason, answer.place[0], answer.block_time_ms)
        if given != tuple(vars(noted).values()):
            refuse("bad_evidence", f"an answer of {answer.member} is not the one in the request's entry")
    yield "; ".join(f"{answer.member}: {answer.answer}" for answer in entry.answers) or "none"

    # 7. These are all read reports of its reader, each signed.
    reports = listed(verifier, signers, file.read_reports, block, totals.read_reports, 0)
    if any(report.tag != REPORT_HEADER or report.request != request.id for report in reports):
        refuse("bad_evidence", "what is listed among the read reports is none of this request")
    if file.read_reports is not None and sum(report.record_count for report in reports) != totals.records_read:
        refuse("bad_evidence", "the read reports do not come to the number of records read")
    if signers.used != file.members.keys():
        refuse("bad_evidence", "members are there who have signed nothing in the file")
    yield f"{totals.read_reports} read reports, {totals.records_read} records"


def no_totals() -> Any:
    return SimpleNamespace(read_reports=0, records_read=0)


def are_terms_of(terms: Any, request: Any) -> bool:
    same = all(getattr(terms, name) == getattr(request, name) for name in SAME)
    rest = (terms.reader, terms.wanted_until_ms, terms.wanted_fields, terms.kem_key, terms.height, terms.time_ms)
    asked = (
        *(request.member, request.until_ms, request.fields, request.kem_key),
        *(request.place[0], request.block_time_ms),
    )
    return same and rest == asked


class Signers:
    """Checks signatures with the members' entries of a file; notes whose were of use."""

    def __init__(self, verifier: Verifier, state_root: bytes, members: dict[str, Any]) -> None:
        self.verifier = verifier
        self.state_root = state_root
        self.members = members
        self.used: set[str] = set()

    def verify(self, transaction: Any, part: Any) -> None:
        name = transaction.member
        if name not in self.members:
            refuse("bad_evidence", f"the entry of {name} is missing")
        self.used.add(name)
        self.verifier.verify_signed(transaction, part, self.verifier.member(self.state_root, name, self.members[name]))


def listed(
    verifier: Verifier, signers: Signers, parts: Sequence[Any] | None, block: Any, count: int, short: int
) -> list[Any]:
    """The transactions of a list that must be all there are, each signed, in the chain's order, up to a block. Only a
    list of more than ``short`` may be left out.
    """
    if parts is None:
        if count <= short:
            refuse("bad_evidence", "a list is left out that is not too long")
        return []
    found = []
    for part in parts:
        found.append(verifier.committed(part))
        signers.verify(found[-1], part.transaction)
    places = [transaction.place for transaction in found]
    if places != sorted(set(places)) or any(height > block.height for height, _ in places):
        refuse("bad_evidence", "a list is not in the chain's order, or goes beyond the state")
    if len(found) != count:
        refuse("bad_evidence", f"{len(found)} are listed, the request's entry counts {count}")
    return found


def described_status(entry: Any) -> str:
    contract = f"contract {entry.contract} version {entry.contract_version}" if entry.contract else "no contract"
    facts = entry.decision.facts
    why = ", ".join(str(facts[name]) for name in ("denial", "member", "text") if name in facts)
    return f"{entry.decision.verdict}{': ' + why if why else ''} ({contract})"


# --- Absences ---------------------------------------------------------------------------------------------------------

HEIGHT = unsigned(1)
NO_GRANT_PARTS: dict[str, Check] = {
    "dataset": DATASET,
    "reader": NAME,
    "from_height": HEIGHT,
    "until_height": HEIGHT,
    "before": optional(
        record_of(
            block=BLOCK_PART, parent=BLOCK_BYTES, reader=ENTRY_PART, requests=mapping(unhex, ENTRY_PART, maximum=100)
        )
    ),
    "after": record_of(block=BLOCK_PART, reader=ENTRY_PART, dataset=ENTRY_PART, member=ENTRY_PART),
}
NO_READ_PARTS: dict[str, Check] = {
    "parcel": HEADER_BYTES,
    "from_height": HEIGHT,
    "until_height": HEIGHT,
    "before": optional(record_of(block=BLOCK_PART, reads=ENTRY_PART)),
    "after": record_of(block=BLOCK_PART, reads=ENTRY_PART, dataset_reads=ENTRY_PART),
}


def block_at(verifier: Verifier, part: Any, height: int) -> Any:
    block = verifier.block(part)
    verify_height(block, height)
    return block


def verify_height(block: Any, height: int) -> None:
    if block.height != height:
        refuse("bad_evidence", f"the block is that of height {block.height}, not {height}")


def verify_range(file: Any) -> None:
    if file.from_height > file.until_height:
        refuse("bad_evidence", "the range of heights is empty")


def verify_no_grant(verifier: Verifier, file: Any) -> Steps:
    # 1. The file speaks of this chain.
    yield verifier.verify_chain(file)

    # 2. Whatever was granted before the range was over when it began.
    verify_range(file)
    key = f"reader/{file.dataset}/{file.reader}"
    granted_before = 0
    if file.before is not None:
        before = file.before
        block = verifier.block(before.block)
        root = unpack(BLOCK_HEADER, before.parent).state_root
        verify_height(block, file.from_height)
        if tagged_hash("block", verifier.chain_id, before.parent) != block.parent_hash:
            refuse("bad_evidence", "the header is not of the block before the range")
        entry = verifier.entry(root, key, before.reader, READER_ENTRY) or no_grants()
        granted_before = entry.grants
        verify_over(verifier, before.requests, root, entry, block.time_ms)
    yield f"{granted_before} grants before height {file.from_height}, none in force"

    # 3. After the range, the state counts the grants on a dataset that needs them.
    block = block_at(verifier, file.after.block, file.until_height)
    dataset_key = f"dataset/{file.dataset}"
    dataset = verifier.present_entry(block.state_root, dataset_key, file.after.dataset, DATASET_ENTRY)
    if verifier.entry(block.state_root, f"member/{file.reader}", file.after.member, MEMBER) is None:
        refuse("unknown_member", f"{file.reader} is no member")
    if dataset.sharing == "open" or dataset.owner == file.reader:
        refuse("access_not_needed", f"{file.reader} needs no grant to read {file.dataset}")
    entry = verifier.entry(block.state_root, key, file.after.reader, READER_ENTRY) or no_grants()
    yield f"{entry.grants} grants up to height {file.until_height}"

    # 4. They are as many as before.
    if entry.grants != granted_before:
        refuse("not_absent", f"{file.reader} was granted access in that range, or nothing shows when")
    yield f"{file.reader} had no grant on {file.dataset} from height {file.from_height} to {file.until_height}"


def no_grants() -> Any:
    return SimpleNamespace(grants=0, granted=[])


def verify_over(verifier: Verifier, requests: dict[str, Any], root: bytes, entry: Any, time_ms: int) -> None:
    """Check that every grant that there was has ended by ``time_ms``."""
    if requests.keys() != {id_.hex() for id_ in entry.granted}:
        refuse("bad_evidence", "the requests are not those that were granted")
    if len(entry.granted) >= 100 and entry.grants != len(entry.granted):
        refuse("not_absent", "there were more grants than the state names")
    for id_, part in requests.items():
        held = verifier.present_entry(root, f"request/{id_}", part, REQUEST_ENTRY).decision
        if held.verdict == "allow" and (not held.until_ms or held.until_ms > time_ms):
            refuse("not_absent", f"the grant on request {id_[:16]} was in force when the range begins")


def verify_no_read(verifier: Verifier, file: Any) -> Steps:
    # 1. The file speaks of this chain.
    yield verifier.verify_chain(file)

    # 2. The header is that of a sealed parcel; its hash is the parcel's id.
    parcel = transaction_header(verifier.chain_id, file.parcel)
    if parcel.tag not in PARCELS:
        refuse("bad_evidence", "the transaction is no parcel")
    if not parcel.envelope:
        refuse("access_not_needed", "the parcel is open: whoever reads it leaves no trace")
    id_ = transaction_id(verifier.chain_id, file.parcel)
    yield f"parcel {id_.hex()[:16]} of {parcel.dataset}"

    # 3. Before the range, the state counts the read reports that name it.
    verify_range(file)
    key = f"parcel-reads/{parcel.dataset}/{id_.hex()}"
    reports_before = 0
    if file.before is not None:
        block = block_at(verifier, file.before.block, file.from_height - 1)
        reports_before = (
            verifier.entry(block.state_root, key, file.before.reads, PARCEL_READS) or no_reads()
        ).read_reports
    yield f"{reports_before} read reports before height {file.from_height}"

    # 4. After the range, it counts them again.
    block = block_at(verifier, file.after.block, file.until_height)
    reports = (verifier.entry(block.state_root, key, file.after.reads, PARCEL_READS) or no_reads()).read_reports
    reads = verifier.entry(block.state_root, f"reads/{parcel.dataset}", file.after.dataset_reads, DATASET_READS)
    grants = 0 if reads is None else reads.grants
    yield f"{reports} read reports up to height {file.until_height}; {grants} grants on the dataset"

    # 5. They are as many as before.
    if reports != reports_before:
        refuse("not_absent", "a read was reported in that range, or nothing shows when")
    yield f"no read of the parcel was reported from height {file.from_height} to {file.until_height}"


# --- Misbehaviour -----------------------------------------------------------------------------------------------------

STATEMENT = record_of(
    kind=choice("prepare", "commit", "view-change"),
    height=unsigned(),
    view=unsigned(),
    block_hash=optional(unhex),
    prepared_view=optional(unsigned()),
    signature=SIGNATURE_BYTES,
)
NOTE = text(maximum=NOTE_SIZE_BYTES_MAX)
MISBEHAVIOUR_PARTS: dict[str, Check] = {
    "member": NAME,
    "votes": optional(record_of(first=STATEMENT, second=STATEMENT)),
    "checkpoints": optional(record_of(first=NOTE, second=NOTE)),
}


def verify_misbehaviour(verifier: Verifier, file: Any) -> Steps:
    # 1. The file speaks of this chain.
    yield verifier.verify_chain(file)

    # 2. The accused signs such things; 3. and 4. it signed both; 5. which contradict each other.
    if (file.votes is None) == (file.checkpoints is None):
        refuse("bad_evidence", "the file has to hold either votes or checkpoints")
    accuse = verify_votes if file.checkpoints is None else verify_checkpoints
    yield from accuse(verifier.network, file.member, file)


def verify_votes(network: Network, member: str, file: Any) -> Steps:
    key = network.signers_at(file.votes.first.height).validators.get(member)
    if key is None:
        refuse("unknown_member", f"{member} is no validator")
    yield f"{member}, a validator"
    for vote in (file.votes.first, file.votes.second):
        if not is_signed(key, signed_vote(network.chain_id, vote), vote.signature):
            refuse("bad_signature", f"the {vote.kind} is not signed by {member}")
        yield f"{vote.kind} at height {vote.height}, view {vote.view}"
    if not is_vote_contradiction(file.votes.first, file.votes.second):
        refuse("bad_evidence", "an honest validator may sign both")
    yield "no honest validator signs both"


def signed_vote(chain_id: bytes, vote: Any) -> bytes:
    is_view_change = vote.kind == "view-change"
    if is_view_change and (vote.block_hash is None) != (vote.prepared_view is None):
        refuse("bad_evidence", "a view-change vote names a prepared block with its view, or neither")
    if not is_view_change and (vote.block_hash is None or vote.prepared_view is not None):
        refuse("bad_evidence", f"a {vote.kind} names a block, and no prepared view")
    if is_view_change:
        statement = [vote.height, vote.view, vote.prepared_view, vote.block_hash]
    else:
        statement = [vote.height, vote.view, vote.block_hash]
    return domain(vote.kind, chain_id) + pack(statement)


def is_vote_contradiction(first: Any, second: Any) -> bool:
    if first.height != second.height:
        return False
    kinds = {first.kind, second.kind}
    if kinds == {"commit", "view-change"}:
        commit, change = (first, second) if first.kind == "commit" else (second, first)
        if commit.view >= change.view:
            return False
        if change.prepared_view is None or change.prepared_view < commit.view:
            return True
        return bool(change.prepared_view == commit.view and change.block_hash != commit.block_hash)
    if len(kinds) == 2 or first.view != second.view:
        return False
    return (first.prepared_view, first.block_hash) != (second.prepared_view, second.block_hash)


def verify_checkpoints(network: Network, member: str, file: Any) -> Steps:
    sets = [epoch.signers for epoch in network.epochs]
    if all(signers.checkpoint_key(member) is None for signers in sets):
        refuse("unknown_member", f"{member} is neither validator nor witness")
    yield f"{member}, a {'validator' if any(member in signers.validators for signers in sets) else 'witness'}"
    first = Checkpoint(network, file.checkpoints.first.encode())
    own = [signature for signature in first.signatures if signature.member == member]
    if not own and not first.is_cosigned_by_quorum(network):
        refuse("bad_evidence", f"the first is signed neither by {member} nor by a quorum")
    yield f"{first.size} blocks, root {first.root.hex()[:16]}"
    second = Checkpoint(network, file.checkpoints.second.encode())
    others = [signature for signature in second.signatures if signature.member == member]
    if not others:
        refuse("bad_evidence", f"the second is not signed by {member}")
    yield f"{second.size} blocks, root {second.root.hex()[:16]}"
    is_fork = first.size == second.size and first.root != second.root
    if not is_fork and not any(is_cut_off(first, one, second, other) for one in own for other in others):
        refuse("bad_evidence", "an honest member may sign both")
    yield f"{member} signs another history" if is_fork else f"{member} cuts off what it had seen"


def is_cut_off(first: Checkpoint, one: NoteSignature, second: Checkpoint, other: NoteSignature) -> bool:
    """Whether a cosignature is of fewer blocks than one of an earlier time."""
    if one.time_s is None or other.time_s is None:
        return False
    return (one.time_s - other.time_s) * (first.size - second.size) < 0


# --- Files of every kind ----------------------------------------------------------------------------------------------


class Kind:
    """One kind of file: its members, the titles of its steps, what verifies it, and what it proves in a sentence."""

    def __init__(
        self,
        parts: dict[str, Check],
        titles: str,
        verify: Callable[[Verifier, Any], Steps],
        conclude: Callable[[Any], str],
    ) -> None:
        self.check = record_of(**COMMON, **parts)
        self.titles = titles.split()
        self.verify = verify
        self.conclude = conclude


def conclude_record(file: Any) -> str:
    record = file.record
    what = "where the record comes from" if record.body is not None else "the place of a record that is ERASED"
    return f"{what}, {record.transaction_id.hex()}/{record.index}, and what came of it"


PARCEL_TITLES = "chain block quorum order {} member signature dataset"
KINDS = {
    "record": Kind(
        {**PARCEL_PARTS, "record": RECORD_PART, "uses": USES_PART},
        PARCEL_TITLES.format("record") + " uses",
        verify_record,
        conclude_record,
    ),
    "disclosure": Kind(
        {**PARCEL_PARTS, "disclosure": disclosure_part, "since": SINCE_PART},
        PARCEL_TITLES.format("disclosure") + " since",
        verify_disclosed,
        lambda file: "what the disclosed part of a sealed record says",
    ),
    "read": Kind(
        {
            "request": COMMITTED_PART,
            "state": record_of(block=BLOCK_PART, request=ENTRY_PART, totals=ENTRY_PART),
            "answers": COMMITTED_LIST,
            "read_reports": COMMITTED_LIST,
            "members": mapping(NAME, ENTRY_PART),
        },
        "chain request state reader decision answers reports",
        verify_read,
        lambda file: "who asked for what, what was decided, and what was read",
    ),
    "no-grant": Kind(
        NO_GRANT_PARTS,
        "chain before after absence",
        verify_no_grant,
        lambda file: f"{file.reader} had no grant on {file.dataset}, heights {file.from_height} to {file.until_height}",
    ),
    "no-read": Kind(
        NO_READ_PARTS,
        "chain parcel before after absence",
        verify_no_read,
        lambda file: f"no reported read of the parcel, heights {file.from_height} to {file.until_height}",
    ),
    "misbehaviour": Kind(
        MISBEHAVIOUR_PARTS,
        "chain accused first second contradiction",
        verify_misbehaviour,
        lambda file: f"{file.member} has signed what no honest member signs",
    ),
}


def parse(content: bytes) -> tuple[Kind, Any]:
    """A file as it says it is."""
    try:
        value = strict_json(content)
        name = value.get("kind") if type(value) is dict else None
        kind = KINDS.get(name) if type(name) is str else None
        if kind is None:
            raise ValueError(f"its kind is none of {', '.join(KINDS)}")
        return kind, kind.check(value)
    except ValueError as error:
        refuse("bad_evidence", f"not an evidence file: {error}")


def verify(content: bytes, network: Network, checkpoint: Checkpoint | None = None) -> Iterator[tuple[int, str, str]]:
    """Number, title and finding of each step that passes, and at last (0, "verified", what is proved).

    Raises:
        Refused: at the first step that does not pass.
    """
    number, titles = 1, ["chain"]
    try:
        kind, file = parse(content)
        titles = kind.titles
        for found in kind.verify(Verifier(network.copy(), checkpoint), file):
            yield number, titles[number - 1], found
            number += 1
    except Refused as error:
        error.step, error.title = number, titles[number - 1]
        raise
    yield 0, "verified", kind.conclude(file)


# --- Command line -----------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Verify an evidence file from the genesis file alone.")
    parser.add_argument("file", type=Path, help="the evidence file")
    parser.add_argument(
        "--genesis", type=Path, required=True, help="the network's genesis file, from a source you trust"
    )
    parser.add_argument("--checkpoint", type=Path, help="a checkpoint that you hold: blocks in it need no signatures")
    options = parser.parse_args(arguments)
    try:
        content, network = options.file.read_bytes(), Network(options.genesis.read_bytes())
        note = options.checkpoint.read_bytes() if options.checkpoint else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"cannot read: {error}", file=sys.stderr)
        return 3
    try:
        checkpoint = None if note is None else trusted_checkpoint(network, note)
        for number, title, found in verify(content, network, checkpoint):
            print(f"{number}. {title}: {found}" if number else f"VERIFIED: {found}")
    except Refused as error:
        place = f"at step {error.step}, {error.title}" if error.step else "before the first step"
        print(f"REFUSED {place}: {error.code}: {error.detail}", file=sys.stderr)
        return 1
    return 0


def trusted_checkpoint(network: Network, note: bytes) -> Checkpoint:
    """A checkpoint that a quorum of the validators has cosigned."""
    checkpoint = Checkpoint(network, note)
    if not checkpoint.is_cosigned_by_quorum(network):
        refuse("bad_checkpoint", "no quorum of the validators has cosigned the checkpoint")
    return checkpoint


if __name__ == "__main__":
    sys.exit(main())
