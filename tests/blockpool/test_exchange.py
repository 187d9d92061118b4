"""Retries and failover, played through without any I/O: the operation says what to do, the test says what came of
it.
"""

import msgspec
import pytest

from blockpool.exchange import (
    Answer,
    NodePool,
    NodeRequest,
    Operation,
    Pause,
    Reply,
    RetryPolicy,
    Send,
    Unreachable,
    UntrueAnswer,
    exchange,
    expect_ok,
)
from chain.errors import ErrorCode, PoolError
from tests.refusals import refuses

A, B = "http://a:1", "http://b:1"
GONE = Unreachable("connection refused")
GOOD = Reply(200, {}, b"good")


class Clock:
    """Time that passes only in pauses."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Play:
    """Carries an operation out: answers each ``Send`` from a list, lets pauses pass at once, and writes both down."""

    def __init__(self, answers: list[Answer], urls: tuple[str, ...] = (A,), policy: RetryPolicy | None = None) -> None:
        self.clock = Clock()
        self.nodes = NodePool(urls, self.clock)
        self.policy = policy or RetryPolicy()
        self.answers = answers
        self.asked: list[str] = []
        self.pauses_s: list[float] = []

    def run(self, operation: Operation[bytes] | None = None) -> bytes:
        operation = operation or exchange(self.nodes, self.policy, NodeRequest("GET", "/"), expect_ok)
        answer: Answer = None
        try:
            while True:
                action = operation.send(answer)
                answer = None
                if isinstance(action, Pause):
                    self.pauses_s.append(action.seconds)
                    self.clock.now_s += action.seconds
                elif isinstance(action, Send):
                    self.asked.append(action.url)
                    answer = self.answers.pop(0)
        except StopIteration as end:
            result: bytes = end.value
            return result


def problem(status: int, code: str, **more: object) -> Reply:
    return Reply(status, {}, msgspec.json.encode({"code": code, "title": "T", "detail": "D", **more}))


def test_asks_the_next_node_at_once_and_stays_with_it() -> None:
    play = Play([GONE, GOOD, GOOD], (A, B))
    assert play.run() == b"good"
    assert play.run() == b"good"
    assert (play.asked, play.pauses_s) == ([A, B, B], [])


def test_when_all_rest_it_waits_for_the_first_that_is_back() -> None:
    play = Play([Reply(503, {"retry-after": "5"}, b""), Reply(503, {"retry-after": "2"}, b""), GOOD], (A, B))
    assert play.run() == b"good"
    assert (play.asked, play.pauses_s) == ([A, B, B], [2.0])


def test_pauses_double_and_are_bounded() -> None:
    play = Play([GONE] * 8 + [GOOD], policy=RetryPolicy(pause_first_s=0.1, pause_max_s=1.0))
    play.run()
    for pause_s, base_s in zip(play.pauses_s, [0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0, 1.0], strict=True):
        assert base_s <= pause_s <= base_s * 1.5


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_respected(status: int) -> None:
    play = Play([Reply(status, {"retry-after": "7"}, b""), GOOD])
    assert play.run() == b"good"
    assert play.pauses_s == [7.0]


def test_gives_up_after_the_attempts_allowed() -> None:
    play = Play([GONE] * 100, (A, B), RetryPolicy(attempts_max=3))
    with refuses(ErrorCode.UNREACHABLE, "connection refused"):
        play.run()
    assert len(play.asked) == 6


def test_gives_up_after_the_time_allowed() -> None:
    play = Play([Reply(503, {"retry-after": "30"}, b"")] * 100, policy=RetryPolicy(attempts_max=50, total_max_s=100))
    with refuses(ErrorCode.NOT_READY):
        play.run()
    assert sum(play.pauses_s) <= 100


@pytest.mark.parametrize(
    ("status", "code"), [(400, "malformed"), (401, "bad_signature"), (403, "unknown_key"), (404, "not_found")]
)
def test_a_refusal_is_final(status: int, code: str) -> None:
    play = Play([problem(status, code), GOOD], (A, B))
    with pytest.raises(PoolError) as raised:
        play.run()
    assert (raised.value.code, raised.value.detail) == (code, "D")
    assert play.asked == [A]


def test_context_of_a_problem_document_is_kept() -> None:
    play = Play([problem(422, "schema_violation", record_index=3, height=9)])
    with pytest.raises(PoolError) as raised:
        play.run()
    assert raised.value.context == {"http_status": 422, "record_index": 3, "height": 9}


def test_a_code_of_a_newer_version_is_not_lost() -> None:
    play = Play([problem(422, "never_heard_of")])
    with refuses(ErrorCode.BAD_REQUEST, "never_heard_of"):
        play.run()


def test_a_body_that_is_no_problem_document_still_gives_an_error() -> None:
    play = Play([Reply(404, {}, b"<html>")])
    with pytest.raises(PoolError, match="404"):
        play.run()


def test_an_answer_that_does_not_verify_makes_another_node_be_asked() -> None:
    def read(reply: Reply) -> bytes:
        if reply.body == b"lie":
            raise UntrueAnswer(ErrorCode.BAD_RECEIPT, "does not verify")
        return reply.body

    play = Play([Reply(200, {}, b"lie"), GOOD], (A, B))
    assert play.run(exchange(play.nodes, play.policy, NodeRequest("GET", "/"), read)) == b"good"
    assert play.asked == [A, B]


def test_an_answer_that_never_verifies_is_never_accepted() -> None:
    def read(reply: Reply) -> bytes:
        raise UntrueAnswer(ErrorCode.BAD_RECEIPT, "does not verify")

    play = Play([GOOD] * 100, policy=RetryPolicy(attempts_max=2))
    with refuses(ErrorCode.BAD_RECEIPT, "http://a:1: does not verify"):
        play.run(exchange(play.nodes, play.policy, NodeRequest("GET", "/"), read))


def test_several_requests_that_fail_together_count_once() -> None:
    nodes = NodePool([A], Clock())
    policy = RetryPolicy(pause_first_s=0.1)
    for _ in range(20):
        nodes.failed(A, policy)
    assert nodes.choose()[1] <= 0.15


@pytest.mark.parametrize(
    "urls", [[], ["127.0.0.1:8000"], ["ftp://node"], ["http://"], ["http://a:99999"], ["http://[::1"]]
)
def test_strange_urls_are_refused(urls: list[str]) -> None:
    with refuses(ErrorCode.BAD_REQUEST):
        NodePool(urls, Clock())
