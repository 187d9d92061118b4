"""Whatever a department's system posts to its gateway (scenarios 46 and 47): a signed transaction that every validator
takes, holding exactly the records that were meant, or a ``PoolError``.
"""

import logging
import secrets
from pathlib import Path

import orjson
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.catalogue import Description
from chain.errors import ErrorCode, PoolError
from chain.primitives.encoding import encode
from chain.primitives.types import SharingClass
from chain.state.entries import DatasetEntry
from chain.transactions.base import verify_payload, verify_signed_by
from chain.transactions.registry import decode_transaction
from node.gateway.parcels import decode_parcel, make_parcel, records_of
from tests.attacks.world import traces_of
from tests.networks import SCHEMA, TestNetwork
from tests.node.reading import CONTRACT, commit
from tests.node.test_gateway import serving, share_through

NETWORK = TestNetwork(has_contracts=True)
SHARING: tuple[SharingClass, ...] = ("open", "conditional")
KEM_KEYS = {name: key.public_key.encoded for name, key in NETWORK.kem.items()}


def entry(sharing: SharingClass, schema: str = "") -> DatasetEntry:
    """A dataset of ``a``."""
    return DatasetEntry("a.flights", "a", 1, "", "", schema, sharing, "", "a.rule", Description(), 1, 1, bytes(32))


def made(body: bytes, sharing: SharingClass = "open", schema: str = "") -> tuple[bytes, ...]:
    """The records of the transaction that the gateway makes, after every check that needs no state."""
    parcel = decode_parcel(body)
    keys = KEM_KEYS if sharing != "open" else {}
    data = make_parcel(
        parcel, records_of(parcel), b"", entry(sharing, schema), keys, NETWORK.chain_id, NETWORK.system["a"]
    )
    checked = decode_transaction(NETWORK.chain_id, data)
    verify_payload(checked)
    verify_signed_by(checked, NETWORK.system["a"].public_key)
    assert encode(checked.transaction) == data
    return checked.records


finite = st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | finite | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(st.lists(values, min_size=1, max_size=5))
@settings(max_examples=150)
def test_s46_records_arrive_as_they_were_meant(records: list[object]) -> None:
    """A string is a record's text, anything else a record in JSON."""
    body = orjson.dumps({"dataset": "a.flights", "records": records})
    found = made(body)
    for record, stored in zip(records, found, strict=True):
        assert stored == record.encode() if isinstance(record, str) else orjson.loads(stored) == record
    assert len(made(body, "conditional")) == len(records)


bodies = st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | values.map(orjson.dumps)


@given(bodies, st.integers(0, 200), st.binary(max_size=4))
@settings(max_examples=300)
def test_s46_other_bodies_are_refused(body: bytes, place: int, extra: bytes) -> None:
    whole = b'{"dataset":"a.flights","records":[%b,"x",{"n":1}],"commitments":"fields"}' % body
    damaged = whole[:place] + extra + whole[place + 1 :]
    codes: set[ErrorCode] = set()
    for candidate in (body, whole, damaged):
        for sharing in SHARING:
            try:
                found = made(candidate, sharing)
            except PoolError as error:
                codes.add(error.code)
            else:
                assert len(found) == len(orjson.loads(candidate)["records"])
    assert codes <= {ErrorCode.MALFORMED, ErrorCode.BAD_SEALING, ErrorCode.SCHEMA_VIOLATION}


def test_s53_the_gateways_own_node_keeps_no_plaintext(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Records pass through it in the clear. Neither those that were shared nor those that were refused stay behind, in
    databases or in the log; the one who posted them is told what is wrong.
    """
    secret, refused = secrets.token_hex(16), secrets.token_hex(16)

    async def main() -> None:
        async with serving(tmp_path) as (node, client):
            await commit(node, node.network.contract(CONTRACT))
            await commit(node, node.network.dataset(sharing="conditional", contract="a.rule", schema=SCHEMA))
            await share_through(client, [{"n": 1, "passenger": secret}])
            bad = {"dataset": "a.flights", "records": [{"n": refused}]}
            answer = await client.post("/v1/gateway/parcels", json=bad, timeout=40)
            assert answer.json()["code"] == "schema_violation"

    with caplog.at_level(logging.DEBUG):
        uvloop.run(main())
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 10
    for text in (secret, refused):
        assert [path for path in files if traces_of(text.encode(), path.read_bytes())] == []
        assert text not in caplog.text
