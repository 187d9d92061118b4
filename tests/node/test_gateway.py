"""The gateway: what it makes of plain records, and whom it refuses."""

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from chain.errors import ErrorCode
from chain.limits import LIMITS
from chain.transactions.parcel import ParcelHeader, decode_content
from chain.transactions.registry import decode_transaction_header
from chain.transactions.sealed import CommitmentKind, decode_envelope
from cli.processes import NodeProcess, free_ports
from evidence.kinds import verify_any_evidence
from node.gateway import open_gateway
from node.gateway.app import Gateway
from node.gateway.posts import Posts
from node.tokens import TokenFile
from sealing import ShareQuery
from tests.node.cluster import Network, Node, running
from tests.node.link_cluster import HOST
from tests.node.reading import CONTRACT, commit, opened
from tests.node.test_bad_input import verify_problem
from tests.refusals import refuses

PARCELS = "/v1/gateway/parcels"
STATUS = "/v1/gateway/status"


def configured(folder: Path, listen: str = "", **settings: str) -> Network:
    """A network of one validator, `a`, that wants a gateway; `b` is a member without a vote."""
    network = Network.create(folder, validators="a", others=("b",), contracts=True)
    settings = {"listen": listen or f"{HOST}:{free_ports(1)[0]}"} | settings
    with (network.home("a") / "config.toml").open("a") as file:
        file.write("\n[gateway]\n" + "".join(f'{name} = "{value}"\n' for name, value in settings.items()))
    return network


def token_of(network: Network) -> str:
    return (network.home("a") / "gateway.token").read_text().strip()


@asynccontextmanager
async def serving(folder: Path, **settings: str) -> AsyncIterator[tuple[Node, httpx.AsyncClient]]:
    """A node with its gateway, and a client that the gateway lets in."""
    network = configured(folder, **settings)
    async with running(network, "a", api=True) as (node,):
        gateway = open_gateway(node.service)
        assert gateway is not None
        await gateway.start()
        try:
            section = node.home.config.file.gateway
            assert section is not None
            headers = {"Authorization": f"Bearer {token_of(network)}"}
            async with httpx.AsyncClient(base_url=f"http://{section.listen}", headers=headers) as client:
                yield node, client
        finally:
            await gateway.stop()


