"""Messages of heights after the one in flight, which reach a replica that is a few steps behind.

A replica whose disk or processor is slower than a quorum's, or that has just caught up, hears of the next heights
before it has stored the last one. Were those messages dropped, it could only follow by catch-up, always a step late.
"""

from __future__ import annotations

from consensus.messages import Message

WINDOW_HEIGHTS = 16
"""How far ahead messages are kept: a fraction of a second under load. Further behind, catch-up is the way."""


class FutureBuffer:
    """The newest message of each kind from each peer for each height of the window: a peer fills its own places
    only.
    """

    __slots__ = ("_messages",)

    def __init__(self) -> None:
        self._messages: dict[int, dict[tuple[str, type[Message]], Message]] = {}

    def keep(self, current: int, height: int, sender: str, message: Message) -> bool:
        """Keep a message of ``height`` while ``current`` is in flight; False if it lies beyond the window."""
        if not current < height <= current + WINDOW_HEIGHTS:
            return False
        self._messages.setdefault(height, {})[sender, type(message)] = message
        return True

    def take(self, height: int) -> list[tuple[str, Message]]:
        """Remove and return what is kept for ``height``, as (sender, message), and forget lower heights."""
        messages = self._messages.pop(height, {})
        self._messages = {kept: rest for kept, rest in self._messages.items() if kept > height}
        return [(sender, message) for (sender, _), message in messages.items()]
