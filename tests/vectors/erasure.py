"""Vectors of what becomes of parcels: one that was made from another, and one that is erased."""

from typing import Any

from chain.erasure import payload_dropped
from chain.ledger import Ledger
from chain.state.entries import derived_key, erased_records_key, erasure_key, record_erasure_key
from chain.storage.blocks import Location
from chain.transactions.registry import check_stored
from tests.vectors.network import RECORDS, ChainMaker, dataset_transaction, erase_transaction, parcel_transaction, seed
from tests.vectors.rendering import block_of, state_proofs_of


def _block_2_without_its_payload(ledger: Ledger) -> dict[str, Any]:
    place = Location(2, 0)
    stored = ledger.blocks.transaction(place)
    assert stored is not None
    ledger.blocks.drop([(place, payload_dropped(check_stored(ledger.chain_id, stored)))])
    found = block_of(ledger, 2)
    ledger.blocks.restore([(place, stored.payload)])
    return found


def make_erasure() -> dict[str, Any]:
    """Two parcels, what is made from one and its erasure, a record that is erased of the other, and what is refused on
    the way, in four blocks.
    """
    maker = ChainMaker()
    ledger = maker.ledger
    maker.commit([dataset_transaction()])
    shared = maker.commit([parcel_transaction(RECORDS, 0x61), parcel_transaction(RECORDS, 0x60)]).transactions
    source, other = (checked.id for checked in shared)
    before = block_of(ledger, 2)
    dropped = _block_2_without_its_payload(ledger)
    derived = maker.commit(
        [
            parcel_transaction(RECORDS[:1], 0x62, ((source, 2), (source, 0))),
            parcel_transaction(RECORDS[:1], 0x63, ((seed("nothing"), 0),)),
            parcel_transaction(RECORDS[1:2], 0x64, ((source, 1),)),
        ]
    )
    maker.commit(
        [
            erase_transaction(0x65, source),
            erase_transaction(0x66, source),
            erase_transaction(0x67, seed("nothing")),
            erase_transaction(0x68, other, records=(1,)),
            erase_transaction(0x69, other, records=(0, 1)),
            erase_transaction(0x6A, other, records=(len(RECORDS),)),
            erase_transaction(0x6B, source, records=(0,)),
        ]
    )
    keys = [
        derived_key(source),
        derived_key(derived.transactions[0].id),
        erasure_key(source),
        erasure_key(derived.transactions[0].id),
        record_erasure_key(other, 1),
        record_erasure_key(other, 0),
        erased_records_key(other),
    ]
    return {
        "parcel": source.hex(),
        "parcel_of_the_record": other.hex(),
        "block_2_before_the_erasure": before,
        "block_2_from_a_node_that_does_not_keep_it": dropped,
        "blocks": [block_of(ledger, height) for height in range(1, ledger.tip.height + 1)],
        "state_proofs_at_tip": state_proofs_of(ledger, keys),
    }
