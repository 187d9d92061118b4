"""Requests, answers, contracts and sealed parcels: refused before they are sent, or as the chain wants them."""

import json
from dataclasses import replace
from typing import Any

import pytest

import blockpool
from blockpool.access_signing import contract_parameters
from chain.limits import LIMITS
from chain.transactions.approval import ApprovalHeader
from chain.transactions.base import CheckedTransaction, verify_payload, verify_signed_by
from chain.transactions.contract import ContractHeader
from chain.transactions.parcel import ParcelHeader
from chain.transactions.read_report import ReadReportHeader
from chain.transactions.registry import decode_transaction
from chain.transactions.request import RequestHeader
from chain.transactions.sealed import CommitmentKind, decode_envelope
from contracts.library import source_of
from sealing import ParcelContext, open_own_share, open_parcel
from tests.networks import TestNetwork
from tests.refusals import refuses

NETWORK = TestNetwork(has_contracts=True)
GENESIS = NETWORK.genesis
IDENTITY = blockpool.Identity("b", NETWORK.system["b"])
KEY = NETWORK.readers["b"]
NOW_MS = 1_700_000_000_000
TERMS = blockpool.AccessTerms("a.flights", "flood warning")
ID = bytes(32)


def checked(signed: blockpool.SignedTransaction, member: str = "b") -> CheckedTransaction:
    found = decode_transaction(NETWORK.chain_id, signed.content)
    verify_signed_by(found, NETWORK.system[member].public_key)
    verify_payload(found)
    assert found.id == signed.transaction_id
    return found


def test_a_request_says_what_its_terms_say() -> None:
    terms = blockpool.AccessTerms("a.flights", "flood warning", (ID,), 3, 9, NOW_MS + 1, "Law", "17", "Li Wei")
    header = checked(blockpool.sign_request(GENESIS, IDENTITY, terms, KEY, NOW_MS)).header
    assert isinstance(header, RequestHeader)
    for name in terms.__dataclass_fields__:
        assert getattr(header, name) == getattr(terms, name)
    assert header.kem_key == KEY.public_key.encoded
    same = checked(blockpool.sign_request(GENESIS, IDENTITY, terms, KEY.public_key, NOW_MS)).header
    assert isinstance(same, RequestHeader)
    assert same.kem_key == header.kem_key


@pytest.mark.parametrize(
    ("changes", "code", "named"),
    [
        ({"dataset": "flights"}, blockpool.ErrorCode.BAD_NAME, "owner.name"),
        ({"purpose": "  "}, blockpool.ErrorCode.BAD_REQUEST, "purpose"),
        ({"purpose": "x" * 201}, blockpool.ErrorCode.TOO_LARGE, "purpose"),
        ({"legal_basis": "x" * 2001}, blockpool.ErrorCode.TOO_LARGE, "legal_basis"),
        ({"case_number": "x" * 201}, blockpool.ErrorCode.TOO_LARGE, "case_number"),
        ({"person": "x" * 201}, blockpool.ErrorCode.TOO_LARGE, "person"),
        ({"from_height": -1}, blockpool.ErrorCode.BAD_REQUEST, "from_height"),
        ({"until_height": 2**63}, blockpool.ErrorCode.BAD_REQUEST, "until_height"),
        ({"from_height": 5, "until_height": 4}, blockpool.ErrorCode.BAD_REQUEST, "until_height 4 is below"),
        ({"until_ms": NOW_MS}, blockpool.ErrorCode.EXPIRED, str(NOW_MS)),
        ({"until_ms": -1}, blockpool.ErrorCode.BAD_REQUEST, "until_ms"),
        ({"parcels": [b"short"]}, blockpool.ErrorCode.BAD_REQUEST, "32 bytes"),
        ({"parcels": [ID, ID]}, blockpool.ErrorCode.BAD_REQUEST, "twice"),
        (
            {"parcels": [n.to_bytes(32, "big") for n in range(LIMITS.request_parcels + 1)]},
            blockpool.ErrorCode.TOO_LARGE,
            "at most 256",
        ),
    ],
)
def test_terms_that_no_request_can_have(changes: dict[str, Any], code: blockpool.ErrorCode, named: str) -> None:
    with refuses(code, named):
        blockpool.sign_request(GENESIS, IDENTITY, replace(TERMS, **changes), KEY, NOW_MS)


