"""Evidence files: a good one verifies step by step from genesis alone; a changed one is refused at the right step."""

import base64
import json
from typing import Any

import pytest

from chain.errors import ErrorCode
from chain.ledger import Ledger
from evidence.kinds import verify_any_evidence
from evidence.record import RECORD_STEPS, make_record_evidence
from evidence.verification import Step
from tests.chain.access_world import AccessWorld
from tests.networks import SCHEMA, TestNetwork
from tests.refusals import refuses

RECORDS = [b'{"n":%d}' % number for number in range(11)]


@pytest.fixture
def network() -> TestNetwork:
    return TestNetwork()


@pytest.fixture
def ledger(network: TestNetwork) -> Ledger:
    """Three blocks: the catalogue entry, a parcel of eleven records among others, one more."""
    ledger = network.ledger()
    network.commit(ledger, [network.dataset()])
    network.commit(ledger, [network.parcel(), network.parcel(RECORDS), network.parcel([b'{"n":"bad"}'])])
    network.commit(ledger, [network.parcel()])
    return ledger


def transaction_at(ledger: Ledger, height: int, position: int) -> bytes:
    return ledger.block_at(height).outcomes[position].transaction_id


@pytest.fixture
def evidence(ledger: Ledger) -> dict[str, Any]:
    return json.loads(make_record_evidence(ledger, transaction_at(ledger, 2, 1), 7))  # type: ignore[no-any-return]


def steps_of(evidence: dict[str, Any], network: TestNetwork) -> list[Step]:
    return list(verify_any_evidence(json.dumps(evidence).encode(), network.trust))


def test_good_evidence_passes_all_steps_in_order(evidence: dict[str, Any], network: TestNetwork) -> None:
    steps = steps_of(evidence, network)
    assert [step.title for step in steps] == list(RECORD_STEPS)
    assert [step.number for step in steps] == list(range(1, 10))
    assert "a, b, c" in steps[2].detail
    assert base64.b64decode(evidence["record"]["body"]) == RECORDS[7]


def test_a_rejected_parcel_gives_no_evidence(ledger: Ledger) -> None:
    with refuses(ErrorCode.NOT_FOUND, "rejected"):
        make_record_evidence(ledger, transaction_at(ledger, 2, 2), 0)


@pytest.mark.parametrize("index", [11, 4095])
def test_records_that_are_not_there(ledger: Ledger, index: int) -> None:
    with refuses(ErrorCode.NOT_FOUND):
        make_record_evidence(ledger, transaction_at(ledger, 2, 1), index)


def test_unknown_transactions_and_catalogue_entries_have_no_records(ledger: Ledger) -> None:
    for id_ in (bytes(32), transaction_at(ledger, 1, 0)):
        with refuses(ErrorCode.NOT_FOUND):
            make_record_evidence(ledger, id_, 0)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"\xff", b'{"kind":"record","format":"blockpool-evidence/1"}', b"[" * 100_000],
    ids=["empty", "object", "array", "not utf-8", "other format", "deep"],
)
def test_files_that_are_no_evidence(content: bytes, network: TestNetwork) -> None:
    with refuses(ErrorCode.BAD_EVIDENCE, step=1):
        list(verify_any_evidence(content, network.trust))


def test_evidence_of_an_earlier_schema_version_still_verifies(network: TestNetwork) -> None:
    ledger = network.ledger()
    network.commit(ledger, [network.dataset()])
    executed = network.commit(ledger, [network.parcel([b'{"n":5}'])])
    stricter = SCHEMA.replace("1000000", "4")
    network.commit(ledger, [network.dataset(version=2, schema=stricter)])
    content = make_record_evidence(ledger, executed.transactions[0].id, 0)
    assert list(verify_any_evidence(content, network.trust))[7].detail.endswith("version 1, open")


@pytest.fixture
def sealed() -> tuple[TestNetwork, dict[str, Any]]:
    """Evidence of record 1 of a sealed parcel, in a network whose dataset has a schema that ciphertext cannot meet."""
    world = AccessWorld()
    world.accept(world.network.dataset(version=2, sharing="conditional", contract="a.rule", schema=SCHEMA))
    (parcel,) = world.accept(world.network.sealed_parcel([b'{"n":1}', b'{"n":2}']))
    return world.network, json.loads(make_record_evidence(world.ledger, parcel, 1))


def test_a_sealed_record_is_proven_as_what_it_is(sealed: tuple[TestNetwork, dict[str, Any]]) -> None:
    network, evidence = sealed
    steps = steps_of(evidence, network)
    assert [step.title for step in steps] == list(RECORD_STEPS)
    assert steps[4].detail == "record 2 of 2, sealed, 55 bytes with its seal"
    assert b'"n"' not in base64.b64decode(evidence["record"]["body"])
