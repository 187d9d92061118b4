"""Reading what is not open, by the second implementation: hashes, history, digest, and the whole state by hand."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from tests.conformance import mini
from tests.conformance.test_vectors import genesis, unhex, value_of, vectors

OWNER, DATASET, CONTRACT, READER = "aviation", "aviation.flights", "aviation.rule", "university"
TIME_MS = 1_700_000_000_000


@cache
def access() -> Any:
    return vectors("access")


@cache
def blocks() -> dict[int, tuple[list[Any], list[Any], list[list[Any]]]]:
    """(header, outcomes, transactions' headers) by height."""
    found = {}
    for block in access()["blocks"]:
        encoded, transactions, *_ = mini.unpack(unhex(block["package"]))
        header, certificate, outcomes = mini.unpack(encoded)
        assert genesis().is_certified(header, certificate)
        headers = [mini.unpack(mini.unpack(transaction)[0]) for transaction in transactions]
        found[block["height"]] = (mini.unpack(header), outcomes, headers)
    return found


def id_of(height: int, index: int) -> bytes:
    id_: bytes = blocks()[height][1][index][0]
    return id_


def test_receipts_prove_verdicts() -> None:
    for block in access()["blocks"]:
        outcomes = [genesis().receipt_outcome(unhex(receipt)) for receipt in block["receipts"]]
        assert outcomes == blocks()[block["height"]][1]
        for outcome, shown in zip(outcomes, block["outcomes"], strict=True):
            verdict = shown["verdict"]
            if verdict is not None:
                verdict = [unhex(v) if name.endswith("_hash") else v for name, v in verdict.items()]
            facts = [[number, unhex(value) if number in (14, 17, 18) else value] for number, value in shown["facts"]]
            assert outcome == [outcome[0], shown["code"], facts, shown["fuel"], verdict]
    verdicts = [outcome[4] and outcome[4][0] for _, outcomes, _ in blocks().values() for outcome in outcomes]
    assert verdicts == [None, None, None, "ask", "deny", "allow", "allow", None, None, None, "deny"]
    assert [outcome[1] for outcome in blocks()[5][1]] == ["ok", "not_an_approver", "record_count_exceeded"]


def test_contract_and_engine_have_their_hashes() -> None:
    contract = access()["contract"]
    hash_ = mini.contract_hash(genesis().chain_id, contract["source"], contract["parameters"])
    assert hash_.hex() == contract["hash"]
    assert genesis().engine_hash.hex() == access()["engine"]["hash"]


def test_verdicts_name_what_the_contract_was_told() -> None:
    """Each call's JSON is written as docs/contracts.md says, and its hash stands in the verdict that followed."""
    decided = [id_of(3, 0), id_of(3, 1), id_of(3, 2), id_of(4, 0)]
    verdicts = [outcome[4] for _, outcomes, _ in blocks().values() for outcome in outcomes if outcome[4]]
    for id_, call, verdict in zip(decided, access()["contract_calls"], verdicts, strict=False):
        inputs = call["inputs"]
        assert json.dumps(json.loads(inputs), ensure_ascii=False, separators=(",", ":")) == inputs
        assert mini.tagged_hash("contract-inputs", genesis().chain_id, inputs.encode()) == verdict[5]
        assert verdict[4].hex() == access()["contract"]["hash"]
        (request, *_), (dataset, *_), _ = json.loads(inputs)
        assert (request, dataset) == (call["request"], DATASET)
        assert id_.hex() == request or id_ == id_of(4, 0)
    assert len(access()["contract_calls"]) == len(decided)


def test_the_history_of_reads_is_what_took_effect() -> None:
    taken = [
        outcome[0]
        for _, outcomes, headers in blocks().values()
        for outcome, header in zip(outcomes, headers, strict=True)
        if header[0] in (4, 5, 6) and outcome[1] == "ok"
    ]
    steps = access()["read_history"]
    assert [unhex(step["transaction_id"]) for step in steps] == taken
    for count, step in enumerate(steps, start=1):
        assert mini.read_history(genesis().chain_id, taken[:count]) == [count, unhex(step["head"])]


def test_the_digest_of_what_was_read() -> None:
    content = access()["read_digest"]
    records = [(unhex(content["parcel"]), index, unhex(text)) for index, text in enumerate(content["records"])]
    digest = mini.read_digest(genesis().chain_id, records)
    assert digest.hex() == content["digest"]
    receipt = blocks()[5][2][0]
    assert (receipt[0], receipt[8], receipt[9], receipt[10]) == (6, [unhex(content["parcel"])], 2, digest)


def request_entry(index: int, decision: Sequence[object], height: int = 3, answers: Sequence[object] = ()) -> bytes:
    """A request's entry, from its header in block 3 and what was decided at a height."""
    header = blocks()[3][2][index]
    contract = blocks()[1][2][0]
    terms = [header[2], *header[6:16], 3, TIME_MS + 3000, *header[16:]]
    hash_ = mini.contract_hash(genesis().chain_id, contract[8], contract[9])
    return mini.pack([terms, list(decision), CONTRACT, 1, hash_, height, TIME_MS + height * 1000, list(answers)])


def expected_state() -> dict[bytes, bytes]:
    """The state after block 6, every entry written out by hand."""
    chain_id = genesis().chain_id
    contract, dataset, parcel = blocks()[1][2][0], blocks()[1][2][1], id_of(2, 0)
    asked, refused, granted = id_of(3, 0), id_of(3, 1), id_of(3, 2)
    approval, receipt, revocation = id_of(4, 0), id_of(5, 0), id_of(6, 0)
    listed = [asked, refused, granted, approval, receipt, revocation]
    contract_hash = mini.contract_hash(chain_id, contract[8], contract[9])
    told = [blocks()[4][1][0][4][5], blocks()[3][1][1][4][5], blocks()[3][1][2][4][5]]
    day_ms, half_day_ms = 86_400_000, 43_200_000
    sealed_share_size, body_size = 2 + 16 + 32 + 16, 2 + 64
    payload_size = 1 + 1 + 4 * sealed_share_size + 1 + 2 * body_size
    registry = ["registry", "approve", "ethics board", 4, TIME_MS + 4000]
    aviation = [OWNER, "revoke", "the study is over", 6, TIME_MS + 6000]
    facts = [[12, OWNER], [21, "grant_revoked"], [24, "the study is over"]]
    entries: dict[str, object] = {
        f"contract/{CONTRACT}": [CONTRACT, OWNER, 1, contract[8], contract[9], contract_hash, 1, 1, id_of(1, 0)],
        f"contract-state/{DATASET}/{CONTRACT}": [b'{"calls":4}'],
        f"dataset/{DATASET}": [DATASET, OWNER, *dataset[7:15], 1, 1, id_of(1, 1), dataset[15]],
        f"dataset-totals/{DATASET}": [1, 2, payload_size, 2, 0],
        f"member-totals/{OWNER}": [1, 2, 2, TIME_MS + 2000],
        f"request-totals/{asked.hex()}": [1, 2, TIME_MS + 5000],
        f"reads/{DATASET}": [3, 2, 1, 1, 2, 6, mini.read_history(chain_id, listed)],
        f"reader/{DATASET}/{READER}": [1, 1, [asked]],
        f"reader/{DATASET}/meteorology": [2, 1, [granted]],
        f"parcel-reads/{DATASET}/{parcel.hex()}": [1, 1, mini.read_history(chain_id, [granted, receipt])],
    }
    found = {key.encode(): mini.pack(value) for key, value in entries.items()}
    denied = [[21, "access_denied"], [24, "not for marketing"]]
    decisions = {
        asked: ("deny", TIME_MS + half_day_ms, facts, ["flight"], ["registry"], 1, "research", 250_000, told[0]),
        refused: ("deny", 0, denied, None, [], 0, "", 250_000, told[1]),
        granted: ("allow", TIME_MS + 3000 + day_ms, [], ["flight"], [], 0, "forecast", 250_000, told[2]),
    }
    for index, (id_, decision) in enumerate(decisions.items()):
        later = (6, [registry, aviation]) if id_ == asked else ()
        found[f"request/{id_.hex()}".encode()] = request_entry(index, decision, *later)
    return genesis().state() | found


def test_the_state_by_hand_has_the_root_in_the_header() -> None:
    assert mini.state_root(genesis().chain_id, expected_state()) == blocks()[6][0][8]


def test_entries_are_proved_and_so_is_that_a_member_never_asked() -> None:
    root, state = blocks()[6][0][8], expected_state()
    absent = []
    for case in access()["state_proofs_at_tip"]:
        key, value = case["key"].encode(), None if case["value"] is None else unhex(case["value"])
        assert state.get(key) == value
        assert mini.is_state_proved(genesis().chain_id, root, key, value, unhex(case["proof"]))
        absent += [case["key"]] if value is None else []
    assert absent == [f"request-totals/{id_of(3, 2).hex()}", f"reader/{DATASET}/airports"]


def test_headers_are_those_of_the_documented_shapes() -> None:
    """What a decoder needs to know: tag and number of fields of each type."""
    sizes = {header[0]: len(header) for _, _, headers in blocks().values() for header in headers}
    assert sizes == {1: 16, 2: 11, 3: 10, 4: 19, 5: 10, 6: 12}
    assert value_of("request", id_of(3, 0).hex()) == blocks()[4][2][0][7]
