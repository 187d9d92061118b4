"""Opening a home: whatever is wrong with it is named, with its code, before anything is changed."""

import json
import multiprocessing
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from chain.errors import ErrorCode
from chain.primitives.keys import encode_private_key, new_seed
from chain.storage.lock import FolderLock
from node.config import load_config
from node.home import open_home, open_ledger
from node.recovery import set_aside
from sealing import load_kem_key
from tests.node.cluster import Network
from tests.refusals import refuses

Spoil = Callable[[Network], None]


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network.create(tmp_path)


def edit(network: Network, old: str, new: str) -> None:
    path = network.home("a") / "config.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def replace_file(name: str, source: str, member: str = "b") -> Spoil:
    def spoil(network: Network) -> None:
        target = network.home("a") / name
        target.unlink()
        shutil.copy(network.home(member) / source, target)

    return spoil


def write(name: str, content: bytes) -> Spoil:
    return lambda network: (network.home("a") / name).write_bytes(content) and None


def encrypt(network: Network) -> None:
    (network.home("a") / "consensus.pem").write_bytes(encode_private_key(new_seed(), "secret"))


MISTAKES: dict[str, tuple[Spoil, ErrorCode, str]] = {
    "genesis missing": (lambda n: (n.home("a") / "genesis.json").unlink(), ErrorCode.BAD_GENESIS, "genesis.json"),
    "genesis is nonsense": (write("genesis.json", b"{"), ErrorCode.BAD_GENESIS, ""),
    "consensus key missing": (lambda n: (n.home("a") / "consensus.pem").unlink(), ErrorCode.BAD_KEY, "consensus.pem"),
    "consensus key is nonsense": (write("consensus.pem", b"-----BEGIN"), ErrorCode.BAD_KEY, "consensus.pem"),
    "consensus key world-readable": (
        lambda n: (n.home("a") / "consensus.pem").chmod(0o644),
        ErrorCode.KEY_PERMISSIONS,
        "consensus.pem has mode 0644",
    ),
    "TLS key group-readable": (
        lambda n: (n.home("a") / "tls.pem").chmod(0o640),
        ErrorCode.KEY_PERMISSIONS,
        "tls.pem has mode 0640",
    ),
    "consensus key needs a passphrase": (encrypt, ErrorCode.WRONG_PASSPHRASE, "needs a passphrase"),
    "TLS key of another certificate": (replace_file("tls.pem", "tls.pem"), ErrorCode.BAD_KEY, "tls.pem"),
    "another's certificate": (replace_file("tls.crt", "tls.crt"), ErrorCode.BAD_KEY, "tls.crt is not a's certificate"),
    "certificate missing": (lambda n: (n.home("a") / "tls.crt").unlink(), ErrorCode.BAD_KEY, "tls.crt"),
    "certificate is nonsense": (write("tls.crt", b"nonsense"), ErrorCode.BAD_KEY, "tls.crt"),
    "another's KEM key": (replace_file("kem.pem", "kem.pem"), ErrorCode.BAD_KEY, "kem.pem is not a's KEM key"),
    "KEM key missing": (lambda n: (n.home("a") / "kem.pem").unlink(), ErrorCode.BAD_KEY, "kem.pem"),
    "no such member": (
        lambda n: edit(n, 'member = "a"', 'member = "nobody"'),
        ErrorCode.BAD_CONFIGURATION,
        "nobody is no member",
    ),
    "another member's name": (
        lambda n: edit(n, 'member = "a"', 'member = "b"'),
        ErrorCode.BAD_KEY,
        "is not b's KEM key",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named_and_nothing_is_made(network: Network, case: str) -> None:
    spoil, code, words = MISTAKES[case]
    spoil(network)
    with refuses(code, words):
        open_home(load_config(network.home("a"), {}))
    assert not (network.home("a") / "data").exists()


def test_a_genesis_with_a_broken_certificate_names_the_member(network: Network) -> None:
    path = network.home("a") / "genesis.json"
    file = json.loads(path.read_bytes())
    of_c = next(member for member in file["members"] if member["name"] == "c")
    of_c["node"]["tls_certificate"] = "AAAA"
    path.write_text(json.dumps(file))
    with refuses(ErrorCode.BAD_GENESIS, "member c"):
        open_home(load_config(network.home("a"), {}))


@pytest.mark.parametrize("address", ["", "host", "host:", "host:port", "host:65536", ":7000", "ho st:1"])
def test_a_genesis_with_a_broken_address_names_the_member(network: Network, address: str) -> None:
    path = network.home("a") / "genesis.json"
    file = json.loads(path.read_bytes())
    of_c = next(member for member in file["members"] if member["name"] == "c")
    of_c["node"]["address"] = address
    path.write_text(json.dumps(file))
    with refuses(ErrorCode.BAD_GENESIS, "member c: node.address"):
        open_home(load_config(network.home("a"), {}))


def test_a_genesis_of_another_network_does_not_go_with_these_keys(network: Network, tmp_path: Path) -> None:
    other = Network.create(tmp_path / "other")
    shutil.copy(other.folder / "genesis.json", network.home("a") / "genesis.json")
    with refuses(ErrorCode.BAD_KEY):
        open_home(load_config(network.home("a"), {}))


def test_the_data_of_another_chain_is_not_touched(network: Network) -> None:
    home = open_home(load_config(network.home("a"), {}))
    open_ledger(home).close()
    home.lock.close()
    content = (network.home("a") / "genesis.json").read_bytes()
    (network.home("a") / "genesis.json").write_bytes(content + b"\n")  # one byte more is another chain
    other = open_home(load_config(network.home("a"), {}))
    with refuses(ErrorCode.WRONG_DATA_FOLDER):
        open_ledger(other)
    other.lock.close()
    (network.home("a") / "genesis.json").write_bytes(content)
    again = open_home(load_config(network.home("a"), {}))
    ledger = open_ledger(again)
    assert ledger.tip.height == 0
    ledger.close()
    again.lock.close()


def test_an_encrypted_home_opens_with_its_passphrase_only(network: Network) -> None:
    home = network.home("a")
    for name in ("consensus.pem", "tls.pem"):
        key = (home / name).read_bytes()
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        seed = load_pem_private_key(key, None).private_bytes_raw()  # type: ignore[union-attr]
        (home / name).write_bytes(encode_private_key(seed, "right"))
    kem_key = load_kem_key(home / "kem.pem")
    (home / "kem.pem").unlink()
    kem_key.save(home / "kem.pem", "right")
    opened = open_home(load_config(home, {"BLOCKPOOL_PASSPHRASE": "right"}))
    assert len(opened.signers) == 1
    opened.lock.close()
    for environment in ({"BLOCKPOOL_PASSPHRASE": "wrong"}, {}):
        with refuses(ErrorCode.WRONG_PASSPHRASE):
            open_home(load_config(home, environment))


def test_an_observer_needs_no_consensus_key(network: Network) -> None:
    home = open_home(load_config(network.home("observer"), {}))
    assert home.signers == {}
    assert home.kem_key is None
    home.lock.close()


def test_a_validator_opens_the_key_that_shares_are_sealed_to(network: Network) -> None:
    home = open_home(load_config(network.home("a"), {}))
    assert home.kem_key is not None
    assert home.kem_key.public_key.encoded == home.member.kem_key
    home.lock.close()


def test_where_parcels_are_sealed_a_validator_needs_its_kem_key(tmp_path: Path) -> None:
    network = Network.create(tmp_path, validators="a", others=("observer",), contracts=True)
    edit(network, 'kem_key = "kem.pem"\n', "")
    with refuses(ErrorCode.BAD_CONFIGURATION, "kem_key"):
        open_home(load_config(network.home("a"), {}))
    observer = open_home(load_config(network.home("observer"), {}))
    assert observer.kem_key is None
    observer.lock.close()


def test_a_folder_in_use_is_refused_and_names_the_process(tmp_path: Path) -> None:
    """s44."""
    held = FolderLock(tmp_path)
    with refuses(ErrorCode.DATA_FOLDER_LOCKED, str(multiprocessing.current_process().pid)):
        FolderLock(tmp_path)
    held.close()
    FolderLock(tmp_path).close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with refuses(ErrorCode.STORAGE_FAILED, str(tmp_path / "file")):
        FolderLock(tmp_path / "file" / "data")


def test_setting_aside_keeps_everything_and_marks_the_node_first(network: Network) -> None:
    home = open_home(load_config(network.home("a"), {}))
    open_ledger(home).close()
    first, second = set_aside(home), set_aside(home)
    assert first != second
    assert sorted(path.name for path in first.iterdir()) == ["HEAD", "blocks", "state"]
    assert list(second.iterdir()) == []
    assert home.probation_file.exists()
    ledger = open_ledger(home)
    assert ledger.tip.height == 0
    ledger.close()
    home.lock.close()


@pytest.fixture
def office(tmp_path: Path) -> Network:
    return Network.create(tmp_path, witnesses=("office", "other"))


def test_a_witness_has_its_key_and_no_vote(office: Network) -> None:
    home = open_home(load_config(office.home("office"), {}))
    home.lock.close()
    assert home.signers == {}
    assert list(home.checkpoint_signers) == [home.member.witness_key]


def test_another_s_witness_key_is_refused(office: Network) -> None:
    key = office.home("office") / "witness.pem"
    key.unlink()
    shutil.copy(office.home("other") / "witness.pem", key)
    with refuses(ErrorCode.BAD_KEY, "witness.pem is not office's witness key"):
        open_home(load_config(office.home("office"), {}))


def test_a_validator_is_no_witness_beside(network: Network) -> None:
    with refuses(ErrorCode.BAD_CONFIGURATION, "a validator cosigns with its consensus key alone"):
        open_home(load_config(network.home("a"), {"BLOCKPOOL_WITNESS_KEY": "witness.pem"}))
