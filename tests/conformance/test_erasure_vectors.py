"""What was made of a parcel, and its erasure, by the second implementation: outcomes, and entries by hand."""

from functools import cache
from typing import Any

from tests.conformance import mini
from tests.conformance.test_vectors import genesis, unhex, vectors

TIME_MS = 1_700_000_000_000


@cache
def erasure() -> Any:
    return vectors("erasure")


def outcomes(height: int) -> list[list[Any]]:
    """The outcomes of a block, each proved by its receipt."""
    return [genesis().receipt_outcome(unhex(receipt)) for receipt in erasure()["blocks"][height - 1]["receipts"]]


def test_a_source_must_be_there_and_a_parcel_is_erased_once() -> None:
    assert [outcome[1] for outcome in outcomes(3)] == ["ok", "unknown_source", "ok"]
    assert [outcome[1] for outcome in outcomes(4)] == [
        "ok", "parcel_erased", "unknown_parcel", "ok", "record_erased", "unknown_source", "parcel_erased",
    ]  # fmt: skip


def test_the_entries_by_hand_are_those_under_the_root() -> None:
    """Parcels count once as made from another, however many of its records they name; rejected ones do not."""
    source, chain_id = unhex(erasure()["parcel"]), genesis().chain_id
    first, _, second = (outcome[0] for outcome in outcomes(3))
    other = erasure()["parcel_of_the_record"]
    erased = ["aviation.flights", "aviation", "个人信息保护法第四十七条", "the purpose is achieved", 4, TIME_MS + 4000]
    expected: dict[str, object] = {
        f"derived/{source.hex()}": [mini.read_history(chain_id, [first, second])],
        f"derived/{first.hex()}": None,
        f"erasure/{source.hex()}": [*erased, outcomes(4)[0][0]],
        f"erasure/{first.hex()}": None,
        f"erasure/{other}/1": [*erased, outcomes(4)[3][0]],
        f"erasure/{other}/0": None,
        f"erased-records/{other}": [b"\2"],
    }
    root = mini.unpack(unhex(erasure()["blocks"][-1]["header"]))[8]
    assert [case["key"] for case in erasure()["state_proofs_at_tip"]] == list(expected)
    for case in erasure()["state_proofs_at_tip"]:
        value = expected[case["key"]]
        encoded = None if value is None else mini.pack(value)
        assert case["value"] == (None if encoded is None else encoded.hex())
        assert mini.is_state_proved(chain_id, root, case["key"].encode(), encoded, unhex(case["proof"]))


def test_what_stays_of_the_payload_is_what_was_signed() -> None:
    chain_id = genesis().chain_id
    before = mini.unpack(unhex(erasure()["block_2_before_the_erasure"]["package"]))
    after = mini.unpack(unhex(erasure()["blocks"][1]["package"]))
    (header, signature, payload), (kept_header, kept_signature, nothing) = map(mini.unpack, (before[1][0], after[1][0]))
    assert (kept_header, kept_signature, nothing) == (header, signature, b"")
    assert (before[0], before[2], before[3]) == (after[0], [], None)
    leaves = [mini.sha256(b"\x00" + mini.record_leaf_data(chain_id, body)) for body in mini.unpack(payload)]
    assert after[2][0] == [0, [len(payload), leaves, b"", b""]]
    assert mini.merkle_root([mini.record_leaf_data(chain_id, body) for body in mini.unpack(payload)]) in header


def test_what_is_left_without_one_record_is_what_was_signed() -> None:
    chain_id = genesis().chain_id
    before = mini.unpack(unhex(erasure()["block_2_before_the_erasure"]["package"]))
    after = mini.unpack(unhex(erasure()["blocks"][1]["package"]))
    payload, nothing = mini.unpack(before[1][1])[2], mini.unpack(after[1][1])[2]
    bodies = mini.unpack(payload)
    leaves = [mini.sha256(b"\x00" + mini.record_leaf_data(chain_id, body)) for body in bodies]
    left = mini.pack([body if index != 1 else b"" for index, body in enumerate(bodies)])
    assert (nothing, after[2][1:]) == (b"", [[1, [len(payload), leaves, b"\2", left]]])


def test_what_is_kept_of_a_payload_that_others_keep_is_the_same() -> None:
    after = mini.unpack(unhex(erasure()["blocks"][1]["package"]))
    block, transactions, erased, erasures, dropped = mini.unpack(
        unhex(erasure()["block_2_from_a_node_that_does_not_keep_it"]["package"])
    )
    assert (block, transactions[0], erased, erasures) == (after[0], after[1][0], [], None)
    assert dropped == [[0, [*after[2][0][1][:2], []]]]


def test_the_erasure_is_proved_beside_it() -> None:
    header, certificate, proofs = mini.unpack(unhex(erasure()["blocks"][1]["package"]))[3]
    assert genesis().is_certified(header, certificate)
    entries = {case["key"]: unhex(case["value"] or "") for case in erasure()["state_proofs_at_tip"]}
    keys = f"erasure/{erasure()['parcel']}", f"erased-records/{erasure()['parcel_of_the_record']}"
    assert [places for places, _ in proofs] == [b"", *mini.unpack(entries[keys[1]])]
    for key, (_, proof) in zip(keys, proofs, strict=True):
        root = mini.unpack(header)[8]
        assert mini.is_state_proved(genesis().chain_id, root, key.encode(), entries[key], mini.pack(proof))
