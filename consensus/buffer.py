"""Messages for heights after the one in flight, kept for a replica that is a few heights behind.

A replica with a slower disk or processor, or one that has just caught up, receives messages for the next heights
before it has stored the last block. If it dropped them, it could only follow by catch-up, always one step late.
"""

from consensus.messages import Message

WINDOW_HEIGHTS = 16
"""How far ahead messages are kept: a fraction of a second under load. A replica further behind catches up instead."""


class FutureBuffer:
    """The newest message of each kind, peer and height of the window. A peer can only fill its own slots."""

    __slots__ = ("_messages",)

    def __init__(self) -> None:
        self._messages: dict[int, dict[tuple[str, type[Message]], Message]] = {}

    def keep(self, current: int, height: int, sender: str, message: Message) -> bool:
        """Keep a message of ``height`` while ``current`` is in flight; False if it is beyond the window."""
        if not current < height <= current + WINDOW_HEIGHTS:
            return False
        self._messages.setdefault(height, {})[sender, type(message)] = message
        return True

    def take(self, height: int) -> list[tuple[str, Message]]:
        """Remove and return what is kept for ``height``, as (sender, message), and forget lower heights."""
        messages = self._messages.pop(height, {})
        self._messages = {kept: rest for kept, rest in self._messages.items() if kept > height}
        return [(sender, message) for (sender, _), message in messages.items()]
