"""Builds the guest: CPython, the author API and the runtime as one WebAssembly component, compressed.

    python contracts/guest/build.py

Needs componentize-py in exactly the version below. The build is not byte-reproducible (the snapshot of the interpreter
holds the hash seed drawn while it is made), so the artifact ships in the package and its SHA-256 is pinned in
``contracts/guest/__init__.py``. See README.md beside this file.
"""

import hashlib
import importlib.metadata
import lzma
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

COMPONENTIZE_PY_VERSION = "0.25.1"
WORLD = "contract-guest"

_GUEST = Path(__file__).resolve().parent
_ROOT = _GUEST.parent.parent
_SOURCES = {
    "app.py": "contracts/guest/app.py",
    "blockpool/contract.py": "blockpool/contract.py",
    "contracts/author.py": "contracts/author.py",
    "contracts/loader.py": "contracts/loader.py",
    "contracts/parameters.py": "contracts/parameters.py",
    "contracts/runtime.py": "contracts/runtime.py",
}
"""Files of the guest, and where they come from."""


def build() -> bytes:
    """Build the component.

    Returns:
        Its bytes, uncompressed.
    """
    found = importlib.metadata.version("componentize-py")
    if found != COMPONENTIZE_PY_VERSION:
        sys.exit(f"componentize-py is {found}; this build is made with {COMPONENTIZE_PY_VERSION}")
    tool = Path(sys.executable).parent / "componentize-py"
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        for name, source in _SOURCES.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(_ROOT / source, tree / name)
        for package in ("blockpool", "contracts"):
            (tree / package / "__init__.py").touch()
        component = Path(folder) / "guest.wasm"
        command: list[str | Path] = [
            tool,
            "-d",
            _GUEST / "wit",
            "-w",
            WORLD,
            "componentize",
            "--stub-wasi",
            "-p",
            tree,
            "app",
        ]
        subprocess.run([*command, "-o", component], check=True)
        return component.read_bytes()


def sources_sha256() -> str:
    """SHA-256 over the files that are frozen into the guest, in order of their names."""
    digest = hashlib.sha256()
    for name, source in sorted(_SOURCES.items()):
        data = (_ROOT / source).read_bytes()
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return digest.hexdigest()


def main() -> None:
    """Build, write ``guest.wasm.xz`` and say what to pin."""
    component = build()
    compressed = lzma.compress(component, preset=9 | lzma.PRESET_EXTREME)
    (_GUEST / "guest.wasm.xz").write_bytes(compressed)
    print(f"{len(component):,} bytes, {len(compressed):,} compressed. Pin in contracts/guest/__init__.py:")
    print(f'SOURCES_SHA256 = "{sources_sha256()}"')
    print(f'COMPONENT_SHA256 = "{hashlib.sha256(component).hexdigest()}"')
    print(f'COMPRESSED_SHA256 = "{hashlib.sha256(compressed).hexdigest()}"')


if __name__ == "__main__":
    main()
