"""A member's keys from the command line, on a running network: rotated, retired, taken over; proven at the end."""

import subprocess
import sys
from pathlib import Path

import pytest

from blockpool import Client, ErrorCode, Identity, verify_evidence
from cli.homes import GOVERNANCE_KEY, SUCCESSOR_KEY
from tests.cli.commands import Done, run
from tests.processes import RunningNetwork
from tests.refusals import refuses

pytestmark = pytest.mark.integration

SCRIPT = Path(__file__).parents[2] / "examples" / "verify_evidence.py"
MEMBER = "registry"


def rotate(network: RunningNetwork, key: Path, *arguments: object, member: str = MEMBER) -> Done:
    """Change the member's keys with one of its governance keys."""
    environment = {"BLOCKPOOL_GENESIS": str(network.genesis_file)}
    common = ("--key", key, "--member", member, "--person", "张三", "--yes", "--json")
    return run("member", "rotate", *arguments, *common, environment=environment)


def new_key(path: Path) -> str:
    """A new private key; gives its id."""
    made = run("keys", "new", path, "--json")
    assert made.code == 0, made.err
    key_id: str = made.json["key_id"]
    return key_id


def keys_of(network: RunningNetwork, member: str = MEMBER) -> dict[str, tuple[str, int, int]]:
    """Use and heights of its keys by their ids."""
    shown = run("member", "keys", member, "--genesis", network.genesis_file, "--json")
    assert shown.code == 0, shown.err
    return {key["key_id"]: (key["use"], key["from_height"], key["until_height"]) for key in shown.json["keys"]}


def verified(network: RunningNetwork, file: Path) -> str:
    """What the verifier that shares no code with the project says of an evidence file."""
    command = [sys.executable, SCRIPT, file, "--genesis", network.genesis_file]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_s140_a_stolen_system_key_is_retired_and_what_it_signed_before_stays_proven(
    running_network: RunningNetwork, tmp_path: Path
) -> None:
    network, genesis = running_network, running_network.network.genesis
    governance = network.key_file(MEMBER).parent / GOVERNANCE_KEY
    dataset = network.new_dataset(MEMBER)
    stolen_id, fresh_id = new_key(tmp_path / "stolen.pem"), new_key(tmp_path / "fresh.pem")
    added = rotate(network, governance, tmp_path / "stolen.pem")
    assert added.code == 0, added.err
    stolen = Identity.load(tmp_path / "stolen.pem", genesis, member=MEMBER)
    fresh = Identity.load(tmp_path / "fresh.pem", genesis, member=MEMBER)
    urls = network.network.urls_from(MEMBER)
    with Client(urls, genesis, stolen) as client:
        (receipt,) = client.submit([{"n": 1}], dataset)
    record = receipt.record_ids[0]
    done = rotate(network, governance, tmp_path / "fresh.pem", "--retire", stolen_id, "--reason", "laptop stolen")
    assert (done.code, done.json["new"], done.json["retired"]) == (0, [fresh_id], [stolen_id]), done.err
    height = done.json["height"]
    network.network.settle()
    for url in network.network.urls:
        with Client(url, genesis, stolen) as client, refuses(ErrorCode.REVOKED_KEY):
            client.submit([{"n": 2}], dataset)
    with Client(urls, genesis, fresh) as client:
        client.submit([{"n": 3}], dataset)
        evidence = client.evidence(record)
    assert verify_evidence(evidence, genesis)
    (tmp_path / "old.evidence.json").write_bytes(evidence)
    assert MEMBER in verified(network, tmp_path / "old.evidence.json")
    found = keys_of(network)
    assert found[stolen_id] == ("system", added.json["height"] + 1, height)
    assert found[fresh_id] == ("system", height + 1, 0)
    again = rotate(network, governance, "--retire", stolen_id)
    assert (again.code, again.json["error"]["code"]) == (1, "not_system_key")


def test_s141_the_successor_takes_the_place_of_a_stolen_governance_key(
    running_network: RunningNetwork, tmp_path: Path
) -> None:
    network, member = running_network, "airports"
    folder = network.key_file(member).parent
    governance, successor = folder / GOVERNANCE_KEY, folder / SUCCESSOR_KEY
    next_id, thief_id = new_key(tmp_path / "next.pem"), new_key(tmp_path / "thief.pem")
    assert rotate(network, governance, tmp_path / "thief.pem", member=member).code == 0
    away = rotate(network, governance, "--successor", tmp_path / "next.pem", member=member)
    assert (away.code, away.json["error"]["code"]) == (1, "successor_mismatch")
    done = rotate(network, successor, "--retire", thief_id, "--successor", tmp_path / "next.pem", member=member)
    assert (done.code, done.json["took_over"]) == (0, True), done.err
    uses = {id_: use for id_, (use, _, _) in keys_of(network, member).items()}
    assert uses[next_id] == "successor"
    assert list(uses.values()).count("governance") == 1
    late = rotate(network, governance, tmp_path / "next.pem", member=member)
    assert (late.code, late.json["error"]["code"]) == (1, "not_governance_key")


def test_nobody_changes_keys_by_mistake(running_network: RunningNetwork, tmp_path: Path) -> None:
    network = running_network
    governance = network.key_file("aviation").parent / GOVERNANCE_KEY
    fresh_id = new_key(tmp_path / "fresh.pem")
    before = keys_of(network, "aviation")
    (system_id,) = (id_ for id_, (use, _, until) in before.items() if use == "system" and not until)
    environment = {"BLOCKPOOL_GENESIS": str(network.genesis_file), "BLOCKPOOL_KEY": str(governance)}
    change = ("member", "rotate", tmp_path / "fresh.pem", "--retire", system_id, "--person", "张三")
    assert run(*change, "--json", environment=environment).code == 2
    asked = run(*change, environment=environment)
    assert asked.code == 1
    assert f"key {fresh_id} signs from the next block on" in asked.err
    assert f"key {system_id} signs no more" in asked.err
    bare = run("member", "rotate", "--retire", system_id, "--person", "张三", environment=environment)
    assert "left without a system key" in bare.err
    assert run("member", "rotate", "--retire", "xyz", "--person", "张三", environment=environment).code == 2
    unsigned = rotate(network, network.key_file("aviation"), tmp_path / "fresh.pem", member="aviation")
    assert (unsigned.code, unsigned.json["error"]["code"]) == (1, "not_governance_key")
    assert keys_of(network, "aviation") == before
