"""The guest: CPython as a WebAssembly component, pinned by its SHA-256. README.md says how it was built."""

import hashlib
import lzma
from importlib.resources import files

from chain.errors import ErrorCode, PoolError

SOURCES_SHA256 = "d2a5bdee879af60d04ea731d8c7842dc2de0686c02c67eea6686e5fe1db0c841"
"""Of the Python files that are frozen into it (``build.sources_sha256``)."""
COMPONENT_SHA256 = "268b1dec3a3dbebe4ac30488560e71432e4cde7d717838a50f053f6018b28ae4"
"""Of the component, uncompressed: part of the engine's identity."""
COMPRESSED_SHA256 = "a64b5f25ca657a64520496229ab6a47421d80100bbf78a1dcea022c8cab886f5"
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
