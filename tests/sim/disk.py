"""What survives a crash of a simulated node: exactly what was persisted before it."""

from __future__ import annotations

from chain.blocks import Certificate, Proposal
from consensus.replica import Tip
from tests.consensus.support import genesis_tip

StoredBlock = tuple[Proposal, Certificate]


class Disk:
    """The consensus memory and the blocks of one node; every write is durable when it returns."""

    def __init__(self, size: int) -> None:
        self.memory: dict[bytes, bytes] = {}
        self.blocks: list[StoredBlock] = []
        self._genesis = genesis_tip(size)

    @property
    def height(self) -> int:
        """Height of the last block."""
        return len(self.blocks)

    @property
    def tip(self) -> Tip:
        """The last block, as the core wants it."""
        if not self.blocks:
            return self._genesis
        certificate = self.blocks[-1][1]
        return Tip(certificate.height, certificate.block_hash, certificate, self._genesis.validators)

    def append(self, proposal: Proposal, certificate: Certificate) -> None:
        """Store the next block."""
        if certificate.height != self.height + 1:
            raise ValueError(f"block {certificate.height} does not follow {self.height}")
        self.blocks.append((proposal, certificate))
