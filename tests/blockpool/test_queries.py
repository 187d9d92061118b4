"""Long waits and long lists, without a node: what is asked, and when it ends."""

from typing import Any

import orjson

from blockpool.exchange import Answer, Emit, NodePool, Operation, Reply, RetryPolicy, Send
from blockpool.operations import queries
from blockpool.operations.session import Session

TEXTS = "purpose legal_basis case_number person sentence note contract contract_hash inputs_hash"
NUMBERS = (
    "from_height until_height wanted_until_ms height time_ms until_ms needed contract_version fuel decided_height "
    "decided_ms read_reports records_read first_report_ms"
)
REQUEST: dict[str, Any] = {
    "request": "00" * 32,
    "reader": "b",
    "dataset": "a.flights",
    "kem_key": "",
    "status": "asked",
    "facts": {},
    "added_by_a_newer_node": 1,
    **dict.fromkeys(TEXTS.split(), ""),
    **dict.fromkeys(NUMBERS.split(), 0),
}


class Slow:
    """A node that holds each request as long as it is asked to."""

    def __init__(self, granted_after_s: float) -> None:
        self.now_s = 0.0
        self.granted_after_s = granted_after_s
        self.waits_ms: list[int] = []
        self.session = Session(NodePool(["http://node"], lambda: self.now_s), RetryPolicy())

    def run(self, operation: Operation[Any]) -> Any:
        answer: Answer = None
        try:
            while True:
                action = operation.send(answer)
                assert isinstance(action, Send)
                wait_ms = int(action.request.parameters.get("wait_ms", 0))
                assert action.request.timeout_s > wait_ms / 1000
                self.waits_ms.append(wait_ms)
                self.now_s = min(self.now_s + wait_ms / 1000, max(self.granted_after_s, self.now_s))
                status = "granted" if self.now_s >= self.granted_after_s else "asked"
                answer = Reply(200, {}, orjson.dumps(REQUEST | {"status": status}))
        except StopIteration as end:
            return end.value


def test_a_request_is_looked_at_once_without_waiting() -> None:
    node = Slow(granted_after_s=100)
    assert node.run(queries.request_view(node.session, bytes(32), 0)).status == "asked"
    assert node.waits_ms == [0]


def test_a_long_wait_is_asked_in_parts_and_ends() -> None:
    node = Slow(granted_after_s=100)
    view = node.run(queries.request_view(node.session, bytes(32), 50))
    assert (view.status, view.id, view.kem_key) == ("asked", bytes(32), b"")
    assert node.waits_ms == [20_000, 20_000, 10_000]


def test_a_wait_ends_with_the_decision() -> None:
    node = Slow(granted_after_s=25)
    assert node.run(queries.request_view(node.session, bytes(32), 3600)).status == "granted"
    assert node.waits_ms == [20_000, 20_000]
    assert node.now_s == 25


def test_a_list_goes_on_where_its_page_ended() -> None:
    session = Session(NodePool(["http://node"], lambda: 0.0), RetryPolicy())
    pages = {None: ([1, 2], "5.1"), "5.1": ([], "7.0"), "7.0": ([3], None)}
    operation = queries.requests(session, "a.flights", None, "asked", None)
    found, asked = [], []
    action = next(operation)
    while True:
        answer = None
        if isinstance(action, Emit):
            found.append(action.item.height)
        elif isinstance(action, Send):
            asked.append(dict(action.request.parameters))
            heights, following = pages[action.request.parameters.get("after")]  # type: ignore[index]
            requests = [REQUEST | {"height": height} for height in heights]
            answer = Reply(200, {}, orjson.dumps({"requests": requests, "next": following}))
        try:
            action = operation.send(answer)
        except StopIteration:
            break
    assert found == [1, 2, 3]
    first = {"limit": 100, "dataset": "a.flights", "status": "asked"}
    assert asked == [first, first | {"after": "5.1"}, first | {"after": "7.0"}]
