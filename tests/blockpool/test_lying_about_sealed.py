"""Nodes that lie about sealed data, and about what there is to read. Nothing false may reach the reader, nothing may be
left out, and no plaintext may leave the owner.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence

import orjson
import pytest

from blockpool import Client, ErrorCode, PoolError, RetryPolicy
from chain.primitives.encoding import decode, encode
from chain.transactions.base import Transaction
from chain.transactions.parcel import SealedPayload, encode_records
from sealing import KemPublicKey, Release, ShareRelease, release_share
from sealing.exchange import Releases, ShareAnswer
from tests.blockpool.access import OWNER, READER, SealedDataset, sealed_dataset, values
from tests.blockpool.test_lying_node import Change, lying_proxy, only
from tests.processes import RunningNetwork

pytestmark = pytest.mark.integration

ONCE = RetryPolicy(attempts_max=1)
ChangeShares = Callable[[Sequence[Releases]], Sequence[Releases]]


@pytest.fixture(scope="module")
def dataset(running_network: RunningNetwork) -> SealedDataset:
    """Four parcels that everybody may read."""
    return sealed_dataset(running_network, values(40))


@pytest.fixture(scope="module")
def request_id(dataset: SealedDataset) -> bytes:
    """A granted request for them."""
    with dataset.network.client(READER) as client:
        granted = dataset.request(client)
    dataset.network.network.settle()
    return granted.id


def client_of(dataset: SealedDataset, *urls: str) -> Client:
    return Client(urls, dataset.network.network.genesis, retry=ONCE)


def numbers(dataset: SealedDataset, request_id: bytes, *urls: str) -> list[int]:
    with client_of(dataset, *urls) as client:
        return [record.json()["n"] for record in client.read(request_id, dataset.reader_key())]


def shares(change: ChangeShares) -> Change:
    """A proxy's change of the key shares that come."""

    def changed(_path: str, status: int, body: bytes) -> tuple[int, bytes]:
        answer: ShareAnswer = decode(ShareAnswer, body)
        return status, encode(tuple(change(answer)))

    return only("/shares", changed)


def forged(dataset: SealedDataset, request_id: bytes, validator: str) -> ChangeShares:
    """Puts another share in place of one validator's, well sealed for the reader."""
    genesis = dataset.network.network.genesis
    key = KemPublicKey(dataset.reader_key().public_key.encoded)

    def forge(data: bytes) -> bytes:
        release = decode(ShareRelease, data)
        if release.validator != validator:
            return data
        place = Release(genesis.chain_id, request_id, release.parcel_id)
        return encode(release_share(bytes(16), validator, place, key))

    return lambda answer: [tuple(map(forge, releases)) for releases in answer]


@pytest.mark.parametrize("validator", ["airports", "registry"])
def test_a_wrong_share_names_its_giver_and_is_not_used(
    dataset: SealedDataset, request_id: bytes, validator: str
) -> None:
    told: list[tuple[str, PoolError]] = []
    change = shares(forged(dataset, request_id, validator))
    with (
        lying_proxy(dataset.network.network.urls[0], change) as url,
        client_of(dataset, url) as client,
    ):
        reading = client.read(
            request_id, dataset.reader_key(), on_culprit=lambda member, error: told.append((member, error))
        )
        found = [record.json()["n"] for record in reading]
    assert found == list(range(40))
    assert told == reading.culprits
    assert {member for member, _ in told} <= {validator}
    assert all((error.code, error.context["through"]) == (ErrorCode.BAD_SHARE, url) for _, error in told)


def test_shares_of_two_parcels_that_are_exchanged(dataset: SealedDataset, request_id: bytes) -> None:
    def exchange(answer: Sequence[Releases]) -> Sequence[Releases]:
        return [*answer[1:], answer[0]]

    honest = dataset.network.network.urls[1]
    with lying_proxy(dataset.network.network.urls[0], shares(exchange)) as url:
        assert numbers(dataset, request_id, url, honest) == list(range(40))
        with pytest.raises(PoolError) as raised:
            numbers(dataset, request_id, url)
    assert raised.value.code is ErrorCode.NOT_ENOUGH_SHARES
    assert "wrong ones from" in raised.value.detail


def test_who_gives_no_share_is_named(dataset: SealedDataset, request_id: bytes) -> None:
    def withhold(answer: Sequence[Releases]) -> Sequence[Releases]:
        return [
            tuple(data for data in releases if decode(ShareRelease, data).validator in ("airports", "registry"))
            for releases in answer
        ]

    with lying_proxy(dataset.network.network.urls[0], shares(withhold)) as url:
        with pytest.raises(PoolError) as raised:
            numbers(dataset, request_id, url)
        assert raised.value.code is ErrorCode.NOT_ENOUGH_SHARES
        assert "2 right shares of 3 needed; none from aviation, meteorology" in raised.value.detail
        assert numbers(dataset, request_id, url, dataset.network.network.urls[1]) == list(range(40))


@pytest.mark.parametrize("body", [b"", b"\x90", b"\x92\x90\x90", b"nonsense"])
def test_nonsense_for_shares(dataset: SealedDataset, request_id: bytes, body: bytes) -> None:
    change = only("/shares", lambda _path, status, _body: (status, body))
    with lying_proxy(dataset.network.network.urls[0], change) as url:
        with pytest.raises(PoolError) as raised:
            numbers(dataset, request_id, url)
        assert raised.value.code in (ErrorCode.MALFORMED, ErrorCode.NOT_CANONICAL)
        assert numbers(dataset, request_id, url, dataset.network.network.urls[1]) == list(range(40))


