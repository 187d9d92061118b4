"""Requests by the record and field, as the chain decides on them: nobody is granted what cannot be opened by itself,
nobody seals otherwise than the catalogue says, and nobody reports what was not granted.
"""

import pytest

from chain.errors import ErrorCode
from chain.granularity import WHOLE, Granularity
from chain.state.entries import RequestEntry
from chain.transactions.base import Transaction
from chain.transactions.registry import decode_transaction_header
from chain.transactions.sealed import CommitmentKind
from tests.chain.access_world import AccessWorld, allow
from tests.refusals import refuses

RECORDS = [b'{"n":%d,"name":"x"}' % number for number in range(3)]
COLUMNS = (("n",), ("name",))
GRANULARITIES = [WHOLE, Granularity(COLUMNS), Granularity((), True), Granularity(COLUMNS, True)]
KEY = bytes(24)


class World(AccessWorld):
    """``a.flights``, sealed and opened by a granularity."""

    def __init__(self, granularity: Granularity, fields: tuple[str, ...] | None = None) -> None:
        super().__init__(allow=lambda case: allow(fields=fields))
        changes = {"version": 2, "sharing": "conditional", "contract": "a.rule", "granularity": granularity}
        self.accept(self.network.dataset(**changes))

    def share(self, granularity: Granularity) -> bytes:
        parcel = self.network.sealed_parcel(RECORDS, commitments=CommitmentKind.FIELDS, granularity=granularity)
        (id_,) = self.accept(parcel)
        return id_


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_s123_a_parcel_is_sealed_as_the_catalogue_says(granularity: Granularity) -> None:
    world = World(granularity)
    for other in GRANULARITIES:
        parcel = world.network.sealed_parcel(RECORDS, commitments=CommitmentKind.FIELDS, granularity=other)
        if other == granularity:
            world.accept(parcel)
        else:
            world.refuse(parcel, ErrorCode.WRONG_GRANULARITY)


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_s123_only_what_can_be_opened_by_itself_is_asked_for(granularity: Granularity) -> None:
    world = World(granularity)
    parcel = world.share(granularity)
    by_record = {"parcels": (parcel,), "records": ((parcel, 1),)}
    for asked in (by_record, {"keys": (KEY,)}):
        if granularity.by_record:
            world.accept(world.network.request(**asked))
        else:
            world.refuse(world.network.request(**asked), ErrorCode.RECORDS_NOT_OPENABLE)
    if granularity.columns:
        world.accept(world.network.request(fields=("name",)), world.network.request(fields=("name", "n")))
    else:
        world.refuse(world.network.request(fields=("name",)), ErrorCode.FIELDS_NOT_OPENABLE)
    world.refuse(world.network.request(fields=("pilot",)), ErrorCode.FIELDS_NOT_OPENABLE)


def test_s123_a_field_goes_with_its_whole_column() -> None:
    world = World(Granularity((("n", "name"), ("pilot",))))
    world.refuse(world.network.request(fields=("n", "pilot")), ErrorCode.FIELDS_NOT_OPENABLE)
    world.accept(world.network.request(fields=("n", "name")))


def test_what_was_asked_for_stands_in_the_request_and_is_told_to_the_contract() -> None:
    world = World(GRANULARITIES[3])
    parcel = world.share(GRANULARITIES[3])
    asked = {"parcels": (parcel,), "records": ((parcel, 2),), "keys": (KEY,), "fields": ("n",)}
    request_id, verdict = world.ask(**asked)
    assert verdict.verdict == "allow"
    terms = world.request(request_id).terms
    assert (terms.records, terms.keys, terms.wanted_fields) == (((parcel, 2),), (KEY,), ("n",))
    told: RequestEntry = world.policy.cases[-1].request
    assert told.terms == terms


def test_s123_a_report_names_fields_that_were_granted_and_no_others() -> None:
    world = World(GRANULARITIES[1], fields=("n",))
    parcel = world.share(GRANULARITIES[1])
    request_id, _ = world.ask()

    def report(*fields: str) -> Transaction:
        return world.network.read_report(request_id, [parcel], fields=fields)

    world.refuse(report("n", "name"), ErrorCode.FIELD_NOT_GRANTED)
    world.refuse(report(), ErrorCode.FIELD_NOT_GRANTED)
    world.accept(report("n"))
    everything = World(GRANULARITIES[1])
    parcel = everything.share(GRANULARITIES[1])
    request_id, _ = everything.ask()
    everything.accept(everything.network.read_report(request_id, [parcel]))


def test_a_record_goes_with_its_parcel_and_a_field_into_one_column() -> None:
    world = World(GRANULARITIES[3])
    parcel = world.share(GRANULARITIES[3])
    asked = world.network.request(records=((parcel, 1),))
    twice = world.network.dataset(granularity=Granularity((("n",), ("n",))))
    for wrong, code in ((asked, ErrorCode.RECORD_OF_OTHER_PARCEL), (twice, ErrorCode.FIELD_IN_TWO_COLUMNS)):
        with refuses(code):
            decode_transaction_header(world.network.chain_id, wrong.header)
