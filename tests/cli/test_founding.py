"""Departments found a network together, and nobody sees another's private key."""

import json
import stat
from pathlib import Path

import pytest

from blockpool import load_genesis
from chain.primitives.crypto import key_id
from chain.primitives.keys import load_signer
from cli.processes import NodeProcess, free_ports
from contracts.engine import ENGINE_IDENTITY
from sealing import load_kem_key
from tests.cli.commands import run

NAMES = ("tax", "health", "police", "transport")


def found(folder: Path, names: tuple[str, ...] = NAMES, host: str = "127.0.0.1") -> Path:
    """Each member makes its own folder; the genesis file is made from copies of their public files only."""
    desk = folder / "desk"
    desk.mkdir()
    for index, name in enumerate(names):
        address = f"{host}:{7100 + index}"
        assert run("member", "new", name, "--out", folder / name, "--peer", address).code == 0
        (desk / f"{name}.json").write_bytes((folder / name / "member.json").read_bytes())
    files = [desk / f"{name}.json" for name in names]
    done = run("genesis", "create", *files, "-o", desk / "genesis.json", "--network", "City 市数据池")
    assert done.code == 0, done.err
    return desk


def test_members_found_a_network_from_public_files_alone(tmp_path: Path) -> None:
    desk = found(tmp_path)
    done = run("genesis", "check", desk / "genesis.json", "--json")
    assert done.code == 0
    assert done.json["validators"] == sorted(NAMES)
    assert (done.json["quorum"], done.json["max_faulty"], done.json["network"]) == (3, 1, "City 市数据池")
    genesis = load_genesis(desk / "genesis.json")
    assert done.json["chain_id"] == genesis.chain_id.hex()
    for name in NAMES:
        member = genesis.founder(name)
        assert member is not None
        signer = load_signer(tmp_path / name / "system.pem")
        assert member.key_by_id(key_id(signer.public_key)) is not None
        assert member.consensus_key == load_signer(tmp_path / name / "node" / "consensus.pem").public_key
        assert member.kem_key == load_kem_key(tmp_path / name / "node" / "kem.pem").public_key.encoded
        assert load_kem_key(tmp_path / name / "reader.pem").public_key.encoded != member.kem_key
    assert genesis.founder("tax").title_zh == "税务局"  # type: ignore[union-attr]


def test_private_keys_are_0600_and_their_bytes_are_nowhere_else(tmp_path: Path) -> None:
    desk = found(tmp_path)
    keys = sorted(tmp_path.rglob("*.pem"))
    assert len(keys) == 7 * len(NAMES)
    shared = b"".join(
        path.read_bytes() for path in [*desk.iterdir(), *tmp_path.rglob("*.toml"), *tmp_path.rglob("*.crt")]
    )
    for key in keys:
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        secret = key.read_bytes().splitlines()[1]
        assert len(secret) > 40
        assert secret not in shared
    assert len({key.read_bytes() for key in keys}) == len(keys)
    for name in NAMES:
        for path in (tmp_path / name, *(tmp_path / name).rglob("*")):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    desk = found(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert run("member", "new", "tax", "--out", tmp_path / "tax").code != 0
    again = run("genesis", "create", desk / "tax.json", "-o", desk / "genesis.json", "--network", "x")
    assert again.code == 1
    assert "exists already" in again.err
    assert run("keys", "new", tmp_path / "tax" / "system.pem").code == 3
    assert run("network", "init", desk, "--members", "a").code == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda file: file["members"].append(file["members"][0]), "appears twice"),
        (lambda file: file["members"][0].update(keys=file["members"][1]["keys"]), "share a key"),
        (lambda file: file["members"][0].update(node=None), "needs a node"),
        (lambda file: file.update(extra=1), "extra"),
    ],
)
def test_a_bad_genesis_file_is_refused_with_its_reason(tmp_path: Path, change: object, reason: str) -> None:
    desk = found(tmp_path)
    path = desk / "genesis.json"
    content = json.loads(path.read_bytes())
    change(content)  # type: ignore[operator]
    path.write_text(json.dumps(content))
    done = run("genesis", "check", path)
    assert done.code == 1
    assert reason in done.err
    assert "bad_genesis" in done.err
    assert done.out == ""


def test_a_bad_member_file_is_named(tmp_path: Path) -> None:
    desk = found(tmp_path)
    (desk / "tax.json").write_text("{}")
    done = run("genesis", "create", desk / "tax.json", "-o", desk / "other.json", "--network", "x", "--json")
    assert done.code == 1
    assert str(desk / "tax.json") in done.json["error"]["detail"]
    assert not (desk / "other.json").exists()


