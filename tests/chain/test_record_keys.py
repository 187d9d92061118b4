"""Records with keys: the newest of a key is the present one; the state proves which that is, or that there is none."""

from collections.abc import Sequence
from typing import Any

import pytest

from audit.chain import ChainAudit
from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.limits import LIMITS
from chain.record_keys import open_keys
from chain.schema import compile_schema
from chain.state.entries import PresentRecord, record_key_key
from chain.state.tree import verify_state_proof
from chain.transactions.registry import check_stored
from tests.ledgers import audited, packages_of
from tests.networks import TestNetwork
from tests.refusals import refuses

SCHEMA = (
    '{"type":"object","properties":{"id":{"type":"string"},"day":{"type":"integer"},"n":{"type":"integer"}},'
    '"required":["id","day"],"key":["day","id"]}'
)


def record(id_: str, day: int | str, n: int) -> bytes:
    return b'{"id":"%b","day":%b,"n":%d}' % (id_.encode(), str(day).encode(), n)


class Story:
    """A dataset whose records have keys."""

    def __init__(self, network: TestNetwork) -> None:
        self.network = network
        self.ledger: Ledger = network.ledger()
        network.commit(self.ledger, [network.dataset(schema=SCHEMA)])

    def keys(self, records: Sequence[bytes], dataset: str = "a.flights") -> list[bytes]:
        values: Any = compile_schema(SCHEMA).read(records)[0]
        return list(open_keys(self.network.chain_id, dataset, ("day", "id"), values))

    def parcel(self, *records: bytes) -> Any:
        return self.network.keyed_parcel(records, self.keys(records))

    def outcomes(self, *transactions: Any) -> list[str]:
        return [outcome.code for outcome in self.network.commit(self.ledger, list(transactions)).outcomes]

    def present(self, *records: bytes) -> list[PresentRecord | None]:
        keys = [record_key_key("a.flights", key) for key in self.keys(records)]
        return [self.ledger.entry(key, PresentRecord) for key in keys]


@pytest.fixture
def story(network: TestNetwork) -> Story:
    return Story(network)


def test_the_newest_record_of_a_key_is_the_present_one(story: Story) -> None:
    first = story.parcel(record("A", 1, 10), record("B", 1, 20))
    second = story.parcel(record("B", 1, 21))
    assert story.outcomes(first) == ["ok"]
    assert story.outcomes(second, story.parcel(record("A", 2, 30))) == ["ok", "ok"]
    id_, newer = map(story.network.id_of, (first, second))
    a, b, other, unknown = story.present(record("A", 1, 0), record("B", 1, 0), record("A", 2, 0), record("C", 1, 0))
    assert a == PresentRecord(id_, 0, 2, 1, None)
    assert b == PresentRecord(newer, 0, 3, 2, (id_, 1))
    assert other is not None
    assert other.versions == 1
    assert unknown is None
    before = story.ledger.state_at(2).get(record_key_key("a.flights", story.keys([record("B", 1, 0)])[0]))
    assert before is not None, "the state after an old block has what was present then"


def test_presence_and_absence_are_proved(story: Story) -> None:
    story.outcomes(story.parcel(*(record("A", day, day) for day in range(100))))
    root, chain_id = story.ledger.tip.header.state_root, story.network.chain_id
    for day in (7, 99, 100, 10**30):
        key = record_key_key("a.flights", story.keys([record("A", day, 0)])[0])
        value, proof = story.ledger.state_proof(key)
        assert (value is None) == (day >= 100)
        verify_state_proof(chain_id, root, key, value, proof)
        with pytest.raises(PoolError):
            verify_state_proof(chain_id, root, key, None if value else b"\x90", proof)


def test_one_value_has_one_key_however_it_is_written(story: Story) -> None:
    assert len(set(story.keys([record("A", text, 1) for text in ("10", "10.0", "1e1")]))) == 1
    assert len(set(story.keys([record("1", 2, 0), record("2", 1, 0), record("12", 0, 0)]))) == 3
    (one,), (other,) = story.keys([record("A", 1, 0)]), story.keys([record("A", 1, 0)], "a.other")
    assert one != other


