"""``blockpool watch`` against real nodes: a first look, later ones, an alarm, and time stamps."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from blockpool import ErrorCode
from chain.primitives.keys import load_signer
from chain.proofs.checkpoints import Checkpoint, encode_checkpoint, parse_checkpoint, sign_head, trusted_head
from chain.proofs.history import TreeHead
from chain.proofs.trust import TrustHistory
from cli.failures import ExitCode
from tests.cli.commands import Done, run
from tests.cli.time_stamping import TimeStampingService, time_stamping_service
from tests.processes import MEMBERS, RunningNetwork

TIMEOUT_S = 30.0


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TimeStampingService]:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl")
    with time_stamping_service(tmp_path_factory.mktemp("stamps") / "service") as running:
        yield running


def await_checkpoint(network: RunningNetwork) -> int:
    """Wait until every node shows a checkpoint of all its blocks; gives their number."""
    size = network.network.settle() + 1
    keys = TrustHistory(network.network.genesis)
    deadline_s = time.monotonic() + TIMEOUT_S
    waiting = set(network.network.urls)
    while waiting and time.monotonic() < deadline_s:
        for url in list(waiting):
            answer = httpx.get(f"{url}/v1/checkpoint", trust_env=False)
            if answer.status_code == 200 and trusted_head(answer.content, keys).size == size:
                waiting.discard(url)
    assert not waiting
    return size


def watch_once(network: RunningNetwork, path: Path, *arguments: object) -> Done:
    return run("watch", *network.network.urls, "--once", "--genesis", network.genesis_file, "--file", path, *arguments)


def test_a_watch_keeps_the_newest_checkpoint(running_network: RunningNetwork, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.note"
    keys = TrustHistory(running_network.network.genesis)
    running_network.new_dataset()
    size = await_checkpoint(running_network)
    first = watch_once(running_network, path, "--json")
    assert (first.code, first.json["alarms"], first.json["checkpoint"]["size"]) == (ExitCode.GOOD, [], size)
    assert [node["state"] for node in first.json["nodes"]] == ["agrees"] * len(MEMBERS)
    assert trusted_head(path.read_bytes(), keys).size == size
    running_network.new_dataset()
    later = await_checkpoint(running_network)
    second = watch_once(running_network, path)
    assert second.code == ExitCode.GOOD
    assert "agrees" in second.out
    assert trusted_head(path.read_bytes(), keys).size == later > size


def test_witnesses_that_are_required_must_have_cosigned(running_network: RunningNetwork, tmp_path: Path) -> None:
    await_checkpoint(running_network)
    done = watch_once(running_network, tmp_path / "checkpoint.note", "--witness-required", 1, "--json")
    assert done.code == ExitCode.CANNOT
    assert {node["state"] for node in done.json["nodes"]} == {"unproven"}
    assert not (tmp_path / "checkpoint.note").exists()


def test_another_history_than_the_one_held_is_an_alarm_with_evidence(
    running_network: RunningNetwork, tmp_path: Path
) -> None:
    """The held checkpoint is of a history that a quorum has signed and that no node tells."""
    size = await_checkpoint(running_network)
    network, path = running_network.network, tmp_path / "checkpoint.note"
    head = TreeHead(size, bytes(32))
    signers = {name: load_signer(network.folder / name / "node" / "consensus.pem") for name in MEMBERS[:3]}
    lines = tuple(sign_head(signer, network.genesis.chain_id, name, head, 1) for name, signer in signers.items())
    held = encode_checkpoint(Checkpoint(head, lines), TrustHistory(network.genesis))
    path.write_bytes(held)
    folder = tmp_path / "evidence"
    done = watch_once(running_network, path, "--evidence-folder", folder, "--json")
    assert done.code == ExitCode.FALSE
    assert f"another history of {size} blocks than the one held" in done.json["alarms"]
    assert path.read_bytes() == held, "an alarm changes nothing"
    files = sorted(map(Path, done.json["evidence"]))
    assert [file.name.partition(".")[0] for file in files] == sorted(MEMBERS[:3])
    for file in files:
        verified = run("verify", file, "--genesis", running_network.genesis_file)
        assert verified.code == ExitCode.GOOD
        assert "Verified" in verified.out
    shown = watch_once(running_network, path, "--evidence-folder", folder)
    assert "ALARM" in shown.out
    assert "Your checkpoint stays as it is." in shown.out


def test_a_file_that_is_no_checkpoint_is_refused(running_network: RunningNetwork, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.note"
    path.write_text("blockpool/0\n1\n")
    done = watch_once(running_network, path, "--json")
    assert (done.code, done.json["error"]["code"]) == (ExitCode.FALSE, ErrorCode.BAD_CHECKPOINT)
    assert path.read_text() == "blockpool/0\n1\n"


def test_nodes_that_do_not_answer_are_no_alarm(running_network: RunningNetwork, tmp_path: Path) -> None:
    genesis, path = running_network.genesis_file, tmp_path / "checkpoint.note"
    done = run("watch", "http://127.0.0.1:9", "--once", "--genesis", genesis, "--file", path, "--json")
    assert (done.code, done.json["nodes"][0]["state"]) == (ExitCode.CANNOT, "unreachable")


def test_a_time_stamp_is_kept_beside_the_checkpoint_and_asked_for_once(
    running_network: RunningNetwork, service: TimeStampingService, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint.note"
    await_checkpoint(running_network)
    options = ("--tsa", service.url, "--tsa-certificate", service.root, "--json")
    done = watch_once(running_network, path, *options)
    assert (done.code, done.json["time_stamp_error"]) == (ExitCode.GOOD, None)
    assert done.json["time_stamp"].endswith("+00:00")
    service.verify(path)
    asked = len(service.queries)
    assert watch_once(running_network, path, *options).json["time_stamp"] == done.json["time_stamp"]
    assert len(service.queries) == asked
    path.with_name("checkpoint.note.tsr").write_bytes(b"spoiled")
    assert watch_once(running_network, path, *options).code == ExitCode.GOOD
    assert len(service.queries) == asked + 1


def test_a_stamp_of_another_service_is_refused(
    running_network: RunningNetwork, service: TimeStampingService, tmp_path: Path
) -> None:
    other = TimeStampingService(tmp_path / "other")
    other.create()
    await_checkpoint(running_network)
    path = tmp_path / "checkpoint.note"
    done = watch_once(running_network, path, "--tsa", service.url, "--tsa-certificate", other.root, "--json")
    assert (done.code, done.json["time_stamp_error"]["code"]) == (ExitCode.CANNOT, ErrorCode.BAD_PROOF)
    keys = TrustHistory(running_network.network.genesis)
    assert parse_checkpoint(path.read_bytes(), keys).head.size == done.json["checkpoint"]["size"]
    assert not path.with_name("checkpoint.note.tsr").exists()