def test_observers_and_members_without_a_node(tmp_path: Path) -> None:
    desk = found(tmp_path, ("tax",), "10.0.0.9")
    assert run("member", "new", "watcher", "--out", tmp_path / "w", "--observer", "--peer", "10.0.0.1:7000").code == 0
    assert run("member", "new", "shop", "--out", tmp_path / "s", "--no-node", "--kind", "enterprise").code == 0
    assert not (tmp_path / "w" / "node" / "consensus.pem").exists()
    assert not (tmp_path / "w" / "node" / "kem.pem").exists()
    assert all((tmp_path / folder / "reader.pem").exists() for folder in "ws")
    assert 'listen = "0.0.0.0:7000"' in (tmp_path / "w" / "node" / "config.toml").read_text()
    assert not (tmp_path / "s" / "node").exists()
    files = [desk / "tax.json", tmp_path / "w" / "member.json", tmp_path / "s" / "member.json"]
    made = run("genesis", "create", *files, "-o", tmp_path / "g.json", "--network", "x", "--json").json
    assert made["validators"] == ["tax"]
    assert {member["member"]: member["peer"] for member in made["members"]} == {
        "tax": "10.0.0.9:7100",
        "watcher": "10.0.0.1:7000",
        "shop": None,
    }


def test_a_witness_cosigns_and_does_not_vote(tmp_path: Path) -> None:
    desk = found(tmp_path, ("tax",), "10.0.0.9")
    assert run("member", "new", "office", "--out", tmp_path / "o", "--witness", "--peer", "10.0.0.1:7000").code == 0
    assert (tmp_path / "o" / "node" / "witness.pem").stat().st_mode & 0o777 == 0o600
    assert '[witness]\nkey = "witness.pem"' in (tmp_path / "o" / "node" / "config.toml").read_text()
    assert not (tmp_path / "o" / "node" / "consensus.pem").exists()
    files = [desk / "tax.json", tmp_path / "o" / "member.json"]
    made = run("genesis", "create", *files, "-o", tmp_path / "g.json", "--network", "x", "--json").json
    assert made["validators"] == ["tax"]
    assert {member["member"]: member["witness"] for member in made["members"]} == {"tax": False, "office": True}


def test_the_genesis_file_names_the_contract_engine_unless_there_are_to_be_no_contracts(tmp_path: Path) -> None:
    desk = found(tmp_path)
    assert load_genesis(desk / "genesis.json").protocol.engine == ENGINE_IDENTITY
    shown = run("genesis", "check", desk / "genesis.json", "--json").json["engine"]
    assert shown["component_sha256"] == ENGINE_IDENTITY.component_sha256.hex()
    assert ENGINE_IDENTITY.wasmtime_version in run("genesis", "check", desk / "genesis.json").out
    made = run("genesis", "create", desk / "tax.json", "-o", tmp_path / "g.json", "--network", "x", "--no-contracts")
    assert made.code == 0
    assert load_genesis(tmp_path / "g.json").protocol.engine is None
    local = ("network", "init", tmp_path / "pool", "--members", "a", "--no-contracts", "--json")
    assert run(*local).json["engine"] is None


@pytest.mark.parametrize("name", ["Tax", "tax.office", "", "x" * 33])
def test_names_are_checked_before_anything_is_made(tmp_path: Path, name: str) -> None:
    done = run("member", "new", name, "--out", tmp_path / "m")
    assert done.code == 1
    assert "bad_name" in done.err
    assert not (tmp_path / "m").exists()


def test_keys_new_and_show_agree(tmp_path: Path) -> None:
    made = run("keys", "new", tmp_path / "k.pem", "--json").json
    assert run("keys", "show", tmp_path / "k.pem", "--json").json == made
    assert made["key_id"] == key_id(load_signer(tmp_path / "k.pem").public_key).hex()


def test_encrypted_keys_need_their_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    right, wrong = {"BLOCKPOOL_PASSPHRASE": "right"}, {"BLOCKPOOL_PASSPHRASE": "wrong"}
    made = run("keys", "new", path, "--encrypt", "--json", environment=right)
    assert b"ENCRYPTED" in path.read_bytes()
    assert run("keys", "show", path, "--json", environment=right).json == made.json
    (tmp_path / "passphrase").write_text("right\n")
    from_file = {"BLOCKPOOL_PASSPHRASE_FILE": str(tmp_path / "passphrase")}
    assert run("keys", "show", path, "--json", environment=from_file).json == made.json
    for environment in (wrong, None):
        refused = run("keys", "show", path, environment=environment)
        assert refused.code == 3
        assert "wrong_passphrase" in refused.err


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    run("keys", "new", path)
    path.chmod(0o640)
    done = run("keys", "show", path)
    assert done.code == 3
    assert "key_permissions" in done.err
    assert "chmod 600" in done.err


