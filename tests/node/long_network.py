"""A network whose chain is long enough to be joined by its state: made in one process, then copied into the homes."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from chain.blocks import Certificate, commit_message
from chain.ledger import Ledger
from chain.primitives.keys import load_signer
from chain.proofs.past import SPAN_BLOCKS
from chain.storage.head import HeadFile
from chain.storage.level import LevelDatabase
from chain.storage.votes import VoteFile
from chain.transactions.base import verify_payload
from chain.transactions.registry import decode_transaction
from tests.node.cluster import Network

ANCHOR = SPAN_BLOCKS
BLOCKS = SPAN_BLOCKS + 90


@dataclass
class LongNetwork:
    """A network of which ``a``, ``b`` and ``c`` have the chain; ``d`` and the observer have nothing."""

    network: Network
    ids: list[bytes]

    def copy_to(self, folder: Path) -> "LongNetwork":
        """The same in another folder, to be run there."""
        shutil.copytree(self.network.folder, folder)
        return LongNetwork(replace(self.network, folder=folder), self.ids)

    def configure(self, name: str, settings: str) -> None:
        """Add to a node's configuration."""
        path = self.network.home(name) / "config.toml"
        path.write_text(f"{path.read_text()}\n{settings}\n")


def make_long_network(folder: Path, blocks: int = BLOCKS) -> LongNetwork:
    """A chain of so many blocks, each with a parcel. A node that is 100 blocks behind takes the state."""
    network = Network.create(folder)
    ids = _build(network, network.home("a") / "data", blocks)
    for name in "bc":
        shutil.copytree(network.home("a") / "data", network.home(name) / "data", dirs_exist_ok=True)
    long = LongNetwork(network, ids)
    for name in "abc":
        VoteFile(network.home(name) / "data" / "VOTES").close()  # without it they would be on probation
    for name in [*"abcd", "observer"]:
        long.configure(name, "[sync]\nstate_from_blocks = 100")
    return long


def _build(network: Network, data: Path, blocks: int) -> list[bytes]:
    signers = {name: load_signer(network.home(name) / "consensus.pem") for name in "abc"}
    data.mkdir(exist_ok=True)
    ledger = Ledger(
        network.genesis, LevelDatabase(data / "blocks"), LevelDatabase(data / "state"), HeadFile(data / "HEAD")
    )
    ledger.open()
    time_ms, ids = ledger.tip.header.time_ms, []
    for number in range(blocks):
        transaction = network.dataset() if number == 0 else network.parcel([b'{"n":%d}' % number])
        checked = decode_transaction(network.chain_id, transaction)
        verify_payload(checked)
        ids.append(checked.id)
        executed = ledger.execute([checked], time_ms + number, "a")
        message = commit_message(network.chain_id, executed.header.height, 0, executed.block_hash)
        votes = tuple((name, signer.sign(message)) for name, signer in signers.items())
        certificate = Certificate(executed.header.height, 0, executed.block_hash, votes)
        ledger.commit(executed, certificate, durable=False)
    ledger.make_durable()
    ledger.close()
    return ids
