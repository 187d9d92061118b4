"""Evidence files through the Python package: verified, and about what was asked, whatever a node gives."""

from collections.abc import Callable
from typing import Any

import pytest

from blockpool import ErrorCode, RecordId
from blockpool.exchange import NodeRequest, Operation
from blockpool.operations.evidence_files import no_grant_evidence, no_read_evidence, read_evidence, record_evidence
from blockpool.operations.session import Session
from evidence.kinds import parse_any_evidence
from evidence.no_grant import make_no_grant_evidence
from evidence.no_read import make_no_read_evidence
from evidence.read import make_read_evidence
from evidence.record import make_record_evidence
from tests.blockpool.ledger_node import Body, LedgerNode, Nodes
from tests.evidence.story import Story, changed, without_last
from tests.refusals import refuses

Ask = Callable[[Session, Story], Operation[bytes]]


class EvidenceNode(LedgerNode):
    """Makes evidence too."""

    def _body(self, request: NodeRequest) -> Body:
        given: dict[str, Any] = dict(request.parameters)
        size = given.get("tree_size")
        heights = given.get("from", 1), given.get("until")
        match request.path.split("/")[2:]:
            case ["records", id_, index, "evidence"]:
                return make_record_evidence(self.ledger, bytes.fromhex(id_), int(index), size)
            case ["requests", id_, "evidence"]:
                return make_read_evidence(self.ledger, bytes.fromhex(id_), size)
            case ["absence", "grant"]:
                return make_no_grant_evidence(self.ledger, given["dataset"], given["reader"], *heights, size)
            case ["absence", "read"]:
                return make_no_read_evidence(self.ledger, bytes.fromhex(given["parcel"]), *heights, size)
        return super()._body(request)


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


ASKED: dict[str, Ask] = {
    "record": lambda session, story: record_evidence(session, RecordId(story.parcel, 1)),
    "read": lambda session, story: read_evidence(session, story.request),
    "no-grant": lambda session, story: no_grant_evidence(session, "a.flights", "b", 10, 11),
    "no-read": lambda session, story: no_read_evidence(session, story.parcel, 6, 11),
}
OTHERS: dict[str, Ask] = {
    "record": lambda session, story: record_evidence(session, RecordId(story.parcel, 0)),
    "read": lambda session, story: read_evidence(session, story.later),
    "no-grant": lambda session, story: no_grant_evidence(session, "a.flights", "b", 11, 11),
    "no-read": lambda session, story: no_read_evidence(session, story.parcel, 7, 11),
}
"""Questions of the same kinds, with other answers."""


@pytest.mark.parametrize("kind", ASKED)
def test_what_a_node_gives_is_handed_on_verified(story: Story, kind: str) -> None:
    node = EvidenceNode(story.ledger)
    nodes = Nodes(story.network, [node])
    content = nodes.run(ASKED[kind](nodes.session, story))
    assert story.steps(content)
    assert parse_any_evidence(content).__struct_config__.tag == kind


@pytest.mark.parametrize("kind", ASKED)
def test_true_evidence_of_something_else_is_refused_and_another_node_asked(story: Story, kind: str) -> None:
    honest = Nodes(story.network, [EvidenceNode(story.ledger)])
    other = honest.run(OTHERS[kind](honest.session, story))
    liar = EvidenceNode(story.ledger, change=lambda path, body: other)
    alone = Nodes(story.network, [liar])
    with refuses(ErrorCode.BAD_EVIDENCE, "something else"):
        alone.run(ASKED[kind](alone.session, story))
    both = Nodes(story.network, [liar, EvidenceNode(story.ledger)])
    assert both.run(ASKED[kind](both.session, story)) != other


def test_evidence_that_does_not_hold_is_refused(story: Story) -> None:
    path = ("uses", "read_transactions")
    liar = EvidenceNode(story.ledger, change=lambda _, body: changed(body, path, without_last))
    nodes = Nodes(story.network, [liar])
    with refuses(ErrorCode.BAD_PROOF, step_title="uses"):
        nodes.run(ASKED["record"](nodes.session, story))


def test_a_refusal_is_handed_on(story: Story) -> None:
    nodes = Nodes(story.network, [EvidenceNode(story.ledger)])
    with refuses(ErrorCode.NOT_ABSENT):
        nodes.run(no_grant_evidence(nodes.session, "a.flights", "b"))


def test_with_a_checkpoint_a_file_is_as_of_that_checkpoint(story: Story) -> None:
    nodes, tree = Nodes(story.network, [EvidenceNode(story.ledger)]), story.tree(6)
    content = nodes.run(record_evidence(nodes.session, RecordId(story.parcel, 1), tree))
    assert story.details(content, tree)["uses"].startswith("up to height 5:")
