"""A correction takes the place of a record, once, and the state says so of the old one."""

from typing import Any

import pytest

from chain.errors import ErrorCode
from chain.ledger import Ledger
from chain.limits import LIMITS
from chain.state.entries import (
    DatasetTotals,
    DerivedParcels,
    OwnerAct,
    RecordPlaces,
    corrected_records_key,
    correction_key,
    dataset_totals_key,
    derived_key,
)
from chain.transactions.parcel import records_root
from tests.networks import TestNetwork
from tests.refusals import refuses


class Story:
    """A parcel of three records whose second one is wrong."""

    def __init__(self, network: TestNetwork) -> None:
        self.network = network
        self.ledger: Ledger = network.ledger()
        network.commit(self.ledger, [network.dataset()])
        self.parcel = network.parcel([b'{"n":1}', b'{"n":2}', b'{"n":3}'])
        self.id = network.id_of(self.parcel)
        network.commit(self.ledger, [self.parcel])

    def outcomes(self, *transactions: Any) -> list[str]:
        return [outcome.code for outcome in self.network.commit(self.ledger, list(transactions)).outcomes]


@pytest.fixture
def story(network: TestNetwork) -> Story:
    return Story(network)


def test_the_old_record_points_to_the_new_one_and_back(story: Story) -> None:
    correction = story.network.correction(story.id, 1, b'{"n":22}')
    assert story.outcomes(correction) == ["ok"]
    new = story.network.id_of(correction)
    entry = story.ledger.entry(correction_key(story.id, 1), OwnerAct)
    assert entry is not None
    assert (entry.transaction_id, entry.dataset, entry.owner, entry.height) == (new, "a.flights", "a", 3)
    assert (entry.legal_basis, entry.reason) == ("Statistics Law 25", "the hours were local time")
    made = story.ledger.entry(derived_key(story.id), DerivedParcels)
    assert made is not None
    assert made.history.count == 1
    totals = story.ledger.entry(dataset_totals_key("a.flights"), DatasetTotals)
    assert totals is not None
    assert (totals.parcels, totals.records, totals.corrected) == (2, 4, 1)
    corrected = story.ledger.entry(corrected_records_key(story.id), RecordPlaces)
    assert corrected is not None
    assert [index for index in range(3) if corrected.has(index)] == [1]


def test_s70_a_record_is_corrected_once_and_its_correction_again(story: Story) -> None:
    first = story.network.correction(story.id, 1, b'{"n":22}')
    second = story.network.correction(story.id, 1, b'{"n":23}')
    again = story.network.correction(story.network.id_of(first), 0, b'{"n":24}')
    assert story.outcomes(first, second, again) == ["ok", "record_corrected", "ok"]
    entry = story.ledger.entry(correction_key(story.id, 1), OwnerAct)
    assert entry is not None
    assert entry.transaction_id == story.network.id_of(first)


def test_what_is_no_correction_is_refused(story: Story) -> None:
    network, id_ = story.network, story.id
    network.commit(story.ledger, [network.dataset("b")])
    refused = {
        "unknown_parcel": network.correction(bytes(32), 0),
        "unknown_source": network.correction(id_, 3),
        "not_owner": network.correction(id_, 0, member="b", dataset="a.flights"),
        "schema_violation": network.correction(id_, 0, b'{"n":"two"}'),
    }
    assert story.outcomes(*refused.values(), network.correction(id_, 0, member="b")) == [*refused, "unknown_parcel"]
    story.outcomes(network.erase(id_))
    assert story.outcomes(network.correction(id_, 0)) == ["parcel_erased"]
    assert story.ledger.entry(correction_key(id_, 0), OwnerAct) is None
    assert story.ledger.entry(corrected_records_key(id_), RecordPlaces) is None


def test_a_correction_is_one_record_and_names_the_old_one(story: Story) -> None:
    network = story.network
    with refuses(ErrorCode.BAD_REQUEST):
        network.commit(story.ledger, [network.correction(story.id, 0, derived_from=())])
    records = [b'{"n":1}', b'{"n":2}']
    fields = {"record_count": 2, "records_root": records_root(network.chain_id, records)}
    with refuses(ErrorCode.BAD_REQUEST):
        network.commit(story.ledger, [network.correction(story.id, 0, **fields)])
    for name in ("legal_basis", "reason"):
        with refuses(ErrorCode.MALFORMED):
            network.commit(story.ledger, [network.correction(story.id, 0, **{name: ""})])


def test_places_fill_in_any_order_and_have_one_form() -> None:
    last = LIMITS.transaction_records - 1
    one = RecordPlaces().extended(last).extended(0).extended(9)
    assert one == RecordPlaces().extended(9).extended(0).extended(last)
    assert [index for index in range(LIMITS.transaction_records) if one.has(index)] == [0, 9, last]
    assert RecordPlaces().extended(9).places == b"\0\2"
