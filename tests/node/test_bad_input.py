"""Bad input over HTTP, and what it gets: the exact status and code, and proof that nothing of it was kept."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import msgpack
import pytest
from msgspec.structs import replace

from chain.errors import ErrorCode
from chain.limits import LIMITS
from chain.primitives.encoding import decode, encode
from chain.proofs.receipts import Receipt
from chain.transactions.base import Transaction
from chain.transactions.dataset import DatasetHeader
from chain.transactions.parcel import encode_records
from tests.node.cluster import MSGPACK, Network, Node, forged, single

Make = Callable[[Network], bytes]
SUBMIT = "/v1/transactions"


def other_payload(network: Network) -> bytes:
    transaction = decode(Transaction, network.parcel())
    return encode(Transaction(transaction.header, transaction.signature, encode_records([b'{"n":2}'])))


def without_payload(network: Network) -> bytes:
    transaction = decode(Transaction, network.parcel())
    return encode(Transaction(transaction.header, transaction.signature, b""))


def dataset_with_payload(network: Network) -> bytes:
    transaction = decode(Transaction, network.dataset())
    return encode(Transaction(transaction.header, transaction.signature, b"\x90"))


def signed_by_another(network: Network) -> bytes:
    theirs, ours = (decode(Transaction, network.parcel(member=member)) for member in "ab")
    return encode(Transaction(theirs.header, ours.signature, theirs.payload))


def claiming(network: Network, member: str) -> bytes:
    """A dataset that `a` signs and says is `member`'s."""
    header = decode(DatasetHeader, decode(Transaction, network.dataset()).header)
    return encode(network.sign(replace(header, member=member), "a"))


def long_form(network: Network) -> bytes:
    """The same values with the signature's length in three bytes where two suffice."""
    transaction = decode(Transaction, network.parcel())
    signature = b"\xc5\x00\x40" + transaction.signature
    return b"\x93" + msgpack.packb(transaction.header) + signature + msgpack.packb(transaction.payload)


def long_integer_in_header(network: Network) -> bytes:
    """A header whose expiry takes nine bytes where one suffices; its signature is over these very bytes."""
    fields = msgpack.unpackb(decode(Transaction, network.dataset(expiry_ms=0)).header)
    packed = [msgpack.packb(field) for field in fields]
    packed[fields.index(0)] = b"\xcf" + bytes(8)
    header = msgpack.Packer().pack_array_header(len(fields)) + b"".join(packed)
    return encode(Transaction(header, bytes(64), b""))


def oversized_record(network: Network) -> bytes:
    return network.parcel([b"x" * (LIMITS.record_size_bytes + 1)])


def too_many_records(network: Network) -> bytes:
    parcel = decode(Transaction, network.parcel([b"{}"] * LIMITS.transaction_records))
    return encode(Transaction(parcel.header, parcel.signature, encode_records([b"{}"] * 4097)))


