"""examples/submit.mjs, a client in plain Node.js: offline against the vectors, and against real nodes."""

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from chain.primitives.encoding import decode, encode
from chain.primitives.keys import encode_private_key, write_secret_file
from chain.proofs.receipts import Receipt
from chain.transactions.base import transaction_id
from tests.processes import RunningNetwork
from tests.vectors import make, network

SCRIPT = Path(__file__).parents[2] / "examples" / "submit.mjs"
OLDEST_NODE_JS = 18


@cache
def node_js() -> str | None:
    """Path of a Node.js that is new enough."""
    path = shutil.which("node")
    if path is None:
        return None
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    return path if int(version.lstrip("v").partition(".")[0]) >= OLDEST_NODE_JS else None


pytestmark = pytest.mark.skipif(node_js() is None, reason=f"Node.js {OLDEST_NODE_JS} or newer is not installed")


def run(*arguments: str | Path, lines: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [node_js() or "node", str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, input=lines, capture_output=True, timeout=60, check=False)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with the genesis file and aviation's key of the vectors."""
    (tmp_path / "genesis.json").write_bytes(network.make_genesis().content)
    write_secret_file(tmp_path / "system.pem", encode_private_key(network.seed("system aviation"), None))
    return tmp_path


def signing_options(files: Path) -> list[str | Path]:
    return [
        "--genesis", files / "genesis.json", "--key", files / "system.pem",
        "--member", "aviation", "--dataset", "aviation.flights",
    ]  # fmt: skip


def test_offline_it_makes_the_vectors_bytes(files: Path) -> None:
    lines = b"\n".join(network.RECORDS) + b"\n\n"
    expiry = str(network.TIME_MS + 3_600_000)
    done = run(*signing_options(files), "--offline", "--nonce", "22" * 16, "--expiry-ms", expiry, lines=lines)
    assert done.returncode == 0, done.stderr
    chain_id = network.make_genesis().chain_id
    parcel = network.parcel_transaction(network.RECORDS, 0x22)
    assert json.loads(done.stdout) == {
        "transaction_id": transaction_id(chain_id, parcel.header).hex(),
        "records": 3,
        "transaction": encode(parcel).hex(),
    }


def test_an_encrypted_key_opens_with_the_passphrase_of_the_environment(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files / "system.pem").unlink()
    write_secret_file(files / "system.pem", encode_private_key(network.seed("system aviation"), "口令 p"))
    options = (*signing_options(files), "--offline", "--nonce", "22" * 16)
    assert run(*options, lines=network.RECORDS[0]).returncode != 0
    monkeypatch.setenv("BLOCKPOOL_PASSPHRASE", "口令 p")
    done = run(*options, lines=network.RECORDS[0])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("count", [1, 2, 5, 15, 16, 17, 33, 300])
def test_parcels_of_any_size_are_what_this_code_makes(files: Path, count: int) -> None:
    records = tuple(b'{"flight":%d,"text":"%b"}' % (number, b"x" * number) for number in range(1, count + 1))
    expiry = str(network.TIME_MS + 3_600_000)
    done = run(*signing_options(files), "--offline", "--nonce", "44" * 16, "--expiry-ms", expiry,
               lines=b"\n".join(records))  # fmt: skip
    expected = network.parcel_transaction(records, 0x44)
    assert json.loads(done.stdout)["transaction"] == encode(expected).hex()


def test_records_with_keys_get_the_keys_that_the_protocol_says(files: Path) -> None:
    records = (
        '{"flight":1501,"dest":"北京"}'.encode(),
        b'{"dest":"PVG","flight":1e3}',
        b'{"flight":-0,"dest":""}',
        b'{"flight":9007199254740991,"dest":"PVG"}',
    )
    options = [*signing_options(files), "--key-field", "dest", "--key-field", "flight", "--offline"]
    done = run(*options, "--nonce", "55" * 16, lines=b"\n".join(records))
    expected = network.keyed_transaction(0x55, records, "aviation.flights")
    assert json.loads(done.stdout)["transaction"] == encode(expected).hex()
    for refused in (b'{"flight":9007199254740993,"dest":"A"}', b'{"flight":1}', b'{"flight":1,"dest":"A"}\n' * 2):
        assert run(*options, lines=refused).returncode == 1


def test_it_cuts_the_input_into_batches_with_fresh_nonces(files: Path) -> None:
    done = run(*signing_options(files), "--offline", "--batch", "2", lines=b'{"flight":1}\n' * 5)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [result["records"] for result in results] == [2, 2, 1]
    assert len({result["transaction_id"] for result in results}) == 3


def receipt_of(height: int, index: int, file: str = "chain.json") -> tuple[str, bytes]:
    blocks = json.loads((make.FOLDER / file).read_text())["blocks"]
    block = next(block for block in blocks if block["height"] == height)
    return block["outcomes"][index]["transaction_id"], bytes.fromhex(block["receipts"][index])


def verify(files: Path, id_: str, receipt: bytes) -> subprocess.CompletedProcess[bytes]:
    (files / "receipt").write_bytes(receipt)
    return run("--genesis", files / "genesis.json", "--verify", files / "receipt", "--transaction", id_)


@pytest.mark.parametrize(("height", "index", "code"), [(1, 0, "ok"), (2, 1, "schema_violation"), (3, 2, "ok")])
def test_it_verifies_receipts(files: Path, height: int, index: int, code: str) -> None:
    id_, receipt = receipt_of(height, index)
    done = verify(files, id_, receipt)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["transaction_id"], found["height"], found["index"]) == (id_, height, index)
    assert (found["code"], found["votes"]) == (code, ["airports", "aviation", "meteorology"])