def outward_address() -> str | None:
    """This machine's address towards others, if it has any. No packet is sent to find it."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address: str = sock.getsockname()[0]
        return address


async def share_through(client: httpx.AsyncClient, records: list[Any], **fields: str) -> dict[str, Any]:
    response = await client.post(PARCELS, json={"dataset": "a.flights", "records": records} | fields, timeout=40)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def stored(node: Node, transaction_id: str) -> tuple[ParcelHeader, list[bytes]]:
    """Header and record bodies of a committed parcel."""
    location = node.ledger.blocks.location(bytes.fromhex(transaction_id))
    assert location is not None
    transaction = node.ledger.blocks.transaction(location)
    assert transaction is not None
    header = decode_transaction_header(node.ledger.chain_id, transaction.header)
    assert isinstance(header, ParcelHeader)
    return header, list(decode_content(header, transaction.payload).records)


async def test_records_of_an_open_dataset_are_signed_as_they_are(tmp_path: Path) -> None:
    async with serving(tmp_path) as (node, client):
        await commit(node, node.network.dataset(schema=""))
        records = rb'{"\u822a" : 1.10, "b": [1, 2]}, "CA1,PEK\n", 12345678901234567890123'
        text = b'{"dataset": "a.flights", "records": [%b]}' % records
        response = await client.post(PARCELS, content=text, headers={"Content-Type": "application/json"})
        assert response.status_code == 200, response.text
        answer = response.json()
        header, stored_records = stored(node, answer["transaction_id"])
        assert stored_records == ['{"航":1.10,"b":[1,2]}'.encode(), b"CA1,PEK\n", b"12345678901234567890123"]
        assert (header.member, header.envelope, answer["status"]) == ("a", b"", "committed")
        assert answer["records"] == [f"{answer['transaction_id']}/{index}" for index in range(3)]
        public = await client.get(f"{node.api_url}/v1/records/{answer['records'][0]}/evidence")
        assert len(list(verify_any_evidence(public.content, node.network.trust))) > 5


async def test_sources_are_signed_with_the_records(tmp_path: Path) -> None:
    async with serving(tmp_path) as (node, client):
        await commit(node, node.network.dataset(schema=""))
        source = (await share_through(client, ["first"]))["records"][0]
        asked = {"dataset": "a.flights", "records": ["made of it"]}
        answer = (await client.post(PARCELS, json=asked | {"derived_from": [source]})).json()
        header, _ = stored(node, answer["transaction_id"])
        assert header.derived_from == ((bytes.fromhex(source.partition("/")[0]), 0),)
        for wrong in (f"{source}\n", source[:-1], source.upper(), 17):
            refused = await client.post(PARCELS, json=asked | {"derived_from": [wrong]})
            verify_problem(refused, 400, ErrorCode.MALFORMED)
        for sources, status, code in (
            ([f"{source[:-1]}4096"], 400, ErrorCode.BAD_REQUEST),
            ([source, source], 422, ErrorCode.SOURCE_REPEATED),
            ([f"{'00' * 32}/0"], 422, ErrorCode.UNKNOWN_SOURCE),
            ([f"{source[:-1]}1"], 422, ErrorCode.UNKNOWN_SOURCE),
        ):
            verify_problem(await client.post(PARCELS, json=asked | {"derived_from": sources}), status, code)


async def test_records_of_all_other_datasets_are_sealed(tmp_path: Path) -> None:
    async with serving(tmp_path) as (node, client):
        network = node.network
        await commit(node, network.contract(CONTRACT))
        await commit(node, network.dataset(sharing="conditional", contract="a.rule"))
        request_id = await commit(node, network.request())
        for commitments, kind in (("whole", CommitmentKind.WHOLE), ("fields", CommitmentKind.FIELDS)):
            answer = await share_through(client, [{"n": 1}, {"n": 2, "航": "x"}], commitments=commitments)
            id_ = bytes.fromhex(answer["transaction_id"])
            header, sealed = stored(node, answer["transaction_id"])
            assert decode_envelope(header.envelope).commitments is kind
            assert not any(b'"n"' in body for body in sealed)
            raw = (await client.get(f"{node.api_url}/v1/transactions/{id_.hex()}/raw")).content
            (releases,) = await node.service.key_shares.own(ShareQuery(request_id, (id_,)))
            expected = [b'{"n":1}', '{"n":2,"航":"x"}'.encode()]
            assert opened(network, raw, request_id, releases, "b") == expected
            record = (await client.get(f"{node.api_url}/v1/records/{answer['records'][0]}")).json()
            assert (record["sealed"], "value" in record) == (True, False)


async def test_what_cannot_be_shared_is_refused_before_it_is_sealed(tmp_path: Path) -> None:
    async with serving(tmp_path) as (node, client):
        await commit(node, node.network.dataset(sharing="closed"))
        await commit(node, node.network.dataset(name="texts", schema="", sharing="closed"))
        await commit(node, node.network.dataset(member="b"))
        height = node.height

        async def refused(code: ErrorCode, content: bytes) -> dict[str, Any]:
            response = await client.post(PARCELS, content=content, headers={"Content-Type": "application/json"})
            verify_problem(response, code.info.http_status, code)
            problem: dict[str, Any] = response.json()
            return problem

        for content in (
            b"",
            b"[]",
            b'{"dataset":"a.flights"}',
            b'{"dataset":"a.flights","records":[]}',
            b'{"dataset":"a.flights","records":{}}',
            b'{"dataset":"a.flights","records":[{"n":1}],"commitments":"none"}',
            b'{"dataset":"a.flights","records":[{"n":1}],"key":1}',
            b'{"dataset":"a.flights","records":[' + b"1," * LIMITS.transaction_records + b"1]}",
            b'{"dataset":"a.flights","records":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
            b'{"dataset":"a.flights","records":["\xff"]}',
            b'{"dataset":"a.flights","records":["\\ud800"]}',
        ):
            await refused(ErrorCode.MALFORMED, content)
        await refused(ErrorCode.UNKNOWN_DATASET, b'{"dataset":"a.nothing","records":[{"n":1}]}')
        await refused(ErrorCode.NOT_OWNER, b'{"dataset":"b.flights","records":[{"n":1}]}')
        problem = await refused(ErrorCode.SCHEMA_VIOLATION, b'{"dataset":"a.flights","records":[{"n":1},{"n":"x"}]}')
        assert problem["record_index"] == 1
        problem = await refused(ErrorCode.SCHEMA_VIOLATION, b'{"dataset":"a.texts","records":[1,{"n":1,"n":2}]}')
        assert problem["record_index"] == 1
        fields = b'{"dataset":"a.texts","records":[{"n":1},"text"],"commitments":"fields"}'
        assert (await refused(ErrorCode.BAD_SEALING, fields))["record_index"] == 1
        await refused(ErrorCode.TOO_LARGE, b" " * (2 * LIMITS.transaction_size_bytes + 1))
        record = b'"' + b"x" * (LIMITS.record_size_bytes // 2) + b'",'
        many = b'{"dataset":"a.texts","records":[' + record * 33 + b'""]}'
        await refused(ErrorCode.TOO_LARGE, many)
        response = await client.post(PARCELS, content=b"{}", headers={"Content-Type": "text/plain"})
        verify_problem(response, 400, ErrorCode.BAD_REQUEST)
        assert (node.height, len(node.service.pool.mempool)) == (height, 0)


async def test_s56_who_is_not_let_in(tmp_path: Path) -> None:
    async with serving(tmp_path) as (node, client):
        port = client.base_url.port
        bearer = client.headers["Authorization"]
        assert (await client.get(STATUS)).json()["member"] == "a"
        assert (await client.get(STATUS, headers={"Host": f"localhost:{port}"})).status_code == 200
        for headers in (
            {"Authorization": "Bearer " + "x" * 43},
            {"Authorization": bearer[:-1]},
            {"Authorization": bearer + "x"},
            {"Authorization": bearer.removeprefix("Bearer ")},
            {"Authorization": ""},
            {"Origin": "https://example.com"},
            {"Origin": f"http://{HOST}:{port}"},
            {"Origin": "null"},
            {"Host": f"example.com:{port}"},
            {"Host": HOST},
            {"Host": f"{HOST}.example.com:{port}"},
            {"Host": ""},
        ):
            for response in (
                await client.get(STATUS, headers=headers),
                await client.post(PARCELS, json={}, headers=headers),
                await client.options(PARCELS, headers=headers),
                await client.get("/nothing", headers=headers),
            ):
                verify_problem(response, 403, ErrorCode.GATEWAY_REFUSED)
        async with httpx.AsyncClient(base_url=client.base_url) as stranger:
            verify_problem(await stranger.get(STATUS), 403, ErrorCode.GATEWAY_REFUSED)
        verify_problem(await client.get("/v1/status"), 404, ErrorCode.NOT_FOUND)
        for path, allowed in ((PARCELS, "POST"), (STATUS, "GET, HEAD")):
            refused = await client.put(path)
            verify_problem(refused, 405, ErrorCode.METHOD_NOT_ALLOWED)
            assert refused.headers["allow"] == allowed
        assert (await client.head(STATUS)).status_code == 200

        # The public listener knows nothing of it, token or not.
        for path in (STATUS, PARCELS):
            verify_problem(await client.get(node.api_url + path), 404, ErrorCode.NOT_FOUND)
        assert (await client.get(f"{node.api_url}/v1/status")).json()["gateway"] is True


async def test_s56_it_is_not_reached_from_another_machine(tmp_path: Path) -> None:
    """The socket is bound to the loopback interface; should it ever not be, the caller's address still counts."""

    async with serving(tmp_path) as (node, client):
        other = outward_address()
        if other is not None:
            with pytest.raises(ConnectionError), socket.create_connection((other, client.base_url.port or 0), 5):
                pass
        sent: list[dict[str, Any]] = []
        token, path = token_of(node.network), node.network.home("a") / "gateway.token"
        posts = Posts(tmp_path / "posts")
        gateway = Gateway(node.service, node.network.signers["a"], TokenFile(path), frozenset({"here:1"}), posts)
        scope = {
            "type": "http",
            "method": "GET",
            "path": STATUS,
            "client": ("192.0.2.7", 4711),
            "headers": [(b"host", b"here:1"), (b"authorization", f"Bearer {token}".encode())],
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:
            sent.append(message)

        await gateway(scope, receive, send)
        assert sent[0]["status"] == 403
        await gateway(scope | {"client": ("127.0.0.1", 4711)}, receive, send)
        assert sent[2]["status"] == 200


def test_s56_addresses_that_others_can_reach_are_refused(tmp_path: Path) -> None:
    for index, listen in enumerate(("0.0.0.0:1", "[::]:1", "192.0.2.1:1", "example.com:1")):
        network = configured(tmp_path / str(index), listen=listen)
        with refuses(ErrorCode.BAD_CONFIGURATION):
            Node(network, "a")


def test_s56_the_token_is_made_once_and_must_be_secret(tmp_path: Path) -> None:
    path = tmp_path / "gateway.token"
    (token,) = TokenFile(path).tokens
    assert len(token) >= 43
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert TokenFile(path).tokens == (token,)
    path.chmod(0o640)
    with refuses(ErrorCode.KEY_PERMISSIONS):
        TokenFile(path)
    path.chmod(0o600)
    for bad in ("", "short", "ü" * 40):
        path.write_text(bad)
        with refuses(ErrorCode.BAD_CONFIGURATION):
            TokenFile(path)


async def test_a_key_that_does_not_sign_for_its_member_is_found_out_by_each_post(tmp_path: Path) -> None:
    async with serving(tmp_path, system_key="../../b/system.pem") as (node, client):
        await commit(node, node.network.dataset(schema=""))
        refused = await client.post(PARCELS, json={"dataset": "a.flights", "records": ["x"]})
        verify_problem(refused, 403, ErrorCode.UNKNOWN_KEY)


async def test_ports_that_do_not_fit(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        network = configured(tmp_path / "2", listen=f"{HOST}:{taken.getsockname()[1]}")
        async with running(network, "a") as (node,):
            with refuses(ErrorCode.PORT_IN_USE, "gateway.listen"):
                open_gateway(node.service)
    async with running(Network.create(tmp_path / "3", validators="a", others=()), "a") as (node,):
        assert open_gateway(node.service) is None


async def test_parcels_beyond_what_it_takes_at_once_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as (node, client):
        await commit(node, node.network.dataset())
        body = b'{"dataset": "a.flights", "records": [{"n": 1}]}'

        async def slowly(release: asyncio.Event) -> AsyncIterator[bytes]:
            yield body[:10]
            await release.wait()
            yield body[10:]

        release = asyncio.Event()
        headers = {"Content-Type": "application/json"}

        def begin() -> asyncio.Task[httpx.Response]:
            return asyncio.create_task(client.post(PARCELS, content=slowly(release), headers=headers))

        slow = [begin() for _ in range(20)]
        while (response := await client.post(PARCELS, content=body, headers=headers)).status_code == 200:
            slow.append(begin())  # this one has taken a place from one of those, which was refused
        verify_problem(response, 503, ErrorCode.NOT_READY)
        assert response.headers["retry-after"] == "1"
        release.set()
        assert {response.status_code for response in await asyncio.gather(*slow)} == {200, 503}


@pytest.mark.integration
def test_the_daemon_starts_it(tmp_path: Path) -> None:
    network = configured(tmp_path)
    member = network.genesis.founder("a")
    assert member is not None
    assert member.node is not None
    process = NodeProcess("a", tmp_path, int(member.node.api_url.rpartition(":")[2]))
    process.start()
    try:
        process.wait_ready()
        listen = next(
            line.split('"')[1]
            for line in (network.home("a") / "config.toml").read_text().partition("[gateway]")[2].splitlines()
            if line.startswith("listen")
        )
        headers = {"Authorization": f"Bearer {token_of(network)}"}
        answer = httpx.get(f"http://{listen}{STATUS}", headers=headers, trust_env=False).json()
        assert (answer["member"], answer["is_ready"]) == ("a", True)
        process.stop()
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://{listen}{STATUS}", headers=headers, trust_env=False)
    finally:
        process.kill()