def test_s71_validators_hold_the_sender_to_the_keys_of_open_records(story: Story) -> None:
    records = [record("A", 1, 1), record("B", 1, 1)]
    right = story.keys(records)
    wrong = story.network.keyed_parcel(records, right[::-1])
    plain = story.network.parcel(records)
    assert story.outcomes(wrong, plain) == ["key_mismatch", "keys_missing"]
    assert story.present(*records) == [None, None]
    unkeyed = story.network.dataset(name="plain")
    assert story.outcomes(unkeyed) == ["ok"]
    not_wanted = story.network.keyed_parcel([b'{"n":1}'], [bytes(24)], dataset="a.plain")
    assert story.outcomes(not_wanted) == ["keys_missing"]
    bad = story.network.keyed_parcel([b'{"day":1}'], [bytes(24)])
    assert story.outcomes(bad) == ["schema_violation"]


def test_a_parcel_has_one_key_a_record_and_each_once(story: Story) -> None:
    records = [record("A", 1, 1), record("A", 1, 2)]
    with refuses(ErrorCode.KEY_REPEATED, record_index=1):
        story.outcomes(story.network.keyed_parcel(records, story.keys(records)))
    with refuses(ErrorCode.BAD_REQUEST):
        story.outcomes(story.network.keyed_parcel(records, story.keys(records[:1])))


def test_a_correction_is_the_present_record_of_its_key(story: Story) -> None:
    wrong, right = record("A", 1, 1), record("A", 1, 2)
    parcel = story.parcel(wrong)
    story.outcomes(parcel)
    id_ = story.network.id_of(parcel)
    (key,) = story.keys([right])
    correction = story.network.correction(id_, 0, right, key=key)
    missing = story.network.correction(id_, 0, right)
    assert story.outcomes(missing, correction) == ["keys_missing", "ok"]
    assert story.present(right) == [PresentRecord(story.network.id_of(correction), 0, 3, 2, (id_, 0))]


def test_what_was_erased_keeps_its_keys_and_can_be_executed_again(story: Story) -> None:
    wrong = story.network.keyed_parcel([record("Z", 9, 1)], [bytes(24)])
    parcel = story.parcel(record("A", 1, 1))
    story.outcomes(parcel, wrong)
    story.outcomes(story.network.erase(story.network.id_of(parcel)))
    assert story.present(record("A", 1, 1))[0] is not None
    auditor = ChainAudit(story.network.genesis)
    audited(auditor, packages_of(story.ledger))
    assert auditor.report.block_hash == story.ledger.tip.block_hash


def test_s71_a_block_holds_no_more_keys_than_it_can_carry(story: Story) -> None:
    parcel = story.parcel(*(record("A", day, 1) for day in range(4)))
    plain = story.network.parcel([record("A", day, 1) for day in range(4)])
    keyed, unkeyed = (check_stored(story.network.chain_id, item) for item in (parcel, plain))
    assert keyed.block_size_bytes - keyed.size_bytes == 4 * LIMITS.key_size_bytes
    assert unkeyed.block_size_bytes == unkeyed.size_bytes


@pytest.mark.parametrize(
    ("key", "pointer"),
    [
        ('["n"]', "/key/0"),
        ('["id","day","id"]', "/key"),
        ('["id","missing"]', "/key/1"),
        ('["price"]', "/key/0"),
        ("[]", "/key"),
        ('"id"', "/key"),
        ("[1]", "/key"),
    ],
)
def test_key_fields_are_fields_that_every_record_has_in_one_form(key: str, pointer: str) -> None:
    schema = (
        '{"type":"object","properties":{"id":{"type":"string"},"day":{"type":"integer"},"n":{"type":"integer"},'
        f'"price":{{"type":"number"}}}},"required":["id","day","price"],"key":{key}}}'
    )
    with refuses(ErrorCode.SCHEMA_ARGUMENT, pointer=pointer):
        compile_schema(schema)


def test_only_a_schema_as_a_whole_names_key_fields() -> None:
    with refuses(ErrorCode.SCHEMA_KEYWORD):
        compile_schema('{"type":"object","properties":{"a":{"type":"object","key":["b"]}}}')
    assert compile_schema('{"type":"object","properties":{"key":{"type":"string"}}}').key_fields == ()
