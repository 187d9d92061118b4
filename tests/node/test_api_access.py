"""Contracts, requests and the history of reads over HTTP."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from chain.access.policy import contract_hash
from chain.errors import ErrorCode
from chain.primitives.encoding import decode
from chain.state.entries import EMPTY_HISTORY, DatasetReads, reads_key
from chain.state.tree import StateProof, verify_state_proof
from evidence.kinds import verify_any_evidence
from node.api import pages
from tests.node.cluster import Network, Node, running
from tests.node.reading import CONTRACT, commit, share
from tests.node.test_api import get
from tests.node.test_bad_input import verify_problem


@asynccontextmanager
async def sharing(folder: Path) -> AsyncIterator[tuple[Network, Node, httpx.AsyncClient]]:
    """A network of one validator, `a`, with contracts; `b` and `c` are members without a vote."""
    network = Network.create(folder, validators="a", others=("b", "c"), contracts=True)
    async with running(network, "a", api=True) as (node,), httpx.AsyncClient(base_url=node.api_url) as client:
        yield network, node, client


def ids(found: dict[str, Any]) -> list[bytes]:
    return [bytes.fromhex(request["request"]) for request in found["requests"]]


async def test_contracts(tmp_path: Path) -> None:
    async with sharing(tmp_path) as (network, node, client):
        assert await get(client, "/v1/contracts") == {"contracts": [], "next": None}
        first = await commit(node, network.contract(CONTRACT))
        changed = CONTRACT + "\n# changed"
        second = await commit(node, network.contract(changed, version=2))
        (line,) = (await get(client, "/v1/contracts"))["contracts"]
        assert line == {
            "contract": "a.rule",
            "owner": "a",
            "version": 2,
            "hash": contract_hash(network.genesis.chain_id, changed).hex(),
            "deployed_height": 1,
            "updated_height": 2,
            "transaction_id": second.hex(),
        }
        assert await get(client, "/v1/contracts/a.rule") == line | {"source": changed, "parameters": "{}"}
        deployed = await get(client, f"/v1/transactions/{first.hex()}")
        assert (deployed["type"], deployed["fields"]["source"]) == ("contract", CONTRACT)
        assert deployed["outcome"]["fuel"] > 0
        for contract in ("a.nothing", "a", "%00"):
            verify_problem(await client.get(f"/v1/contracts/{contract}"), 404, ErrorCode.NOT_FOUND)


async def test_a_request_with_its_verdict(tmp_path: Path) -> None:
    async with sharing(tmp_path) as (network, node, client):
        (parcel,) = await share(node, network.sealed_parcel())
        id_ = await commit(node, network.request(purpose="research", parcels=(parcel,), person="Li Wei"))
        view = await get(client, f"/v1/requests/{id_.hex()}")
        assert view["request"] == id_.hex()
        assert (view["reader"], view["dataset"], view["parcels"]) == ("b", "a.flights", [parcel.hex()])
        assert (view["status"], view["approvers"], view["needed"]) == ("asked", ["a"], 1)
        assert (view["purpose"], view["person"], view["fields"], view["answers"]) == ("research", "Li Wei", None, [])
        assert base64.b64decode(view["kem_key"]) == network.reader_key("b").public_key.encoded
        assert view["contract_hash"] == contract_hash(network.genesis.chain_id, CONTRACT).hex()
        await commit(node, network.approval(id_))
        view = await get(client, f"/v1/requests/{id_.hex()}")
        assert view["status"] == "granted"
        (answer,) = view["answers"]
        assert (answer["member"], answer["answer"], answer["height"]) == ("a", "approve", node.height)

        # The verdict stands in the outcome, in the transaction's view and in the block's.
        outcome = (await get(client, f"/v1/transactions/{id_.hex()}"))["outcome"]
        verdict = outcome["verdict"]
        assert (verdict["verdict"], verdict["contract"], verdict["contract_version"]) == ("ask", "a.rule", 1)
        assert (verdict["contract_hash"], len(verdict["inputs_hash"])) == (view["contract_hash"], 64)
        block = await get(client, f"/v1/blocks/{view['height']}")
        assert block["transactions"] == [{"transaction_id": id_.hex(), **outcome}]
        fields = (await get(client, f"/v1/transactions/{id_.hex()}"))["fields"]
        assert (fields["kem_key"], fields["parcels"]) == (view["kem_key"], [parcel.hex()])
        denied = network.request(purpose="advertising")
        await commit(node, denied)
        outcome = (await get(client, f"/v1/transactions/{network.id_of(denied).hex()}"))["outcome"]
        assert (outcome["code"], outcome["verdict"]["verdict"]) == ("ok", "deny")
        assert outcome["sentence"] == "only for flood warnings and research"


async def test_waiting_for_the_answer_to_a_request(tmp_path: Path) -> None:
    async with sharing(tmp_path) as (network, node, client):
        await share(node)
        request = network.request(purpose="research")
        id_ = network.id_of(request)
        path = f"/v1/requests/{id_.hex()}"
        waiting = asyncio.create_task(client.get(path, params={"wait_ms": 60_000}, timeout=70))
        await commit(node, request)
        assert (await get(client, path, wait_ms=50))["status"] == "asked"  # when the time is over
        assert not waiting.done()
        await commit(node, network.approval(id_))
        assert (await waiting).json()["status"] == "granted"
        assert (await get(client, path, wait_ms=60_000))["status"] == "granted"  # at once
        verify_problem(await client.get("/v1/requests/" + "0" * 64, params={"wait_ms": 50}), 404, ErrorCode.NOT_FOUND)

        # A node that stops answers those who wait.
        other = await commit(node, network.request(purpose="research"))
        waiting = asyncio.create_task(client.get(f"/v1/requests/{other.hex()}?wait_ms=60000", timeout=70))
        await asyncio.sleep(0.1)
        node.service.pool.close()
        verify_problem(await waiting, 503, ErrorCode.NOT_READY)


async def test_lists_of_requests(tmp_path: Path) -> None:
    async with sharing(tmp_path) as (network, node, client):
        await share(node)
        await commit(node, network.dataset(name="ships", sharing="closed"))
        granted = await commit(node, network.request())
        asked = await commit(node, network.request(member="c", purpose="research"))
        denied = await commit(node, network.request(purpose="advertising"))
        closed = await commit(node, network.request(dataset="a.ships"))
        await node.submit(network.request(dataset="a.nothing"))  # rejected: it is no request
        await commit(node, network.approval(asked))
        assert ids(await get(client, "/v1/requests")) == [granted, asked, denied, closed]
        for parameters, expected in (
            ({"dataset": "a.flights"}, [granted, asked, denied]),
            ({"dataset": "a.ships"}, [closed]),
            ({"dataset": "a.nothing"}, []),
            ({"reader": "c"}, [asked]),
            ({"reader": "b", "dataset": "a.flights"}, [granted, denied]),
            ({"status": "granted"}, [granted, asked]),
            ({"status": "denied", "reader": "b"}, [denied, closed]),
            ({"status": "revoked"}, []),
            ({"approver": "a"}, [asked]),
            ({"approver": "b"}, []),
        ):
            found = await get(client, "/v1/requests", **parameters)
            assert (parameters, ids(found), found["next"]) == (parameters, expected, None)
        page = await get(client, "/v1/requests", limit=2)
        assert ids(page) == [granted, asked]
        page = await get(client, "/v1/requests", limit=2, after=page["next"])
        assert ids(page) == [denied, closed]
        assert await get(client, "/v1/requests", after=page["next"]) == {"requests": [], "next": None}


async def test_a_filter_that_matches_little_is_answered_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE_S", 0)  # time for one place a page

    async with sharing(tmp_path) as (network, node, client):
        await share(node)
        made = [await commit(node, network.request(member="c" if number % 5 == 4 else "b")) for number in range(11)]
        found: list[bytes] = []
        after, answers = None, 0
        while True:
            page = await get(client, "/v1/requests", reader="c", **({"after": after} if after else {}))
            found, after, answers = found + ids(page), page["next"], answers + 1
            if after is None:
                break
        assert (found, answers) == ([made[4], made[9]], len(made))


async def test_the_list_of_reads_is_provably_whole(tmp_path: Path) -> None:
    async with sharing(tmp_path) as (network, node, client):
        await share(node)
        asked = await commit(node, network.request(purpose="research"))
        await node.submit(network.approval(asked, member="c"))  # not asked: rejected, and listed
        await commit(node, network.approval(asked))
        await commit(node, network.request(purpose="advertising"))
        height = node.height
        reads: list[dict[str, Any]] = []
        after = None
        while True:
            parameters = {"limit": 2} | ({"after": after} if after else {})
            page = await get(client, "/v1/datasets/a.flights/reads", **parameters)
            reads += page["reads"]
            after = page["next"]
            if after is None:
                break
        assert [(read["type"], read["member"], read["code"]) for read in reads] == [
            ("request", "b", "ok"),
            ("approval", "c", "not_an_approver"),
            ("approval", "a", "ok"),
            ("request", "b", "ok"),
        ]
        history = EMPTY_HISTORY
        for read in reads:
            if read["code"] == "ok":
                history = history.extended(network.genesis.chain_id, bytes.fromhex(read["transaction_id"]))
        proved = await get(client, "/v1/state/reads/a.flights", height=height)
        value = base64.b64decode(proved["value"])
        root = node.ledger.header_at(height).state_root
        proof = decode(StateProof, base64.b64decode(proved["proof"]))
        verify_state_proof(network.genesis.chain_id, root, reads_key("a.flights"), value, proof)
        assert decode(DatasetReads, value).history == history
        verify_problem(await client.get("/v1/datasets/a.nothing/reads"), 404, ErrorCode.NOT_FOUND)


async def test_a_sealed_record_and_its_evidence(tmp_path: Path) -> None:
    async with sharing(tmp_path) as (network, node, client):
        (parcel,) = await share(node, network.sealed_parcel([b'{"n":1}', b'{"n":2}']))
        record = await get(client, f"/v1/records/{parcel.hex()}/1")
        assert (record["sealed"], record["outcome"], "value" in record) == (True, "ok", False)
        assert b'"n"' not in base64.b64decode(record["body"])
        evidence = await client.get(f"/v1/records/{parcel.hex()}/1/evidence")
        assert len(list(verify_any_evidence(evidence.content, network.trust))) > 5
        (line,) = (await get(client, "/v1/datasets/a.flights/parcels"))["parcels"]
        assert (line["sealed"], line["record_count"]) == (True, 2)
        member = await get(client, "/v1/members/a")
        assert base64.b64decode(member["kem_key"]) == node.home.member.kem_key
        assert (await get(client, "/v1/members/b"))["kem_key"] is None


async def test_evidence_of_a_read_and_of_absences(tmp_path: Path) -> None:
    async with sharing(tmp_path) as (network, node, client):
        (parcel,) = await share(node, network.sealed_parcel())
        id_ = await commit(node, network.request(purpose="research", parcels=(parcel,)))
        await commit(node, network.approval(id_))
        granted = node.height

        async def verified(path: str, **parameters: object) -> dict[str, str]:
            answer = await client.get(path, params=parameters)  # type: ignore[arg-type]
            assert answer.status_code == 200, answer.text
            return {step.title: step.detail for step in verify_any_evidence(answer.content, network.trust)}

        read = await verified(f"/v1/requests/{id_.hex()}/evidence")
        assert read["answers"] == "a: approve"
        before = await verified(f"/v1/requests/{id_.hex()}/evidence", tree_size=granted)
        assert (before["state"].split(",")[0], before["answers"]) == (f"as of height {granted - 1}", "none")

        of_b = {"dataset": "a.flights", "reader": "b"}
        none = await verified("/v1/absence/grant", **of_b, until=granted - 1)
        assert none["absence"].endswith(f"at the heights 1 to {granted - 1}")
        verify_problem(await client.get("/v1/absence/grant", params=of_b), 422, ErrorCode.NOT_ABSENT)
        unread = await verified("/v1/absence/read", parcel=parcel.hex(), **{"from": 2})
        assert unread["absence"].endswith(f"at the heights 2 to {granted}")
        for range_ in ({"from": granted + 1}, {"from": 2, "until": 1}, {"tree_size": 0}):
            answer = await client.get("/v1/absence/read", params={"parcel": parcel.hex(), **range_})
            verify_problem(answer, 400, ErrorCode.BAD_REQUEST)
        answer = await client.get(f"/v1/requests/{id_.hex()}/evidence", params={"tree_size": granted + 2})
        verify_problem(answer, 404, ErrorCode.NOT_FOUND)
