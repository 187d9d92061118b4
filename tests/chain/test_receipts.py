"""Receipts: verified by whoever submitted, trusting nobody."""

import msgspec
import pytest

from chain.blocks import Certificate, Outcome
from chain.errors import ErrorCode, PoolError
from chain.primitives.encoding import encode
from chain.proofs.receipts import Receipt, verify_receipt
from tests.networks import TestNetwork
from tests.refusals import refuses


def receipts_of(network: TestNetwork, count: int) -> list[tuple[bytes, Receipt]]:
    ledger = network.ledger()
    network.commit(ledger, [network.dataset()])
    executed = network.commit(ledger, [network.parcel() for _ in range(count)])
    maker = ledger.receipts_of(2)
    return [(checked.id, maker.receipt(position)) for position, checked in enumerate(executed.transactions)]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 33])
def test_every_receipt_of_a_block_verifies(network: TestNetwork, count: int) -> None:
    for id_, receipt in receipts_of(network, count):
        header, outcome = verify_receipt(network.trust, id_, receipt)
        assert (header.height, outcome.code, outcome.transaction_id) == (2, "ok", id_)


def test_a_receipt_is_for_one_transaction_only(network: TestNetwork) -> None:
    (first, _), (_, second_receipt) = receipts_of(network, 2)
    with refuses(ErrorCode.BAD_RECEIPT):
        verify_receipt(network.trust, first, second_receipt)


def test_other_validators_make_no_receipt(network: TestNetwork) -> None:
    id_, receipt = receipts_of(network, 1)[0]
    with refuses(ErrorCode.UNKNOWN_VALIDATORS):
        verify_receipt(TestNetwork(size=7).trust, id_, receipt)


def test_changed_receipts_are_refused(network: TestNetwork) -> None:
    id_, receipt = receipts_of(network, 5)[3]
    lie = encode(Outcome(id_, "schema_violation", ((3, "made up"),), 0))
    certificate = receipt.certificate
    short = Certificate(certificate.height, certificate.view, certificate.block_hash, certificate.votes[:2])
    for changes in (
        {"outcome": lie},
        {"index": 2},
        {"index": 4},
        {"index": 5},
        {"proof": receipt.proof[:-1]},
        {"proof": (*receipt.proof, bytes(32))},
        {"header": receipt.header[:-1] + bytes([receipt.header[-1] ^ 1])},
        {"certificate": short},
    ):
        changed = msgspec.structs.replace(receipt, **changes)
        with pytest.raises(PoolError):
            verify_receipt(network.trust, id_, changed)
