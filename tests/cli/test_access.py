"""Requests, answers and reads on real nodes, as the members that take part in them."""

import csv
import os
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import msgspec
import pytest

from blockpool import Client, ErrorCode, PoolError, RequestState
from chain.access.policy import ReadDigest
from cli.requests import Terms
from sealing import KemPrivateKey, load_kem_key
from tests.cli.access import ROOT, as_member, ask, define_sealed, read, reader_key_file, share_sealed, write_records
from tests.cli.commands import run
from tests.processes import RunningNetwork

pytestmark = pytest.mark.integration

UNKNOWN = "00" * 32


def parcels_of(network: RunningNetwork, dataset: str) -> list[tuple[bytes, int]]:
    """Ids and record counts of a dataset's parcels in chain order, as a node tells."""
    url = f"{network.network.urls[0]}/v1/datasets/{dataset}/parcels"
    parcels = httpx.get(url, trust_env=False).json()["parcels"]
    return [(bytes.fromhex(parcel["transaction_id"]), parcel["record_count"]) for parcel in parcels]


def digest_of(network: RunningNetwork, dataset: str, bodies: list[bytes]) -> str:
    """The digest of reading a whole dataset, in hexadecimal."""
    digest, left = ReadDigest(network.network.genesis.chain_id), iter(bodies)
    for parcel, count in parcels_of(network, dataset):
        for index in range(count):
            digest.add(parcel, index, next(left))
    return digest.digest().hex()


# Requests and answers


def test_a_request_is_granted_denied_or_put_to_members(
    running_network: RunningNetwork, contract: str, tmp_path: Path
) -> None:
    dataset, _ = share_sealed(running_network, contract, tmp_path, 1)
    granted = ask(running_network, dataset, "flight safety", "--until", "2099-12-31", "--json")
    assert (granted.code, granted.json["status"], granted.json["note"]) == (0, "granted", "by purpose")
    assert granted.json["wanted_until_ms"] == 4102444800000 - 8 * 3_600_000, "the end of that day in China"
    denied = ask(running_network, dataset, "marketing", "--json")
    assert (denied.code, denied.json["status"], denied.json["sentence"]) == (1, "denied", "only for flight safety")
    asked = ask(running_network, dataset, "statistics", "--case-number", "7", "--person", "Li", "--json")
    assert (asked.code, asked.json["status"], asked.json["approvers"]) == (0, "asked", ["aviation"])
    assert (asked.json["case_number"], asked.json["person"]) == ("7", "Li")
    shown = as_member(running_network, "registry", "request", "show", asked.json["request"])
    assert "asked: the approval of aviation is needed" in shown.out
    listed = as_member(running_network, "registry", "request", "list", "--dataset", dataset, "--json").json
    assert [entry["status"] for entry in listed] == ["granted", "denied", "asked"]


class LyingClient(Client):
    """A client whose node shows every request as granted."""

    def request_view(self, request_id: bytes, wait_s: float = 0) -> RequestState:
        """What the node should not say."""
        return msgspec.structs.replace(super().request_view(request_id, wait_s), status="granted")


def test_a_node_that_shows_another_verdict_than_it_proves_is_not_believed(
    running_network: RunningNetwork, contract: str, tmp_path: Path
) -> None:
    dataset, _ = share_sealed(running_network, contract, tmp_path, 1)
    network, key = running_network.network, load_kem_key(reader_key_file(running_network, "meteorology"))
    with LyingClient(network.urls, network.genesis, running_network.identity("meteorology")) as client:
        assert Terms(purpose="flight safety").ask(client, dataset, key).status == "granted"
        with pytest.raises(PoolError, match="shows granted, its receipt proves denied") as raised:
            Terms(purpose="marketing").ask(client, dataset, key)
    assert raised.value.code is ErrorCode.BAD_RECEIPT


