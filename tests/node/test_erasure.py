"""An erased parcel is gone from every node: from its API, its key shares and the files of its home."""

import re
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from chain.errors import ErrorCode
from chain.packages import BlockPackage, ErasedParcel, Packages, open_package
from chain.primitives.encoding import decode, encode
from chain.transactions.base import ErasedPayload, Transaction
from chain.transactions.parcel import Records, SealedPayload, record_leaves
from node.frames import BlockRange
from node.recovery import open_recovered
from tests.ledgers import take
from tests.node.cluster import Network, Node, ScriptedPeer, running, scripted
from tests.node.contract_cluster import sample
from tests.node.link_cluster import until
from tests.node.reading import commit, share
from tests.node.test_bad_input import verify_problem
from tests.node.test_catch_up import answering
from tests.node.test_shares import answer, refused, sharing

SECRET = b'{"n":314159,"who":"Zhang San"}'


def files_with(folder: Path, content: bytes) -> list[str]:
    """Every file under `folder` in which `content` stands, whatever the file is."""
    return [str(path) for path in sorted(folder.rglob("*")) if path.is_file() and content in path.read_bytes()]


def has_erased(node: Node) -> bool:
    return sample(node, "parcels_erased_total") > 0 and sample(node, "erasing") == 0


async def packages_of(node: Node, first: int = 1) -> list[BlockPackage]:
    return list(decode(Packages, (await node.service.catch_up.serve(BlockRange(first, 256)))[0]))


async def shared(node: Node) -> bytes:
    """Share the secret; returns the id of its parcel."""
    network = node.network
    await commit(node, network.dataset())
    await commit(node, network.parcel([b'{"n":1}']))
    return await commit(node, network.parcel([SECRET, b'{"n":2}']))


