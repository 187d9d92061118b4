"""The compiled guest: compiled once, checked always, kept where nobody else can change it."""

import os
from pathlib import Path

import pytest
import wasmtime

from chain.errors import ErrorCode
from contracts import guest
from contracts.compiled import Stage, compiled_component, default_cache_folder
from contracts.engine import ENGINE_IDENTITY, Engine
from contracts.guest import build
from tests.contracts.conftest import STAGES
from tests.refusals import refuses

TINY = b"\0asm\x0d\0\x01\0"
"""An empty component: compiles at once."""


class Cache:
    """A cache of the empty component in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stages: list[Stage] = []

    def open(self) -> list[Stage]:
        """Take the component; what had to be done for it."""
        self.stages.clear()
        compiled_component(wasmtime.Engine(), self.folder, "tiny", lambda: TINY, self.stages.append)
        return list(self.stages)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "a" / "b")


def test_two_processes_that_start_together_compile_once(cache_folder: Path) -> None:
    stages = (cache_folder / STAGES).read_text().split()
    assert stages.count("compiling") == 1
    assert set(stages) <= {"compiling", "waiting"}


def test_what_is_cached_is_not_compiled_again(cache: Cache) -> None:
    assert cache.open() == [Stage.COMPILING]
    assert cache.open() == []


@pytest.mark.parametrize("position", [0, 100, -1])
def test_a_damaged_module_is_compiled_again(cache: Cache, position: int) -> None:
    cache.open()
    module = cache.folder / "tiny.cwasm"
    whole = module.read_bytes()
    damaged = bytearray(whole)
    damaged[position] ^= 1
    module.write_bytes(damaged)
    assert cache.open() == [Stage.COMPILING]
    assert module.read_bytes() == whole
    assert cache.open() == []


def test_a_module_without_its_hash_or_cut_short_is_compiled_again(cache: Cache) -> None:
    cache.open()
    (cache.folder / "tiny.sha256").unlink()
    assert cache.open() == [Stage.COMPILING]
    (cache.folder / "tiny.sha256").write_bytes(b"\xff")
    assert cache.open() == [Stage.COMPILING]
    with (cache.folder / "tiny.cwasm").open("r+b") as file:
        file.truncate(1000)
    assert cache.open() == [Stage.COMPILING]


def test_a_module_made_with_other_settings_is_compiled_again(cache: Cache) -> None:
    config = wasmtime.Config()
    config.consume_fuel = True
    compiled_component(wasmtime.Engine(config), cache.folder, "tiny", lambda: TINY, lambda stage: None)
    assert cache.open() == [Stage.COMPILING]


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_can_write_is_refused(cache: Cache, mode: int) -> None:
    cache.open()
    cache.folder.chmod(mode)
    with refuses(ErrorCode.BAD_CONFIGURATION, "writable by nobody else"):
        cache.open()


def test_a_folder_that_cannot_be_made_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with refuses(ErrorCode.BAD_CONFIGURATION, "cannot be used"):
        Cache(tmp_path / "file" / "folder").open()


def test_the_guest_is_the_one_that_was_released(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest, "COMPRESSED_SHA256", "0" * 64)
    with refuses(ErrorCode.ENGINE_DAMAGED):
        guest.read_component()


def test_the_guest_was_built_from_these_sources() -> None:
    """Whoever changes one of them must build the guest again: contracts/guest/build.py."""
    assert build.sources_sha256() == guest.SOURCES_SHA256


def test_the_guest_has_its_exports_and_no_imports(engine: Engine) -> None:
    """What it cannot import, no contract can reach."""
    component = engine._component.type
    assert component.imports(engine._engine) == {}
    assert set(component.exports(engine._engine)) >= {"load", "decide"}


def test_identity_names_what_decides(engine: Engine) -> None:
    assert engine.identity == ENGINE_IDENTITY
    assert ENGINE_IDENTITY.component_sha256.hex() == guest.COMPONENT_SHA256
    assert ENGINE_IDENTITY.target == "x86_64-unknown-linux-gnu"
    assert len(ENGINE_IDENTITY.hash) == 32


def test_default_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "blockpool" / "engine"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_cache_folder() == Path(os.path.expanduser("~/.cache/blockpool/engine"))  # noqa: PTH111


def test_s97_a_machine_that_commits_no_memory_beforehand_runs_no_contracts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under ``vm.overcommit_memory=2`` other processes can take what was promised to a guest: one machine's verdict."""
    mode = tmp_path / "overcommit_memory"
    monkeypatch.setattr("contracts.engine._OVERCOMMIT", mode)
    mode.write_text("2\n")
    with refuses(ErrorCode.BAD_CONFIGURATION, "overcommit_memory"):
        Engine.open()
    mode.write_text("0\n")
    Engine.open()
