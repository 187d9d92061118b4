"""Small things of a good product, each with what showed it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from audit.sources import open_database
from blockpool import ErrorCode, PoolError, load_genesis
from chain.primitives.keys import encode_private_key, load_seed, new_seed, write_secret_file
from chain.primitives.typed import typed
from cli.homes import MemberPlan, create_member
from node.config import load_config
from sealing import KemPrivateKey, load_kem_key
from tests.audit.audit_world import EventfulChain
from tests.cli.commands import run
from tests.refusals import refuses

BLOCKPOOL = [sys.executable, "-m", "cli.main"]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "system.pem"
    write_secret_file(path, encode_private_key(new_seed(), None))
    return path


def test_a_home_that_a_daemon_has_open_is_not_audited(tmp_path: Path) -> None:
    chain = EventfulChain()
    home = chain.make_home(tmp_path / "home")
    (tmp_path / "genesis.json").write_bytes(chain.network.genesis.content)
    script = (
        "import sys, time; from pathlib import Path; from chain.storage.level import LevelDatabase; "
        "held = LevelDatabase(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(home / "data" / "blocks")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as daemon:
        try:
            assert daemon.stdout is not None
            assert daemon.stdout.readline() == b"held\n"
            genesis = load_genesis(tmp_path / "genesis.json")
            with refuses(ErrorCode.DATA_FOLDER_LOCKED, "is running"), open_database(home / "data", genesis):
                pass
        finally:
            daemon.kill()


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("config.toml", b"[\xeeode]", ErrorCode.BAD_CONFIGURATION),
        ("config.toml", b"node = 1", ErrorCode.BAD_CONFIGURATION),
        ("config.toml", b"[node]\ndata = 1", ErrorCode.BAD_CONFIGURATION),
        ("data/blocks/CURRENT", b"MANIFEST-0000xx\n", ErrorCode.DATABASE_DAMAGED),
    ],
)
def test_what_is_damaged_in_a_home_is_named_and_no_traceback(
    tmp_path: Path, name: str, content: bytes, code: ErrorCode
) -> None:
    chain = EventfulChain(has_contracts=False)
    home = chain.make_home(tmp_path / "home")
    (tmp_path / "genesis.json").write_bytes(chain.network.genesis.content)
    (home / name).write_bytes(content)
    for arguments in (("chain", home), ("compare", home, home), ("report", home, "-o", tmp_path / "r.html")):
        done = run("audit", *map(str, arguments), "--genesis", str(tmp_path / "genesis.json"))
        assert done.code in (1, 3)
        said = "".join((done.out + done.err).split())
        assert code in said or Path(name).name in said
        assert "blockpool-audit-" not in said, "the folder that was asked for is named"
        assert "Traceback" not in said


def test_keys_with_the_line_ends_of_another_system_open(tmp_path: Path) -> None:
    for suffix, passphrase in (("plain", None), ("encrypted", "x" * 1023)):
        path = tmp_path / f"{suffix}.pem"
        key = KemPrivateKey.generate()
        write_secret_file(path, key.encode(passphrase).replace(b"\n", b"\r\n"))
        assert load_kem_key(path, passphrase).public_key.encoded == key.public_key.encoded


def test_a_passphrase_has_at_most_what_opens_again(tmp_path: Path, key_file: Path) -> None:
    with refuses(ErrorCode.WRONG_PASSPHRASE, "at most 1023 bytes"):
        encode_private_key(new_seed(), "密" * 342)
    with refuses(ErrorCode.WRONG_PASSPHRASE, "at most 1023 bytes"):
        load_seed(key_file, "x" * 1024)


@pytest.mark.parametrize("wrong", [{"peer_address": "tax.example"}, {"name": "Tax"}, {"roles": ("no such role!",)}])
def test_a_mistyped_member_leaves_nothing_behind(tmp_path: Path, wrong: dict[str, object]) -> None:
    folder = tmp_path / "tax"
    with pytest.raises(PoolError):
        create_member(MemberPlan(**({"name": "tax"} | wrong)), folder, None)  # type: ignore[arg-type]
    assert not folder.exists()
    create_member(MemberPlan("tax"), folder, None)
    assert (folder / "node" / "config.toml").exists()


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Cafe\u0301", "Café"),
        ("flight\u00a0safety", "flight safety"),
        ("flight\u200b safety\ufeff", "flight safety"),
        ("  行政\u3000执法\n", "行政 执法"),
        ("\u200b\u2060", ""),
    ],
)
def test_what_people_type_is_one_text(text: str, same: str) -> None:
    assert typed(text) == same == typed(same)


def config(tmp_path: Path) -> Path:
    create_member(MemberPlan("tax"), tmp_path / "tax", None)
    return tmp_path / "tax" / "node"


def test_an_unknown_variable_is_blamed_and_not_the_file(tmp_path: Path) -> None:
    home = config(tmp_path)
    assert load_config(home, {"BLOCKPOOL_API_LISTEN": "0.0.0.0:1"}).file.api.listen == "0.0.0.0:1"
    with refuses(ErrorCode.BAD_CONFIGURATION, "BLOCKPOOL_API_LISTENS: section api has no setting listens"):
        load_config(home, {"BLOCKPOOL_API_LISTENS": "0.0.0.0:1"})
    with refuses(ErrorCode.BAD_CONFIGURATION, "BLOCKPOOL_API_LISTEN: "):
        load_config(home, {"BLOCKPOOL_API_LISTEN": "no address"})


def test_what_kubernetes_sets_for_a_service_is_no_setting(tmp_path: Path) -> None:
    home = config(tmp_path)
    service = {
        "BLOCKPOOL_API_PORT": "tcp://10.0.0.1:8000",
        "BLOCKPOOL_API_PORT_8000_TCP": "tcp://10.0.0.1:8000",
        "BLOCKPOOL_API_PORT_8000_TCP_ADDR": "10.0.0.1",
        "BLOCKPOOL_API_SERVICE_HOST": "10.0.0.1",
        "BLOCKPOOL_API_SERVICE_PORT": "8000",
        "BLOCKPOOL_API_SERVICE_PORT_HTTP": "8000",
    }
    assert load_config(home, service).file == load_config(home, {}).file


def test_a_pipe_as_a_file_of_records_is_refused_at_once(tmp_path: Path, key_file: Path) -> None:
    os.mkfifo(tmp_path / "records.csv")
    options = ("--dataset", "a.b", "--genesis", str(key_file), "--key", str(key_file))
    done = run("submit", str(tmp_path / "records.csv"), *options)
    assert (done.code, "no regular file" in done.err) == (2, True)


def command(*arguments: str | bytes, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*BLOCKPOOL, *arguments], capture_output=True, timeout=60, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.integration
@pytest.mark.parametrize("json", [(), ("--json",)])
def test_no_traceback_for_names_that_are_no_text_or_output_that_is_full(key_file: Path, json: tuple[str, ...]) -> None:
    strange = os.fsencode(key_file.parent) + b"/k\xff.pem"
    key_file.rename(os.fsdecode(strange))
    shown = command("keys", "show", strange, *json)
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert b"Ed25519" in shown.stdout
    narrow = command(
        "member",
        "new",
        "tax",
        "--out",
        key_file.parent / "tax",
        "--title-zh",
        "税",
        *json,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert (narrow.returncode, b"Traceback" in narrow.stderr) == (0, False)
    with Path("/dev/full").open("wb") as device:
        full = subprocess.run([*BLOCKPOOL, "keys", "show", strange, *json], stdout=device, stderr=subprocess.PIPE)
    assert (full.returncode, b"Traceback" in full.stderr, b"No space" in full.stderr) == (3, False, True)
    closed = subprocess.run(["/bin/sh", "-c", f'"{sys.executable}" -m cli.main --help >&-'], stderr=subprocess.PIPE)
    assert b"Traceback" not in closed.stderr
