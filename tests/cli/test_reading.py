"""Looking at a real network: catalogue, blocks, records, evidence, audits, and what a node's failure looks like."""

import json
import shutil
from pathlib import Path

import pytest

from chain.storage.level import plyvel
from cli.networks import create_network
from evidence.record import RECORD_STEPS
from tests.cli.commands import Done, run
from tests.networks import SCHEMA
from tests.processes import RunningNetwork

pytestmark = pytest.mark.integration


def at(network: RunningNetwork, *arguments: object) -> Done:
    """Run a command with the network's genesis file and aviation's key in the environment."""
    environment = {"BLOCKPOOL_GENESIS": str(network.genesis_file), "BLOCKPOOL_KEY": str(network.key_file())}
    return run(*arguments, environment=environment)


def share(network: RunningNetwork, count: int = 3) -> tuple[str, str]:
    """Share records; gives the dataset and the id of the first."""
    dataset = network.new_dataset()
    with network.client() as client:
        receipts = client.submit([{"n": number} for number in range(count)], dataset)
    network.network.settle()
    return dataset, str(receipts[0].record_ids[0])


def test_define_list_and_show_a_dataset(running_network: RunningNetwork, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(SCHEMA)
    define = ("dataset", "define", "aviation.by-command")
    without_titles = at(running_network, *define)
    assert without_titles.code == 2
    assert "--title-zh" in without_titles.err
    titles = ("--title-zh", "航班", "--title-en", "Flights")
    made = at(running_network, *define, *titles, "--schema", tmp_path / "s.json", "--json")
    assert (made.code, made.json["version"], made.json["schema"]) == (0, 1, SCHEMA)
    updated = at(running_network, *define, "--title-en", "Departures", "--legal-basis", "Art. 4", "--json").json
    assert (updated["version"], updated["title_zh"], updated["title_en"]) == (2, "航班", "Departures")
    assert (updated["schema"], updated["legal_basis"]) == (SCHEMA, "Art. 4")
    same = at(running_network, *define, "--title-en", "Departures", "--json")
    assert same.json["version"] == 2
    assert "nothing was changed" in same.err
    listed = at(running_network, "dataset", "list", "--json").json
    assert "aviation.by-command" in {entry["dataset"] for entry in listed}
    assert "航班 Departures" in at(running_network, "dataset", "list").out
    assert "Art. 4" in at(running_network, "dataset", "show", "aviation.by-command").out
    assert at(running_network, "dataset", "show", "aviation.missing").code == 1


def test_a_schema_that_is_not_taken_is_refused(running_network: RunningNetwork, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"type":"string","allOf":[]}')
    titles = ("--title-zh", "x", "--title-en", "x", "--schema", tmp_path / "s.json", "--json")
    done = at(running_network, "dataset", "define", "aviation.patterns", *titles)
    assert (done.code, done.json["error"]["code"]) == (1, "schema_keyword")
    assert "allOf" in done.json["error"]["detail"]


def test_show_block_transaction_and_record(running_network: RunningNetwork) -> None:
    dataset, record = share(running_network)
    shown = at(running_network, "show", "record", record, "--json").json
    assert (shown["dataset"], shown["value"], shown["outcome"]) == (dataset, {"n": 0}, "ok")
    transaction = at(running_network, "show", "transaction", record.split("/")[0], "--json").json
    assert (transaction["type"], transaction["fields"]["record_count"]) == ("parcel", 3)
    block = at(running_network, "show", "block", transaction["height"], "--json").json
    assert transaction["transaction_id"] in {entry["transaction_id"] for entry in block["transactions"]}
    assert len(block["certificate"]["votes"]) >= 3
    assert at(running_network, "show", "block", "--json").json["height"] >= block["height"]
    assert '{"n":0}' in at(running_network, "show", "record", record).out
    assert dataset in at(running_network, "show", "transaction", record.split("/")[0]).out
    assert block["hash"] in at(running_network, "show", "block", block["height"]).out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("record", "00" * 32 + "/0"), 1),
        (("transaction", "00" * 32), 1),
        (("block", "999999999"), 1),
        (("record", "nonsense"), 2),
        (("transaction", "nonsense"), 2),
        (("block", "nonsense"), 2),
    ],
)
def test_what_is_not_there_is_1_and_nonsense_is_2(
    running_network: RunningNetwork, arguments: tuple[str, ...], code: int
) -> None:
    assert at(running_network, "show", *arguments).code == code