def test_an_approver_finds_and_answers_what_waits_for_it(
    running_network: RunningNetwork, contract: str, tmp_path: Path
) -> None:
    dataset, _ = share_sealed(running_network, contract, tmp_path, 1)
    request = ask(running_network, dataset, "statistics", "--json").json["request"]
    running_network.network.settle()
    waiting = ("request", "list", "--for-me", "--dataset", dataset, "--json")
    assert [entry["request"] for entry in as_member(running_network, "aviation", *waiting).json] == [request]
    assert as_member(running_network, "registry", *waiting).json == []
    stranger = as_member(running_network, "registry", "request", "approve", request, "--json")
    assert (stranger.code, stranger.json["error"]["code"]) == (1, "not_an_approver")
    approved = as_member(running_network, "aviation", "request", "approve", request, "--reason", "checked", "--json")
    assert (approved.code, approved.json["status"]) == (0, "granted")
    assert approved.json["answers"][0]["reason"] == "checked"
    running_network.network.settle()
    assert as_member(running_network, "aviation", *waiting).json == []
    again = as_member(running_network, "aviation", "request", "refuse", request, "--json")
    assert (again.code, again.json["error"]["code"]) == (1, "request_settled")
    revoked = as_member(running_network, "aviation", "request", "revoke", request, "--reason", "case closed", "--json")
    assert (revoked.code, revoked.json["status"]) == (0, "revoked")
    running_network.network.settle()
    done = read(running_network, "--request", request, "--out", tmp_path / "o.ndjson", "--json")
    assert (done.code, done.json["error"]["code"]) == (1, "grant_revoked")
    assert "case closed" in done.json["error"]["detail"]


def test_a_refusal_ends_the_wait(running_network: RunningNetwork, contract: str, tmp_path: Path) -> None:
    dataset, _ = share_sealed(running_network, contract, tmp_path, 1)
    request = ask(running_network, dataset, "statistics", "--json").json["request"]
    running_network.network.settle()
    refused = as_member(running_network, "aviation", "request", "refuse", request, "--reason", "no", "--json")
    assert (refused.code, refused.json["status"], refused.json["sentence"]) == (0, "denied", "aviation said no")


def test_for_me_needs_to_know_who_i_am(running_network: RunningNetwork) -> None:
    nodes = ("--node", running_network.network.urls[0])
    assert run("request", "list", "--for-me", *nodes).code == 2
    assert run("request", "list", "--for-me", "--member", "registry", *nodes).code == 0


# Reading


def test_the_whole_way_in_one_command(running_network: RunningNetwork, contract: str, tmp_path: Path) -> None:
    dataset, bodies = share_sealed(running_network, contract, tmp_path)
    out = tmp_path / "out.ndjson"
    done = read(running_network, dataset, "--purpose", "flight safety", "--out", out, "--json")
    assert done.code == 0, done.out + done.err
    assert (done.json["records"], done.json["file"], len(done.json["read_reports"])) == (25, str(out), 1)
    assert out.read_bytes().splitlines() == bodies
    running_network.network.settle()
    shown = as_member(running_network, "aviation", "request", "show", done.json["request"], "--json").json
    assert (shown["read_reports"], shown["records_read"]) == (1, 25)
    receipt = as_member(running_network, "aviation", "show", "transaction", done.json["read_reports"][0], "--json").json
    assert receipt["fields"]["digest"] == digest_of(running_network, dataset, bodies)


def test_csv_and_standard_output(running_network: RunningNetwork, contract: str, tmp_path: Path) -> None:
    dataset, bodies = share_sealed(running_network, contract, tmp_path, 3)
    out = tmp_path / "out.csv"
    asked = read(running_network, dataset, "--purpose", "flight safety", "--out", out, "--no-report")
    assert asked.code == 0, asked.err
    with out.open(newline="") as file:
        assert list(csv.DictReader(file)) == [{"n": str(n), "name": f"flight {n}"} for n in range(3)]
    request = ask(running_network, dataset, "flight safety", "--json").json["request"]
    piped = read(running_network, "--request", request)
    assert (piped.code, piped.out.encode().splitlines()) == (0, bodies)
    running_network.network.settle()
    requests = as_member(running_network, "aviation", "request", "list", "--dataset", dataset, "--json").json
    assert [entry["read_reports"] for entry in requests] == [0, 1]


def test_only_what_was_asked_for_is_read(running_network: RunningNetwork, contract: str, tmp_path: Path) -> None:
    dataset, bodies = share_sealed(running_network, contract, tmp_path)
    with Client(running_network.network.urls) as client:
        first_height = client.dataset(dataset).registered_height
    done = read(running_network, dataset, "--purpose", "flight safety", "--until-height", first_height)
    assert (done.code, done.out) == (0, "")
    last, count = parcels_of(running_network, dataset)[-1]
    done = read(running_network, dataset, "--purpose", "flight safety", "--parcel", last.hex())
    assert done.code == 0, done.err
    assert done.out.encode().splitlines() == bodies[-count:]


