"""What may name persons is read by members and those with a token; strangers read what is public (scenario 85)."""

import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from chain.errors import ErrorCode, PoolError
from chain.signed_read import WINDOW_MS, sign_read
from node.api.admission import is_public
from node.config import load_config
from node.tokens import TokenFile
from tests.node.cluster import Network, Node, running
from tests.node.test_api import ROUTES
from tests.node.test_bad_input import verify_problem

PUBLIC = {
    "/healthz",
    "/metrics",
    "/readyz",
    "/v1/blocks",
    "/v1/checkpoint",
    "/v1/contracts",
    "/v1/contracts/{contract}",
    "/v1/datasets",
    "/v1/datasets/{dataset}",
    "/v1/datasets/{dataset}/parcels",
    "/v1/events",
    "/v1/genesis",
    "/v1/handovers",
    "/v1/history/consistency",
    "/v1/history/inclusion",
    "/v1/members",
    "/v1/members/{name}",
    "/v1/misbehaviour",
    "/v1/misbehaviour/{file}",
    "/v1/parcels/{parcel}/derived",
    "/v1/shares",
    "/v1/status",
}
SUBMISSION = {"/v1/transactions", "/v1/transactions/batch"}
"""What is sent there is signed itself."""


@asynccontextmanager
async def closed(folder: Path, **settings: str) -> AsyncIterator[tuple[Network, Node, httpx.AsyncClient]]:
    """A node as its configuration is by default, and a client that shows nothing."""
    network = Network.create(folder, validators="a", others=("b",), readers="members")
    config = network.home("a") / "config.toml"
    lines = "".join(f'{name} = "{value}"\n' for name, value in settings.items())
    config.write_text(config.read_text().replace("[api]\n", f"[api]\n{lines}"))
    async with running(network, "a", api=True) as (node,), httpx.AsyncClient(base_url=node.api_url) as client:
        yield network, node, client


def test_s85_whatever_is_not_listed_as_public_is_not() -> None:
    assert {route for route in ROUTES if is_public(route)} == PUBLIC
    assert not is_public("/v1/anything/that/is/added")
    for key in ("request/00", "reads/a.flights", "parcel-reads/a.flights/00", "erasure/00", "reader/a.flights/b"):
        assert not is_public(f"/v1/state/{key}"), key
    assert is_public("/v1/state/dataset/a.flights")


async def test_s85_strangers_get_no_answer_that_may_name_persons(tmp_path: Path) -> None:
    async with closed(tmp_path) as (network, node, client):
        await node.submit(network.dataset())
        for route in sorted(ROUTES - PUBLIC - SUBMISSION):
            path = route.format(
                transaction_id="0" * 64, index=0, height=1, dataset="a.flights", parcel="0" * 64,
                request_id="0" * 64, key="request/" + "0" * 64,
            )  # fmt: skip
            refused = await client.get(path)
            verify_problem(refused, 401, ErrorCode.CREDENTIALS_MISSING)
            assert refused.headers["www-authenticate"] == "Blockpool, Bearer"
        assert (await client.get("/v1/datasets")).json()["datasets"][0]["dataset"] == "a.flights"


async def test_s85_a_member_signs_what_it_reads(tmp_path: Path) -> None:
    async with closed(tmp_path) as (network, _, client):
        target = "/v1/requests?dataset=a.flights&limit=5"
        now_ms = time.time_ns() // 1_000_000

        def signed(
            member: str = "b", at: str = target, method: str = "GET", time_ms: int = now_ms, chain: bytes = b""
        ) -> dict[str, str]:
            signer = network.signers["b"]
            return {"Authorization": sign_read(chain or network.chain_id, member, signer, method, at, time_ms)}

        assert (await client.get(target, headers=signed())).status_code == 200
        assert (await client.head(target, headers=signed(method="HEAD"))).status_code == 200
        for headers in (
            signed(at="/v1/requests?dataset=a.flights&limit=6"),
            signed(at="/v1/requests"),
            signed(method="HEAD"),
            signed(member="a"),
            signed(member="nobody"),
            signed(chain=bytes(32)),
            signed(time_ms=now_ms - WINDOW_MS - 5_000),
            signed(time_ms=now_ms + WINDOW_MS + 5_000),
            {"Authorization": "Blockpool"},
            {"Authorization": "Blockpool !"},
            {"Authorization": "Blockpool " + "A" * 2_000},
            {"Authorization": "Basic YTpi"},
            {"Authorization": ""},
        ):
            verify_problem(await client.get(target, headers=headers), 401, ErrorCode.CREDENTIALS_REFUSED)


