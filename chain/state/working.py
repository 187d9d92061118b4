"""The state while a block executes: the parent's, with what the block's transactions have changed so far."""

from collections.abc import Iterable
from typing import Protocol

from chain.primitives.encoding import Value, encode


class StateReader(Protocol):
    """Reads the state after the parent block."""

    def __call__(self, key: bytes, type_: type[Value]) -> Value | None:
        """The decoded entry of ``key``, or None."""
        ...


class WorkingState:
    """See the module."""

    def __init__(self, read_parent: StateReader) -> None:
        self._read_parent = read_parent
        self._entries: dict[bytes, object] = {}

    @property
    def changes(self) -> dict[bytes, bytes]:
        """New values by state key."""
        return {key: encode(entry) for key, entry in sorted(self._entries.items(), key=lambda item: item[0])}

    @property
    def entries(self) -> dict[bytes, object]:
        """The same, as values."""
        return self._entries

    def read(self, key: bytes, type_: type[Value]) -> Value | None:
        """The entry of ``key`` as it stands now, or None."""
        changed = self._entries.get(key)
        if changed is not None:
            return changed  # type: ignore[return-value]  # a key's kind decides its type
        return self._read_parent(key, type_)

    def read_all(self, keys: Iterable[bytes], type_: type[Value]) -> list[Value | None]:
        """The entries of many keys of one kind: what a decision is told of a reader's earlier grants."""
        changed, read_parent = self._entries, self._read_parent
        return [changed[key] if key in changed else read_parent(key, type_) for key in keys]  # type: ignore[misc]

    def write(self, key: bytes, entry: object) -> None:
        """Change an entry."""
        self._entries[key] = entry
