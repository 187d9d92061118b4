"""Checkpoints on running nodes: cosigned by validators and a witness, passed on over the links, served to everybody."""

from pathlib import Path

import httpx

from chain.errors import ErrorCode
from chain.primitives.encoding import encode
from chain.primitives.keys import load_signer
from chain.proofs.checkpoints import parse_checkpoint, sign_head, trusted_head
from chain.proofs.history import TreeHead, root_at
from chain.proofs.merkle import verify_consistency
from chain.proofs.trust import TrustHistory
from evidence.kinds import verify_any_evidence
from node.frames import FrameKind
from tests.node.cluster import Network, Node, running
from tests.node.link_cluster import until


def keys_of(network: Network) -> TrustHistory:
    genesis = network.genesis
    return TrustHistory(genesis)


def has_cosigned(node: Node, size: int, *members: str) -> bool:
    newest = node.service.checkpoints.newest
    return newest is not None and newest.head.size == size and set(newest.cosigners(members)) == set(members)


async def get(node: Node, path: str, **parameters: int) -> httpx.Response:
    async with httpx.AsyncClient(base_url=node.api_url) as client:
        return await client.get(path, params=parameters)


async def test_validators_and_witness_cosign_a_tip_that_rests_and_every_node_serves_it(tmp_path: Path) -> None:
    network = Network.create(tmp_path, witnesses=("office",))
    keys = keys_of(network)
    assert set(keys.signers_of(1).witnesses) == {"office"}
    async with running(network, *"abcd", "office", "observer", api=True) as nodes:
        await nodes[0].submit(network.dataset())
        for node in nodes:
            await until(lambda node=node: has_cosigned(node, 2, *"abcd", "office"), 30)  # type: ignore[misc]
            answer = await get(node, "/v1/checkpoint", witnesses=1)
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            assert trusted_head(answer.content, keys) == TreeHead(2, root_at(2, node.ledger.blocks.history_node))
        await verify_answers(nodes[0], nodes[-1], keys)
    async with running(network, "office") as (office,):
        assert has_cosigned(office, 2, *"abcd", "office"), "kept over a restart"
        assert office.service.checkpoints._cosigner.last  # type: ignore[union-attr]


async def verify_answers(node: Node, observer: Node, keys: TrustHistory) -> None:
    """What a watcher asks beside the newest checkpoint."""
    assert (await get(node, "/v1/checkpoint", witnesses=2)).json()["code"] == ErrorCode.NOT_FOUND
    assert (await get(node, "/v1/checkpoint", witnesses=1, size=1)).json()["code"] == ErrorCode.BAD_REQUEST
    word = parse_checkpoint((await get(node, "/v1/checkpoint", size=1)).content, keys)
    assert [(item.member, item.size, item.time_s) for item in word.signatures] == [(node.name, 1, None)]
    assert (await get(observer, "/v1/checkpoint", size=1)).json()["detail"] == "this node's member signs no checkpoints"
    proof = (await get(node, "/v1/history/consistency", **{"from": 1, "to": 2})).json()["proof"]
    roots = [root_at(size, node.ledger.blocks.history_node) for size in (1, 2)]
    verify_consistency(1, 2, *roots, [bytes.fromhex(item) for item in proof])


async def test_who_tells_another_history_is_convicted_on_every_node_that_hears_it(tmp_path: Path) -> None:
    network = Network.create(tmp_path, others=())
    async with running(network, *"abcd", api=True) as nodes:
        liar = nodes[3]
        await until(lambda: all(has_cosigned(node, 1, *"abcd") for node in nodes), 30)
        signer = load_signer(network.home("d") / "consensus.pem")
        lie = sign_head(signer, network.genesis.chain_id, "d", TreeHead(1, bytes(32)), 2**40)
        liar.service.links.broadcast(FrameKind.COSIGNATURE, encode(lie))
        for node in nodes[:3]:
            await until(lambda node=node: node.service.misbehaviour.files, 30)  # type: ignore[misc]
            (listed,) = (await get(node, "/v1/misbehaviour")).json()["misbehaviour"]
            assert listed == {"name": "d.checkpoints.1.json", "member": "d", "kind": "checkpoints", "place": 1}
            content = (await get(node, f"/v1/misbehaviour/{listed['name']}")).content
            assert [step.title for step in verify_any_evidence(content, network.trust)][-1] == "contradiction"
        assert (await get(nodes[0], "/v1/misbehaviour/VOTES")).json()["code"] == ErrorCode.NOT_FOUND
