"""``dataset infer`` without a network, and ``dataset define`` with the table that it writes."""

import json
from pathlib import Path

import pytest

from tests.cli.commands import run
from tests.processes import RunningNetwork

PEOPLE = "身份证号,姓名,金额\n11010519491231002X,测试甲,1.50\n440524188001010014,测试乙,2.00\n"


def test_a_proposal_is_shown_and_written(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(PEOPLE)
    done = run("dataset", "infer", tmp_path / "people.csv", "--out", tmp_path / "schema.json", "--json")
    assert done.code == 0
    assert done.json["records"] == 2
    assert done.json["fields"][0]["format"] == "身份证号"
    schema = json.loads((tmp_path / "schema.json").read_text())
    assert schema["properties"]["金额"]["multipleOf"] == 0.01
    assert "身份证号" in run("dataset", "infer", tmp_path / "people.csv").out


def test_another_ending_is_refused(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(PEOPLE)
    done = run("dataset", "infer", tmp_path / "people.csv", "--out", tmp_path / "schema.txt")
    assert done.code == 2
    assert not (tmp_path / "schema.txt").exists()


@pytest.mark.integration
def test_the_table_defines_the_dataset(running_network: RunningNetwork, tmp_path: Path) -> None:
    dataset, people = running_network.new_dataset(), tmp_path / "people.csv"
    people.write_text(PEOPLE)
    assert run("dataset", "infer", people, "--out", tmp_path / "fields.xlsx").code == 0
    signing = ("--genesis", running_network.genesis_file, "--key", running_network.key_file())
    assessed = ("--impact-assessment", "2026-17")
    fields = ("--schema", tmp_path / "fields.xlsx")
    defined = run("dataset", "define", dataset, *fields, *assessed, *signing, "--json")
    assert defined.code == 0
    assert json.loads(defined.json["schema"])["properties"]["身份证号"]["format"] == "cn-identity-number"
    people.write_text(PEOPLE.replace("440524188001010014", "440524188001010015"))
    refused = run("submit", people, "--dataset", dataset, *signing)
    assert refused.code == 1
    assert "line 3, column 身份证号" in refused.err


@pytest.mark.integration
def test_every_bad_line_of_a_table_is_named(running_network: RunningNetwork, tmp_path: Path) -> None:
    (tmp_path / "fields.csv").write_text("字段名,类型,必填\na,文本,也许\nb,不明,\n")
    signing = ("--genesis", running_network.genesis_file, "--key", running_network.key_file())
    done = run("dataset", "define", running_network.new_dataset(), "--schema", tmp_path / "fields.csv", *signing)
    assert done.code == 1
    assert "2 problems" in done.err
    assert "neither" in done.err
