"""The reckoning finds what it is there to find."""

import copy

import pytest

from tests.chaos.checks import Chain, check_memory, compare
from tests.chaos.cluster import RESIDENT_BYTES_MAX
from tests.chaos.load import Acknowledgement, digest
from tests.chaos.run import GAP_S_MAX, Stage, gap_s_max, longest_gap_s


def chain(source: str) -> Chain:
    """Two blocks after genesis with a transaction each."""
    found = Chain(source, [b"g", b"1", b"2"])
    for height, id_ in ((1, b"x"), (2, b"y")):
        found.places[id_] = (height, 0, digest(id_))
        found.times[id_] += 1
        found.record_times[digest(id_)] += 1
    return found


def acknowledgement(id_: bytes, height: int) -> Acknowledgement:
    return Acknowledgement(id_, "open", height, 0, digest(id_), (), 0.0)


ACKNOWLEDGED = [acknowledgement(b"x", 1), acknowledgement(b"y", 2)]


def test_equal_chains_that_hold_everything() -> None:
    comparison = compare(ACKNOWLEDGED, [chain("a"), chain("b")])
    assert (comparison.lost, comparison.duplicated, comparison.violations) == (0, 0, ())


def test_a_lost_transaction() -> None:
    less = chain("b")
    del less.places[b"y"]
    comparison = compare(ACKNOWLEDGED, [chain("a"), less])
    assert comparison.lost == 1
    assert "b does not hold, as acknowledged, 1: 79" in comparison.violations[0]


def test_a_transaction_in_another_place_or_with_other_bytes_is_lost() -> None:
    for place in ((1, 0, digest(b"y")), (2, 1, digest(b"y")), (2, 0, digest(b"z"))):
        other = chain("b")
        other.places[b"y"] = place
        assert compare(ACKNOWLEDGED, [chain("a"), other]).lost == 1


def test_a_duplicate_transaction_and_a_duplicate_record() -> None:
    for name in ("times", "record_times"):
        twice = chain("b")
        counter = getattr(twice, name)
        counter.update(list(copy.copy(counter))[:1])
        comparison = compare(ACKNOWLEDGED, [chain("a"), twice])
        assert comparison.duplicated == 1
        assert "more than once" in comparison.violations[0]


def test_other_blocks() -> None:
    for hashes in ([b"g", b"1", b"3"], [b"g", b"1"]):
        other = chain("b")
        other.block_hashes = hashes
        assert "other blocks than a" in compare(ACKNOWLEDGED, [chain("a"), other]).violations[0]


def test_too_much_memory() -> None:
    assert not check_memory({"a": RESIDENT_BYTES_MAX})
    assert "the node of a took" in check_memory({"a": RESIDENT_BYTES_MAX + 1})[0]


def test_the_longest_gap_counts_the_ends_of_the_span() -> None:
    assert longest_gap_s([1, 2, 5, 6], 1.5, 5.5) == 3
    assert longest_gap_s([], 1, 4) == 3
    assert longest_gap_s([2], 1, 9) == 7


@pytest.mark.parametrize(("kind", "allowed_s"), [("isolate", GAP_S_MAX), ("halves", GAP_S_MAX + 3 + 10)])
def test_without_a_quorum_a_gap_may_last_as_long_as_the_fault_and_the_settling(kind: str, allowed_s: float) -> None:
    for gap_s, allowed in ((allowed_s, True), (allowed_s + 0.1, False)):
        stage = Stage(kind, fault_s=3, settling_s=10, gap_s=gap_s, acknowledged=0)
        assert (stage.gap_s <= gap_s_max(stage)) is allowed