@pytest.mark.integration
def test_a_network_made_by_hand_orders_records(tmp_path: Path) -> None:
    """One department, the smallest network there is, from `member new` to a verified record."""
    peer, api = free_ports(2)
    home = tmp_path / "tax"
    run("member", "new", "tax", "--out", home, "--peer", f"127.0.0.1:{peer}", "--api", f"127.0.0.1:{api}")
    genesis = home / "node" / "genesis.json"
    run("genesis", "create", home / "member.json", "-o", genesis, "--network", "One")
    (tmp_path / "r.ndjson").write_text('{"n":1}\n{"n":2}\n')
    node = NodeProcess("tax", tmp_path, api)
    node.start()
    try:
        node.wait_ready()
        environment = {"BLOCKPOOL_GENESIS": str(genesis), "BLOCKPOOL_KEY": str(home / "system.pem")}
        define = ("dataset", "define", "tax.payers", "--title-zh", "纳税人", "--title-en", "Payers")
        assert run(*define, environment=environment).code == 0
        done = run("submit", tmp_path / "r.ndjson", "--dataset", "tax.payers", "--json", environment=environment)
        assert done.json["records"] == 2
        out = tmp_path / "e.json"
        assert run("evidence", "record", done.json["first_record"], "-o", out, environment=environment).code == 0
        assert run("verify", out, environment=environment).code == 0
        node.stop()
        assert node.wait() == 0
        audited = run("audit", "chain", home, "--json", environment=environment)
        assert (audited.code, audited.json["records_by_dataset"]) == (0, {"tax.payers": 2})
    finally:
        node.kill()


def test_s95_a_genesis_file_from_the_future_is_refused_and_its_time_is_shown(tmp_path: Path) -> None:
    """Made on a machine whose clock is eight hours ahead."""
    desk = found(tmp_path)
    genesis = desk / "genesis.json"
    assert "+08:00" in run("genesis", "check", genesis).out
    made_ms = load_genesis(genesis).file.time_ms
    late_ms = made_ms + 8 * 3_600_000
    genesis.write_bytes(genesis.read_bytes().replace(str(made_ms).encode(), str(late_ms).encode()))
    assert load_genesis(genesis).file.time_ms == late_ms
    done = run("genesis", "check", genesis)
    assert done.code != 0
    assert "28,80" in done.err or "28,79" in done.err


@pytest.mark.parametrize(
    ("addresses", "api", "said"),
    [
        (("tax.example:7000", "tax.example:7000"), None, "health and tax have one peer address, tax.example:7000"),
        (
            ("tax.example:7000", "127.0.0.1:7000"),
            None,
            "health: peer address 127.0.0.1:7000 is reached on its own",
        ),
        (("tax.example:7000", "localhost:7000"), None, "reached on its own machine alone"),
        (("tax.example:7000", "0.0.0.0:7000"), None, "health: peer address 0.0.0.0:7000 means every interface"),
        (("tax.example:7000", "[::]:7000"), None, "means every interface"),
        (("tax.example:7000", "health.example:7000"), "0.0.0.0:8000", "API address 0.0.0.0:8000 means every interface"),
        (("tax.example:7000", "health.example:7000"), "10.0.0.1:8000", "have one API address, 10.0.0.1:8000"),
        (("tax.example:7000", "health.example:7000"), None, ""),
        (("127.0.0.1:7000", "127.0.0.1:7001"), None, ""),
    ],
)
def test_addresses_at_which_no_network_would_come_about_are_refused(
    tmp_path: Path, addresses: tuple[str, str], api: str | None, said: str
) -> None:
    files = []
    for name, address in zip(("tax", "health"), addresses, strict=True):
        more = () if api is None else ("--api", api)
        assert run("member", "new", name, "--out", tmp_path / name, "--peer", address, *more).code == 0
        files.append(tmp_path / name / "member.json")
    out = tmp_path / "genesis.json"
    done = run("genesis", "create", *files, "-o", out, "--network", "City", "--no-contracts")
    assert (done.code == 0, out.exists()) == ((not said), (not said)), done.err
    assert said in done.err
