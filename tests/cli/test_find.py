"""Records with keys from the command line: shared, found, changed and found again."""

import json
import stat
from pathlib import Path

import pytest

from tests.cli.access import as_member
from tests.processes import RunningNetwork

pytestmark = pytest.mark.integration

SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "n": {"type": "integer"}},
    "required": ["id"],
    "key": ["id"],
}


def share(network: RunningNetwork, dataset: str, file: Path, *rows: dict[str, object]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = as_member(network, "aviation", "submit", file, "--dataset", dataset, "--json")
    assert done.code == 0, done.err
    network.network.settle()


def test_only_what_is_new_or_changed_is_shared(running_network: RunningNetwork, tmp_path: Path) -> None:
    dataset = running_network.new_dataset(schema=json.dumps(SCHEMA))
    file = tmp_path / "rows.ndjson"

    def submit(rows: list[dict[str, object]], *options: str) -> tuple[int, int]:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        done = as_member(running_network, "aviation", "submit", file, "--dataset", dataset, "--json", *options)
        assert done.code == 0, done.err
        return done.json["records"], done.json["unchanged"]

    rows: list[dict[str, object]] = [{"id": str(number), "n": 1} for number in range(50)]
    assert submit(rows) == (50, 0)
    assert submit(rows) == (0, 50)
    assert submit(rows[::-1], "--batch", "7") == (0, 50)
    assert submit([*rows, {"id": "50", "n": 1}], "--dry-run") == (1, 50)
    assert submit([*rows[:20], {"id": "20", "n": 2}, *rows[21:], {"id": "new"}]) == (2, 49)
    assert submit(rows) == (1, 49), "what was changed back is shared again"
    assert submit(rows[:3], "--again") == (3, 0)
    running_network.network.settle()
    assert running_network.record_counts(dataset) == {56}


def test_the_newest_record_of_a_key_is_found(running_network: RunningNetwork, tmp_path: Path) -> None:
    dataset = running_network.new_dataset(schema=json.dumps(SCHEMA))
    share(running_network, dataset, tmp_path / "one.ndjson", {"id": "A", "n": 1}, {"id": "B", "n": 1})
    share(running_network, dataset, tmp_path / "two.ndjson", {"id": "A", "n": 2})
    file = tmp_path / "a.json"
    found = as_member(running_network, "meteorology", "find", dataset, "A", "-o", file, "--json")
    assert found.code == 0, found.err
    assert (json.loads(found.json["body"]), found.json["versions"]) == ({"id": "A", "n": 2}, 2)
    verified = as_member(running_network, "meteorology", "verify", file)
    assert "the present record of its key" in verified.out
    missing = as_member(running_network, "meteorology", "find", dataset, "C", "--json")
    assert (missing.code, missing.json["record"]) == (1, None)
    shown = as_member(running_network, "meteorology", "find", dataset, "C")
    assert "none: proven up to block" in shown.out


def test_keys_of_sealed_records_are_found_with_the_secret_alone(
    running_network: RunningNetwork, tmp_path: Path
) -> None:
    dataset = running_network.new_dataset(schema=json.dumps(SCHEMA), sharing="closed")
    share(running_network, dataset, tmp_path / "secret.ndjson", {"id": "A", "n": 1})
    secret = running_network.key_file("aviation").with_name("record-keys.secret")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    found = as_member(running_network, "aviation", "find", dataset, "A", "--json")
    assert found.code == 0, found.err
    stranger = as_member(running_network, "meteorology", "find", dataset, "A", "--json")
    assert (stranger.code, stranger.json["error"]["code"]) == (1, "key_secret_needed")
    trusted = as_member(running_network, "meteorology", "find", dataset, "A", "--key-secret", secret, "--json")
    assert trusted.json["record"] == found.json["record"]
