"""Checkpoints on running nodes: cosigned without a leader, kept over restarts, and refused to whoever tells another
history.
"""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import uvloop

from chain.checkpoints import CheckpointKeys, Cosignature, parse_checkpoint, sign_head, trusted_head
from chain.encoding import encode
from chain.errors import ErrorCode, PoolError
from chain.history import TreeHead, consistency_proof, root_at
from chain.keys import load_signer
from chain.merkle import verify_consistency
from evidence.misbehaviour import MisbehaviourEvidence
from node.checkpoints import Checkpoints
from node.frames import FrameKind
from tests.node.cluster import Network, Node, running
from tests.node.link_cluster import until


def keys_of(network: Network) -> CheckpointKeys:
    genesis = network.genesis
    return CheckpointKeys(genesis.chain_id, genesis.validators, genesis.members)


def has_cosigned(node: Node, size: int, *members: str) -> bool:
    newest = node.service.checkpoints.newest
    return newest is not None and newest.head.size == size and set(newest.cosigners(members)) == set(members)


async def get(node: Node, path: str, **parameters: int) -> httpx.Response:
    async with httpx.AsyncClient(base_url=node.api_url) as client:
        return await client.get(path, params=parameters)


def test_validators_and_witness_cosign_a_tip_that_rests_and_every_node_serves_it(tmp_path: Path) -> None:
    async def main() -> None:
        network = Network.create(tmp_path, witnesses=("office",))
        async with running(network, *"abcd", "office", "observer", api=True) as nodes:
            await nodes[0].submit(network.dataset())
            for node in nodes:
                await until(lambda node=node: has_cosigned(node, 2, *"abcd", "office"))  # type: ignore[misc]
            keys = keys_of(network)
            for node in nodes:
                answer = await get(node, "/v1/checkpoint", witnesses=1)
                assert answer.headers["content-type"] == "text/plain; charset=utf-8"
                assert trusted_head(answer.content, keys) == TreeHead(2, root_at(2, node.ledger.blocks.history_node))
            assert (await get(nodes[0], "/v1/checkpoint", witnesses=2)).json()["code"] == ErrorCode.NOT_FOUND
            proof = (await get(nodes[0], "/v1/history/consistency", **{"from": 1, "to": 2})).json()["proof"]
            roots = [root_at(size, nodes[0].ledger.blocks.history_node) for size in (1, 2)]
            verify_consistency(1, 2, *roots, [bytes.fromhex(item) for item in proof])

    uvloop.run(main())
