"""What came of a parcel, over HTTP: what was made of it, and who read it."""

from pathlib import Path
from typing import Any

import httpx

from chain.errors import ErrorCode
from tests.node.reading import commit, share
from tests.node.test_api import get
from tests.node.test_api_access import sharing
from tests.node.test_bad_input import verify_problem


async def paged(client: httpx.AsyncClient, path: str, name: str) -> list[dict[str, Any]]:
    """All lines of a list, one a page."""
    found: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        page = await get(client, path, limit=1, **({"after": after} if after else {}))
        found += page[name]
        after = page["next"]
        if after is None:
            return found


async def test_what_was_made_of_a_parcel_and_who_read_it(tmp_path: Path) -> None:
    async with sharing(tmp_path) as (network, node, client):
        (source,) = await share(node, network.sealed_parcel())
        await commit(node, network.dataset("b", "delays", schema=""))
        asked = await commit(node, network.request(parcels=(source,)))
        made = [
            await commit(node, network.parcel([b"%d" % number], "b", "b.delays", derived_from=((source, 0),)))
            for number in range(2)
        ]
        derived = await paged(client, f"/v1/parcels/{source.hex()}/derived", "parcels")
        assert [bytes.fromhex(line["transaction_id"]) for line in derived] == made
        assert [(line["record_count"], line["code"], line["sealed"]) for line in derived] == 2 * [(1, "ok", False)]
        reads = await paged(client, f"/v1/parcels/{source.hex()}/reads", "reads")
        assert [(line["transaction_id"], line["type"], line["member"]) for line in reads] == [
            (asked.hex(), "request", "b")
        ]
        nothing = await get(client, f"/v1/parcels/{made[0].hex()}/derived")
        assert nothing == {"parcels": [], "next": None}
        for what in ("derived", "reads"):
            for id_ in (asked.hex(), "00" * 32):
                verify_problem(await client.get(f"/v1/parcels/{id_}/{what}"), 404, ErrorCode.NOT_FOUND)
            verify_problem(await client.get(f"/v1/parcels/nonsense/{what}"), 400, ErrorCode.BAD_REQUEST)