def test_evidence_is_verified_step_by_step_offline(running_network: RunningNetwork, tmp_path: Path) -> None:
    _, record = share(running_network)
    file = tmp_path / "e.json"
    done = at(running_network, "evidence", "record", record, "-o", file, "--json")
    assert (done.code, done.json["size_bytes"]) == (0, file.stat().st_size)
    verified = at(running_network, "verify", file, "--json").json
    assert verified["verified"] is True
    assert [(step["number"], step["title"]) for step in verified["steps"]] == list(enumerate(RECORD_STEPS, start=1))
    shown = at(running_network, "verify", file).out.splitlines()
    assert [line[2] for line in shown[:9]] == list("123456789")
    assert shown[9] == "Verified: all 9 steps hold."
    assert shown[10].startswith(f"Record {record} says what is in the file")


@pytest.mark.parametrize(
    ("change", "step", "code"),
    [
        (lambda file: file["record"].update(body="eyJuIjo5fQ=="), 5, "bad_proof"),
        (lambda file: file["block"]["certificate"]["votes"].pop(), 3, "bad_certificate"),
        (lambda file: file["block"]["certificate"].update(view=9), 3, "bad_certificate"),
        (lambda file: file["parcel"].update(signature="A" * 86 + "=="), 7, "bad_signature"),
        (lambda file: file.update(chain_id="00" * 32), 1, "wrong_chain"),
        (lambda file: file.pop("member"), 1, "bad_evidence"),
    ],
)
def test_a_forgery_is_refused_at_its_step(
    running_network: RunningNetwork, tmp_path: Path, change: object, step: int, code: str
) -> None:
    _, record = share(running_network)
    file = tmp_path / "e.json"
    at(running_network, "evidence", "record", record, "-o", file)
    content = json.loads(file.read_bytes())
    change(content)  # type: ignore[operator]
    file.write_text(json.dumps(content))
    done = at(running_network, "verify", file, "--json")
    assert done.code == 1
    assert (done.json["verified"], done.json["error"]["step"], done.json["error"]["code"]) == (False, step, code)
    assert done.json["error"]["step_title"] == RECORD_STEPS[step - 1]
    assert len(done.json["steps"]) == step - 1
    shown = at(running_network, "verify", file)
    assert f"Refused at step {step}." in shown.out
    assert f"({code})" in shown.out


def test_evidence_of_another_network_is_refused(running_network: RunningNetwork, tmp_path: Path) -> None:
    _, record = share(running_network)
    at(running_network, "evidence", "record", record, "-o", tmp_path / "e.json")
    create_network(tmp_path / "other", "Other", ["a"], [(7000, 8000)])
    done = run("verify", tmp_path / "e.json", "--genesis", tmp_path / "other" / "genesis.json", "--json")
    assert (done.code, done.json["error"]["code"]) == (1, "wrong_chain")


def test_evidence_of_a_missing_record_writes_no_file(running_network: RunningNetwork, tmp_path: Path) -> None:
    done = at(running_network, "evidence", "record", "00" * 32 + "/0", "-o", tmp_path / "e.json")
    assert done.code == 1
    assert not (tmp_path / "e.json").exists()


def test_the_status_of_nodes_and_network(running_network: RunningNetwork) -> None:
    url = running_network.network.nodes["registry"].url
    status = run("node", "status", url, "--json").json
    assert (status["member"], status["role"], status["is_ready"]) == ("registry", "validator", True)
    assert {peer["member"] for peer in status["peers"]} == {"airports", "aviation", "meteorology"}
    assert "registry (validator)" in run("node", "status", url).out
    network = at(running_network, "network", "status", "--json")
    assert (network.code, network.json["ready_validators"], network.json["quorum"]) == (0, 4, 3)
    assert at(running_network, "network", "status").out.count("ready") == 4
    assert {state["state"] for state in network.json["states"].values()} == {"ready"}


def test_a_status_names_the_chain_that_is_another(running_network: RunningNetwork, tmp_path: Path) -> None:
    """The ports are those of the running network, the genesis file is not."""
    addresses = [node.url.rpartition(":")[2] for node in running_network.network.nodes.values()]
    ports = [(1 + index, int(address)) for index, address in enumerate(addresses)]
    create_network(tmp_path / "n", "Other", list(running_network.network.nodes), ports, contracts=False)
    other = run("network", "status", "--genesis", tmp_path / "n" / "genesis.json", "--wait", "0.1", "--json")
    assert (other.code, other.json["ready_validators"]) == (1, 0)
    assert {state["state"] for state in other.json["states"].values()} == {"another chain"}
    assert "it is on chain " in other.json["states"]["registry"]["reason"]