REFUSED: dict[str, tuple[Make, int, ErrorCode]] = {
    "wrong signature": (lambda n: forged(n.parcel()), 401, ErrorCode.BAD_SIGNATURE),
    "signature of another transaction": (signed_by_another, 401, ErrorCode.BAD_SIGNATURE),
    "unknown member": (lambda n: claiming(n, "nobody"), 403, ErrorCode.UNKNOWN_MEMBER),
    "unknown key": (lambda n: n.dataset(key_id=bytes(16)), 403, ErrorCode.UNKNOWN_KEY),
    "another member's key": (lambda n: claiming(n, "b"), 403, ErrorCode.UNKNOWN_KEY),
    "other chain": (lambda n: n.dataset(chain_id=bytes(32)), 400, ErrorCode.WRONG_CHAIN),
    "expired": (lambda n: n.dataset(expiry_ms=1), 400, ErrorCode.EXPIRED),
    "payload exchanged": (other_payload, 400, ErrorCode.PAYLOAD_MISMATCH),
    "payload left out": (without_payload, 400, ErrorCode.MALFORMED),
    "payload where none belongs": (dataset_with_payload, 400, ErrorCode.PAYLOAD_MISMATCH),
    "not canonical": (long_form, 400, ErrorCode.NOT_CANONICAL),
    "header not canonical": (long_integer_in_header, 400, ErrorCode.NOT_CANONICAL),
    "trailing byte": (lambda n: n.parcel() + b"\x00", 400, ErrorCode.MALFORMED),
    "cut off": (lambda n: n.parcel()[:-1], 400, ErrorCode.MALFORMED),
    "empty": (lambda n: b"", 400, ErrorCode.MALFORMED),
    "another structure": (lambda n: msgpack.packb({"header": b""}), 400, ErrorCode.MALFORMED),
    "record too large": (oversized_record, 413, ErrorCode.TOO_LARGE),
    "body too large": (lambda n: bytes(LIMITS.transaction_size_bytes + 1), 413, ErrorCode.TOO_LARGE),
    "too many records": (too_many_records, 413, ErrorCode.TOO_MANY_RECORDS),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_s46_refused_before_anything_is_stored(tmp_path: Path, case: str) -> None:
    make, status, code = REFUSED[case]

    async with single(tmp_path) as (network, node, client):
        await submit(client, network.dataset())
        before = snapshot(node)
        response = await client.post(SUBMIT, content=make(network), headers=MSGPACK)
        verify_problem(response, status, code)
        assert snapshot(node) == before


async def test_s50_a_key_that_is_no_longer_valid_is_refused(tmp_path: Path) -> None:
    """s50: the key is good for block 1 and not for block 2."""

    async with single(tmp_path) as (network, node, client):
        late = network.spent_parcel()
        await submit(client, network.dataset())
        before = snapshot(node)
        verify_problem(await client.post(SUBMIT, content=late, headers=MSGPACK), 403, ErrorCode.REVOKED_KEY)
        assert snapshot(node) == before


async def test_s50_what_was_committed_gets_its_receipt_even_if_its_key_has_been_revoked_since(tmp_path: Path) -> None:
    async with single(tmp_path) as (network, _, client):
        early = network.spent_parcel()
        first = await client.post(SUBMIT, content=early, params={"wait": "commit"}, headers=MSGPACK)
        verify_problem(first, 422, ErrorCode.UNKNOWN_DATASET)
        await submit(client, network.dataset())
        again = await client.post(SUBMIT, content=early, params={"wait": "commit"}, headers=MSGPACK)
        assert again.json() == first.json()
        verify_problem(await client.post(SUBMIT, content=forged(early), headers=MSGPACK), 403, ErrorCode.REVOKED_KEY)


REJECTED: dict[str, tuple[Make, ErrorCode]] = {
    "schema broken by record 1": (lambda n: n.parcel([b'{"n":1}', b'{"n":"x"}']), ErrorCode.SCHEMA_VIOLATION),
    "record is no JSON": (lambda n: n.parcel([b"\xff"]), ErrorCode.SCHEMA_VIOLATION),
    "key twice in an object": (lambda n: n.parcel([b'{"n":1,"n":2}']), ErrorCode.SCHEMA_VIOLATION),
    "another's dataset": (lambda n: n.parcel(member="b", dataset="a.flights"), ErrorCode.NOT_OWNER),
    "no such dataset": (lambda n: n.parcel(dataset="a.nothing"), ErrorCode.UNKNOWN_DATASET),
    "defining for another": (lambda n: n.dataset(member="b", dataset="a.theirs"), ErrorCode.NOT_OWNER),
    "bad dataset id": (lambda n: n.dataset(dataset="a.FLIGHTS"), ErrorCode.BAD_NAME),
    "schema with a keyword that is not allowed": (
        lambda n: n.dataset(name="x", schema='{"not":{}}'),
        ErrorCode.SCHEMA_KEYWORD,
    ),
    "version that is not the next": (lambda n: n.dataset(version=3), ErrorCode.STALE_VERSION),
}


@pytest.mark.parametrize("case", REJECTED)
async def test_rejected_by_the_validators_with_a_receipt_and_without_effect(tmp_path: Path, case: str) -> None:
    make, code = REJECTED[case]

    async with single(tmp_path) as (network, node, client):
        await submit(client, network.dataset())
        root, totals = node.ledger.tip.header.state_root, node.ledger.dataset_totals("a.flights")
        data = make(network)
        response = await client.post(SUBMIT, content=data, params={"wait": "commit"}, headers=MSGPACK)
        verify_problem(response, 422, code)
        problem = response.json()
        assert problem["transaction_id"] == network.id_of(data).hex()
        assert base64.b64decode(problem["receipt"]["outcome"])
        assert (node.ledger.tip.header.state_root, node.ledger.dataset_totals("a.flights")) == (root, totals)
        again = await client.post(SUBMIT, content=data, params={"wait": "commit"}, headers=MSGPACK)
        assert again.json() == problem


async def test_a_broken_schema_names_the_record(tmp_path: Path) -> None:
    async with single(tmp_path) as (network, _, client):
        await submit(client, network.dataset())
        records = [b'{"n":1}'] * 7 + [b'{"n":2000000}']
        response = await client.post(
            SUBMIT, content=network.parcel(records), params={"wait": "commit"}, headers=MSGPACK
        )
        assert "record 7" in response.json()["detail"]
        assert "/n" in response.json()["detail"]
        assert response.json()["record_index"] == 7


async def test_s49_committed_already_gives_the_same_receipt(tmp_path: Path) -> None:
    async with single(tmp_path) as (network, node, client):
        data = network.dataset()
        first = await submit(client, data)
        height = node.height
        assert await submit(client, data) == first
        assert (await client.post(SUBMIT, content=data, headers=MSGPACK)).status_code == 200
        assert node.height == height


async def test_s48_a_body_declared_too_large_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    """s48."""

    async with single(tmp_path) as (_, _, client):
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        head = f"POST {SUBMIT} HTTP/1.1\r\nHost: n\r\nContent-Type: application/msgpack\r\n"
        writer.write(f"{head}Content-Length: {LIMITS.transaction_size_bytes + 1}\r\n\r\n".encode())
        async with asyncio.timeout(10):
            answer = await reader.readuntil(b"}")
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b'"code":"too_large"' in answer
        writer.close()


async def test_s48_a_chunked_body_too_large_is_refused(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield bytes(LIMITS.transaction_size_bytes // 8)

    async with single(tmp_path) as (network, _, client):
        verify_problem(await client.post(SUBMIT, content=chunks(), headers=MSGPACK), 413, ErrorCode.TOO_LARGE)
        assert (await submit(client, network.dataset())).index == 0  # the connection is still good


async def test_s48_a_chunked_body_without_end_is_not_read_for_ever(tmp_path: Path) -> None:
    """s48."""
    sent_bytes = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent_bytes
        while sent_bytes < 2**30:
            sent_bytes += 1 << 16
            yield bytes(1 << 16)

    async with single(tmp_path) as (_, node, client):
        with pytest.raises((httpx.WriteError, httpx.ReadError)):  # it is closed while we are still sending
            await client.post(SUBMIT, content=endless(), headers=MSGPACK)
        assert sent_bytes < 2**27
        assert len(node.service.pool.mempool) == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", ErrorCode.MALFORMED),
        (b"[]", ErrorCode.MALFORMED),
        (b"{", ErrorCode.MALFORMED),
        (b"[" * 100_000, ErrorCode.MALFORMED),
        (b'{"header":"AA==","signature":"not base64!"}', ErrorCode.MALFORMED),
        (b'{"header":"AA==","signature":"AA==","payload":"","more":1}', ErrorCode.MALFORMED),
        (b'{"header":"AA==","signature":"AA=="}', ErrorCode.MALFORMED),
        (b"\xff\xfe", ErrorCode.MALFORMED),
    ],
)
async def test_s47_bad_json_is_malformed(tmp_path: Path, body: bytes, code: ErrorCode) -> None:
    async with single(tmp_path) as (_, node, client):
        response = await client.post(SUBMIT, content=body, headers={"Content-Type": "application/json"})
        verify_problem(response, 400, code)
        assert len(node.service.pool.mempool) == 0


def snapshot(node: Node) -> tuple[object, ...]:
    """All that a transaction could have changed."""
    return (
        node.height,
        node.ledger.tip.header.state_root,
        len(node.service.pool.mempool),
        node.service.pool.mempool.size_bytes,
        list(node.ledger.blocks._database.scan(b"", b"\xff")),
        dict(node.service.votes.read()),
    )


async def submit(client: httpx.AsyncClient, data: bytes) -> Receipt:
    response = await client.post(SUBMIT, content=data, params={"wait": "commit"}, headers=MSGPACK)
    assert response.status_code == 200, response.text
    return decode(Receipt, response.content)


def verify_problem(response: httpx.Response, status: int, code: ErrorCode) -> None:
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    problem = response.json()
    assert problem["code"] == code
    assert problem["status"] == status
    assert problem["type"] == f"urn:blockpool:error:{code}"
    assert problem["title"] == code.info.title
    assert problem["advice"] == code.info.advice
    assert problem["detail"]
