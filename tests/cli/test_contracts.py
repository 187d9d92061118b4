"""Deploying access contracts on real nodes, and the datasets that name them."""

import json
from pathlib import Path

import pytest

from tests.cli.access import CONTRACT, as_member, define_sealed
from tests.processes import RunningNetwork

pytestmark = pytest.mark.integration


def test_a_contract_is_deployed_listed_and_shown(
    running_network: RunningNetwork, contract: str, tmp_path: Path
) -> None:
    listed = as_member(running_network, "registry", "contract", "list", "--json").json
    assert contract in {entry["contract"] for entry in listed}
    shown = as_member(running_network, "registry", "contract", "show", contract, "--json").json
    assert (shown["owner"], shown["version"], shown["source"], shown["parameters"]) == ("aviation", 1, CONTRACT, "{}")
    assert as_member(running_network, "registry", "contract", "show", contract, "--source").out == CONTRACT
    assert shown["hash"] in as_member(running_network, "registry", "contract", "show", contract).out
    assert shown["hash"] in as_member(running_network, "registry", "contract", "list").out
    (tmp_path / "same.py").write_text(CONTRACT)
    deploy_again = ("contract", "deploy", tmp_path / "same.py", "--name", contract, "--json")
    again = as_member(running_network, "aviation", *deploy_again)
    assert (again.code, again.json["version"]) == (0, 1)
    assert "nothing was changed" in again.err


def test_a_contract_of_the_library_is_deployed_with_parameters(running_network: RunningNetwork, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"readers": ["meteorology"]}')
    deploy_it = ("contract", "deploy", "--library", "allow_list", "--name", "registry.friends", "--json")
    done = as_member(running_network, "registry", *deploy_it, "--parameters", tmp_path / "p.json")
    assert done.code == 0, done.out
    assert json.loads(done.json["parameters"]) == {"readers": ["meteorology"]}
    assert "def can_read" in done.json["source"]


def test_a_mistake_is_shown_with_its_line_and_nothing_is_sent(running_network: RunningNetwork, tmp_path: Path) -> None:
    (tmp_path / "c.py").write_text("def can_read(request, dataset, ctx):\n    return allow(\n")
    done = as_member(running_network, "aviation", "contract", "deploy", tmp_path / "c.py", "--name", "aviation.broken")
    assert done.code == 1
    assert ">    2     return allow(" in done.err
    assert "bad_contract" in done.err
    assert as_member(running_network, "aviation", "contract", "show", "aviation.broken").code == 1


def test_deploying_for_another_member_is_refused(running_network: RunningNetwork, tmp_path: Path) -> None:
    (tmp_path / "c.py").write_text(CONTRACT)
    deploy_it = ("contract", "deploy", tmp_path / "c.py", "--name", "registry.taken", "--json")
    done = as_member(running_network, "aviation", *deploy_it)
    assert (done.code, done.json["error"]["code"]) == (1, "not_contract_owner")


@pytest.mark.parametrize("which", [(), ("c.py", "--library", "open")])
def test_either_a_file_or_a_ready_contract_is_deployed(
    running_network: RunningNetwork, tmp_path: Path, which: tuple[str, ...]
) -> None:
    (tmp_path / "c.py").write_text(CONTRACT)
    arguments = [tmp_path / each if each == "c.py" else each for each in which]
    done = as_member(running_network, "aviation", "contract", "deploy", *arguments, "--name", "aviation.x")
    assert done.code == 2


@pytest.mark.parametrize("named", [(), ("--contract", "aviation.missing")])
def test_a_conditional_dataset_needs_a_contract_that_is_there(
    running_network: RunningNetwork, named: tuple[str, ...]
) -> None:
    define = ("dataset", "define", "aviation.unruled", "--title-zh", "x", "--title-en", "x", "--sharing", "conditional")
    done = as_member(running_network, "aviation", *define, *named, "--json")
    assert (done.code, done.json["error"]["code"]) == (1, "unknown_contract")
    assert ("--contract" if not named else "aviation.missing") in done.json["error"]["detail"]
    assert "blockpool contract deploy" in done.json["error"]["advice"]


def test_an_update_keeps_the_contract(running_network: RunningNetwork, contract: str, tmp_path: Path) -> None:
    dataset = define_sealed(running_network, contract, tmp_path)
    done = as_member(running_network, "aviation", "dataset", "define", dataset, "--legal-basis", "Art. 9", "--json")
    assert (done.json["version"], done.json["contract"], done.json["sharing"]) == (2, contract, "conditional")
    assert contract in as_member(running_network, "aviation", "dataset", "show", dataset).out
