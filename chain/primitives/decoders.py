"""Decoders by type, each made once, one at a time.

The library notes what a struct is made of while it makes the first decoder that meets it, and shows others what is half
noted: two threads that made decoders at the same time ended the process (msgspec 0.22.0, a segmentation fault).
"""

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

Decoder = TypeVar("Decoder")

_making = threading.Lock()
"""One for all kinds: what is noted of a struct is shared by them."""


class Decoders(Generic[Decoder]):
    """Decoders of one kind, for any thread.

    Args:
        make: makes the decoder of a type.

    Attributes:
        made: those that there are, by the type's identity, since hashing an annotated type takes longer than decoding a
            value. Where every call counts, look here first.
    """

    def __init__(self, make: Callable[[Any], Decoder]) -> None:
        self._make = make
        self.made: dict[int, Decoder] = {}
        self._types: list[Any] = []
        """Kept alive, so the identity of each stays its own."""

    def __call__(self, type_: Any) -> Decoder:
        """The decoder of a type."""
        decoder = self.made.get(id(type_))
        if decoder is None:
            with _making:
                self._types.append(type_)
                decoder = self.made.setdefault(id(type_), self._make(type_))
        return decoder
