"""The guest: CPython as a WebAssembly component, pinned by its SHA-256. README.md says how it was built."""

import hashlib
import lzma
from importlib.resources import files

from chain.errors import ErrorCode, PoolError

SOURCES_SHA256 = "4ff6b7955fa26b1592058bf3c91db3197ef2b2222c2694d16e7669423360f0d5"
"""Of the Python files that are frozen into it (``build.sources_sha256``)."""
COMPONENT_SHA256 = "80c4da9a5c475029175cfed944a134fdd60240eb7dae7a90eabb7b60c6ef17a9"
"""Of the component, uncompressed: part of the engine's identity."""
COMPRESSED_SHA256 = "42c84ccfbea3edeacf5fbf98c80ff3ea2d42012a890bf9371b8023b9a7c5c4d6"
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
