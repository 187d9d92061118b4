"""Evidence files: a good one verifies step by step from genesis alone; a changed one is refused at the right step."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from chain.blocks import OK, Outcome, commit_message
from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.primitives.encoding import decode, encode
from evidence.kinds import verify_any_evidence
from evidence.record import RECORD_STEPS, make_record_evidence
from evidence.verification import Step
from tests.chain.access_world import AccessWorld
from tests.networks import SCHEMA, TestNetwork

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


def refusal_of(evidence: dict[str, Any], network: TestNetwork) -> PoolError:
    with pytest.raises(PoolError) as caught:
        steps_of(evidence, network)
    return caught.value


def flip(text: str) -> str:
    """Base64 text with one bit of its first byte changed."""
    data = bytearray(base64.b64decode(text))
    data[0] ^= 1
    return base64.b64encode(data).decode()


def test_good_evidence_passes_all_steps_in_order(evidence: dict[str, Any], network: TestNetwork) -> None:
    steps = steps_of(evidence, network)
    assert [step.title for step in steps] == list(RECORD_STEPS)
    assert [step.number for step in steps] == list(range(1, 10))
    assert "a, b, c" in steps[2].detail
    assert base64.b64decode(evidence["record"]["body"]) == RECORDS[7]


def test_evidence_is_small(evidence: dict[str, Any]) -> None:
    assert len(json.dumps(evidence)) < 10_000


PATHS = [
    (("chain_id",), 1),
    (("record", "body"), 5),
    (("record", "proof", 0), 5),
    (("record", "transaction_id"), 5),
    (("parcel", "header"), 4),
    (("parcel", "signature"), 7),
    (("block", "header"), 2),
    (("block", "certificate", "votes", 0, "signature"), 3),
    (("parcel", "outcome"), 4),
    (("parcel", "proof", 0), 4),
    (("member", "value"), 6),
    (("member", "proof"), 6),
    (("dataset", "value"), 8),
    (("dataset", "proof"), 8),
    (("uses", "block", "header"), 9),
    (("uses", "erasure", "proof"), 9),
    (("uses", "reads", "proof"), 9),
    (("uses", "derived", "proof"), 9),
]


@pytest.mark.parametrize(("path", "step"), PATHS, ids=[".".join(map(str, path)) for path, _ in PATHS])
def test_one_changed_bit_is_refused_at_its_step(
    evidence: dict[str, Any], network: TestNetwork, path: tuple[str | int, ...], step: int
) -> None:
    place: Any = evidence
    for key in path[:-1]:
        place = place[key]
    text = place[path[-1]]
    is_hex = all(character in "0123456789abcdef" for character in text)
    place[path[-1]] = f"{int(text[0], 16) ^ 1:x}{text[1:]}" if is_hex else flip(text)
    assert refusal_of(evidence, network).context["step"] == step


@pytest.mark.parametrize("index", [0, 6, 8, 10])
def test_a_record_cannot_take_another_ones_place(evidence: dict[str, Any], network: TestNetwork, index: int) -> None:
    evidence["record"]["index"] = index
    assert refusal_of(evidence, network).code == ErrorCode.BAD_PROOF


def test_another_chains_genesis_refuses_it(evidence: dict[str, Any]) -> None:
    error = refusal_of(evidence, TestNetwork(size=7))
    assert (error.code, error.context["step"]) == (ErrorCode.WRONG_CHAIN, 1)


def test_s11_the_same_vote_twice_is_no_quorum(evidence: dict[str, Any], network: TestNetwork) -> None:
    votes = evidence["block"]["certificate"]["votes"]
    votes[2] = votes[1]
    assert refusal_of(evidence, network).code == ErrorCode.BAD_CERTIFICATE


def test_s12_two_votes_of_four_are_no_quorum(evidence: dict[str, Any], network: TestNetwork) -> None:
    del evidence["block"]["certificate"]["votes"][0]
    assert refusal_of(evidence, network).code == ErrorCode.BAD_CERTIFICATE


def test_s12_votes_of_another_view_do_not_count(evidence: dict[str, Any], network: TestNetwork) -> None:
    evidence["block"]["certificate"]["view"] += 1
    assert refusal_of(evidence, network).code == ErrorCode.BAD_CERTIFICATE


def test_fewer_than_a_quorum_cannot_make_up_a_block(evidence: dict[str, Any], network: TestNetwork) -> None:
    """f validators with their real keys and all the rest invented: step 3 stops them."""
    header = base64.b64decode(evidence["block"]["header"])
    forged = header.replace(decode(Outcome, base64.b64decode(evidence["parcel"]["outcome"])).transaction_id, bytes(32))
    message = commit_message(network.chain_id, 2, 0, bytes(32))
    evidence["block"]["header"] = base64.b64encode(forged).decode()
    evidence["block"]["certificate"]["votes"] = [
        {"validator": name, "signature": base64.b64encode(network.consensus[name].sign(message)).decode()}
        for name in ("a", "b")
    ]
    assert refusal_of(evidence, network).context["step"] == 3


def test_a_rejected_parcel_gives_no_evidence(ledger: Ledger) -> None:
    with pytest.raises(PoolError, match="rejected") as caught:
        make_record_evidence(ledger, transaction_at(ledger, 2, 2), 0)
    assert caught.value.code == ErrorCode.NOT_FOUND


def test_an_outcome_cannot_be_turned_into_success(
    ledger: Ledger, evidence: dict[str, Any], network: TestNetwork
) -> None:
    accepted = Outcome(transaction_at(ledger, 2, 2), OK, (), 0)
    evidence["parcel"]["outcome"] = base64.b64encode(encode(accepted)).decode()
    assert refusal_of(evidence, network).context["step"] == 4


@pytest.mark.parametrize("index", [11, 4095])
def test_records_that_are_not_there(ledger: Ledger, index: int) -> None:
    with pytest.raises(PoolError) as caught:
        make_record_evidence(ledger, transaction_at(ledger, 2, 1), index)
    assert caught.value.code == ErrorCode.NOT_FOUND


def test_unknown_transactions_and_catalogue_entries_have_no_records(ledger: Ledger) -> None:
    for id_ in (bytes(32), transaction_at(ledger, 1, 0)):
        with pytest.raises(PoolError) as caught:
            make_record_evidence(ledger, id_, 0)
        assert caught.value.code == ErrorCode.NOT_FOUND


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"\xff", b'{"kind":"record","format":"blockpool-evidence/1"}', b"[" * 100_000],
    ids=["empty", "object", "array", "not utf-8", "other format", "deep"],
)
def test_files_that_are_no_evidence(content: bytes, network: TestNetwork) -> None:
    with pytest.raises(PoolError) as caught:
        list(verify_any_evidence(content, network.trust))
    assert (caught.value.code, caught.value.context["step"]) == (ErrorCode.BAD_EVIDENCE, 1)


def test_unknown_fields_are_refused(evidence: dict[str, Any], network: TestNetwork) -> None:
    evidence["remark"] = "trust me"
    assert refusal_of(evidence, network).code == ErrorCode.BAD_EVIDENCE


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


@pytest.mark.parametrize("place", [0, 40], ids=["commitment", "ciphertext"])
def test_a_changed_sealed_record_is_refused(sealed: tuple[TestNetwork, dict[str, Any]], place: int) -> None:
    network, evidence = sealed
    body = bytearray(base64.b64decode(evidence["record"]["body"]))
    body[place] ^= 1
    evidence["record"]["body"] = base64.b64encode(body).decode()
    error = refusal_of(evidence, network)
    assert (error.code, error.context["step"], error.context["step_title"]) == (ErrorCode.BAD_PROOF, 5, "record")


def test_a_sealed_body_too_short_to_be_one_is_refused(sealed: tuple[TestNetwork, dict[str, Any]]) -> None:
    network, evidence = sealed
    evidence["record"]["body"] = ""
    assert refusal_of(evidence, network).context["step"] == 5
