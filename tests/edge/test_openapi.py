"""The HTTP API as /openapi.json describes it, asked for everything that the description allows and much that it does
not (scenarios 46 and 47): each answer has a media type that is announced, is what its media type says, and each refusal
is a problem document with a code of the list; none is an internal error.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote_from_bytes

import msgpack
import orjson
import pytest

from chain.errors import ErrorCode
from chain.primitives.encoding import encode
from node.api.bodies import JSON, MSGPACK
from sealing import ShareQuery
from tests.edge.damage import spoiled_json, spoiled_messagepack
from tests.edge.http import Answer, exchange, request
from tests.edge.json_schema import problem_of
from tests.node.cluster import Network, Node, running

Json = Any
EACH = 30
"""Requests for each operation."""
PROBLEM = "application/problem+json"
SAID_TO_WAIT = frozenset({"wait_ms", "timeout_ms"})
NOT_NOW = frozenset({ErrorCode.NOT_READY, ErrorCode.TIMEOUT, ErrorCode.NOT_ENOUGH_SHARES})
"""The only codes that a healthy node has for a status of 500 and more."""
WITHOUT_ANSWER = {
    "get /v1/absence/grant",
    "get /v1/absence/read",
    "get /v1/contracts/{contract}",
    "get /v1/misbehaviour/{file}",
    "get /v1/requests/{request_id}",
    "get /v1/requests/{request_id}/evidence",
    "get /v1/transactions/{transaction_id}/left",
    "post /v1/shares",
}
"""Have nothing good to answer in a network that runs no contracts, erases nothing, and whose members behave."""
METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE", b"PROPFIND")
HOSTILE = (
    b"",
    b"0",
    b"-1",
    b"1.5",
    b"1e9",
    b"007",
    b"+1",
    b" 1",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551616",
    b"9" * 40,
    b"9" * 5000,
    "１２".encode(),
    b"NaN",
    b"null",
    b"true",
    b"latest",
    b"%00",
    b"\x00",
    b"\xff\xfe",
    b"%FF%FE",
    b"%zz",
    b"..%2f..%2fetc%2fpasswd",
    b"../../../etc/passwd",
    b"a.flights",
    b"A.FLIGHTS",
    b"0" * 64,
    b"g" * 64,
    b"AB" * 32,
    b"0.0",
    b"1.99999999999999999999",
    b"-1.-1",
    b"'; DROP TABLE blocks; --",
    "过境航班".encode(),
    b"\xed\xa0\x80",
    b"x" * 3000,
    b"{}",
    b"[]",
)


class Caller:
    """Makes requests from the description, with what the node really has among the values."""

    def __init__(self, network: Network, node: Node, description: Json, known: dict[str, list[bytes]]) -> None:
        self.network = network
        self.node = node
        self.description = description
        self.known = known
        self.asked = 0

    async def ask(self, sent: bytes, first_bytes: int = -1) -> Answer:
        self.asked += 1
        host, port = self.node.home.config.file.api.listen.split(":")
        return await exchange(host, int(port), sent, first_bytes)

    def operations(self) -> Iterator[tuple[str, str, Json]]:
        for path, operations in self.description["paths"].items():
            for method, operation in operations.items():
                yield method, path, operation

    def requests(self, method: str, path: str, operation: Json, random: Random) -> Iterator[bytes]:
        """Requests for one operation: from right in everything to right in nothing."""
        bodies = list(operation.get("requestBody", {}).get("content", {}))
        for number in range(EACH):
            parameters = operation.get("parameters", [])
            wrong = {item["name"] for item in parameters if random.random() < number / EACH}
            target, query, headers = path.encode(), [], {}
            for item in parameters:
                if item["in"] == "query" and not item.get("required") and random.randrange(3) == 0:
                    continue
                value = self._value(item, item["name"] in wrong, random)
                match item["in"]:
                    case "path":
                        target = target.replace(b"{%b}" % item["name"].encode(), _in_path(value))
                    case "query":
                        query.append(b"%b=%b" % (item["name"].encode(), _in_query(value)))
                    case "header":
                        headers[item["name"].encode()] = value.translate(None, b"\r\n\x00")[:200]
            if random.randrange(8) == 0:
                query.append(random.choice((b"unknown=1", b"&&=&", b"a" * 500, query[0] if query else b"=")))
            body = self._body(bodies, headers, random) if bodies else b""
            yield request(method.upper().encode(), target + (b"?" + b"&".join(query) if query else b""), headers, body)

    def _value(self, item: Json, is_wrong: bool, random: Random) -> bytes:
        schema = item["schema"]
        schema = next((part for part in schema.get("anyOf", []) if part.get("type") != "null"), schema)
        if item["name"] in SAID_TO_WAIT:  # a right value would keep the test waiting
            return random.choice((b"-1", b"x", b"9" * 30) if is_wrong else (b"0", b"1", b"20"))
        if is_wrong:
            return random.choice(HOSTILE)
        if item["name"] in self.known:
            return random.choice(self.known[item["name"]])
        if "enum" in schema:
            return random.choice(schema["enum"]).encode()
        if schema["type"] == "integer":
            low, high = schema.get("minimum", 0), schema.get("maximum", 10)
            return b"%d" % random.choice((low, high, random.randint(low, high)))
        return random.choice(list(self.known.values()))[0]

    def _body(self, media_types: list[str], headers: dict[bytes, bytes], random: Random) -> bytes:
        media_type = random.choice([*media_types, *media_types, "text/plain", ""])
        headers[b"Content-Type"] = media_type.encode() + random.choice((b"", b"; charset=utf-8"))
        headers[b"Accept"] = random.choice((b"", b"*/*", JSON.encode(), MSGPACK.encode(), b"image/png"))
        transaction = self.network.parcel()
        query = ShareQuery(bytes.fromhex(self.known["transaction_id"][0].decode()), (bytes(32),))
        if media_type == JSON:
            fields = zip(("header", "signature", "payload"), msgpack.unpackb(transaction), strict=True)
            forms = [
                orjson.dumps({name: base64.b64encode(value).decode() for name, value in fields}),
                orjson.dumps({"request": query.request.hex(), "parcels": [bytes(32).hex()]}),
            ]
            sample = random.choice(forms)
            return sample if random.randrange(3) == 0 else spoiled_json(sample, random)
        sample = random.choice((transaction, encode(query)))
        return sample if random.randrange(3) == 0 else spoiled_messagepack(sample, random)


def _in_path(value: bytes) -> bytes:
    return quote_from_bytes(value, safe="%").encode() or b"%20"


def _in_query(value: bytes) -> bytes:
    return quote_from_bytes(value, safe="%").encode()


def verify_answer(answer: Answer, operation: Json, sent: bytes, components: Json) -> None:
    """The answer is one that the description announces, and is what it says it is."""
    about = (sent[:300], answer)
    announced = operation["responses"]
    documented = announced.get(str(answer.status)) or announced.get(f"{answer.status // 100}XX")
    assert documented is not None, about
    assert answer.media_type in documented["content"], about
    verify_body(answer, sent)
    if answer.media_type in (JSON, PROBLEM):
        schema = documented["content"][answer.media_type]["schema"]
        assert not problem_of(orjson.loads(answer.body), schema, components), about


def verify_body(answer: Answer, sent: bytes) -> None:
    about = (sent[:300], answer)
    if answer.status >= 400:
        assert answer.media_type == PROBLEM, about
        problem = json.loads(answer.body)
        code = ErrorCode(problem["code"])
        assert problem["status"] == answer.status, about
        assert problem["type"] == f"urn:blockpool:error:{code}", about
        assert problem["title"], about
        assert problem["advice"], about
        assert answer.status < 500 or code in NOT_NOW, about
    elif answer.media_type == JSON:
        orjson.loads(answer.body)
    elif answer.media_type == MSGPACK:
        msgpack.unpackb(answer.body, strict_map_key=False)
    elif answer.media_type.startswith("text/"):
        answer.body.decode()


async def make_caller(node: Node, network: Network) -> Caller:
    """A node that holds a dataset with some parcels, and what a caller could know of it."""
    await node.submit(network.dataset())
    parcels = [network.parcel([b'{"n":1}', b'{"n":2}']) for _ in range(3)]
    for parcel in parcels:
        await node.submit(parcel)
    ids = [network.id_of(parcel).hex().encode() for parcel in parcels]
    known = {
        "transaction_id": ids,
        "request_id": ids,
        "dataset": [b"a.flights"],
        "contract": [b"a.rule"],
        "name": [b"a", b"b"],
        "height": [b"0", b"1", b"2"],
        "index": [b"0", b"1"],
        "key": [b"dataset/a.flights", b"member/a"],
        "after": [b"1.0"],
        "accept": [MSGPACK.encode(), JSON.encode(), b""],
        "last-event-id": [b"0", b"1"],
    }
    caller = Caller(network, node, None, known)
    caller.description = json.loads((await caller.ask(request(b"GET", b"/openapi.json"))).body)
    return caller


async def test_s46_s47_every_operation_answers_as_the_description_says(tmp_path: Path) -> None:
    network = Network.create(tmp_path, validators="a", others=("b",))
    async with running(network, "a", api=True) as (node,):
        caller = await make_caller(node, network)
        components = caller.description["components"]["schemas"]
        operations = [operation["operationId"] for _, _, operation in caller.operations()]
        assert len(set(operations)) == len(operations) > 30
        statuses: dict[str, set[int]] = {}
        for method, path, operation in caller.operations():
            random = Random(f"{method} {path}")
            has_no_end = path == "/v1/events"
            for sent in caller.requests(method, path, operation, random):
                answer = await caller.ask(sent, first_bytes=1000 if has_no_end else -1)
                verify_answer(answer, operation, sent, components)
                statuses.setdefault(f"{method} {path}", set()).add(answer.status)
        assert {name for name, found in statuses.items() if not {200, 202} & found} == WITHOUT_ANSWER
        assert not node.is_stopped
        await node.submit(network.parcel())


@pytest.mark.parametrize("seed", range(2))
async def test_s46_targets_and_methods_of_all_kinds(tmp_path: Path, seed: int) -> None:
    """Requests that no description covers: other methods, broken targets, headers and bodies."""

    network = Network.create(tmp_path, validators="a", others=("b",))
    async with running(network, "a", api=True) as (node,):
        caller, random = await make_caller(node, network), Random(seed)
        paths = [path.encode() for path in caller.description["paths"] if path != "/v1/events"]
        for _ in range(400):
            target = random.choice(paths)
            for _ in range(random.randrange(3)):
                place = random.randrange(1, len(target) + 1)
                extra = random.choice((b"//", b"%2f", b"%", b"?", b"\xff", b"\x80a", b";", b"%00", b"/../", b"#"))
                target = target[:place] + extra + target[place + random.randrange(3) :]
            method = random.choice(METHODS)
            body = random.choice((b"", b"x", b"\x93", b"{}"))
            sent = request(method, target, {b"Content-Type": random.choice((b"", b"a/b", JSON.encode()))}, body)
            answer = await caller.ask(sent)
            if method != b"HEAD":
                verify_body(answer, sent)
        await node.submit(network.parcel())
