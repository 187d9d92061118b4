"""Key shares that are wrong, missing or refused, and reading with what is left; on a ledger in memory."""

from collections.abc import Callable
from typing import Any

import pytest

from blockpool.operations.reading import SealedReading, acknowledge, keep_fields
from chain.errors import ErrorCode, PoolError
from chain.granularity import WHOLE, Granularity, part_of
from chain.limits import LIMITS
from chain.primitives.encoding import encode
from chain.transactions.read_report import ReadReportHeader
from chain.transactions.registry import decode_transaction
from chain.transactions.sealed import CommitmentKind, sealed_records_root
from sealing import ParcelContext, Release, SealedParcel, deal
from tests.blockpool.ledger_node import Give, LedgerNode, Nodes
from tests.chain.access_world import AccessWorld, allow
from tests.refusals import refuses

RECORDS = [b'{"n":%d,"name":"x"}' % number for number in range(3)]


class SealedWorld(AccessWorld):
    """``a.flights`` with sealed parcels in blocks of their own, and a granted request of ``b``."""

    def __init__(
        self,
        parcels: int = 2,
        fields: tuple[str, ...] | None = None,
        granularity: Granularity = WHOLE,
        **asked: Any,
    ) -> None:
        super().__init__(allow=lambda case: allow(fields=fields))
        self.parcel_ids: list[bytes] = []
        if granularity != WHOLE:
            changes = {"version": 2, "sharing": "conditional", "contract": "a.rule", "granularity": granularity}
            self.accept(self.network.dataset(**changes))
        for _ in range(parcels):
            parcel = self.network.sealed_parcel(RECORDS, commitments=CommitmentKind.FIELDS, granularity=granularity)
            self.parcel_ids += self.accept(parcel)
        (self.request_id,) = self.accept(self.network.request(**asked))

    def node(self, give: Give = lambda validator, share, release: share) -> LedgerNode:
        return LedgerNode(self.ledger, dict(self.network.kem), give=give)

    def reading(self, *nodes: LedgerNode, parcels: list[bytes] | None = None) -> tuple[Nodes, SealedReading]:
        served = Nodes(self.network, nodes)
        return served, SealedReading(served.session, self.request_id, self.network.readers["b"], parcels)


def read(nodes: Nodes, plan: SealedReading) -> list[bytes]:
    """All plaintexts."""
    chunks = nodes.items(plan.chunks())
    return [
        record.body for chunk in chunks for opened in nodes.run(plan.fetch(chunk)) for record in plan.records(opened)
    ]


def only_from(*validators: str) -> Give:
    return lambda validator, share, release: share if validator in validators else None


def wrong_from(*validators: str) -> Give:
    return lambda validator, share, release: bytes(16) if validator in validators else share


@pytest.mark.parametrize("parcels", [1, 9])
def test_records_of_all_parcels_come_in_order(parcels: int) -> None:
    world = SealedWorld(parcels)
    nodes, plan = world.reading(world.node())
    assert read(nodes, plan) == RECORDS * parcels
    assert plan.record_count == 3 * parcels


def test_a_threshold_is_enough() -> None:
    world = SealedWorld()
    nodes, plan = world.reading(world.node(only_from("a", "c", "d")))
    assert read(nodes, plan) == RECORDS * 2
    assert plan.shares.culprits == []


@pytest.mark.parametrize("validator", ["a", "b", "c"])
def test_one_wrong_share_is_named_once_a_parcel_and_replaced(validator: str) -> None:
    world = SealedWorld()
    nodes, plan = world.reading(world.node(wrong_from(validator)))
    assert read(nodes, plan) == RECORDS * 2
    assert {member for member, _ in plan.shares.culprits} == {validator}
    assert len(plan.shares.culprits) <= 2


def test_who_was_wrong_is_asked_last_the_next_time() -> None:
    world = SealedWorld(6)
    nodes, plan = world.reading(world.node(wrong_from("a")))
    assert read(nodes, plan) == RECORDS * 6
    assert len(plan.shares.culprits) == 1


def test_two_nodes_together_reach_enough_validators() -> None:
    world = SealedWorld()
    nodes, plan = world.reading(world.node(only_from("a", "b")), world.node(only_from("c")))
    assert read(nodes, plan) == RECORDS * 2


def test_too_few_shares_name_who_did_not_give() -> None:
    world = SealedWorld()

    def give(validator: str, share: bytes, release: Release) -> bytes | None:
        return {"a": None, "b": bytes(16)}.get(validator, share)

    nodes, plan = world.reading(world.node(give))
    with refuses(ErrorCode.NOT_ENOUGH_SHARES, "2 right shares of 3 needed; none from a, wrong ones from b") as raised:
        read(nodes, plan)
    assert (raised.value.context["shares"], raised.value.context["threshold"]) == (2, 3)


