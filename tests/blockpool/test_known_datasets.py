"""What a client has proven of a dataset: asked once, and again when an answer contradicts it or it is old."""

import pytest

from blockpool import DatasetDefinition
from blockpool.operations.submitting import Submission, SubmissionOptions
from chain.errors import ErrorCode
from chain.ledger import Ledger
from tests.blockpool.ledger_node import LedgerNode, Nodes
from tests.networks import SCHEMA, TestNetwork
from tests.processes import RunningNetwork
from tests.refusals import refuses
from tests.signing import DESCRIPTION

NETWORK = TestNetwork(has_contracts=True)


def submission(nodes: Nodes, **options: object) -> Submission:
    return Submission(nodes.session, "a.flights", SubmissionOptions(1, **options), [b'{"n":1}'])  # type: ignore[arg-type]


@pytest.fixture
def ledger() -> Ledger:
    ledger = NETWORK.ledger()
    NETWORK.commit(ledger, [NETWORK.dataset()])
    return ledger


def asked(nodes: Nodes) -> int:
    """How often a node was asked since the last time."""
    (node,) = nodes.nodes.values()
    count = len(node.asked)
    node.asked.clear()
    return count


def test_a_dataset_is_looked_up_once_a_minute(ledger: Ledger) -> None:
    nodes = Nodes(NETWORK, [LedgerNode(ledger)], "a")
    assert not nodes.run(submission(nodes).begin()).is_sealed
    assert asked(nodes) == 2
    nodes.now_s += 59
    assert not nodes.run(submission(nodes).begin()).is_sealed
    assert asked(nodes) == 0
    nodes.now_s += 2
    NETWORK.commit(ledger, [NETWORK.dataset(version=2, sharing="closed")])
    assert nodes.run(submission(nodes).begin()).is_sealed
    assert asked(nodes) > 2
    assert nodes.run(submission(nodes).begin()).is_sealed
    assert asked(nodes) == 0


def test_what_is_known_decides_as_what_is_asked(ledger: Ledger) -> None:
    nodes = Nodes(NETWORK, [LedgerNode(ledger)], "a")
    nodes.run(submission(nodes).begin())
    with refuses(ErrorCode.OPEN_PARCEL_REQUIRED):
        nodes.run(submission(nodes, sealed=True).begin())
    with refuses(ErrorCode.BAD_REQUEST):
        nodes.run(submission(nodes, in_flight=0).begin())


@pytest.mark.integration
def test_a_dataset_that_is_shared_otherwise_meanwhile_is_looked_up_again(running_network: RunningNetwork) -> None:
    dataset = running_network.new_dataset()
    records = [b'{"n":%d}' % number for number in range(6)]
    with running_network.client("aviation") as client, running_network.client("aviation") as other:
        (earlier,) = client.submit(records[:1], dataset)
        for sharing, is_open in (("closed", False), ("open", True)):
            definition = DatasetDefinition(
                dataset,
                "",
                "Test",
                SCHEMA,
                sharing,
                "Secrets Law",
                description=DESCRIPTION,  # type: ignore[arg-type]
            )
            other.define(definition)
            receipts = client.submit(records, dataset, parcel_records=2)
            assert [receipt.record_count for receipt in receipts] == [2, 2, 2]
            bodies = [client.record(id_).body for receipt in receipts for id_ in receipt.record_ids]
            assert (bodies == records) is is_open
        assert client.record(earlier.record_ids[0]).body == records[0]