def test_an_answer_and_its_bounds() -> None:
    header = checked(blockpool.sign_answer(GENESIS, IDENTITY, "a.flights", ID, "refuse", "no basis")).header
    assert isinstance(header, ApprovalHeader)
    assert (header.request, header.answer, header.reason) == (ID, "refuse", "no basis")
    for request, answer, reason in [(b"x", "approve", ""), (ID, "perhaps", ""), (ID, "refuse", "x" * 301)]:
        with pytest.raises(blockpool.PoolError) as raised:
            blockpool.sign_answer(GENESIS, IDENTITY, "a.flights", request, answer, reason)  # type: ignore[arg-type]
        assert raised.value.code in (blockpool.ErrorCode.BAD_REQUEST, blockpool.ErrorCode.TOO_LARGE)


def test_a_read_report_and_its_bounds() -> None:
    header = checked(blockpool.sign_read_report(GENESIS, IDENTITY, "a.flights", ID, [ID], 3, bytes(32))).header
    assert isinstance(header, ReadReportHeader)
    assert (header.parcels, header.record_count) == ((ID,), 3)
    many = [n.to_bytes(32, "big") for n in range(LIMITS.report_parcels + 1)]
    with refuses(blockpool.ErrorCode.TOO_LARGE):
        blockpool.sign_read_report(GENESIS, IDENTITY, "a.flights", ID, many, 3, bytes(32))


def test_a_contract_and_its_parameters() -> None:
    text = contract_parameters({"parts": [{"library": "open"}, {"library": "quota", "parameters": {"n": 1}}]})
    header = checked(blockpool.sign_contract(GENESIS, IDENTITY, "b.rule", source_of("all_of"), text, 1)).header
    assert isinstance(header, ContractHeader)
    parts = json.loads(header.parameters)["parts"]
    assert [part["source"] for part in parts] == [source_of("open"), source_of("quota")]
    assert parts[1]["parameters"] == {"n": 1}


def test_parameters_have_one_form() -> None:
    assert (
        contract_parameters('{ "a": 1, "名": "值" }')
        == contract_parameters({"a": 1, "名": "值"})
        == '{"a":1,"名":"值"}'
    )


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ("{", blockpool.ErrorCode.BAD_REQUEST),
        ("[]", blockpool.ErrorCode.BAD_REQUEST),
        ({"a": object()}, blockpool.ErrorCode.BAD_REQUEST),
        ({"a": float("nan")}, blockpool.ErrorCode.BAD_REQUEST),
        ({"parts": [{"library": "no-such"}]}, blockpool.ErrorCode.NOT_FOUND),
        ({"a": "x" * LIMITS.contract_parameters_size_bytes}, blockpool.ErrorCode.TOO_LARGE),
    ],
)
def test_parameters_that_cannot_be_deployed(parameters: Any, code: blockpool.ErrorCode) -> None:
    with refuses(code):
        contract_parameters(parameters)


@pytest.mark.parametrize(("contract", "source"), [("rule", ""), ("b.rule", "#" * 65_537)])
def test_contracts_that_cannot_be_deployed(contract: str, source: str) -> None:
    with pytest.raises(blockpool.PoolError) as raised:
        blockpool.sign_contract(GENESIS, IDENTITY, contract, source, "{}", 1)
    assert raised.value.code in (blockpool.ErrorCode.BAD_NAME, blockpool.ErrorCode.TOO_LARGE)


@pytest.mark.parametrize(("commitments", "kind"), [("whole", CommitmentKind.WHOLE), ("fields", CommitmentKind.FIELDS)])
def test_a_sealed_parcel_opens_for_its_validators(commitments: Any, kind: CommitmentKind) -> None:
    records = [b'{"n":1}', b'{"n":2}']
    found = checked(
        blockpool.sign_sealed_parcel(GENESIS, IDENTITY, "b.flights", records, NETWORK.kem_keys, commitments)
    )
    header = found.header
    assert isinstance(header, ParcelHeader)
    envelope = decode_envelope(header.envelope)
    assert envelope.commitments is kind
    context = ParcelContext(NETWORK.chain_id, "b.flights", header.records_root)
    shares = {
        name: open_own_share(envelope, found.sealed_shares, context, name, key)
        for name, key in NETWORK.kem.items()
        if name != "d"
    }
    assert list(open_parcel(found.records, envelope, context, shares)) == records


@pytest.mark.parametrize(
    ("records", "commitments", "code"),
    [
        ([b"text"], "fields", blockpool.ErrorCode.BAD_SEALING),
        ([b'{"n": 1}'], "fields", blockpool.ErrorCode.BAD_SEALING),
        ([b"x"], "some", blockpool.ErrorCode.BAD_REQUEST),
        ([], "whole", blockpool.ErrorCode.BAD_SEALING),
    ],
)
def test_what_cannot_be_sealed(records: list[bytes], commitments: Any, code: blockpool.ErrorCode) -> None:
    with refuses(code):
        blockpool.sign_sealed_parcel(GENESIS, IDENTITY, "b.flights", records, NETWORK.kem_keys, commitments)