def test_f_validators_alone_open_nothing() -> None:
    world = SealedWorld()
    nodes, plan = world.reading(world.node(only_from("a")))
    with refuses(ErrorCode.NOT_ENOUGH_SHARES):
        read(nodes, plan)
    assert plan.log is not None
    assert plan.log.record_count == 0


def refuse(code: ErrorCode, of: str) -> Callable[[str, object], object]:
    def change(path: str, body: object) -> object:
        if of in path:
            raise PoolError(code, "refused")
        return body

    return change


def test_one_node_that_refuses_does_not_decide() -> None:
    world = SealedWorld()
    refusing = LedgerNode(world.ledger, dict(world.network.kem), change=refuse(ErrorCode.GRANT_EXPIRED, "/shares"))
    assert read(*world.reading(refusing, world.node())) == RECORDS * 2
    with refuses(ErrorCode.GRANT_EXPIRED):
        read(*world.reading(refusing))


def test_a_refusal_is_final_once_all_that_can_be_reached_were_asked() -> None:
    world = SealedWorld()
    refusing = LedgerNode(world.ledger, dict(world.network.kem), change=refuse(ErrorCode.GRANT_EXPIRED, "/shares"))
    gone = world.node()
    gone.is_up = False
    nodes, plan = world.reading(refusing, gone)
    with refuses(ErrorCode.GRANT_EXPIRED):
        read(nodes, plan)
    assert refusing.asked.count("/v1/shares") == 2


def test_a_node_that_is_gone_is_passed_over() -> None:
    world = SealedWorld()
    gone = world.node()
    gone.is_up = False
    assert read(*world.reading(gone, world.node())) == RECORDS * 2


def test_named_parcels_are_read_in_chain_order() -> None:
    world = SealedWorld(3)
    first, _, third = world.parcel_ids
    nodes, plan = world.reading(world.node(), parcels=[third, first])
    chunks = nodes.items(plan.chunks())
    assert [place.transaction_id for chunk in chunks for place in chunk] == [first, third]
    assert not any(path.endswith("/parcels") for path in nodes.nodes["http://node-0"].asked)
    nothing, empty = world.reading(world.node(), parcels=[])
    assert read(nothing, empty) == []


def test_a_parcel_of_another_dataset_is_not_covered() -> None:
    world = SealedWorld()
    world.accept(world.network.dataset(name="other"))
    (other,) = world.accept(world.network.parcel(dataset="a.other"))
    with refuses(ErrorCode.NOT_COVERED):
        read(*world.reading(world.node(), parcels=[other]))


def test_open_parcels_of_a_dataset_that_was_open_are_read_along() -> None:
    world = AccessWorld()
    network = world.network
    world.accept(network.dataset(name="opened"))
    world.accept(network.parcel(RECORDS, dataset="a.opened"))
    world.accept(network.dataset(name="opened", version=2, sharing="conditional", contract="a.rule"))
    world.accept(network.sealed_parcel(RECORDS[::-1], dataset="a.opened"))
    (request_id,) = world.accept(network.request(dataset="a.opened"))
    nodes = Nodes(network, [LedgerNode(world.ledger, dict(network.kem))])
    plan = SealedReading(nodes.session, request_id, network.readers["b"])
    assert read(nodes, plan) == [*RECORDS, *RECORDS[::-1]]


def test_a_long_read_is_reported_in_several_read_reports() -> None:
    world = SealedWorld()
    nodes, plan = world.reading(world.node())
    read(nodes, plan)
    log = plan.log
    assert log is not None
    for number in range(LIMITS.report_parcels):
        log.returned(number.to_bytes(32, "big"), 0, b"x")
    signed = log.unreported(nodes.session.identity)
    headers = [decode_transaction(world.network.chain_id, transaction.content).header for transaction in signed]
    assert all(isinstance(header, ReadReportHeader) for header in headers)
    assert [len(header.parcels) for header in headers if isinstance(header, ReadReportHeader)] == [1024, 2]
    assert [transaction.content for transaction in log.unreported(nodes.session.identity)] == [
        transaction.content for transaction in signed
    ]


