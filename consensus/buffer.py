"""Messages of the height after the one in flight, which reach a replica that is a step behind."""

from __future__ import annotations

from consensus.messages import Message


class NextHeightBuffer:
    """The newest message of each kind from each peer: whatever a peer sends, it fills its own few places only."""

    __slots__ = ("_height", "_messages")

    def __init__(self) -> None:
        self._height = 0
        self._messages: dict[tuple[str, type[Message]], Message] = {}

    def keep(self, height: int, sender: str, message: Message) -> None:
        """Keep a message of ``height``; those of another height are forgotten."""
        if height != self._height:
            self._messages.clear()
            self._height = height
        self._messages[sender, type(message)] = message

    def take(self, height: int) -> list[tuple[str, Message]]:
        """Remove and return what is kept for ``height``, as (sender, message)."""
        messages = self._messages if height == self._height else {}
        self._messages = {}
        return [(sender, message) for (sender, _), message in messages.items()]
