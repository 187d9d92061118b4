"""The guest: CPython as a WebAssembly component, pinned by its SHA-256. README.md says how it was built."""

import hashlib
import lzma
from importlib.resources import files

from chain.errors import ErrorCode, PoolError

SOURCES_SHA256 = "0f8ec2fc080ea64aa02592466f61c06140fe25b7359734d0fdd262527b2a2884"
"""Of the Python files that are frozen into it (``build.sources_sha256``)."""
COMPONENT_SHA256 = "671d3fa80018b33cc3503a0b3f6e5284fde902f112cf434ce020b91d4cf74c3e"
"""Of the component, uncompressed: part of the engine's identity."""
COMPRESSED_SHA256 = "87eb7b24d2e2a05ea453b47f75610728e6fe2fc1bf5c884b460958d0b26e9949"
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
