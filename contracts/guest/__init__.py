"""The guest: CPython as a WebAssembly component, pinned by its SHA-256. README.md says how it was built."""

import hashlib
import lzma
from importlib.resources import files

from chain.errors import ErrorCode, PoolError

SOURCES_SHA256 = "3ac1462a55d972198263431fd63b832ad4665d5187dd2d91c8309b08b118bb92"
"""Of the Python files that are frozen into it (``build.sources_sha256``)."""
COMPONENT_SHA256 = "6615df342ae9ca106e8d949321074689ffc8a85e2bc00e4d3acc3dfb7515b3a0"
"""Of the component, uncompressed: part of the engine's identity."""
COMPRESSED_SHA256 = "9fec4d945874a936f1fdf14f631af9a1e8bf5f8070719092ccc3629dbe363395"
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