def test_a_grant_for_some_fields_gives_these_alone(
    running_network: RunningNetwork, contract: str, tmp_path: Path
) -> None:
    dataset, _ = share_sealed(running_network, contract, tmp_path, 2, column="name")
    done = read(running_network, dataset, "--purpose", "names", "--format", "csv")
    assert (done.code, done.out.splitlines()) == (0, ["name", "flight 0", "flight 1"])


def test_what_was_handed_out_before_the_pipe_broke_is_reported(
    running_network: RunningNetwork, contract: str, tmp_path: Path
) -> None:
    dataset, bodies = share_sealed(running_network, contract, tmp_path, 3000, "--batch", 1000)
    request = ask(running_network, dataset, "flight safety", "--json").json["request"]
    signing = ("--genesis", running_network.genesis_file, "--key", running_network.key_file("meteorology"))
    with subprocess.Popen(
        [sys.executable, "-m", "cli.main", "read", "--request", request, *map(str, signing)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().rstrip() == bodies[0]
    assert process.returncode == 1
    running_network.network.settle()
    shown = as_member(running_network, "meteorology", "request", "show", request, "--json").json
    assert shown["read_reports"] == 1
    assert 0 < shown["records_read"] < 3000


def test_a_denial_leaves_the_reason_and_no_file(running_network: RunningNetwork, contract: str, tmp_path: Path) -> None:
    dataset, _ = share_sealed(running_network, contract, tmp_path, 1)
    out = tmp_path / "o" / "out.ndjson"
    out.parent.mkdir()
    done = read(running_network, dataset, "--purpose", "marketing", "--out", out, "--json")
    assert (done.code, done.json["error"]["code"]) == (1, "access_denied")
    assert "only for flight safety" in done.json["error"]["detail"]
    assert list(out.parent.iterdir()) == []


def test_what_must_be_approved_is_read_once_it_is(
    running_network: RunningNetwork, contract: str, tmp_path: Path
) -> None:
    dataset, bodies = share_sealed(running_network, contract, tmp_path, 2)
    pending = read(running_network, dataset, "--purpose", "statistics", "--out", tmp_path / "o.ndjson", "--json")
    assert (pending.code, pending.json["error"]["code"]) == (1, "approval_pending")
    request = pending.json["error"]["request"]
    assert f"blockpool read --request {request}" in pending.json["error"]["detail"]
    signing = {"BLOCKPOOL_GENESIS": str(running_network.genesis_file), "BLOCKPOOL_KEY": str(running_network.key_file())}
    approving = threading.Timer(
        1.0,
        lambda: subprocess.run(
            [sys.executable, "-m", "cli.main", "request", "approve", request],
            env=os.environ | signing | {"PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
        ),
    )
    approving.start()
    done = read(running_network, "--request", request, "--wait", "30")
    approving.join()
    assert done.code == 0, done.err
    assert done.out.encode().splitlines() == bodies


def test_an_open_dataset_is_read_without_a_request(running_network: RunningNetwork, tmp_path: Path) -> None:
    dataset = running_network.new_dataset()
    with running_network.client() as client:
        client.submit([{"n": 1}, {"n": 2}], dataset)
    running_network.network.settle()
    done = read(running_network, dataset, "--out", tmp_path / "o.csv", "--json")
    assert (done.code, done.json["records"], done.json["request"]) == (0, 2, "")
    assert (tmp_path / "o.csv").read_bytes() == b"n\r\n1\r\n2\r\n"
    asked = ask(running_network, dataset, "any", "--json")
    assert (asked.code, asked.json["error"]["code"]) == (1, "access_not_needed")


def test_another_key_than_the_requests_reads_nothing(
    running_network: RunningNetwork, contract: str, tmp_path: Path
) -> None:
    dataset, _ = share_sealed(running_network, contract, tmp_path, 1)
    request = ask(running_network, dataset, "flight safety", "--json").json["request"]
    KemPrivateKey.generate().save(tmp_path / "other.pem")
    reading = ("--request", request, "--out", tmp_path / "o.ndjson", "--reader-key", tmp_path / "other.pem", "--json")
    done = read(running_network, *reading)
    assert (done.code, done.json["error"]["code"]) == (3, "bad_key")
    assert not (tmp_path / "o.ndjson").exists()


def test_a_missing_reader_key_is_explained(running_network: RunningNetwork, contract: str, tmp_path: Path) -> None:
    dataset, _ = share_sealed(running_network, contract, tmp_path, 1)
    done = ask(running_network, dataset, "flight safety", "--reader-key", tmp_path / "reader.pem", "--json")
    assert (done.code, done.json["error"]["code"]) == (3, "bad_key")
    assert "--reader-key" in done.json["error"]["detail"]
    wrong_kind = ask(running_network, dataset, "flight safety", "--reader-key", running_network.key_file(), "--json")
    assert (wrong_kind.code, wrong_kind.json["error"]["code"]) == (3, "bad_key")
    readable = tmp_path / "readable.pem"
    readable.write_bytes(reader_key_file(running_network, "meteorology").read_bytes())
    readable.chmod(0o644)
    shown = ask(running_network, dataset, "flight safety", "--reader-key", readable)
    assert (shown.code, "chmod 600" in shown.err) == (3, True)


@pytest.mark.parametrize(
    "arguments",
    [("request", "show", UNKNOWN), ("request", "approve", UNKNOWN), ("read", "--request", UNKNOWN)],
    ids=" ".join,
)
def test_an_unknown_request_is_1(running_network: RunningNetwork, arguments: tuple[str, ...]) -> None:
    done = as_member(running_network, "meteorology", *arguments)
    assert done.code == 1
    assert "unknown_request" in done.err or "not_found" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("aviation.x", "--request", UNKNOWN),
        ("--request", UNKNOWN, "--purpose", "p"),
        ("aviation.x", "--json"),
        ("--request", "nonsense"),
        ("aviation.x", "--until", "tomorrow"),
        ("aviation.x", "--until", "2026-12-31T12:00"),
        ("aviation.x", "--parcel", "12"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2(running_network: RunningNetwork, arguments: tuple[str, ...]) -> None:
    assert read(running_network, *arguments).code == 2


def test_a_sealed_dataset_is_not_read_without_a_purpose(
    running_network: RunningNetwork, contract: str, tmp_path: Path
) -> None:
    dataset = define_sealed(running_network, contract, tmp_path)
    done = read(running_network, dataset)
    assert (done.code, "--purpose" in done.err) == (2, True)


def test_a_closed_dataset_is_for_its_owner_alone(
    running_network: RunningNetwork, contract: str, tmp_path: Path
) -> None:
    dataset = define_sealed(running_network, contract, tmp_path, sharing="closed")
    done = ask(running_network, dataset, "flight safety", "--json")
    assert (done.code, done.json["status"]) == (1, "denied")
    bodies = write_records(tmp_path / "own.ndjson", 2)
    as_member(running_network, "aviation", "submit", tmp_path / "own.ndjson", "--dataset", dataset)
    running_network.network.settle()
    own = as_member(running_network, "aviation", "read", dataset, "--purpose", "our database was lost")
    assert (own.code, own.out.encode().splitlines()) == (0, bodies)


@pytest.mark.parametrize(
    "arguments",
    [
        ("read", "aviation.x", "--purpose", "p"),
        ("read", "--request", UNKNOWN),
        ("request", "list"),
        ("contract", "list"),
    ],
    ids=" ".join,
)
def test_an_unreachable_node_is_3(running_network: RunningNetwork, arguments: tuple[str, ...]) -> None:
    done = as_member(running_network, "meteorology", *arguments, "--node", "http://127.0.0.1:1")
    assert (done.code, "unreachable" in done.err) == (3, True)


# Disclosure


def test_a_field_is_disclosed_and_verified_offline(
    running_network: RunningNetwork, contract: str, tmp_path: Path
) -> None:
    dataset = define_sealed(running_network, contract, tmp_path)
    (tmp_path / "r.ndjson").write_text('{"n": 1, "name": "shown", "pilot": "hidden"}\n')
    submit = ("submit", tmp_path / "r.ndjson", "--dataset", dataset, "--commitments", "fields", "--json")
    record = as_member(running_network, "aviation", *submit).json["first_record"]
    request = ask(running_network, dataset, "flight safety", "--json").json["request"]
    file = tmp_path / "d.json"
    disclose = ("disclose", record, "--request", request, "--out", file)
    done = as_member(running_network, "meteorology", *disclose, "--field", "name", "--json")
    assert (done.code, done.json["fields"]) == (0, ["name"]), done.out
    verified = run("verify", file, "--genesis", running_network.genesis_file)
    assert verified.code == 0, verified.out
    assert "shown" in verified.out
    assert "hidden" not in verified.out + file.read_text()
    missing = as_member(running_network, "meteorology", *disclose, "--field", "captain", "--json")
    assert (missing.code, missing.json["error"]["code"]) == (1, "not_found")
