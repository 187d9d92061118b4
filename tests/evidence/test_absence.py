"""Evidence of absences: no grant, no read. What was there cannot be proved away, neither in making nor in verifying."""

import pytest

from chain.errors import ErrorCode
from evidence.kinds import parse_any_evidence
from evidence.no_grant import NO_GRANT_STEPS, make_no_grant_evidence
from evidence.no_read import NO_READ_STEPS, make_no_read_evidence
from evidence.summary import summary
from tests.evidence.story import Story
from tests.refusals import refuses

FLIGHTS = "a.flights"


def no_grant(story: Story, from_height: int = 1, until_height: int | None = None, reader: str = "b") -> bytes:
    return make_no_grant_evidence(story.ledger, FLIGHTS, reader, from_height, until_height)


def no_read(story: Story, from_height: int = 1, until_height: int | None = None) -> bytes:
    return make_no_read_evidence(story.ledger, story.parcel, from_height, until_height)


def test_a_member_that_never_had_a_grant(story: Story) -> None:
    content = no_grant(story, reader="d")
    found = story.details(content)
    assert tuple(found) == NO_GRANT_STEPS
    assert found["after"].endswith("0 requests so far, 0 grants; the dataset is conditional since height 1")
    assert found["absence"] == "d had no grant on a.flights (航班 Flights) at the heights 1 to 11"
    assert summary(parse_any_evidence(content)) == "d had no grant to read a.flights from height 1 to 11."


@pytest.mark.parametrize(
    ("from_height", "until_height", "is_absent"),
    [
        (1, 3, True),  # asked at 3, granted at 4
        (1, 4, False),
        (4, 4, False),
        (5, 7, False),  # granted before, without end
        (8, 8, False),  # taken back in this very block
        (9, 9, False),  # granted again
        (10, 11, True),  # for ten milliseconds, which are over in block 10
        (11, 11, True),
    ],
)
def test_grants_between_before_and_on_the_edges(
    story: Story, from_height: int, until_height: int, is_absent: bool
) -> None:
    if is_absent:
        found = story.details(no_grant(story, from_height, until_height))
        assert found["absence"].endswith(f"at the heights {from_height} to {until_height}")
        return
    with refuses(ErrorCode.NOT_ABSENT):
        no_grant(story, from_height, until_height)


@pytest.mark.parametrize(
    ("dataset", "reader", "code"),
    [
        (FLIGHTS, "nobody", ErrorCode.UNKNOWN_MEMBER),
        (FLIGHTS, "a", ErrorCode.ACCESS_NOT_NEEDED),
        ("b.derived", "a", ErrorCode.ACCESS_NOT_NEEDED),
        ("a.nothing", "b", ErrorCode.NOT_FOUND),
    ],
)
def test_a_question_that_has_no_answer_is_refused(story: Story, dataset: str, reader: str, code: ErrorCode) -> None:
    with refuses(code):
        make_no_grant_evidence(story.ledger, dataset, reader)


@pytest.mark.parametrize(("from_height", "until_height"), [(0, 3), (4, 3), (1, 12)])
def test_heights_that_are_none_are_refused(story: Story, from_height: int, until_height: int) -> None:
    for make in (no_grant, no_read):
        with refuses(ErrorCode.BAD_REQUEST):
            make(story, from_height, until_height)


def test_a_grant_that_is_not_over_when_the_range_begins_is_found(story: Story) -> None:
    """Block 10 begins after it has ended; block 9 is the one of the grant."""
    world = Story().world
    until_ms = world.time_ms + 50
    world.ask("b", until_ms=until_ms)
    world.accept(world.network.dataset("d", "filler"), after_ms=until_ms - world.time_ms - 1)
    with refuses(ErrorCode.NOT_ABSENT, "when the range began"):
        make_no_grant_evidence(world.ledger, FLIGHTS, "b", world.ledger.tip.height)
    world.accept(world.network.dataset("d", "other"), after_ms=1)
    make_no_grant_evidence(world.ledger, FLIGHTS, "b", world.ledger.tip.height)


@pytest.mark.parametrize(("from_height", "until_height", "is_absent"), [(1, 4, True), (5, 5, False), (6, 11, True)])
def test_read_reports_between_before_and_on_the_edges(
    story: Story, from_height: int, until_height: int, is_absent: bool
) -> None:
    if is_absent:
        content = no_read(story, from_height, until_height)
        found = story.details(content)
        assert tuple(found) == NO_READ_STEPS
        assert found["absence"] == f"no read report names the parcel at the heights {from_height} to {until_height}"
        assert summary(parse_any_evidence(content)).startswith(
            f"No read report for parcel {story.parcel.hex()} of a.fli"
        )
        return
    with refuses(ErrorCode.NOT_ABSENT):
        no_read(story, from_height, until_height)


def test_whether_anybody_could_have_read_without_a_read_report_is_shown(story: Story) -> None:
    assert story.details(no_read(story, 1, 3))["after"].endswith("nobody has had a grant on the dataset by then")
    assert story.details(no_read(story, 1, 4))["after"].endswith("1 grants on the dataset by then")


def test_an_open_parcel_may_have_been_read_unseen(story: Story) -> None:
    with refuses(ErrorCode.ACCESS_NOT_NEEDED):
        make_no_read_evidence(story.ledger, story.derived)