def test_a_read_report_that_could_not_be_sent_is_sent_again_as_it_is() -> None:
    world = SealedWorld()
    nodes, plan = world.reading(world.node())
    read(nodes, plan)
    assert plan.log is not None
    sent: list[bytes] = []
    for _ in range(2):
        operation = acknowledge(nodes.session, plan.log)
        action = next(operation)
        sent.append(action.request.body)  # type: ignore[union-attr, arg-type]
        operation.close()
    assert sent[0] == sent[1]
    checked = decode_transaction(world.network.chain_id, sent[0])
    assert isinstance(checked.header, ReadReportHeader)
    assert checked.header.record_count == 6


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b'{"a":1,"b":[2, 3],"c":"x"}', b'{"a":1,"b":[2, 3]}'),
        (b'{ "b" : 12345678901234567890123, "z":0 }', b'{"b":12345678901234567890123}'),
        (b'{"c":1}', b"{}"),
        (b"[1]", b"{}"),
        (b"\xff\x00", b"{}"),
        (b"[" * 100_000, b"{}"),
    ],
)
def test_fields_are_kept_as_they_stand(body: bytes, kept: bytes) -> None:
    assert keep_fields(body, frozenset({"a", "b"})) == kept


def test_the_grants_fields_bound_what_is_handed_out() -> None:
    world = SealedWorld(1, fields=("n",), granularity=Granularity((("n",), ("name",))))
    nodes, plan = world.reading(world.node())
    assert read(nodes, plan) == [b'{"n":0}', b'{"n":1}', b'{"n":2}']
    assert plan.closed == []


def test_s120_a_parcel_that_holds_more_than_was_granted_stays_closed() -> None:
    """One that is opened whole: the fields of the grant are all that may be opened, so nothing is."""
    world = SealedWorld(2, fields=("n",))
    nodes, plan = world.reading(world.node())
    assert read(nodes, plan) == []
    assert plan.closed == world.parcel_ids
    nodes, plan = world.reading(world.node(), parcels=[world.parcel_ids[0]])
    with refuses(ErrorCode.NOT_COVERED):
        read(nodes, plan)


def test_s120_a_request_by_the_record_and_field_opens_that_and_is_reported() -> None:
    granularity = Granularity((("n",), ("name",)), by_record=True)
    world = SealedWorld(2, granularity=granularity)
    first, second = world.parcel_ids
    asked = {"parcels": (first, second), "records": ((first, 1), (second, 2)), "fields": ("name",)}
    (world.request_id,) = world.accept(world.network.request(**asked))
    nodes, plan = world.reading(world.node(wrong_from("a")))
    assert read(nodes, plan) == [b'{"name":"x"}'] * 2
    assert {member for member, _ in plan.shares.culprits} == {"a"}
    assert plan.log is not None
    (signed,) = plan.log.unreported(nodes.session.identity)
    report = decode_transaction(world.network.chain_id, signed.content).header
    assert isinstance(report, ReadReportHeader)
    assert (report.fields, report.record_count, report.parcels) == (("name",), 2, (first, second))


def test_s122_a_validator_that_gives_another_cell_than_granted_is_named() -> None:
    granularity = Granularity((("n",), ("name",)), by_record=True)
    world = SealedWorld(1, granularity=granularity)
    (parcel,) = world.parcel_ids
    (world.request_id,) = world.accept(world.network.request(parcels=(parcel,), records=((parcel, 1),)))
    node = world.node()
    true_part = part_of(granularity, 3, {1}, None)
    node.parts["b"] = part_of(granularity, 3, {1, 2}, None)
    node.parts["c"] = part_of(granularity, 3, {2}, None)
    nodes, plan = world.reading(node)
    with refuses(ErrorCode.NOT_ENOUGH_SHARES):
        read(nodes, plan)
    assert {member for member, _ in plan.shares.culprits} == {"b", "c"}
    node.parts["b"] = true_part
    assert read(*world.reading(node)) == [RECORDS[1]]


def test_a_parcel_that_its_owner_sealed_wrongly_blames_the_owner() -> None:
    world = SealedWorld(1)
    bodies = [bytes(60), bytes(60)]  # no ciphertexts: the owner dealt a key that opens nothing
    root = sealed_records_root(world.network.chain_id, bodies)
    kem_keys = {name: key.public_key.encoded for name, key in world.network.kem.items()}
    context = ParcelContext(world.network.chain_id, "a.flights", root)
    envelope, sealed_shares = deal(bytes(16), context, kem_keys, CommitmentKind.WHOLE)
    parcel = SealedParcel(tuple(bodies), root, encode(envelope), sealed_shares, bytes(16))
    (wrong,) = world.accept(world.network.sealed(parcel))
    with refuses(ErrorCode.BAD_SEALING, culprit="a"):
        read(*world.reading(world.node(), parcels=[wrong]))
