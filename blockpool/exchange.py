"""How a request gets an answer from one of several nodes, without doing any I/O.

An operation is a generator: it yields what should be done (send this, pause so long, here is an item) and is sent
what came of it. ``Client`` and ``AsyncClient`` carry operations out over HTTP and add no rule of their own, so
retries, failover and checks exist once.

Every request may be repeated: reads change nothing, and a transaction's id is fixed by its bytes, so a node that has it
already answers with its receipt. A node that cannot be reached, is overloaded (429), not ready (503) or gives
an answer that does not verify is left alone for a while and the next one is asked; refusals are final. One that has not
what it is asked for, since it leaves that to others, has failed in nothing: those are asked (``Session.exchange``).
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from chain.errors import ErrorCode, PoolError, known_code
from chain.primitives.json_text import json_decoder

T = TypeVar("T")
Item = TypeVar("Item", covariant=True)

MSGPACK = "application/msgpack"
JSON = "application/json"

_RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504, 507})
_RETRY_AFTER_MAX_S = 60.0
_DETAIL_LENGTH_MAX = 500
_IN_PATH = "/%:@!$&'()*+,;=~"


@dataclass(frozen=True, slots=True)
class NodeRequest:
    """An HTTP request to whichever node is asked."""

    method: str
    path: str
    parameters: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout_s: float = 10.0
    """How long the node may be silent."""
    is_transaction: bool = False
    """Whether it is a transaction to be committed, which may travel with others in one request."""

    @property
    def target(self) -> str:
        """Path and query as they are sent."""
        path = quote(self.path, safe=_IN_PATH)
        return f"{path}?{urlencode(self.parameters)}" if self.parameters else path


@dataclass(frozen=True, slots=True)
class Reply:
    """A node's answer."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    url: str = ""
    """The node that gave it."""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No answer came, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Send:
    """To do: send ``request`` to the node at ``url``; answer with ``Reply`` or ``Unreachable``."""

    url: str
    request: NodeRequest


@dataclass(frozen=True, slots=True)
class Pause:
    """To do: wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Emit(Generic[Item]):
    """To do: hand ``item`` to the caller."""

    item: Item


Answer = Reply | Unreachable | None
Operation = Generator[Send | Pause, Answer, T]
"""Steps that end in a ``T``."""
Stream = Generator[Send | Pause | Emit[T], Answer, None]
"""Steps among which ``T`` are handed out."""


def emitted(stream: Stream[T]) -> Operation[list[T]]:
    """All items of a stream, for an operation that wants them together; bounded by the caller."""
    items: list[T] = []
    answer: Answer = None
    while True:
        try:
            step = stream.send(answer)
        except StopIteration:
            return items
        answer = None
        if isinstance(step, Emit):
            items.append(step.item)
        else:
            answer = yield step


Show = Callable[[str, NodeRequest, bool], NodeRequest]
"""(URL, request, whether the node has just asked for it) -> the request with who asks, if that is known."""


class UntrueAnswer(PoolError):
    """A node's answer does not verify. Another node may give a true one."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long and how often to try. Pauses double from ``pause_first_s`` to ``pause_max_s``, each node for itself,
    with up to half as much again at random so that many clients do not come back in step."""

    attempts_max: int = 12
    """For each node."""
    total_max_s: float = 60.0
    """No further attempt is begun after this time."""
    pause_first_s: float = 0.1
    pause_max_s: float = 5.0

    def pause_s(self, failures: int) -> float:
        """Pause after so many failures in a row (1 or more)."""
        pause: float = min(self.pause_max_s, self.pause_first_s * 2.0 ** min(failures - 1, 16))
        return pause * random.uniform(1.0, 1.5)


class _Node:
    """What is remembered of one node."""

    __slots__ = ("failures", "rests_until_s", "url")

    def __init__(self, url: str) -> None:
        self.url = url
        self.failures = 0
        self.rests_until_s = 0.0


class NodePool:
    """The nodes that may be asked, in order of preference. It stays with a node that answers. Safe to use from several
    threads.

    Args:
        urls: base URLs.
        clock: seconds that never go back.

    Raises:
        PoolError: code ``bad_request`` for no or a strange URL.
    """

    def __init__(self, urls: Sequence[str], clock: Callable[[], float]) -> None:
        for url in urls:
            if not _is_url(url):
                raise PoolError(ErrorCode.BAD_REQUEST, f"{url!r} is not a node's URL, such as http://127.0.0.1:8000")
        if not urls:
            raise PoolError(ErrorCode.BAD_REQUEST, "no node's URL was given")
        self._nodes = [_Node(url.rstrip("/")) for url in urls]
        self._lock = threading.Lock()
        self.clock = clock

    def __len__(self) -> int:
        return len(self._nodes)

    @property
    def urls(self) -> list[str]:
        """Whom to ask, the preferred first."""
        with self._lock:
            return [node.url for node in self._nodes]

    def choose(self) -> tuple[str, float]:
        """The node to ask next, and how long to wait before (seconds)."""
        now_s = self.clock()
        with self._lock:
            node = next((node for node in self._nodes if node.rests_until_s <= now_s), None)
            if node is None:
                node = min(self._nodes, key=lambda resting: resting.rests_until_s)
            return node.url, max(0.0, node.rests_until_s - now_s)

    def succeeded(self, url: str) -> None:
        """``url`` gave an answer: ask it first from now on."""
        with self._lock:
            node = self._find(url)
            node.failures, node.rests_until_s = 0, 0.0
            if self._nodes[0] is not node:
                self._nodes.remove(node)
                self._nodes.insert(0, node)

    def failed(self, url: str, policy: RetryPolicy, retry_after_s: float | None = None) -> None:
        """``url`` gave none: let it rest, as long as it asked for or as ``policy`` says."""
        now_s = self.clock()
        with self._lock:
            node = self._find(url)
            if now_s < node.rests_until_s:
                return  # several requests failed at once: that is one failure
            node.failures += 1
            rest_s = policy.pause_s(node.failures) if retry_after_s is None else retry_after_s
            node.rests_until_s = now_s + rest_s

    def _find(self, url: str) -> _Node:
        return next(node for node in self._nodes if node.url == url)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # not a port, or brackets that do not match
        return False


def exchange(
    nodes: NodePool,
    policy: RetryPolicy,
    request: NodeRequest,
    read: Callable[[Reply], T],
    check: Callable[[T], Operation[None]] | None = None,
    show: Show | None = None,
) -> Operation[T]:
    """Get an answer that ``read`` accepts, from one node after the other.

    Args:
        read: turns a reply into the result; raises ``UntrueAnswer`` to have another node asked, any other
            ``PoolError`` to end.
        check: what is still to be asked before the result counts; raises as ``read`` does.
        show: adds who asks to a request.

    Raises:
        PoolError: the node's refusal, or the last failure once the policy is used up.
    """
    started_s = nodes.clock()
    last: PoolError | None = None
    for _ in range(policy.attempts_max * len(nodes)):
        url, pause_s = nodes.choose()
        if last is not None and nodes.clock() + pause_s - started_s > policy.total_max_s:
            break
        if pause_s > 0:
            yield Pause(pause_s)
        answer = yield Send(url, request if show is None else show(url, request, False))
        if show is not None and isinstance(answer, Reply) and answer.status == 401:
            answer = yield Send(url, show(url, request, True))
        if not isinstance(answer, Reply):
            reason = answer.reason if answer else "no answer"
            last = PoolError(ErrorCode.UNREACHABLE, f"{url}: {reason}")
            nodes.failed(url, policy)
            continue
        if answer.status in _RETRIED_STATUSES:
            last = error_of_reply(answer)
            nodes.failed(url, policy, retry_after_s(answer))
            continue
        try:
            result = read(replace(answer, url=url))
            if check is not None:
                yield from check(result)
        except UntrueAnswer as error:
            last = UntrueAnswer(error.code, f"{url}: {error.detail}", **error.context)
            nodes.failed(url, policy)
            continue
        nodes.succeeded(url)
        return result
    raise last or PoolError(ErrorCode.UNREACHABLE, "no attempt was allowed")


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The members of a problem document (RFC 9457) that this package reads."""

    code: str = ""
    title: str = ""
    detail: str = ""
    record_index: int | None = None
    transaction_id: str | None = None
    height: int | None = None
    holders: str | None = None
    """Members whose nodes should have what this one has not, between spaces."""