def test_one_nodes_refusal_is_not_the_end(dataset: SealedDataset, request_id: bytes) -> None:
    problem = orjson.dumps({"code": "access_denied", "detail": "invented"})
    with lying_proxy(dataset.network.network.urls[0], only("/shares", lambda *_: (403, problem))) as url:
        assert numbers(dataset, request_id, url, dataset.network.network.urls[1]) == list(range(40))
        with pytest.raises(PoolError) as raised:
            numbers(dataset, request_id, url)
    assert raised.value.code is ErrorCode.ACCESS_DENIED


def test_exchanged_ciphertexts_are_refused(dataset: SealedDataset, request_id: bytes) -> None:
    def exchange(_path: str, status: int, body: bytes) -> tuple[int, bytes]:
        parcel = decode(Transaction, body)
        content = decode(SealedPayload, parcel.payload)
        exchanged = encode_records(content.bodies[::-1], content.sealed_shares)
        return status, encode(Transaction(parcel.header, parcel.signature, exchanged))

    with lying_proxy(dataset.network.network.urls[0], only("/raw", exchange)) as url:
        with pytest.raises(PoolError) as raised:
            numbers(dataset, request_id, url)
        assert raised.value.code is ErrorCode.PAYLOAD_MISMATCH
        assert numbers(dataset, request_id, url, dataset.network.network.urls[1]) == list(range(40))


def changed_list(change: Callable[[list[dict[str, object]]], list[dict[str, object]]]) -> Change:
    def changed(_path: str, status: int, body: bytes) -> tuple[int, bytes]:
        answer = orjson.loads(body)
        return status, orjson.dumps(answer | {"parcels": change(answer["parcels"])})

    return only("/parcels", changed)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda parcels: parcels[1:], id="first-dropped"),
        pytest.param(lambda parcels: parcels[:-1], id="last-dropped"),
        pytest.param(lambda parcels: [parcels[0], *parcels[2:]], id="one-dropped"),
        pytest.param(lambda parcels: [parcels[0], parcels[0], *parcels[2:]], id="one-twice"),
        pytest.param(lambda parcels: parcels[::-1], id="order"),
        pytest.param(lambda parcels: [parcels[0] | {"code": "bad_envelope"}, *parcels[1:]], id="called-rejected"),
        pytest.param(lambda parcels: [], id="none"),
    ],
)
def test_a_parcel_that_is_left_out_is_missed(
    dataset: SealedDataset,
    request_id: bytes,
    change: Callable[[list[dict[str, object]]], list[dict[str, object]]],
) -> None:
    with lying_proxy(dataset.network.network.urls[0], changed_list(change)) as url:
        with pytest.raises(PoolError) as raised:
            numbers(dataset, request_id, url)
        assert raised.value.code is ErrorCode.BAD_PROOF
        assert numbers(dataset, request_id, url, dataset.network.network.urls[1]) == list(range(40))


def test_a_parcel_listed_as_another_is_refused(dataset: SealedDataset, request_id: bytes) -> None:
    def disguise(parcels: list[dict[str, object]]) -> list[dict[str, object]]:
        return [parcels[0] | {"transaction_id": parcels[1]["transaction_id"]}, *parcels[1:]]

    with (
        lying_proxy(dataset.network.network.urls[0], changed_list(disguise)) as url,
        pytest.raises(PoolError) as raised,
    ):
        numbers(dataset, request_id, url)
    assert raised.value.code is ErrorCode.BAD_PROOF


def test_no_plaintext_leaves_for_a_node_that_calls_the_dataset_open(dataset: SealedDataset) -> None:
    sent: list[bytes] = []

    def call_open(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        sent.append(path.encode())
        if "/state/" in path:
            answer = orjson.loads(body)
            value = base64.b64decode(answer["value"]).replace(b"\xabconditional", b"\xa4open")
            return status, orjson.dumps(answer | {"value": base64.b64encode(value).decode()})
        return status, body.replace(b'"sharing":"conditional"', b'"sharing":"open"')

    network = dataset.network
    with (
        lying_proxy(network.network.urls[0], call_open) as url,
        Client(url, network.network.genesis, network.identity(OWNER), retry=ONCE) as client,
        pytest.raises(PoolError) as raised,
    ):
        client.submit(values(1), dataset.id)
    assert raised.value.code is ErrorCode.BAD_PROOF
    assert not any(b"/v1/transactions" in path for path in sent)


def test_an_old_block_is_not_taken_for_the_newest(dataset: SealedDataset) -> None:
    network = dataset.network
    with network.client() as client:
        old = orjson.dumps({})

        def keep(_path: str, status: int, body: bytes) -> tuple[int, bytes]:
            nonlocal old
            old = old if len(old) > 2 else body
            return status, old

        with (
            lying_proxy(network.network.urls[0], only("/blocks/latest", keep)) as url,
            Client(url, network.network.genesis, network.identity(OWNER), retry=ONCE) as deceived,
        ):
            assert deceived.submit(values(1), dataset.id)
            with pytest.raises(PoolError) as raised:
                deceived.submit(values(1), dataset.id)
        assert raised.value.code is ErrorCode.NOT_READY
        assert client.status().height > 1
