"""How many schemas may check a block's parcels (scenario 103): every validator may have to compile each."""

from typing import Any

import pytest

import chain.schema
from chain.errors import ErrorCode, Refusal
from chain.ledger import Ledger
from chain.limits import LIMITS
from chain.schema import RecordSchema, compile_schema, is_compiled, record_rules
from chain.transactions.base import CheckedTransaction
from tests.networks import TIME_MS, TestNetwork
from tests.refusals import refuses

DATASETS = 10
SIZE = 60_000
FIT = LIMITS.schemas_block_size_bytes // SIZE
NETWORK = TestNetwork()


def schema(number: int, size: int = SIZE) -> str:
    """One of so many bytes, another for each number."""
    start, end = f'{{"title":"{number}', '"}'
    return start + "x" * (size - len(start) - len(end)) + end


def ledger() -> Ledger:
    """With datasets of a, each of which has a large schema of its own, and one of b with the first of them."""
    made = NETWORK.ledger()
    for number in range(DATASETS):
        NETWORK.commit(made, [NETWORK.dataset("a", f"d{number}", schema=schema(number))])
    NETWORK.commit(made, [NETWORK.dataset("b", schema=schema(0))])
    return made


def parcels(*datasets: str) -> list[CheckedTransaction]:
    return [NETWORK.checked(NETWORK.parcel(member=name[0], dataset=name)) for name in datasets]


def test_s103_a_block_that_is_made_has_room_for_so_many_schemas_and_keeps_each_members_order() -> None:
    waiting = parcels(*(f"a.d{number}" for number in range(DATASETS)), "a.d0", "b.flights")
    executed = ledger().execute(waiting, TIME_MS + 1, "a")
    assert executed.transactions == (*waiting[:FIT], waiting[-1])
    assert all(outcome.is_ok for outcome in executed.outcomes)


def test_s103_a_block_that_is_proposed_with_more_is_refused() -> None:
    made, fits = ledger(), parcels(*(f"a.d{number}" for number in range(FIT)), "b.flights", "a.d1")
    proposal = made.execute(fits, TIME_MS + 1, "a").proposal
    assert made.check(proposal, fits, None).transactions == tuple(fits)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("chain.execution.SchemaBudget.has_room", lambda self, text: True)
        more = parcels(*(f"a.d{number}" for number in range(FIT + 1)))
        proposal = made.execute(more, TIME_MS + 1, "a").proposal
    with refuses(ErrorCode.BAD_BLOCK) as refused:
        made.check(proposal, more, None)
    assert "more schemas" in str(refused.value)


def test_s103_what_was_checked_on_arrival_is_executed_without_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    made, (checked,) = ledger(), parcels("a.d0")
    checked.type.prepare(checked, checked.header, made.entry)
    _forget_compiled(monkeypatch)
    executed = made.execute([checked], TIME_MS + 1, "a")
    assert executed.outcomes[0].is_ok
    assert not is_compiled(schema(0))


def test_a_schema_that_is_kept_no_more_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '{"key":["n"],"type":"object","required":["n"],"properties":{"n":{"type":"integer"}}}'
    compiled = compile_schema(text)
    _forget_compiled(monkeypatch)
    known = record_rules(text)
    assert not isinstance(known, RecordSchema)
    assert (known.hash, known.key_fields) == (compiled.hash, compiled.key_fields)
    assert not is_compiled(text)
    records = [b'{"n":1}', b'{"n":"1"}']
    violation, expected = known.check(records), compiled.check(records)
    assert violation is not None
    assert expected is not None
    assert (violation.code, violation.facts) == (expected.code, expected.facts)
    assert known.check(records[:1]) is None


def test_s103_facts_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain.schema, "_FACTS_KEPT", 2)
    monkeypatch.setattr(chain.schema, "_facts", type(chain.schema._facts)())
    for number in range(4):
        compile_schema(f'{{"const":"kept {number}"}}')
    name = "n" * chain.schema._NAMES_KEPT + "n"
    long = f'{{"key":["{name}"],"type":"object","required":["{name}"],"properties":{{"{name}":{{"type":"string"}}}}}}'
    assert compile_schema(long).hash not in chain.schema._facts
    assert len(chain.schema._facts) == 2


def _forget_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain.schema, "_known", type(chain.schema._known)())


@pytest.mark.parametrize("kind", ["{}", "true", "false", '{"type":"null"}'])
def test_s103_a_schema_has_so_many_subschemas(kind: str) -> None:
    def made(count: int) -> Any:
        return compile_schema('{"properties":{' + ",".join(f'"{n}":{kind}' for n in range(count)) + "}}")

    made(LIMITS.schema_subschemas)
    with pytest.raises(Refusal) as refused:
        made(LIMITS.schema_subschemas + 1)
    assert refused.value.code is ErrorCode.SCHEMA_ARGUMENT
    assert f"/properties/{LIMITS.schema_subschemas}" in refused.value.detail
