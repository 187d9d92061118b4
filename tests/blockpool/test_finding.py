"""Finding by key as clients do: what the state says is proven, and blinded keys are found by who has the secret."""

import pytest

from blockpool.operations import finding
from blockpool.operations.submitting import Submission, SubmissionOptions
from blockpool.record_keys import KeyMaker
from blockpool.signing import RecordId
from chain.errors import ErrorCode
from chain.ledger import Ledger
from chain.transactions.registry import decode_transaction
from evidence.kinds import verify_any_evidence
from evidence.record import make_record_evidence
from tests.blockpool.ledger_node import Body, LedgerNode, Nodes
from tests.networks import TestNetwork
from tests.refusals import refuses

NETWORK = TestNetwork()
SCHEMA = '{"type":"object","properties":{"id":{"type":"string"},"n":{"type":"integer"}},"required":["id"],"key":["id"]}'
SECRET = bytes(range(32))


def maker(dataset: str = "a.flights", *, is_sealed: bool = False, secret: bytes | None = None) -> KeyMaker:
    return KeyMaker(NETWORK.chain_id, dataset, SCHEMA, secret, is_sealed)


class World:
    """An open dataset whose records have keys: A twice, B once."""

    def __init__(self) -> None:
        self.ledger: Ledger = NETWORK.ledger()
        NETWORK.commit(self.ledger, [NETWORK.dataset(schema=SCHEMA), NETWORK.dataset(name="plain")])
        first, second = [b'{"id":"A","n":1}', b'{"id":"B","n":1}'], [b'{"id":"A","n":2}']
        parcels = [NETWORK.keyed_parcel(records, [maker().of(records)]) for records in (first, second)]
        for parcel in parcels:
            NETWORK.commit(self.ledger, [parcel])
        self.first, self.second = map(NETWORK.id_of, parcels)


class EvidenceNode(LedgerNode):
    """A node that gives evidence files too."""

    def _body(self, request: object) -> Body:
        parts = request.path.split("/")[2:]  # type: ignore[attr-defined]
        if parts[0] == "records" and parts[-1] == "evidence":
            return make_record_evidence(self.ledger, bytes.fromhex(parts[1]), int(parts[2]))
        return super()._body(request)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def test_the_present_record_is_found_with_its_evidence(world: World) -> None:
    nodes = Nodes(NETWORK, [EvidenceNode(world.ledger)])
    found = nodes.run(finding.find(nodes.session, "a.flights", ["A"]))
    assert (found.record, found.previous) == (RecordId(world.second, 0), RecordId(world.first, 0))
    assert (found.body, found.versions, found.record_height) == (b'{"id":"A","n":2}', 2, 3)
    assert found == nodes.run(finding.find(nodes.session, "a.flights", {"id": "A"}))
    assert found.evidence is not None
    said = {step.title: step.detail for step in verify_any_evidence(found.evidence, NETWORK.trust)}
    assert "the present record of its key" in said["uses"]
    old = make_record_evidence(world.ledger, world.first, 0)
    said = {step.title: step.detail for step in verify_any_evidence(old, NETWORK.trust)}
    assert f"NOT the present record of its key, which is {world.second.hex()}/0" in said["uses"]


def test_that_a_key_has_no_record_is_proven(world: World) -> None:
    nodes = Nodes(NETWORK, [EvidenceNode(world.ledger)])
    found = nodes.run(finding.find(nodes.session, "a.flights", ["C"]))
    assert (found.record, found.body, found.height) == (None, None, 3)


def test_s71_a_node_that_hides_a_record_is_not_believed(world: World) -> None:
    def change(path: str, body: Body) -> Body:
        return body | {"value": None} if "/state/key/" in path else body

    nodes = Nodes(NETWORK, [EvidenceNode(world.ledger, change=change)])
    with refuses(ErrorCode.BAD_PROOF):
        nodes.run(finding.find(nodes.session, "a.flights", ["A"]))


def test_a_key_has_the_fields_that_the_schema_names(world: World) -> None:
    nodes = Nodes(NETWORK, [EvidenceNode(world.ledger)])
    for values in ([], ["A", "B"], {"n": 1}):
        with refuses(ErrorCode.BAD_REQUEST):
            nodes.run(finding.find(nodes.session, "a.flights", values))
    with refuses(ErrorCode.BAD_REQUEST):
        nodes.run(finding.find(nodes.session, "a.plain", ["A"]))
    with refuses(ErrorCode.UNKNOWN_DATASET):
        nodes.run(finding.find(nodes.session, "a.nothing", ["A"]))


def test_s71_keys_of_sealed_records_say_nothing_without_the_secret() -> None:
    records = [b'{"id":"A"}']
    blinded = maker(is_sealed=True, secret=SECRET).of(records)
    assert blinded != maker().of(records)
    assert blinded != maker(is_sealed=True, secret=bytes(32)).of(records)
    assert blinded == maker(is_sealed=True, secret=SECRET).key(["A"])
    assert blinded != maker("a.other", is_sealed=True, secret=SECRET).of(records)
    with refuses(ErrorCode.KEY_SECRET_NEEDED):
        maker(is_sealed=True)
    with refuses(ErrorCode.BAD_KEY):
        maker(is_sealed=True, secret=b"short").of(records)


def test_a_submission_gives_its_records_their_keys(world: World) -> None:
    nodes = Nodes(NETWORK, [EvidenceNode(world.ledger)], "a")
    records = [b'{"id":"D","n":1}', b'{"id":"E","n":1}']
    submission = Submission(nodes.session, "a.flights", SubmissionOptions(10), records)
    parcels = nodes.run(submission.begin())
    (group,) = list(parcels.groups())
    header = decode_transaction(NETWORK.chain_id, parcels.sign(group).content).header
    assert header.keys == maker().of(records)  # type: ignore[attr-defined]