@pytest.mark.parametrize(("height", "index", "verdict"), [(3, 0, "ask"), (3, 1, "deny"), (4, 0, "allow")])
def test_it_verifies_receipts_of_requests_with_their_verdicts(
    files: Path, height: int, index: int, verdict: str
) -> None:
    id_, receipt = receipt_of(height, index, "access.json")
    done = verify(files, id_, receipt)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["code"], found["verdict"]) == ("ok", verdict)


def altered(receipt: bytes) -> dict[str, bytes]:
    """Receipts that claim something else, each with the words of its refusal."""
    good = decode(Receipt, receipt)
    certificate = good.certificate
    votes = certificate.votes

    def changed(of: Any, **changes: object) -> Any:
        return type(of)(**({name: getattr(of, name) for name in of.__struct_fields__} | changes))

    def with_votes(*given: tuple[str, bytes]) -> bytes:
        return encode(changed(good, certificate=changed(certificate, votes=given)))

    return {
        "votes are no quorum": with_votes(*votes[:2]),
        "ascending order": with_votes(votes[0], votes[0], votes[1]),
        "is no validator": with_votes(*votes[:2], ("university", votes[2][1])),
        "does not verify": with_votes(*votes[:2], ("registry", votes[2][1])),
        "for another block": encode(changed(good, certificate=changed(certificate, height=9))),
        "not in the block": encode(changed(good, outcome=good.outcome.replace(b"schema_violation", b"ok"))),
        "too short": encode(changed(good, proof=())),
        "too long": encode(changed(good, proof=(*good.proof, bytes(32)))),
        "outside a tree": encode(changed(good, index=2)),
        "not canonical": receipt + b"\x00",
        "ends too early": receipt[:-1],
    }


@pytest.mark.parametrize("words", altered(receipt_of(2, 1)[1]))
def test_it_refuses_an_altered_receipt(files: Path, words: str) -> None:
    id_, receipt = receipt_of(2, 1)
    done = verify(files, id_, altered(receipt)[words])
    assert done.returncode == 1
    assert words in done.stderr.decode()


def test_it_refuses_a_receipt_for_another_transaction(files: Path) -> None:
    done = verify(files, receipt_of(2, 0)[0], receipt_of(2, 1)[1])
    assert done.returncode == 1
    assert b"another transaction" in done.stderr


def test_usage_and_missing_files_have_their_exit_codes(files: Path) -> None:
    assert run("--genesis", files / "genesis.json").returncode == 2
    assert run("--no-such-option").returncode == 2
    assert run("--genesis", files / "none", "--verify", files / "none", "--transaction", "00").returncode == 3


def online_options(running: RunningNetwork, dataset: str, url: str | None = None) -> list[str | Path]:
    return [
        "--genesis", running.genesis_file, "--key", running.key_file(), "--member", "aviation",
        "--dataset", dataset, "--url", url or running.network.urls[0],
    ]  # fmt: skip


@pytest.mark.integration
def test_it_shares_records_through_a_real_network(running_network: RunningNetwork) -> None:
    dataset = running_network.new_dataset()
    lines = b"".join(b'{"n":%d}\n' % number for number in range(120))
    done = run(*online_options(running_network, dataset), "--batch", "50", lines=lines)
    assert done.returncode == 0, done.stderr
    results = sorted(map(json.loads, done.stdout.splitlines()), key=lambda result: -int(result["records"]))
    assert [(result["records"], result["code"]) for result in results] == [(50, "ok"), (50, "ok"), (20, "ok")]
    assert all(len(result["votes"]) >= 3 for result in results)
    with running_network.client() as client:
        record = client.record(f"{results[2]['transaction_id']}/19")
    assert record.body == b'{"n":119}'


@pytest.mark.integration
def test_many_parcels_travel_together(running_network: RunningNetwork) -> None:
    dataset = running_network.new_dataset()
    lines = b"".join(b'{"n":%d}\n' % number for number in range(600))
    done = run(*online_options(running_network, dataset), "--batch", "1", lines=lines)
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({result["transaction_id"] for result in results}) == 600
    assert len({result["height"] for result in results}) < 60
    assert running_network.record_counts(dataset) == {600}


@pytest.mark.integration
def test_a_refusal_has_its_code_and_exit_code(running_network: RunningNetwork) -> None:
    dataset = running_network.new_dataset()
    done = run(*online_options(running_network, dataset), lines=b'{"n":1}\n{"n":2000000}\n')
    assert done.returncode == 1
    assert b"schema_violation: record 1: /n breaks maximum" in done.stderr


@pytest.mark.integration
def test_a_node_that_is_not_there_is_a_matter_of_reach(running_network: RunningNetwork) -> None:
    options = online_options(running_network, "aviation.any", "http://127.0.0.1:9")
    done = run(*options, "--attempts", "2", lines=b'{"n":1}\n')
    assert done.returncode == 3
    assert b"127.0.0.1:9" in done.stderr
