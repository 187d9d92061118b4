"""Compiling the guest once a machine, and keeping the machine code where nothing but us can change it.

Compiling takes ten seconds or so, and every node, command and test on a machine can share the result.

- The folder belongs to this user and nobody else can write to it: what lies there is run as machine code.
- One process compiles while the others wait on a lock.
- The module is written first and its SHA-256 beside it last, both through a rename after a sync. A crash between
  leaves a module without its hash; a damaged disk leaves one with another hash. Either is compiled again, never
  believed.
"""

import contextlib
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path

from chain.errors import ErrorCode, PoolError
from chain.extras import extra

with extra("audit"):
    import wasmtime
    from wasmtime.component import Component


class Stage(StrEnum):
    """What the engine is doing while its caller waits."""

    WAITING = "waiting"
    """Another process compiles."""
    COMPILING = "compiling"


OnStage = Callable[[Stage], None]


def default_cache_folder() -> Path:
    """``blockpool/engine`` in the user's cache folder (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "blockpool" / "engine"


def compiled_component(
    engine: wasmtime.Engine, folder: Path, name: str, read: Callable[[], bytes], on_stage: OnStage
) -> Component:
    """A component, compiled for ``engine``.

    Args:
        engine: has the settings that the code is compiled with.
        folder: cache; made if need be.
        name: of the cache entry: one for each component, wasmtime version and target.
        read: gives the component's bytes, if they are needed.
        on_stage: told when the caller is going to wait.

    Raises:
        PoolError: code ``bad_configuration`` for a folder that cannot be used.
    """
    module = folder / f"{name}.cwasm"
    try:
        _prepare_folder(folder)
        with _lock(folder / f"{name}.lock", on_stage):
            component = _load(engine, module)
            if component is None:
                on_stage(Stage.COMPILING)
                code = Component(engine, read()).serialize()
                _write(module, code)
                _write(_hash_file(module), hashlib.sha256(code).hexdigest().encode())
                component = _load(engine, module)
    except OSError as error:
        raise PoolError(ErrorCode.BAD_CONFIGURATION, f"cache folder {folder} cannot be used: {error}") from None
    if component is None:
        raise PoolError(ErrorCode.BAD_CONFIGURATION, f"cache folder {folder} does not keep what is written to it")
    return component


def _load(engine: wasmtime.Engine, module: Path) -> Component | None:
    """The module from the cache, mapped so that processes share its memory; None if it is not there or not whole."""
    try:
        expected = _hash_file(module).read_text(encoding="ascii")
        with module.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    if found != expected:
        return None
    try:
        return Component.deserialize_file(engine, str(module))
    except wasmtime.WasmtimeError:
        return None  # wasmtime's own check: made with other settings


def _prepare_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PoolError(
            ErrorCode.BAD_CONFIGURATION, f"cache folder {folder} must belong to this user, writable by nobody else"
        )


@contextlib.contextmanager
def _lock(path: Path, on_stage: OnStage) -> Iterator[None]:
    """Hold the file lock ``path``. The system releases it should this process die."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_stage(Stage.WAITING)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, data: bytes | bytearray) -> None:
    temporary = path.with_suffix(path.suffix + ".new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _hash_file(module: Path) -> Path:
    return module.with_suffix(".sha256")
