"""Vectors of what becomes of parcels: one that was made from another, and one that is erased."""

from typing import Any

from chain.erasure import payload_dropped
from chain.ledger import Ledger
from chain.state.entries import derived_key, erasure_key
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
    """A parcel, what is made from it, its erasure, and what is refused on the way, in four blocks."""
    maker = ChainMaker()
    ledger = maker.ledger
    maker.commit([dataset_transaction()])
    source = maker.commit([parcel_transaction(RECORDS, 0x61)]).transactions[0].id
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
        [erase_transaction(0x65, source), erase_transaction(0x66, source), erase_transaction(0x67, seed("nothing"))]
    )
    keys = [
        derived_key(source),
        derived_key(derived.transactions[0].id),
        erasure_key(source),
        erasure_key(derived.transactions[0].id),
    ]
    return {
        "parcel": source.hex(),
        "block_2_before_the_erasure": before,
        "block_2_from_a_node_that_does_not_keep_it": dropped,
        "blocks": [block_of(ledger, height) for height in range(1, ledger.tip.height + 1)],
        "state_proofs_at_tip": state_proofs_of(ledger, keys),
    }
