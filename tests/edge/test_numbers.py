"""Numbers beyond what machines and calendars hold (scenario 47), where they pass every shape but not every use."""

import json
from typing import Any

import pytest

from blockpool import NodeStatus
from blockpool.answers import BlockAnswer
from blockpool.exchange import Reply, UntrueAnswer, error_of_reply, reader
from chain.errors import ErrorCode
from chain.messages import time_text
from chain.proofs.trust import TrustHistory
from evidence.kinds import verify_any_evidence
from tests.edge.world import edge_world
from tests.refusals import refuses

HUGE = [2**63, 2**64, 10**30]


@pytest.mark.parametrize("number", HUGE)
@pytest.mark.parametrize("path", [("block", "certificate", "view"), ("parcel", "index"), ("record", "index")])
def test_s47_evidence_with_numbers_beyond_64_bits_is_refused(path: tuple[str, ...], number: int) -> None:
    world = edge_world()
    evidence: Any = json.loads(world.record_evidence()[0])
    place = evidence
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = number
    with refuses(ErrorCode.BAD_EVIDENCE):
        list(verify_any_evidence(json.dumps(evidence).encode(), TrustHistory(world.genesis)))


@pytest.mark.parametrize("number", [*HUGE, -1])
@pytest.mark.parametrize("type_", [NodeStatus, BlockAnswer])
def test_s47_a_nodes_answer_with_such_numbers_is_untrue(type_: type, number: int) -> None:
    with pytest.raises(UntrueAnswer, match="height"):
        reader(type_)(Reply(200, {}, json.dumps({"height": number}).encode()))


@pytest.mark.parametrize("body", [b'{"detail":"\xff"}', b'{"detail":', b"[" * 100_000, b"<html>"])
def test_s46_a_refusal_that_is_no_problem_document_is_still_a_refusal(body: bytes) -> None:
    assert error_of_reply(Reply(503, {}, body)).code is ErrorCode.NOT_READY
    with pytest.raises(UntrueAnswer):
        reader(NodeStatus)(Reply(200, {}, body))


def test_s47_a_time_beyond_the_calendar_is_shown() -> None:
    """A request may ask for access until the end of 63 bits, and its owner must be able to list it."""
    assert time_text(2**63 - 1) == "after the year 9999"
    assert time_text(253_402_271_999_999) == "9999-12-31 23:59:59.999+08:00"
    assert time_text(253_402_272_000_000) == "after the year 9999"
    assert time_text(0) == "1970-01-01 08:00:00.000+08:00"
