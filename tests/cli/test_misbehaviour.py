"""``blockpool evidence misbehaviour``: what nodes hold against members comes verified, under names that no node
chooses.
"""

import json
from pathlib import Path

import pytest

from cli.failures import ExitCode
from tests.cli.commands import Done, run
from tests.cli.test_report_misbehaviour import node, two_votes
from tests.networks import TestNetwork

LISTED = {"name": "c.votes.7.json", "member": "c", "kind": "votes", "place": 7}


@pytest.fixture
def network(tmp_path: Path) -> TestNetwork:
    network = TestNetwork()
    (tmp_path / "genesis.json").write_bytes(network.genesis.content)
    return network


def fetch(folder: Path, *urls: str) -> Done:
    nodes = [argument for url in urls for argument in ("--node", url)]
    genesis = folder / "genesis.json"
    return run("evidence", "misbehaviour", "-o", folder / "found", "--genesis", genesis, *nodes, "--json")


def test_what_several_nodes_hold_is_written_once(network: TestNetwork, tmp_path: Path) -> None:
    files = {"c.votes.7.json": two_votes(network)}
    with node(files, [LISTED]) as one, node(files, [LISTED]) as other:
        done = fetch(tmp_path, one, other)
    assert done.code == ExitCode.GOOD
    path = tmp_path / "found" / "c.votes.7.json"
    assert done.json == {
        "misbehaviour": [{"member": "c", "kind": "votes", "place": 7, "file": str(path)}],
        "unanswered": {},
    }
    verified = run("verify", path, "--genesis", tmp_path / "genesis.json", "--json")
    assert (verified.code, verified.json["verified"]) == (ExitCode.GOOD, True)


def test_a_node_does_not_choose_where_a_file_goes_nor_whom_it_accuses(network: TestNetwork, tmp_path: Path) -> None:
    content = two_votes(network)
    for listed in (LISTED | {"name": "../c.votes.7.json"}, LISTED | {"member": "d"}, LISTED | {"member": "../c"}):
        with node({str(listed["name"]): content}, [listed]) as url:
            done = fetch(tmp_path, url)
        assert (done.code, done.json["misbehaviour"]) == (ExitCode.CANNOT, [])
        assert list(done.json["unanswered"]) == [url]
    forged = json.loads(content) | {"member": "d"}
    with node({"d": json.dumps(forged).encode()}, [LISTED | {"name": "d", "member": "d"}]) as url:
        assert fetch(tmp_path, url).json["misbehaviour"] == []
    assert list((tmp_path / "found").iterdir()) == []


def test_no_evidence_is_good_news_and_no_answer_is_none(network: TestNetwork, tmp_path: Path) -> None:
    with node({}, []) as url:
        done = fetch(tmp_path, url, "http://127.0.0.1:9")
    assert (done.code, done.json["misbehaviour"]) == (ExitCode.GOOD, [])
    assert list(done.json["unanswered"]) == ["http://127.0.0.1:9"]
    assert fetch(tmp_path, "http://127.0.0.1:9").code == ExitCode.CANNOT
