"""Bytes that are no contract, request, answer, read report or share query (scenarios 46, 47 and 49): whatever comes in
is a value that encodes to the very same bytes, or a ``PoolError``; nothing else ever comes out of a decoder.
"""

import pytest

from chain.limits import LIMITS
from chain.primitives.encoding import EncodingError, decode, encode
from sealing import ShareQuery
from tests.networks import TestNetwork

NETWORK = TestNetwork(has_contracts=True)


@pytest.mark.parametrize(
    "data",
    [
        encode([b"\x01" * 32, []]),
        encode([b"\x01" * 32, [b"\x02" * 32] * (LIMITS.share_parcels + 1)]),
        encode([b"\x01" * 31, [b"\x02" * 32]]),
        encode([b"\x01" * 32, [b"\x02" * 33]]),
        encode([b"\x01" * 32, [b"\x02" * 32], 0]),
        encode(["1" * 32, [b"\x02" * 32]]),
        encode([b"\x01" * 32, {"a": 1}]),
        b"\x92\xc4\x20" + b"\x01" * 32 + b"\xdc\x00\x01\xc4\x20" + b"\x02" * 32,
        b"\xdc\x00\x02\xc4\x20" + b"\x01" * 32 + b"\x91\xc4\x20" + b"\x02" * 32,
        b"\xdd\xff\xff\xff\xff",
        b"\x92\xc6\xff\xff\xff\xff",
    ],
)
def test_s47_share_queries_have_one_form_and_bounds(data: bytes) -> None:
    """Too many, too few, of other sizes and types, in longer encodings, with lengths that nobody could hold."""
    with pytest.raises(EncodingError):
        decode(ShareQuery, data)


@pytest.mark.parametrize(
    "change",
    [
        {"purpose": ""},
        {"purpose": "x" * (LIMITS.title_length + 1)},
        {"legal_basis": "x" * (LIMITS.text_length + 1)},
        {"person": "x" * (LIMITS.title_length + 1)},
        {"parcels": (b"\x01" * 32,) * (LIMITS.request_parcels + 1)},
        {"parcels": (b"\x01" * 31,)},
        {"kem_key": b""},
        {"kem_key": bytes(2000)},
        {"until_ms": -1},
        {"until_ms": 2**63},
        {"from_height": -1},
    ],
)
def test_s47_requests_have_bounds(change: dict[str, object]) -> None:
    with pytest.raises(EncodingError):
        NETWORK.checked(NETWORK.request(**change))  # type: ignore[arg-type]


def test_s47_read_reports_and_answers_have_bounds() -> None:
    parcels = [b"\x01" * 32] * (LIMITS.report_parcels + 1)
    for transaction in (
        NETWORK.read_report(bytes(32), parcels),
        NETWORK.read_report(bytes(32), []),
        NETWORK.read_report(bytes(32), parcels[:1], record_count=0),
        NETWORK.read_report(bytes(32), parcels[:1], digest=bytes(31)),
        NETWORK.approval(bytes(32), "grant"),  # type: ignore[arg-type]
        NETWORK.approval(bytes(32), reason="x" * (LIMITS.reason_length + 1)),
        NETWORK.approval(bytes(31)),
    ):
        with pytest.raises(EncodingError):
            NETWORK.checked(transaction)