def error_of_reply(reply: Reply) -> PoolError:
    """The error that a refusing reply states. A code unknown to this version becomes ``bad_request`` or
    ``not_ready``.
    """
    try:
        problem = json_decoder(ErrorAnswer).decode(reply.body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        problem = ErrorAnswer(detail=f"HTTP status {reply.status}")
    context: dict[str, str | int] = {"http_status": reply.status}
    for name in ("record_index", "transaction_id", "height", "holders"):
        value = getattr(problem, name)
        if value is not None:
            context[name] = value
    detail = problem.detail[:_DETAIL_LENGTH_MAX] or problem.title or f"HTTP status {reply.status}"
    code = known_code(problem.code)
    if code is not None:
        return PoolError(code, detail, **context)
    code = ErrorCode.NOT_READY if reply.status >= 500 else ErrorCode.BAD_REQUEST
    return PoolError(code, f"{detail} ({problem.code})" if problem.code else detail, **context)


def retry_after_s(reply: Reply) -> float | None:
    """Seconds that the node asks to be left alone (RFC 9110, 10.2.3, the form in seconds), at most a minute."""
    value = reply.headers.get("retry-after", "")
    return min(float(value), _RETRY_AFTER_MAX_S) if value.isdigit() else None


def expect_ok(reply: Reply) -> bytes:
    """Body of a reply with status 200; raises what the reply states otherwise."""
    if reply.status != 200:
        raise error_of_reply(reply)
    return reply.body


def reader(type_: type[T]) -> Callable[[Reply], T]:
    """A ``read`` for JSON answers of this type."""

    def read(reply: Reply) -> T:
        body = expect_ok(reply)
        try:
            return json_decoder(type_).decode(body)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise UntrueAnswer(
                ErrorCode.MALFORMED, f"the node's answer is not what the API promises: {error}"
            ) from None

    return read


def untrue_unless(check: Callable[[], T]) -> T:
    """The result of ``check``; what it raises says that the node's answer is not true, unless this program is too
    old to judge it.
    """
    try:
        return check()
    except UntrueAnswer:
        raise
    except PoolError as error:
        if error.code is ErrorCode.UNKNOWN_PROTOCOL:
            raise
        raise UntrueAnswer(error.code, error.detail, **error.context) from None
