"""docs/protocol.md says what the code does: its bytes are the vectors', its lists are complete."""

import itertools
import re
from dataclasses import fields
from pathlib import Path

import pytest

from chain import schema
from chain.access.decision import AccessVerdict, Decision
from chain.blocks import Block, BlockHeader, Certificate, Outcome, Proposal
from chain.erasure import ErasureProof, ErasureProofs
from chain.errors import ErrorCode
from chain.limits import LIMITS
from chain.packages import BlockPackage, DroppedParcel, ErasedParcel
from chain.primitives.encoding import Wire, encode
from chain.proofs.checkpoints import Cosignature
from chain.proofs.receipts import Receipt
from chain.proofs.validators import ValidatorsEntry
from chain.state import entries
from chain.state.members import Member
from chain.state.tree import StateProof
from chain.transactions.base import DroppedPayload, ErasedPayload, Header, Transaction, transaction_id
from chain.transactions.member import NewKey
from chain.transactions.parcel import records_root
from chain.transactions.registry import TRANSACTION_TYPES
from consensus import messages
from evidence import misbehaviour, no_grant, no_read, parts, record, uses
from sealing import ShareQuery
from tests.conformance.mini import key_id, public_key_of
from tests.vectors import network

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
PACKAGES = ("chain", "consensus", "sealing", "contracts", "evidence", "audit", "node", "cli", "blockpool")
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


@pytest.mark.parametrize("code", ErrorCode)
def test_every_error_code_is_listed_with_its_status(code: ErrorCode) -> None:
    assert f"| `{code.value}` | {code.info.http_status} | " in DOCUMENT


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


def rows_after(heading: str) -> list[list[str]]:
    """The cells of the table that follows ``heading``."""
    lines = DOCUMENT.partition(heading)[2].splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith("|---")) + 1
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[first:])
    return [[cell.strip() for cell in row.split("|")[1:]] for row in rows]


def documented_fields(heading: str) -> list[str]:
    """The first column of a table, several names a row taken apart."""
    return [name.strip() for row in rows_after(heading) for name in row[0].split(",")]


def numbered_fields(heading: str, first: int = 1) -> list[str]:
    """The fields of an encoded structure, one a row, numbered as they stand in its array."""
    rows = rows_after(heading)
    assert [row[0] for row in rows] == [str(number) for number in range(first, first + len(rows))]
    return [row[1] for row in rows]


def array_of(type_: type[Wire]) -> list[str]:
    """What the array of an encoded structure holds."""
    tag = [] if type_.__struct_config__.tag is None else ["*tag*"]
    return [*tag, *type_.__struct_fields__]


@pytest.mark.parametrize(
    "type_",
    [
        Transaction, StateProof, entries.ProtocolEntry, ValidatorsEntry, Member, entries.Governance, NewKey,
        entries.DatasetEntry,
        entries.DatasetTotals, entries.MemberTotals, entries.ContractEntry, entries.ContractState,
        entries.RequestEntry, entries.RequestTerms, Decision, entries.RequestTotals, entries.DatasetReads,
        entries.ReaderEntry, entries.ParcelReads, entries.DerivedParcels, entries.OwnerAct,
        entries.RecordPlaces, BlockHeader,
        Certificate,
        Outcome, AccessVerdict, Block, BlockPackage, ErasedParcel, ErasedPayload, DroppedParcel,
        DroppedPayload, ErasureProof, ErasureProofs, Receipt, ShareQuery,
        Cosignature, messages.Prepare, messages.Commit, messages.ViewChangeVote, messages.PrePrepare,
        messages.ViewChange, messages.NewView, messages.Committed, messages.Status, Proposal,
        messages.PreparedCertificate,
    ],
)  # fmt: skip
def test_every_structure_is_listed_with_its_fields_numbered_in_their_order(type_: type[Wire]) -> None:
    assert numbered_fields(f"| # | `{type_.__name__}` | type |") == array_of(type_)


@pytest.mark.parametrize("type_", [type_.header for type_ in TRANSACTION_TYPES.values()])
def test_every_type_of_transaction_is_listed_with_its_fields(type_: type[Header]) -> None:
    common = numbered_fields("| # | header | type | |")
    assert common == ["*tag*", *Header.__struct_fields__]
    (own,) = re.findall(rf"^(\*\*Tag {type_.__struct_config__.tag}, `[a-z_]+`\*\*)", DOCUMENT, re.MULTILINE)
    assert [*common, *numbered_fields(own, len(common) + 1)] == array_of(type_)


@pytest.mark.parametrize(
    "type_",
    [
        parts.BlockPart, parts.TransactionPart, parts.CommittedPart, parts.EntryPart, record.RecordPart, uses.UsesPart,
        no_grant.GrantsBefore, no_grant.GrantsAfter, no_read.ReadsBefore, no_read.ReadsAfter,
        misbehaviour.StatementPart,
    ],
)  # fmt: skip
def test_every_part_of_evidence_files_is_listed_with_its_members(type_: type[parts.Part]) -> None:
    assert documented_fields(f"| `{type_.__name__}` | type |") == list(type_.__struct_fields__)


def test_every_state_key_is_listed() -> None:
    keys = {
        entries.member_key("NAME"), entries.governance_key("NAME"), entries.dataset_key("OWNER.NAME"),
        entries.dataset_totals_key("OWNER.NAME"),
        entries.member_totals_key("MEMBER"), entries.contract_key("OWNER.NAME"), entries.reads_key("DATASET"),
        entries.contract_state_key("DATASET", "CONTRACT"), entries.reader_key("DATASET", "MEMBER"),
        entries.request_key(b"ID").replace(b"ID".hex().encode(), b"ID"),
        entries.totals_key(b"ID").replace(b"ID".hex().encode(), b"ID"),
        entries.parcel_reads_key("DATASET", b"ID").replace(b"ID".hex().encode(), b"ID"),
        entries.derived_key(b"ID").replace(b"ID".hex().encode(), b"ID"),
        entries.correction_key(b"ID", 0).replace(b"ID".hex().encode(), b"ID").replace(b"/0", b"/INDEX"),
        entries.record_key_key("DATASET", b"KEY").replace(b"KEY".hex().encode(), b"KEY"),
        entries.corrected_records_key(b"ID").replace(b"ID".hex().encode(), b"ID"),
        entries.record_erasure_key(b"ID", 0).replace(b"ID".hex().encode(), b"ID").replace(b"/0", b"/INDEX"),
        entries.erased_records_key(b"ID").replace(b"ID".hex().encode(), b"ID"),
        entries.erasure_key(b"ID").replace(b"ID".hex().encode(), b"ID"), entries.PROTOCOL_KEY, entries.VALIDATORS_KEY,
    }  # fmt: skip
    section = DOCUMENT.partition("| key (ASCII) | value |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)) == {key.decode() for key in keys}


def test_every_schema_keyword_is_listed() -> None:
    paragraph = DOCUMENT.partition("### JSON Schemas")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([$a-zA-Z]+)`", paragraph)) >= schema.KEYWORDS
