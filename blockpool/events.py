"""Following the chain through server-sent events (WHATWG HTML, section 9.2), without I/O.

The feed remembers the last height it gave out, so a lost connection continues where it broke off, with any node.
"""

import msgspec

from blockpool.answers import BlockEvent
from blockpool.exchange import NodePool, NodeRequest, Reply, RetryPolicy, error_of_reply
from chain.errors import ErrorCode, PoolError
from chain.primitives.json_text import json_decoder

_SILENCE_MAX_S = 60.0


class EventFeed:
    """State of one subscription.

    Args:
        from_height: first height wanted; None for what comes from now on.
    """

    def __init__(self, nodes: NodePool, policy: RetryPolicy, from_height: int | None) -> None:
        self._nodes = nodes
        self._policy = policy
        self._from_height = from_height
        self._last_height: int | None = None
        self._url = ""
        self._failures = 0
        self._data: list[str] = []

    def connection(self) -> tuple[str, float, NodeRequest]:
        """The node to connect to, how long to wait before (seconds), and the request."""
        self._url, pause_s = self._nodes.choose()
        self._data = []
        headers = {"accept": "text/event-stream"}
        parameters: dict[str, str | int] = {}
        if self._last_height is not None:
            headers["last-event-id"] = str(self._last_height)
        elif self._from_height is not None:
            parameters["from"] = self._from_height
        return self._url, pause_s, NodeRequest("GET", "/v1/events", parameters, headers, timeout_s=_SILENCE_MAX_S)

    def opened(self) -> None:
        """The node accepted: lines follow."""
        self._failures = 0
        self._nodes.succeeded(self._url)

    def refused(self, reply: Reply) -> None:
        """The node answered with another status than 200; connect again.

        Raises:
            PoolError: a refusal that is final, or the last failure once the policy is used up.
        """
        error = error_of_reply(reply)
        if reply.status < 500 and reply.status != 429:
            raise error
        self._failed(error)

    def lost(self, reason: str) -> None:
        """The connection failed or ended; connect again.

        Raises:
            PoolError: code ``unreachable`` once the policy is used up.
        """
        self._failed(PoolError(ErrorCode.UNREACHABLE, f"{self._url}: {reason}"))

    def take_line(self, line: str) -> BlockEvent | None:
        """Take the next line without its end; gives an event when the line completes one that was not given before.

        Raises:
            PoolError: code ``malformed``.
        """
        field, _, value = line.partition(":")
        if field == "data":
            self._data.append(value.removeprefix(" "))
        if line or not self._data:
            return None
        text, self._data = "\n".join(self._data), []
        try:
            event = json_decoder(BlockEvent).decode(text)
        except msgspec.MsgspecError as error:
            raise PoolError(ErrorCode.MALFORMED, f"the node's event is not what the API promises: {error}") from None
        if self._last_height is not None and event.height <= self._last_height:
            return None
        self._last_height = event.height
        return event

    def _failed(self, error: PoolError) -> None:
        self._failures += 1
        self._nodes.failed(self._url, self._policy)
        if self._failures >= self._policy.attempts_max * len(self._nodes):
            raise error