async def test_s85_a_key_that_has_ended_reads_nothing(tmp_path: Path) -> None:
    async with closed(tmp_path) as (network, node, client):
        await node.submit(network.dataset())
        now_ms = time.time_ns() // 1_000_000
        shown = sign_read(network.chain_id, "a", network.spent_signers["a"], "GET", "/v1/requests", now_ms)
        refused = await client.get("/v1/requests", headers={"Authorization": shown})
        verify_problem(refused, 401, ErrorCode.CREDENTIALS_REFUSED)


async def test_s85_the_departments_token_reads_and_one_taken_away_does_not(tmp_path: Path) -> None:
    async with closed(tmp_path) as (network, _, client):
        path = network.home("a") / "api.token"
        assert path.stat().st_mode & 0o777 == 0o600
        own = path.read_text().strip()

        async def status(token: str) -> int:
            return (await client.get("/v1/requests", headers={"Authorization": f"Bearer {token}"})).status_code

        auditors = "auditor-" + "x" * 40
        assert (await status(own), await status(auditors), await status(own[:-1]), await status("x")) == (
            200, 401, 401, 401,
        )  # fmt: skip
        path.write_text(f"{own}\n{auditors} the audit office, until March\n")
        assert (await status(own), await status(auditors)) == (200, 200)
        path.write_text(f"{own}\n")
        assert (await status(own), await status(auditors)) == (200, 401)
        path.chmod(0o644)
        path.write_text(f"{own} \n")
        assert await status(own) == 401, "others on this machine can read it"


async def test_s86_addresses_that_are_not_allowed_are_answered_nothing(tmp_path: Path) -> None:
    async with closed(tmp_path / "closed", allow="10.0.0.0/8, fd00::/8") as (_, _, client):
        for answer in (await client.get("/healthz"), await client.post("/v1/transactions", content=b"")):
            verify_problem(answer, 403, ErrorCode.ADDRESS_REFUSED)
    async with closed(tmp_path / "open", allow="127.0.0.0/8") as (_, _, client):
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("name", "value"), [("allow", "10.0.0.1/8"), ("allow", "here"), ("readers", "nobody"), ("tls_key", "tls.pem")]
)
def test_s86_settings_that_mean_nothing_are_refused(tmp_path: Path, name: str, value: str) -> None:
    network = Network.create(tmp_path, validators="a", others=())
    environment = {f"BLOCKPOOL_API_{name.upper()}": value}
    with pytest.raises(PoolError) as refused:
        load_config(network.home("a"), environment)
    assert refused.value.code is ErrorCode.BAD_CONFIGURATION


async def test_the_api_speaks_tls_by_itself(tmp_path: Path) -> None:
    async with closed(tmp_path, tls_certificate="tls.crt", tls_key="tls.pem") as (_, node, _):
        url = node.api_url.replace("http:", "https:")
        context = ssl.create_default_context(cafile=node.home.config.path("tls.crt"))
        context.check_hostname = False  # it names the member
        async with httpx.AsyncClient(base_url=url, verify=context) as client:
            assert (await client.get("/v1/status")).json()["member"] == "a"


def test_a_file_of_tokens_that_could_be_guessed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    for content in ("short\n", "\n", "x" * 40 + "\n" + "short for somebody\n"):
        path.write_text(content)
        path.chmod(0o600)
        with pytest.raises(PoolError) as refused:
            TokenFile(path)
        assert refused.value.code is ErrorCode.BAD_CONFIGURATION
