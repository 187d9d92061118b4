"""The guest: CPython as a WebAssembly component, pinned by its SHA-256. README.md says how it was built."""

from __future__ import annotations

import hashlib
import lzma
from importlib.resources import files

from chain.errors import ErrorCode, PoolError

SOURCES_SHA256 = "941550d8dc40dffc59f0be32826efce5ae4a9604c8405ce113c9b4a58f875416"
"""Of the Python files that are frozen into it (``build.sources_sha256``)."""
COMPONENT_SHA256 = "f2eecfc1e4f98f2f5433aba471d06d88da52772c9fe025e6f0dbc45edb1a0c6d"
"""Of the component, uncompressed: part of the engine's identity."""
COMPRESSED_SHA256 = "80559e64783a8658f3b25ebb283c712a8b42b7aec1dae6b04b2b43954700db31"
"""Of the file in the package."""
ARTIFACT = "guest.wasm.xz"


def read_component() -> bytes:
    """The component's bytes, checked.

    Raises:
        PoolError: code ``engine_damaged``.
    """
    compressed = files(__name__).joinpath(ARTIFACT).read_bytes()
    _verify(compressed, COMPRESSED_SHA256)
    component = lzma.decompress(compressed)
    _verify(component, COMPONENT_SHA256)
    return component


def _verify(data: bytes, expected: str) -> None:
    if hashlib.sha256(data).hexdigest() != expected:
        raise PoolError(ErrorCode.ENGINE_DAMAGED, f"{ARTIFACT} of this installation is not the one that was released")