def test_an_unreachable_node_is_3(tmp_path: Path) -> None:
    done = run("node", "status", "http://127.0.0.1:1", "--json")
    assert (done.code, done.json["error"]["code"]) == (3, "unreachable")
    assert run("dataset", "list", "--node", "http://127.0.0.1:1").code == 3
    create_network(tmp_path / "n", "Down", ["a", "b"], [(1, 2), (3, 4)])
    down = run("network", "status", "--genesis", tmp_path / "n" / "genesis.json", "--json")
    assert (down.code, down.json["ready_validators"], down.json["nodes"]) == (1, 0, {"a": None, "b": None})
    assert down.json["states"]["a"]["state"] == "unreachable"
    assert "127.0.0.1:2" in down.json["states"]["a"]["reason"]


def test_the_audit_of_a_running_node_counts_everything(running_network: RunningNetwork) -> None:
    dataset, _ = share(running_network, 12)
    done = at(running_network, "audit", "chain", running_network.network.urls[1], "--json")
    assert (done.code, done.json["holds"], done.json["error"]) == (0, True, None)
    assert done.json["records_by_dataset"][dataset] == 12
    assert done.json["blocks"] == done.json["height"] + 1
    assert done.json["certificate_signatures"] >= 3 * done.json["height"]
    assert f"{dataset}" in at(running_network, "audit", "chain", running_network.network.urls[1]).out


def test_the_home_of_a_running_node_is_locked(running_network: RunningNetwork) -> None:
    done = at(running_network, "audit", "chain", running_network.network.nodes["aviation"].home, "--json")
    assert (done.code, done.json["error"]["code"]) == (3, "data_folder_locked")
    assert "audit the URL" in done.json["error"]["detail"]


def test_the_genesis_file_of_another_network_fails_the_audit(running_network: RunningNetwork, tmp_path: Path) -> None:
    create_network(tmp_path / "other", "Other", ["a"], [(7000, 8000)])
    genesis = tmp_path / "other" / "genesis.json"
    done = run("audit", "chain", running_network.network.urls[0], "--genesis", genesis, "--json")
    assert (done.code, done.json["error"]["code"], done.json["error"]["height"]) == (1, "bad_block", 0)


@pytest.fixture
def stopped_home(running_network: RunningNetwork, tmp_path: Path) -> Path:
    """A copy of a node's home, as it is after a power cut."""
    share(running_network)
    home = tmp_path / "copy"
    ignored = shutil.ignore_patterns("*.pem", "state")
    shutil.copytree(running_network.network.nodes["meteorology"].home, home, ignore=ignored)
    return home


def test_the_audit_of_a_home_reads_its_files(running_network: RunningNetwork, stopped_home: Path) -> None:
    done = at(running_network, "audit", "chain", stopped_home, "--json")
    assert (done.code, done.json["holds"]) == (0, True)
    assert done.json["records"] > 0


def test_lost_blocks_fail_the_audit_of_a_home(running_network: RunningNetwork, stopped_home: Path) -> None:
    """LevelDB drops the end of a cut log without a word; HEAD tells what was promised."""
    for log in (stopped_home / "data" / "blocks").glob("*.log"):
        content = log.read_bytes()
        log.write_bytes(content[: len(content) // 2])
    done = at(running_network, "audit", "chain", stopped_home, "--json")
    assert (done.code, done.json["error"]["code"]) == (1, "database_damaged")
    assert "blocks were lost" in done.json["error"]["detail"]
    assert done.json["error"]["height"] == done.json["height"] + 1


def test_a_changed_record_fails_the_audit_of_a_home(running_network: RunningNetwork, stopped_home: Path) -> None:
    with plyvel.DB(str(stopped_home / "data" / "blocks")) as database:
        key, value = next(item for item in database.iterator(prefix=b"p") if b'"n":' in item[1])
        database.put(key, value.replace(b'"n":', b'"m":', 1))
    done = at(running_network, "audit", "chain", stopped_home, "--json")
    assert done.code == 1
    assert done.json["records_wrong"] > 0


@pytest.mark.parametrize("source", ["", "nowhere"])
def test_what_is_neither_home_nor_url_is_wrong_usage(
    running_network: RunningNetwork, tmp_path: Path, source: str
) -> None:
    assert at(running_network, "audit", "chain", tmp_path / source).code == 2


def test_a_home_that_never_ran_cannot_be_audited(running_network: RunningNetwork, tmp_path: Path) -> None:
    create_network(tmp_path / "n", "New", ["a"], [(7000, 8000)])
    done = at(running_network, "audit", "chain", tmp_path / "n" / "a")
    assert done.code == 3
    assert "never run" in done.err
    assert not (tmp_path / "n" / "a" / "node" / "data").exists()
