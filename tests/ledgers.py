"""Ledgers in memory, and what their blocks are when other nodes and auditors take them."""

from collections.abc import Iterable

from audit.chain import ChainAudit
from chain.access.policy import AccessPolicy
from chain.genesis import Genesis
from chain.ledger import Ledger
from chain.packages import BlockPackage, open_package, read_package
from chain.storage.database import MemoryDatabase
from chain.storage.head import MemoryHead


def memory_ledger(
    genesis: Genesis,
    policy: AccessPolicy | None = None,
    blocks: MemoryDatabase | None = None,
    head: MemoryHead | None = None,
) -> Ledger:
    """A ledger in memory; one with a state of its own, to execute again, on blocks and a HEAD that are there."""
    ledger = Ledger(genesis, blocks or MemoryDatabase(), MemoryDatabase(), head or MemoryHead(), policy)
    ledger.open()
    return ledger


def packages_of(ledger: Ledger, first_height: int = 0) -> list[BlockPackage]:
    """All blocks with their transactions."""
    found = []
    for height in range(first_height, ledger.tip.height + 1):
        package = read_package(ledger.blocks, height, ledger.prove_erasures)
        assert package is not None, height
        found.append(package)
    return found


def take(ledger: Ledger, package: BlockPackage, *, durable: bool = True) -> None:
    """Verify and commit a block from elsewhere."""
    block, transactions = open_package(ledger.chain_id, package)
    assert block.certificate is not None
    ledger.commit(ledger.check_certified(block, transactions), block.certificate, durable=durable)


def caught_up(source: Ledger, policy: AccessPolicy | None = None) -> Ledger:
    """A node that begins now and takes all blocks of ``source``, verified and executed one by one."""
    ledger = memory_ledger(source.genesis, policy)
    for package in packages_of(source, 1):
        take(ledger, package)
    return ledger


def audited(auditor: ChainAudit, packages: Iterable[BlockPackage]) -> ChainAudit:
    """An audit after these blocks."""
    for package in packages:
        auditor.add(package)
    return auditor
