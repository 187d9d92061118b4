"""A validator that votes twice is convicted by a file on every node that has heard both votes."""

from pathlib import Path

from chain.blocks import commit_message
from chain.primitives.keys import load_signer
from consensus.messages import Commit, encode_message
from evidence.kinds import verify_any_evidence
from node.frames import FrameKind
from tests.node.cluster import Network, running
from tests.node.link_cluster import until


async def test_two_votes_of_one_validator_are_kept_as_evidence_over_a_restart(tmp_path: Path) -> None:
    network = Network.create(tmp_path, others=())
    chain_id = network.genesis.chain_id
    signer = load_signer(network.home("d") / "consensus.pem")
    async with running(network, *"abcd") as nodes:
        await nodes[0].submit(network.dataset())
        await until(lambda: {node.height for node in nodes} == {1})
        for hash_ in (b"\x01" * 32, b"\x02" * 32):
            signature = signer.sign(commit_message(chain_id, 2, 0, hash_))
            message = encode_message(Commit(2, 0, hash_, "d", signature))
            nodes[3].service.links.broadcast(FrameKind.CONSENSUS, message, urgent=True)
        await until(lambda: all(node.service.misbehaviour.files for node in nodes[:3]))
        assert not nodes[3].service.misbehaviour.files
        assert (await nodes[0].submit(network.parcel())).index == 0, "one liar stops nobody"
    async with running(network, "a") as (node,):
        (file,) = node.service.misbehaviour.files
        assert (file.name, file.member, file.kind, file.place) == ("d.votes.2.json", "d", "votes", 2)
        steps = list(verify_any_evidence(node.service.misbehaviour.read(file.name), network.trust))
        assert [step.detail for step in steps][-1] == "no honest validator signs both"
