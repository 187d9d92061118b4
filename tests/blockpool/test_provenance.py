"""Walking a record's origins and uses, against nodes that tell the truth and nodes that do not."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from blockpool.exchange import NodeRequest, Reply
from blockpool.operations import provenance as walking
from blockpool.provenance import ProvenanceBounds
from blockpool.signing import RecordId
from chain.errors import ErrorCode, PoolError
from tests.blockpool.ledger_node import Body
from tests.blockpool.provenance_story import Change, Story
from tests.refusals import refuses


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


def test_a_record_is_followed_both_ways(story: Story) -> None:
    graph = story.walk()
    assert list(graph.parcels) == [story.flights, story.weather, story.delays, story.others, story.report]
    assert graph.parcel.sources == (RecordId(story.weather, 1),)
    assert [parcel.id for parcel in graph.made_of(story.flights)] == [story.delays]
    assert graph.made_of_others() == 1
    assert [parcel.id for parcel in graph.made_of(story.delays)] == [story.report]
    assert graph.parcels[story.report].records_from(story.weather) == (0,)
    assert set(graph.uses) == {story.flights, story.delays, story.report}
    assert set(graph.datasets) == {"a.flights", "b.delays", "c.weather", "d.report"}
    assert (graph.height, graph.gaps, graph.is_cut) == (story.world.ledger.tip.height, (), False)


def test_reads_show_who_asked_what_for_and_what_was_read(story: Story) -> None:
    (use,) = story.walk().uses[story.flights].reads
    assert (use.request_id, use.is_named, use.request.terms.reader) == (story.request, True, "b")
    assert (use.request.terms.purpose, use.request.decision.status) == ("delays by airline", "granted")
    (report,) = use.read_reports
    assert (report.id, report.member, report.parcels, report.record_count) == (story.read_report, "b", 1, 2)


def test_a_read_report_under_a_request_for_the_whole_dataset_is_a_read_too() -> None:
    story = Story()
    story.world.accept(story.world.network.read_report(story.wide, [story.flights], "c"))
    named, wide = story.walk().uses[story.flights].reads
    assert (named.is_named, wide.is_named) == (True, False)
    assert (wide.request_id, wide.request.terms.purpose, len(wide.read_reports)) == (story.wide, "statistics", 1)


@pytest.mark.parametrize(
    ("start", "index", "parcels", "followed"),
    [
        ("report", 0, ["report", "delays", "weather", "flights"], ["report"]),
        ("weather", 0, ["weather", "flights", "report"], ["weather", "report"]),
        # The report is met first as made from another record, then as made from what this one led to.
        (
            "weather",
            1,
            ["weather", "flights", "report", "delays", "others"],
            ["weather", "flights", "delays", "others"],
        ),
    ],
)
def test_a_parcel_that_is_reached_twice_is_one(
    story: Story, start: str, index: int, parcels: list[str], followed: list[str]
) -> None:
    graph = story.walk(record=RecordId(getattr(story, start), index))
    assert list(graph.parcels) == [getattr(story, name) for name in parcels]
    assert list(graph.uses) == [getattr(story, name) for name in followed]
    deeper = story.walk(record=RecordId(getattr(story, start), index), bounds=ProvenanceBounds(depth=9))
    assert list(deeper.uses)[len(followed) :] == ([story.report] if index else [])


def test_depth_and_number_are_bounded(story: Story) -> None:
    graph = story.walk(record=RecordId(story.weather, 1), bounds=ProvenanceBounds(depth=1))
    assert list(graph.parcels) == [story.weather, story.flights, story.report]
    assert list(graph.uses) == [story.weather]
    assert not graph.is_cut
    cut = story.walk(bounds=ProvenanceBounds(parcels=3))
    assert list(cut.parcels) == [story.flights, story.weather, story.delays]
    assert (cut.is_cut, cut.unfollowed(story.flights)) == (True, 1)


def test_what_is_too_much_to_list_is_counted_and_proven(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "_LISTED_MAX", 1)
    uses = story.walk(bounds=ProvenanceBounds(reads=1)).uses[story.flights]
    assert (uses.derived_count, uses.derived) == (2, ())
    assert (uses.counters.requests, uses.counters.read_reports, uses.reads) == (1, 1, ())
    assert not uses.is_listed


def test_lists_go_over_several_pages(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = story.walk()
    monkeypatch.setattr(walking, "_PAGE_LINES", 1)
    assert story.walk() == whole
    assert whole.uses[story.flights].is_listed


def test_what_came_after_the_block_that_proves_is_left_out() -> None:
    story = Story()
    before = story.walk()
    late = []

    def commit_late(path: str, body: Body) -> Body:
        if path.endswith("/blocks/latest"):
            late.extend(story.world.accept(story.made("b", "delays", (story.flights, 0))))
        return body

    assert story.walk(story.nodes(commit_late)) == before
    assert [parcel.id for parcel in story.walk().made_of(story.flights)] == [story.delays, *late]


def test_an_erased_parcel_says_why() -> None:
    story = Story()
    story.world.accept(story.world.network.erase(story.weather, "c", "c.weather", reason="by order"))
    graph = story.walk()
    erasure = graph.parcels[story.weather].erasure
    assert erasure is not None
    assert (erasure.legal_basis, erasure.reason, erasure.owner) == ("PIPL 47", "by order", "c")
    assert graph.parcel.erasure is None


@pytest.mark.parametrize("record", ["{flights}/2", "{request}/0", "00" * 32 + "/0"])
def test_what_is_no_record_is_not_found(story: Story, record: str) -> None:
    named = RecordId.parse(record.format(flights=story.flights.hex(), request=story.request.hex()))
    with refuses(ErrorCode.NOT_FOUND):
        story.walk(record=named)


def test_a_rejected_parcel_has_no_records() -> None:
    story = Story()
    rejected = story.world.network.parcel([b"no JSON"], "b", "b.delays")
    story.world.commit(rejected)
    with refuses(ErrorCode.NOT_FOUND):
        story.walk(record=RecordId(story.world.network.id_of(rejected), 0))


# Nodes that do not tell the truth


def on(part: str, change: Callable[[Any], Any]) -> Change:
    return lambda path, body: change(body) if path.endswith(part) else body


def without_last(name: str) -> Callable[[Any], Any]:
    return lambda body: body | {name: body[name][:-1]}


def reversed_list(name: str) -> Callable[[Any], Any]:
    return lambda body: body | {name: body[name][::-1]}


def endless(name: str) -> Callable[[Any], Any]:
    return lambda body: body | {name: [], "next": "1.1"}


def nonsense(name: str) -> Callable[[Any], Any]:
    return lambda body: body | {name: [line | {"transaction_id": "x"} for line in body[name]]}


LIES = {
    f"{what} {lie.__name__}": on(f"/{what}", lie(name))
    for what, name in (("derived", "parcels"), ("reads", "reads"))
    for lie in (without_last, reversed_list, endless, nonsense)
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_false_list_is_never_taken(story: Story, lie: Change) -> None:
    honest = story.walk()
    assert story.walk(story.nodes(lie, lambda path, body: body)) == honest
    graph = story.walk(story.nodes(lie))
    lacking = {(gap.parcel, gap.what) for gap in graph.gaps}
    assert (story.flights, "derived") in lacking or (story.flights, "reads") in lacking
    assert graph.gaps[0].code in (ErrorCode.BAD_PROOF, ErrorCode.MALFORMED)
    assert not graph.uses[story.flights].is_listed


@pytest.mark.parametrize("parts", [["header"], ["signature"], ["header", "signature"]], ids=" and ".join)
def test_a_parcel_that_does_not_verify_is_a_gap(story: Story, parts: list[str]) -> None:
    def forge(path: str, body: Body) -> Body:
        if path.endswith(f"/transactions/{story.weather.hex()}"):
            request = NodeRequest("GET", f"/v1/transactions/{story.delays.hex()}")
            other = story.nodes().nodes["http://node-0"].answer(request)
            assert isinstance(other, Reply)
            return body | {part: orjson.loads(other.body)[part] for part in parts}
        return body

    graph = story.walk(story.nodes(forge))
    (gap,) = graph.gaps
    assert (gap.parcel, gap.what) == (story.weather, "parcel")
    assert gap.code in (ErrorCode.BAD_PROOF, ErrorCode.BAD_SIGNATURE)
    assert story.weather not in graph.parcels
    assert story.delays in graph.parcels


def test_a_node_that_hides_a_source_is_shown_as_a_gap(story: Story) -> None:
    def hide(path: str, body: Body) -> Body:
        if path.endswith(f"{story.weather.hex()}/receipt"):
            raise PoolError(ErrorCode.NOT_FOUND, "no such transaction")
        return body

    gap = story.walk(story.nodes(hide)).gap(story.weather, "parcel")
    assert gap is not None
    assert gap.code is ErrorCode.NOT_FOUND


def test_nobody_who_answers_is_an_error_not_a_gap(story: Story) -> None:
    def be_busy(path: str, body: Body) -> Body:
        if story.weather.hex() in path:
            raise PoolError(ErrorCode.NOT_READY, "busy")
        return body

    with refuses(ErrorCode.NOT_READY):
        story.walk(story.nodes(be_busy))
