"""docs/operations.md says all that there is: every setting with its default, every metric, every way to end."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from chain.errors import ErrorCode
from node.config import ConfigFile
from node.metrics import Metrics

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
ENDINGS = [
    ErrorCode.BAD_CONFIGURATION,
    ErrorCode.BAD_GENESIS,
    ErrorCode.BAD_KEY,
    ErrorCode.KEY_PERMISSIONS,
    ErrorCode.WRONG_PASSPHRASE,
    ErrorCode.DATA_FOLDER_LOCKED,
    ErrorCode.WRONG_DATA_FOLDER,
    ErrorCode.PORT_IN_USE,
    *(code for code in ErrorCode if code.is_storage or code.is_engine),
]


def settings() -> list[tuple[str, str, object]]:
    """(section, key, default) of every setting; the default of a required one is `NODEFAULT`."""
    found = []
    for section in msgspec.structs.fields(ConfigFile):
        type_ = next(part for part in (section.type, *get_args(section.type)) if isinstance(part, type))
        for field in msgspec.structs.fields(type_):
            found.append((section.name, field.name, field.default))
    return found


@pytest.mark.parametrize(("section", "key", "default"), settings())
def test_every_setting_with_its_default(section: str, key: str, default: object) -> None:
    table = DOCUMENT[DOCUMENT.index("| section | key") : DOCUMENT.index("opens encrypted private keys")]
    of_section = table[table.index(f"| `{section}` |") :].splitlines()
    row = next(line for line in of_section if f"| `{key}` |" in line)
    shown = row.split("|")[3].strip()
    expected = "required" if default is msgspec.NODEFAULT else "none" if default is None else f"`{default}`"
    assert shown == expected


def test_every_metric() -> None:
    table = DOCUMENT[DOCUMENT.index("## 6. Monitoring") : DOCUMENT.index("## 7. Logs")]
    named = set(re.findall(r"`(blockpool_[a-z_]+)", table))
    own = {line.split()[2] for line in Metrics().render().decode().splitlines() if line.startswith("# TYPE")}
    own = {name for name in own if "_process_" not in name and not name.endswith("_created")}
    assert own - named == set()
    assert {name for name in named if "_process_" not in name} - own == set()


@pytest.mark.parametrize("code", ENDINGS)
def test_every_way_to_end_with_its_exit_code(code: ErrorCode) -> None:
    row = next(line for line in DOCUMENT.splitlines() if line.startswith(f"| `{code}` |"))
    is_passing = code.is_storage or code is ErrorCode.ENGINE_DAMAGED
    assert row.split("|")[2].strip() == ("1" if is_passing else "2")
