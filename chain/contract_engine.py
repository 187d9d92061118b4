"""Which machine runs a network's contracts: named in the genesis file, compared by every node with its own."""

from chain.primitives.crypto import Hash, hash_tagged
from chain.primitives.encoding import Wire, encode
from chain.primitives.types import Hash32, Text


class EngineIdentity(Wire, frozen=True):
    """What decides how a contract runs. Nodes whose identities differ may not vote together."""

    component_sha256: Hash32
    """Of the guest: the interpreter as WebAssembly."""
    wasmtime_version: Text
    target: Text
    """Machine that code is generated for; it decides how deep recursion gets."""

    @property
    def hash(self) -> Hash:
        """One value to compare; independent of the chain, since the genesis names it."""
        return hash_tagged("engine", b"", encode(self))

    def __str__(self) -> str:
        return f"guest {self.component_sha256.hex()[:16]}, wasmtime {self.wasmtime_version}, {self.target}"
