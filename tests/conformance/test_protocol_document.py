"""docs/protocol.md says what the code does: its bytes are the vectors', its lists are complete."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from chain import schema
from chain.crypto import hash_tagged
from chain.encoding import encode
from chain.errors import ErrorCode
from chain.limits import LIMITS
from chain.transactions import records_root, transaction_id
from tests.conformance.mini import key_id, public_key_of
from tests.vectors import make, network

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
PACKAGES = ("chain", "consensus", "contracts", "node", "cli", "blockpool")
KIND = re.compile(r"""(?:hash_tagged|domain)\(\s*"([a-z-]+)\"""")


def dumps() -> dict[str, bytes]:
    """The named hex dumps of the walk-through."""
    blocks = re.findall(r"^```hex (\w+)\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    return {name: bytes.fromhex("".join(line.partition("#")[0] for line in body.splitlines())) for name, body in blocks}


def test_the_walk_through_has_the_bytes_of_the_vectors() -> None:
    genesis = network.make_genesis()
    parcel = network.parcel_transaction(network.RECORDS, 0x22)
    seed = network.seed("system aviation")
    assert dumps() == {
        "chain_id": genesis.chain_id,
        "seed": seed,
        "key_id": key_id(public_key_of(seed)),
        "records_root": records_root(genesis.chain_id, network.RECORDS),
        "header": parcel.header,
        "signature": parcel.signature,
        "transaction_id": transaction_id(genesis.chain_id, parcel.header),
        "transaction": encode(parcel),
    }
    assert f"Content-Length: {len(encode(parcel))}" in DOCUMENT


@pytest.mark.parametrize("record", network.RECORDS)
def test_the_walk_through_shows_the_records_leaves(record: bytes) -> None:
    data = hash_tagged("record", network.make_genesis().chain_id, record).hex()
    assert re.search(re.escape(record.decode()) + r" +" + data, DOCUMENT)


@pytest.mark.parametrize("code", ErrorCode)
def test_every_error_code_is_listed_with_its_status(code: ErrorCode) -> None:
    assert f"| `{code.value}` | {code.info.http_status} | {code.info.title} | {code.info.advice} |" in DOCUMENT


@pytest.mark.parametrize("name", [field.name for field in fields(LIMITS)])
def test_every_limit_is_listed_with_its_value(name: str) -> None:
    assert f"| `{name}` | {getattr(LIMITS, name):,} |" in DOCUMENT


def test_every_domain_in_the_code_is_listed() -> None:
    used = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            used |= set(KIND.findall(path.read_text(encoding="utf-8")))
    listed = set(re.findall(r"^\| `([a-z-]+)` \| (?:hash|signature|context)", DOCUMENT, re.MULTILINE))
    assert used == listed
    assert {"transaction", "commit", "state-key"} <= used


def test_every_schema_keyword_is_listed() -> None:
    paragraph = DOCUMENT.partition("**JSON Schemas**")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([$a-zA-Z]+)`", paragraph)) >= schema.KEYWORDS
