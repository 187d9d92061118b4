"""What the API answers satisfies the schemas of its description, where ``test_openapi`` has nothing to be answered:
reading under contracts, corrections and erasures, evidence files; and all of the gateway.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from node.api.description import REFUSALS
from node.api.schemas import ANSWERS, COMPONENTS, ref
from node.gateway.description import DESCRIPTION_PATH
from tests.edge.json_schema import problem_of
from tests.node.reading import commit, share
from tests.node.test_gateway import PARCELS, STATUS, serving, share_through

Json = Any
EVIDENCE = Path(__file__).parents[1] / "vectors" / "evidence" / "good"


def verify(answer: Json, path: str) -> None:
    problem = problem_of(answer, ANSWERS[path], COMPONENTS)
    assert not problem, (path, problem)


def references(schema: Json) -> set[str]:
    """Names of all components that a document refers to."""
    if isinstance(schema, dict):
        here = {schema["$ref"].rpartition("/")[2]} if "$ref" in schema else set()
        return here.union(*map(references, schema.values()))
    return set().union(*map(references, schema)) if isinstance(schema, list) else set()


async def test_s130_everything_about_reading_satisfies_its_schema(tmp_path: Path) -> None:
    async with serving(tmp_path) as (node, client):
        network = node.network
        (parcel,) = await share(node, network.sealed_parcel([b'{"n":1}']))
        request = await commit(node, network.request())
        asked = await commit(node, network.request(purpose="research"))
        await commit(node, network.request(purpose="advertising"))
        await commit(node, network.approval(asked))
        await commit(node, network.read_report(request, (parcel,)))
        names = {"dataset": "a.flights", "contract": "a.rule", "parcel": parcel.hex(), "transaction_id": asked.hex()}
        names |= {"request_id": request.hex(), "index": "0"}
        for path in (
            "/v1/contracts",
            "/v1/contracts/{contract}",
            "/v1/requests",
            "/v1/requests/{request_id}",
            "/v1/requests/{request_id}/evidence",
            "/v1/transactions/{transaction_id}",
            "/v1/datasets/{dataset}",
            "/v1/datasets/{dataset}/reads",
            "/v1/datasets/{dataset}/records",
            "/v1/parcels/{parcel}/reads",
        ):
            answer = (await client.get(node.api_url + path.format(**names))).json()
            verify(answer, path)
            assert all(
                value for name, value in answer.items() if isinstance(value, list) and name == path.split("/")[-1]
            )
        query = {"request": request.hex(), "parcels": [parcel.hex()]}
        verify((await client.post(f"{node.api_url}/v1/shares", json=query)).json(), "/v1/shares")
        absent = {"dataset": "a.flights", "reader": "b", "until": "2"}
        verify((await client.get(f"{node.api_url}/v1/absence/grant", params=absent)).json(), "/v1/absence/grant")
        for id_ in (request, asked, parcel):
            path = "/v1/transactions/{transaction_id}"
            verify((await client.get(node.api_url + path.format(transaction_id=id_.hex()))).json(), path)


async def test_s130_what_was_corrected_and_erased_satisfies_its_schema(tmp_path: Path) -> None:
    async with serving(tmp_path) as (node, client):
        network = node.network
        await commit(node, network.dataset(schema=""))
        first, second = [await commit(node, network.parcel([b'{"n":1}', b"text"])) for _ in range(2)]
        correction = await commit(node, network.correction(first, 0, b'{"n":2}'))
        erasure = await commit(node, network.erase(second))
        for id_ in (first, second, correction, erasure):
            path = "/v1/transactions/{transaction_id}"
            answer = (await client.get(node.api_url + path.format(transaction_id=id_.hex()))).json()
            verify(answer, path)
            assert (answer["erasure"] is not None) == (id_ == second)
        for record in (f"{first.hex()}/0", f"{first.hex()}/1", f"{correction.hex()}/0"):
            verify(
                (await client.get(f"{node.api_url}/v1/records/{record}")).json(), "/v1/records/{transaction_id}/{index}"
            )
        listed = (await client.get(f"{node.api_url}/v1/datasets/a.flights/records")).json()
        verify(listed, "/v1/datasets/{dataset}/records")
        assert [line["erased"] for line in listed["records"]].count(True) == 2


@pytest.mark.parametrize("file", sorted(EVIDENCE.glob("*.json")), ids=lambda file: file.stem)
def test_s130_evidence_files_satisfy_the_schemas_of_their_kinds(file: Path) -> None:
    evidence = json.loads(file.read_bytes())
    kind = "".join(map(str.title, evidence["kind"].split("-"))) + "Evidence"
    if kind != "DisclosureEvidence":  # no node makes these: their salts are the owner's
        assert not problem_of(evidence, ref(kind), COMPONENTS)
        assert problem_of(evidence | {"more": 1}, ref(kind), COMPONENTS)


async def test_s130_the_gateway_answers_as_its_description_says(tmp_path: Path) -> None:
    async with serving(tmp_path) as (node, client):
        await commit(node, node.network.dataset(schema='{"type":"object"}'))
        document = (await client.get(DESCRIPTION_PATH)).json()
        components = document["components"]["schemas"]
        assert references(document) <= components.keys()

        def wrong(answer: Json, path: str, method: str, status: str, media: str) -> str:
            content = document["paths"][path][method]["responses"][status]["content"]
            return problem_of(answer, content[media]["schema"], components)

        assert not wrong((await client.get(STATUS)).json(), STATUS, "get", "200", "application/json")
        for _ in range(2):
            answer = await share_through(client, [{"n": 1}])
            assert not wrong(answer, PARCELS, "post", "200", "application/json")
        for refused in (
            {"dataset": "a.flights", "records": ["no JSON"]},
            {"dataset": "a.flights"},
            {"dataset": "b.x", "records": [1]},
        ):
            response = await client.post(PARCELS, json=refused)
            assert response.status_code >= 400
            assert not wrong(response.json(), PARCELS, "post", "4XX", "application/problem+json")


def test_no_component_is_missing_and_none_is_idle() -> None:
    assert references([ANSWERS, COMPONENTS, REFUSALS]) - {"Problem"} <= COMPONENTS.keys()
    assert COMPONENTS.keys() - references([ANSWERS, COMPONENTS]) == {"BlockEvent"}  # of a stream, not of one answer


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ({}, {"type": "object", "required": ["a"]}),
        ({"a": 1}, {"type": "object", "additionalProperties": False, "properties": {}}),
        (True, {"type": "integer"}),
        (None, {"anyOf": [{"type": "string"}, {"type": "array"}]}),
        ("ab", {"type": "string", "pattern": "^[0-9]+$"}),
        ([1, "a"], {"type": "array", "items": {"type": "integer"}}),
        (3, {"type": "integer", "maximum": 2}),
        (1, {"oneOf": []}),
    ],
)
def test_the_check_itself_refuses(value: Json, schema: Json) -> None:
    assert problem_of(value, schema, {})
