"""The API speaks the language that a request prefers."""

from pathlib import Path

import httpx

from chain.errors import ErrorCode
from tests.node.cluster import Network, running
from tests.node.reading import commit

ZH = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"}


async def test_problems_are_in_the_language_of_each_request(tmp_path: Path) -> None:
    network = Network.create(tmp_path, validators="a", others=())
    async with running(network, "a", api=True) as (a,), httpx.AsyncClient(base_url=a.api_url) as client:
        await commit(a, network.dataset())
        for headers, title in ((ZH, "未找到"), ({}, "Not found")):
            for path in ("/v1/nothing", f"/v1/transactions/{'0' * 64}"):
                problem = await client.get(path, headers=headers)
                assert (problem.status_code, problem.json()["code"]) == (404, ErrorCode.NOT_FOUND)
                assert problem.json()["title"] == title
                assert problem.headers["content-language"] == ("zh" if headers else "en")
                assert problem.headers["vary"] == "Accept-Language"
        refused = network.parcel([b'{"n":"x"}'])
        posted = {"Content-Type": "application/msgpack"}
        answers = [
            (await client.post("/v1/transactions?wait=commit", content=refused, headers=posted | more)).json()
            for more in (ZH, {})
        ]
        assert answers[0]["detail"].startswith("第 0 条记录")
        assert answers[1]["detail"].startswith("record 0")
        assert answers[0]["code"] == answers[1]["code"] == "schema_violation"
