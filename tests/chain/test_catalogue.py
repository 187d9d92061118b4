"""What a catalogue entry must say by its sharing class: the same at the door of the client and in consensus."""

from typing import Any

import msgspec
import pytest

from blockpool import DatasetDefinition, Description, PoolError
from chain.blocks import OK
from chain.errors import ErrorCode
from chain.facts import unpack
from chain.state.entries import DatasetEntry, dataset_key
from tests.networks import TestNetwork

PERSONAL = '{"properties":{"people":{"type":"array","items":{"properties":{"id":{"personal":true}}}}}}'
NOT_PERSONAL = '{"properties":{"personal":{"personal":false,"enum":["personal"]}}}'
FULL = Description(
    summary="每日航班",
    contact="数据处 010-62345678",
    update_cycle="daily",
    theme="交通",
    grade="general",
    format="数据库",
    method="接口",
    scope="气象部门",
    use="防汛",
    conditions="涉密",
    impact_assessment="2026-17",
    source="机场",
)
CASES: list[tuple[dict[str, Any], dict[str, str], str]] = [
    ({"sharing": "open", "legal_basis": ""}, {}, ""),
    ({"sharing": "conditional", "contract": "a.rule"}, {"scope": ""}, "scope"),
    ({"sharing": "conditional", "contract": "a.rule"}, {"scope": "", "use": ""}, "scope"),
    ({"sharing": "conditional", "contract": "a.rule"}, {"use": " \t\r\n"}, "use"),
    ({"sharing": "closed", "legal_basis": ""}, {}, "legal_basis"),
    ({"sharing": "closed"}, {"conditions": ""}, "conditions"),
    ({"sharing": "closed"}, {"scope": "", "use": ""}, ""),
    ({"sharing": "open", "schema": PERSONAL}, {"impact_assessment": ""}, "impact_assessment"),
    ({"sharing": "open", "schema": PERSONAL}, {}, ""),
    ({"sharing": "open", "schema": NOT_PERSONAL}, {"impact_assessment": ""}, ""),
]


@pytest.mark.parametrize(("fields", "missing", "named"), CASES)
def test_an_entry_says_what_its_class_needs(fields: dict[str, Any], missing: dict[str, str], named: str) -> None:
    network = TestNetwork(4)
    description = msgspec.structs.replace(FULL, **missing)
    given = {"legal_basis": "法", "schema": "", **fields}
    executed = network.commit(network.ledger(), [network.dataset(description=description, **given)])
    (outcome,) = executed.outcomes
    definition = DatasetDefinition("a.flights", "航班", "Flights", description=description, **given)
    if not named:
        assert outcome.code == OK
        definition.verify()
        return
    assert outcome.code == ErrorCode.CATALOGUE_INCOMPLETE
    assert unpack(outcome.facts) == {"field": named}
    with pytest.raises(PoolError, match=f"needs {named}") as caught:
        definition.verify()
    assert caught.value.code is ErrorCode.CATALOGUE_INCOMPLETE


def test_the_state_has_all_that_was_said() -> None:
    network = TestNetwork(4)
    ledger = network.ledger()
    network.commit(ledger, [network.dataset(description=FULL)])
    entry = ledger.entry(dataset_key("a.flights"), DatasetEntry)
    assert entry is not None
    assert entry.description == FULL
