"""The short form of ``make chaos``: some kinds of faults, each once, on four real daemons under load."""

from pathlib import Path

import pytest

from tests.chaos.faults import FAULTS, WITHOUT_QUORUM
from tests.chaos.run import Plan, Result, run

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]
KINDS = (
    "kill_loop",
    "freeze",
    "one_way",
    "isolate",
    "halves",
    "blackout",
    "wrong_clock",
    "old_image",
    "equivocating",
    "twins",
)
SEED = 4
STARTS_S_MAX = 60
"""A node is stopped and started twice, and catches up, on a busy machine."""


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """One run. What fails names the folder with the logs."""
    return run(Plan(tmp_path_factory.mktemp("chaos") / "pool", SEED, duration_s=0, kinds=KINDS, hold_s=1.5))


def test_s01_s02_s30_s31_s37_s38_s42_s43_nothing_acknowledged_is_lost(result: Result) -> None:
    """Every acknowledgement is on every node, exactly once, by what it serves and by an audit of what it has stored."""
    assert result.violations == [], result.plan.folder
    assert (result.comparison.lost, result.comparison.duplicated) == (0, 0)
    assert set(result.faults) == set(KINDS)
    assert {item.kind for item in result.log.acknowledged} == {"open", "sealed", "request", "read_report"}
    assert result.log.reads > 0


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in WITHOUT_QUORUM])
def test_s37_s43_service_goes_on_while_one_node_is_faulty(result: Result, kind: str) -> None:
    assert all(stage.acknowledged for stage in result.stages if stage.kind == kind)


def test_s30_the_others_go_on_without_the_primary(result: Result) -> None:
    (stage,) = [stage for stage in result.stages if stage.kind == "isolate"]
    assert stage.gap_s < 0.8 * stage.fault_s


def test_s31_no_half_decides_alone(result: Result) -> None:
    (stage,) = [stage for stage in result.stages if stage.kind == "halves"]
    assert stage.gap_s > 0.8 * stage.fault_s


def test_s43_a_clock_that_is_wrong_refuses_what_the_others_propose(result: Result) -> None:
    """The fault lasts until it has; a clock that nobody minds is a violation, and the stage is missing."""
    (stage,) = [stage for stage in result.stages if stage.kind == "wrong_clock"]
    assert stage.fault_s < result.plan.hold_s * 1.5 + STARTS_S_MAX


def test_every_kind_says_what_it_is() -> None:
    assert all(fault.__doc__ for fault in FAULTS.values())


def test_a_run_ends_with_no_process_left(result: Result) -> None:
    homes = [str(path) for path in Path(result.plan.folder).iterdir()]
    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(home.encode() in command for command in running for home in homes)
