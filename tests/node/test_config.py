"""Settings: the file, the environment over it, and every mistake named."""

from pathlib import Path

import pytest

from chain.errors import ErrorCode
from node.config import load_config, split_address
from tests.refusals import refuses

GOOD = """
[node]
member = "aviation"
consensus_key = "consensus.pem"
[peer]
listen = "127.0.0.1:7000"
[api]
listen = "[::1]:8000"
"""


def home(folder: Path, text: str = GOOD) -> Path:
    (folder / "config.toml").write_text(text)
    return folder


def refusal(folder: Path, environment: dict[str, str] | None = None) -> str:
    with refuses(ErrorCode.BAD_CONFIGURATION) as caught:
        load_config(folder, environment or {})
    return caught.value.detail


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    config = load_config(home(tmp_path), {})
    assert config.file.node.member == "aviation"
    assert config.file.node.data == "data"
    assert (config.file.log.level, config.file.log.format) == ("info", "text")
    assert (config.file.consensus.tick_ms, config.file.consensus.view_timeout_ms) == (20, 500)
    assert (config.file.api.connections, config.file.api.connections_per_address) == (4096, 1024)
    assert config.file.contracts.cache_folder is None
    assert config.path(config.file.node.genesis) == tmp_path / "genesis.json"
    assert config.passphrase is None


@pytest.mark.parametrize("address", ["127.0.0.1:9000", "127.8.0.1:9000", "[::1]:9000", "localhost:9000"])
def test_the_gateway_listens_on_the_loopback_interface(tmp_path: Path, address: str) -> None:
    assert load_config(home(tmp_path), {}).file.gateway is None
    gateway = load_config(home(tmp_path, GOOD + f'[gateway]\nlisten = "{address}"\n'), {}).file.gateway
    assert gateway is not None
    assert (gateway.listen, gateway.system_key, gateway.token_file) == (address, "../system.pem", "gateway.token")


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    environment = {
        "BLOCKPOOL_API_LISTEN": "0.0.0.0:9",
        "BLOCKPOOL_API_CONNECTIONS": "17",
        "BLOCKPOOL_CONSENSUS_VIEW_TIMEOUT_MS": "2000",
        "BLOCKPOOL_LOG_FORMAT": "json",
        "BLOCKPOOL_NODE_DATA": "/elsewhere",
        "BLOCKPOOL_NODE": "http://127.0.0.1:8000",
        "BLOCKPOOL_KEY": "of the command line, no setting",
    }
    file = load_config(home(tmp_path), environment).file
    assert (file.api.listen, file.api.connections) == ("0.0.0.0:9", 17)
    assert (file.consensus.view_timeout_ms, file.log.format) == (2000, "json")
    assert load_config(tmp_path, environment).path(file.node.data) == Path("/elsewhere")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (GOOD.replace("member", "membre"), "membre"),
        (GOOD + '[apis]\nlisten = "127.0.0.1:1"\n', "apis"),
        (GOOD + "connections = 0\n", "connections"),
        (GOOD + 'connections = "many"\n', "connections"),
        (GOOD + "connections_per_address = 0\n", "connections_per_address"),
        (GOOD.replace("127.0.0.1:7000", "127.0.0.1"), "peer.listen"),
        (GOOD.replace("127.0.0.1:7000", "127.0.0.1:port"), "peer.listen"),
        (GOOD.replace("127.0.0.1:7000", "127.0.0.1:65536"), "peer.listen"),
        (GOOD.replace("aviation", "Aviation!"), "node.member"),
        (GOOD + '[log]\nlevel = "loud"\n', "log.level"),
        (GOOD + '[log]\nformat = "xml"\n', "log.format"),
        (GOOD + "[consensus]\ntick_ms = 1\n", "tick_ms"),
        (GOOD + '[contracts]\ncache = "x"\n', "cache"),
        (GOOD + '[gateway]\nsystem_key = "x"\n', "listen"),
        (GOOD + '[gateway]\nlisten = "0.0.0.0:9000"\n', "gateway.listen: 0.0.0.0:9000 is not on the loopback"),
        (GOOD + '[gateway]\nlisten = "gateway.tax.example:9000"\n', "gateway.listen"),
        (GOOD + '[gateway]\nlisten = "[::]:9000"\n', "gateway.listen"),
        ("[node]\n", "member"),
        ("[node\n", "line 1"),
        ("node = 1\n", "node"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, names: str) -> None:
    assert names in refusal(home(tmp_path, text))


def test_mistakes_in_the_environment_are_named_too(tmp_path: Path) -> None:
    assert "lisen" in refusal(home(tmp_path), {"BLOCKPOOL_API_LISEN": "127.0.0.1:1"})
    assert "node" in refusal(home(tmp_path, "node = 1\n"), {"BLOCKPOOL_NODE_DATA": "x"})


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path)
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe")
    assert "config.toml" in refusal(tmp_path)


def test_the_passphrase_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    home(tmp_path)
    secret = tmp_path / "passphrase"
    secret.write_text("of the file\n")
    assert load_config(tmp_path, {"BLOCKPOOL_PASSPHRASE": "plain"}).passphrase == "plain"
    assert load_config(tmp_path, {"BLOCKPOOL_PASSPHRASE_FILE": str(secret)}).passphrase == "of the file"
    both = {"BLOCKPOOL_PASSPHRASE": "plain", "BLOCKPOOL_PASSPHRASE_FILE": str(secret)}
    assert load_config(tmp_path, both).passphrase == "plain"
    assert "passphrase file" in refusal(tmp_path, {"BLOCKPOOL_PASSPHRASE_FILE": str(tmp_path / "none")})
    secret.write_bytes(b"\xff")
    assert "passphrase file" in refusal(tmp_path, {"BLOCKPOOL_PASSPHRASE_FILE": str(secret)})


def test_addresses() -> None:
    assert split_address("127.0.0.1:7000") == ("127.0.0.1", 7000)
    assert split_address("[::1]:8000") == ("::1", 8000)
    assert split_address("node.tax.example:1") == ("node.tax.example", 1)
