"""A measured figure, and the targets it is held against."""

from dataclasses import dataclass, field
from typing import Any

from bench.statistics import Summary


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure should be. ``is_ceiling``: smaller is better."""

    least: float
    aim: float
    is_ceiling: bool = False

    def verdict(self, value: float) -> str:
        """Which of the two is reached."""
        for name, bound in (("aim reached", self.aim), ("reached", self.least)):
            if value <= bound if self.is_ceiling else value >= bound:
                return name
        return "missed"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    key: str
    """Stable name, for the results file and the targets."""
    what: str
    value: float
    unit: str
    how: str = ""
    """What has to be known to read the figure."""

    @property
    def target(self) -> Target | None:
        """Its target, if it has one."""
        return TARGETS.get(self.key)

    @property
    def verdict(self) -> str:
        """Whether the target is reached; empty without one."""
        return self.target.verdict(self.value) if self.target else ""


@dataclass(frozen=True, slots=True)
class Section:
    """What one part of the benchmark found."""

    name: str
    title: str
    setting: str
    """Payload, who signs and verifies what, durability, where the load ran."""
    figures: list[Figure]
    runs: list[Summary] = field(default_factory=list)
    """The runs behind the figures, in the order in which they were made."""

    def as_json(self) -> dict[str, Any]:
        """For the results file."""
        figures = [
            {"key": figure.key, "what": figure.what, "value": figure.value, "unit": figure.unit}
            | {"verdict": figure.verdict, "how": figure.how}
            for figure in self.figures
        ]
        runs = [run.as_json() for run in self.runs]
        return {"name": self.name, "title": self.title, "setting": self.setting, "figures": figures, "runs": runs}


CATCH_UP_LEAST, CATCH_UP_AIM = 3, 10
"""Catch-up is held against multiples of the live rate of parcels."""

TARGETS = {
    "sdk_calls_1": Target(150, 166),
    "sdk_async_calls_1": Target(150, 166),
    "sdk_async_calls_8": Target(800, 1_500),
    "sdk_async_calls_400": Target(2_000, 4_000),
    "sdk_async_singles_cpu": Target(0.4, 0.2, is_ceiling=True),
    "sdk_async_bulk_share": Target(80, 95),
    "delay_25_bulk": Target(60_000, 100_000),
    "delay_75_bulk": Target(25_000, 100_000),
    "singles_rate": Target(2_000, 4_000),
    "singles_p99": Target(250, 80, is_ceiling=True),
    "parcels_rate": Target(40_000, 100_000),
    "checked_rate": Target(20_000, 50_000),
    "idle_p50": Target(15, 6, is_ceiling=True),
    "idle_p99": Target(40, 15, is_ceiling=True),
    "failover_gap": Target(3, 1, is_ceiling=True),
    "worst_primary_singles": Target(50, 90),
    "worst_primary_parcels": Target(50, 90),
    "catch_up_ratio": Target(CATCH_UP_LEAST, CATCH_UP_AIM),
    "audit_bulk": Target(200_000, 500_000),
    "audit_bulk_scaling": Target(1.8, 1.9),
    "audit_singles": Target(12_000, 12_000),
    "audit_singles_scaling": Target(1.8, 1.9),
    "memory": Target(400, 200, is_ceiling=True),
    "verdicts_purpose": Target(3_000, 10_000),
    "verdicts_approval": Target(3_000, 10_000),
    "sealing_whole": Target(30_000, 30_000),
    "sealing_fields": Target(8_000, 8_000),
    "sealed_ratio": Target(70, 70),
    "access_p50": Target(60, 25, is_ceiling=True),
    "reading_rate": Target(20_000, 100_000),
    "evidence_size": Target(10_240, 10_240, is_ceiling=True),
    "evidence_export": Target(30, 30, is_ceiling=True),
    "evidence_verify": Target(50, 50, is_ceiling=True),
    "growth_open": Target(2, 0.5, is_ceiling=True),
    "growth_join": Target(60, 20, is_ceiling=True),
    "growth_disk": Target(1_500, 800, is_ceiling=True),
    "watch_cost": Target(1, 1, is_ceiling=True),
}
