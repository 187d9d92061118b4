"""A chain on which a little of everything has happened, to be audited in different ways."""

from pathlib import Path

from chain.ledger import Ledger
from chain.storage.head import HeadFile
from chain.storage.level import LevelDatabase
from chain.transactions.base import Transaction
from tests.chain.access_world import ScriptedPolicy, allow
from tests.ledgers import packages_of
from tests.networks import TIME_MS, TestNetwork

STRICTER = '{"type":"object","properties":{"n":{"type":"integer","maximum":10}},"required":["n"]}'


def policy() -> ScriptedPolicy:
    """Runs the chain's one contract."""
    return ScriptedPolicy({"allow": lambda case: allow()})


def open_home(home: Path, network: TestNetwork) -> Ledger:
    """The ledger in a node's home, which is made if it is not there."""
    data = home / "data"
    data.mkdir(parents=True, exist_ok=True)
    (home / "config.toml").write_text("[node]\n")
    blocks, states = LevelDatabase(data / "blocks"), LevelDatabase(data / "state")
    ledger = Ledger(network.genesis, blocks, states, HeadFile(data / "HEAD"), policy())
    ledger.open()
    return ledger


class EventfulChain:
    """Good and bad parcels, a schema that becomes stricter, an expired transaction, an erasure; and then blocks of one
    good and one bad parcel each.

    Args:
        has_contracts: a contract, a sealed parcel and a request are among it.
        blocks_more: how many of the latter.
    """

    def __init__(self, *, has_contracts: bool = True, blocks_more: int = 3) -> None:
        self.network = TestNetwork(has_contracts=has_contracts, has_governance=True, policy=policy())
        self.blocks = [[self.network.dataset(), self.network.dataset(name="plain", schema="")]]
        """Their transactions, from the block at height 1 on."""
        self._happen(has_contracts)
        for number in range(blocks_more):
            self.blocks.append([self.network.parcel([b'{"n":%d}' % (number % 10)]), self.network.parcel([b'{"n":12}'])])
        self.ledger = self.network.ledger()
        self.commit_to(self.ledger, self.blocks)
        self.packages = packages_of(self.ledger)

    def _happen(self, has_contracts: bool) -> None:
        network, blocks = self.network, self.blocks
        kept, erased = network.parcel([b'{"n":1}', b'{"n":2}']), network.parcel([b'{"n":3}', b'{"n":4}', b'{"n":5}'])
        bad, plain = network.parcel([b'{"n":1}', b'{"n":"no"}']), network.parcel([b"\xff"], dataset="a.plain")
        blocks.append([kept, bad, erased, plain])
        in_time, late = network.parcel([b'{"n":11}']), network.parcel([b'{"n":11}'])
        stricter = network.dataset(version=2, schema=STRICTER)
        blocks.append([in_time, stricter, late, network.parcel([b'{"n":7}'])])
        expired = network.parcel([b'{"n":8}'], expiry_ms=TIME_MS)
        blocks.append([network.erase(network.id_of(erased)), expired])
        if has_contracts:
            conditional = network.dataset(name="sealed", sharing="conditional", contract="a.rule")
            blocks[0] += [network.contract("allow"), conditional]
            blocks[2].append(network.sealed_parcel([b'{"n":6}'], dataset="a.sealed"))
            blocks[3].append(network.request(dataset="a.sealed"))

    def commit_to(self, ledger: Ledger, blocks: list[list[Transaction]]) -> None:
        """Let ``blocks`` happen on a ledger, the same on each."""
        for transactions in blocks:
            self.network.commit(ledger, transactions)

    def make_home(self, home: Path, blocks: list[list[Transaction]] | None = None) -> Path:
        """A stopped node's home with this chain, or one of these blocks."""
        ledger = open_home(home, self.network)
        self.commit_to(ledger, self.blocks if blocks is None else blocks)
        ledger.states.flush()
        ledger.close()
        return home