async def test_s57_no_file_of_any_node_holds_what_was_erased(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    async with running(network, *"abcd", "observer") as nodes:
        parcel = await shared(nodes[0])
        await until(lambda: len({node.height for node in nodes}) == 1)
        held = files_with(tmp_path, SECRET)
        for node in nodes:
            assert any(str(node.home.data / "blocks") in file for file in held), "else it proves nothing below"
        assert any("VOTES-BODIES" in file for file in held)
        await commit(nodes[1], network.erase(parcel))
        await until(lambda: all(map(has_erased, nodes)))
        assert files_with(tmp_path, SECRET) == []
        await commit(nodes[0], network.parcel([b'{"n":3}']))
    assert files_with(tmp_path, SECRET) == [], "nor after a stop"


async def test_a_sealed_parcel_is_gone_with_its_key_shares(tmp_path: Path) -> None:
    async with sharing(tmp_path, *"abcd") as (network, nodes, client):
        sealed, kept = network.sealed_parcel([SECRET]), network.sealed_parcel([b'{"n":2}'])
        parcel, other = await share(nodes[0], sealed, kept)
        request = await commit(nodes[2], network.request())
        assert len((await answer(client, request, parcel))[0]) >= 3
        content = decode(SealedPayload, decode(Transaction, sealed).payload)
        pieces = (*content.sealed_shares, *content.bodies)
        assert len(pieces) == 5
        assert all(files_with(tmp_path, piece) for piece in pieces)
        await commit(nodes[0], network.erase(parcel))
        await until(lambda: all(map(has_erased, nodes)))
        assert [file for piece in pieces for file in files_with(tmp_path, piece)] == []
        await refused(client, ErrorCode.PARCEL_ERASED, request, parcel)
        await refused(client, ErrorCode.PARCEL_ERASED, request, other, parcel)
        assert len((await answer(client, request, other))[0]) >= 3


async def test_s118_no_file_of_any_node_holds_a_record_that_was_erased(tmp_path: Path) -> None:
    """The others of the parcel are under the same key: whoever was granted it goes on opening them."""
    async with sharing(tmp_path, *"abcd") as (network, nodes, client):
        sealed = network.sealed_parcel([SECRET, b'{"n":2}'])
        (parcel,) = await share(nodes[0], sealed)
        request = await commit(nodes[2], network.request())
        gone, kept = decode(SealedPayload, decode(Transaction, sealed).payload).bodies
        assert files_with(tmp_path, gone)
        await commit(nodes[0], network.erase(parcel, records=(0,)))
        await until(lambda: all(map(has_erased, nodes)))
        assert files_with(tmp_path, gone) == []
        assert files_with(tmp_path, gone[:32]) == [], "its commitment goes too"
        assert files_with(tmp_path, kept)
        assert len((await answer(client, request, parcel))[0]) >= 3


async def test_s116_a_node_that_was_away_has_no_file_with_it(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    async with running(network, *"abc") as nodes:
        parcel = await shared(nodes[0])
        await commit(nodes[0], network.erase(parcel, records=(0,)))
        await until(lambda: all(map(has_erased, nodes)))
        async with running(network, "d") as (d,):
            await until(lambda: d.height == nodes[0].height)
            assert files_with(d.home.data, SECRET) == []
            package = (await packages_of(d))[2]
            assert [item.payload.places for item in package.erased] == [b"\1"]
            await commit(d, network.parcel([b'{"n":4}']))


async def test_who_was_away_has_no_share_of_an_erased_parcel_to_check(tmp_path: Path) -> None:
    async with sharing(tmp_path, *"abc") as (network, nodes, _):
        erased, _ = await share(nodes[0], network.sealed_parcel([SECRET]), network.sealed_parcel([b'{"n":2}']))
        await commit(nodes[0], network.erase(erased))
        await until(lambda: all(map(has_erased, nodes)))
        async with running(network, "d") as (d,):
            await until(lambda: d.height == nodes[0].height)
            await until(lambda: sample(d, "shares_checked_total", result="good") == 1)
            assert sample(d, "shares_checked_total", result="not_opened") == 0


async def test_the_api_says_that_it_is_erased_and_why(tmp_path: Path) -> None:
    network = Network.create(tmp_path, validators="a", others=())
    async with running(network, "a", api=True) as (a,), httpx.AsyncClient(base_url=a.api_url) as client:
        parcel = await shared(a)
        bodies = [f"records/{parcel.hex()}/0", f"records/{parcel.hex()}/0/raw", f"transactions/{parcel.hex()}/raw"]
        for path in bodies:
            assert (await client.get(f"/v1/{path}")).status_code == 200
        await commit(a, network.erase(parcel))
        for path in bodies:
            response = await client.get(f"/v1/{path}")
            verify_problem(response, 410, ErrorCode.PARCEL_ERASED)
            assert (response.json()["height"], response.json()["legal_basis"]) == (4, "PIPL 47")
        proofs = [f"transactions/{parcel.hex()}", f"transactions/{parcel.hex()}/receipt"]
        for path in proofs:
            assert (await client.get(f"/v1/{path}")).status_code == 200, "what was signed stays"
        erasure = (await client.get(f"/v1/{proofs[0]}")).json()["erasure"]
        assert (erasure["owner"], erasure["height"], erasure["legal_basis"]) == ("a", 4, "PIPL 47")
        missing = await client.get(f"/v1/records/{parcel.hex()}/2")
        verify_problem(missing, 404, ErrorCode.NOT_FOUND)


async def test_who_was_away_catches_up_without_the_payload(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    async with running(network, *"abc") as nodes:
        parcel = await shared(nodes[0])
        await commit(nodes[0], network.erase(parcel))
        await until(lambda: all(map(has_erased, nodes)))
        async with running(network, "d") as (d,):
            await until(lambda: d.height == nodes[0].height)
            assert files_with(d.home.data, SECRET) == []
            assert [package.erased for package in await packages_of(d)] == [
                package.erased for package in await packages_of(nodes[0])
            ]
            await commit(d, network.parcel([b'{"n":4}']))


def bare(package: BlockPackage, erased: tuple[ErasedParcel, ...], **changes: object) -> BlockPackage:
    """The package of a single parcel, its payload held back."""
    transaction = decode(Transaction, package.transactions[0])
    return replace(package, transactions=(encode(replace(transaction, payload=b"")),), erased=erased, **changes)


@pytest.mark.parametrize("proof", ["none", "of another parcel"])
async def test_s57_a_peer_that_holds_payloads_back_is_left_for_the_next_one(tmp_path: Path, proof: str) -> None:
    network = Network.create(tmp_path)
    async with running(network, *"abc") as nodes:
        parcel = await shared(nodes[0])
        await commit(nodes[0], network.erase(parcel))
        await until(lambda: all(map(has_erased, nodes)))
        chain = await packages_of(nodes[0])
    kept = decode(Transaction, chain[1].transactions[0])
    leaves = tuple(record_leaves(network.genesis.chain_id, decode(Records, kept.payload)))
    erased = (ErasedParcel(0, ErasedPayload(len(kept.payload), leaves)),)
    lie = bare(chain[1], erased, erasures=chain[2].erasures if proof == "of another parcel" else None)
    _, opened = open_package(network.genesis.chain_id, lie)
    assert opened[0].absent is not None, "it is refused for the proof alone"
    lying = [chain[0], lie, *chain[2:]]
    liar = ScriptedPeer(network, "c", answering(lambda first: lying[first - 1 :]), height=10**6)
    async with scripted(liar), running(network, "d") as (d,):
        await until(lambda: liar.asked and not d.service.catch_up.is_running)
        assert d.height == 1
        async with running(network, *"ab"):
            await until(lambda: d.height == len(chain))
        location = d.ledger.blocks.location(network.id_of(chain[1].transactions[0]))
        assert location is not None
        assert d.ledger.blocks.transaction(location) == kept


async def test_s57_an_interrupted_erasure_goes_on_at_the_next_start(tmp_path: Path) -> None:
    """Node d commits the erasure and is gone before it has touched any file."""

    network = Network.create(tmp_path)
    async with running(network, *"abcd") as nodes:
        await commit(nodes[0], network.dataset())
        await until(lambda: len({node.height for node in nodes}) == 1)
    async with running(network, *"abd") as (*others, d):  # three of four: d must vote
        parcel = await commit(others[0], network.parcel([SECRET]))
        await until(lambda: d.height == others[0].height)
    async with running(network, *"abc") as nodes:
        erasure = await commit(nodes[0], network.erase(parcel))
        chain = await packages_of(nodes[0], nodes[0].height)
    home = d.home
    ledger = open_recovered(home, resync=False)
    take(ledger, chain[0])
    assert ledger.blocks.location(erasure) is not None
    ledger.close()
    held = files_with(home.data, SECRET)
    assert any("/blocks/" in file for file in held)
    assert any("VOTES-BODIES" in file for file in held)
    async with running(network, "d") as (d,):
        await until(lambda: not d.ledger.blocks.unpurged(1))
        assert files_with(home.data, SECRET) == []


async def test_databases_that_were_set_aside_are_counted_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    network = Network.create(tmp_path, validators="a", others=())
    async with running(network, "a") as (a,):
        parcel = await shared(a)
    (a.home.data / "damaged-20260101-000000").mkdir()
    async with running(network, "a") as (a,):
        assert sample(a, "databases_set_aside") == 1
        await commit(a, network.erase(parcel))
        await until(lambda: has_erased(a))
    left = [record for record in caplog.records if "set aside" in record.message]
    assert len(left) == 1
    assert re.search("damaged-20260101-000000", str(left[0].left))  # type: ignore[attr-defined]
