"""The guest: CPython as a WebAssembly component, pinned by its SHA-256. README.md says how it was built."""

from __future__ import annotations

import hashlib
import lzma
from importlib.resources import files

from chain.errors import ErrorCode, PoolError

SOURCES_SHA256 = "200fc401dda1397fa24f720ab325a71c4579dc2b8a2c7b5707a91810b240db7b"
"""Of the Python files that are frozen into it (``build.sources_sha256``)."""
COMPONENT_SHA256 = "abe0e13d874183ce24d96895e1d2ff2bedaccf8483903309be64f439b8cfdf5b"
"""Of the component, uncompressed: part of the engine's identity."""
COMPRESSED_SHA256 = "d1c14d1a003865e7899e80e5301970e4b10d7b58cbcf3007e720f2ade4585579"
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
