"""A chain that is long enough to be taken without being executed, with everything in it that execution looks up."""

from dataclasses import dataclass, field

from chain.access.decision import CallResult
from chain.ledger import Ledger
from chain.packages import BlockPackage, read_package
from chain.proofs.past import SPAN_BLOCKS
from chain.storage.blocks import Location
from chain.transactions.base import Transaction
from tests.chain.access_world import ScriptedPolicy, allow
from tests.networks import TIME_MS, TestNetwork

BLOCKS = SPAN_BLOCKS + 40
ERASED_AT = SPAN_BLOCKS + 20


@dataclass
class PastWorld:
    """See the module."""

    network: TestNetwork
    ledger: Ledger
    ids: list[bytes] = field(default_factory=list)
    datasets: tuple[str, ...] = ("", "a.open", "a.flights")
    before_erasure: tuple[Location, BlockPackage] = field(init=False)
    """A block before the anchor, as it was before a parcel in it was erased."""

    def package(self, height: int) -> BlockPackage:
        """A block as a node sends it."""
        package = read_package(self.ledger.blocks, height, self.ledger.prove_erasures)
        assert package is not None
        return package

    def transaction(self, id_: bytes) -> Transaction:
        """A transaction that is in the chain."""
        location = self.ledger.blocks.location(id_)
        assert location is not None
        found = self.ledger.blocks.transaction(location)
        assert found is not None
        return found

    @property
    def plain_height(self) -> int:
        """A block before the anchor whose first transaction is an open parcel that is still there."""
        return 9

    def commit(self, *transactions: Transaction) -> None:
        """One more block."""
        self.network.commit(self.ledger, transactions, TIME_MS + 1 + self.ledger.tip.height)
        self.ids += [self.network.id_of(transaction) for transaction in transactions]


def make_past_world() -> PastWorld:
    """A chain of ``BLOCKS`` blocks; some parcels are erased before the anchor, one after it."""
    network = TestNetwork(has_contracts=True, policy=ScriptedPolicy({"allow": _allow}))
    world = PastWorld(network, network.ledger())
    world.commit(
        network.contract("allow"),
        network.dataset(name="open"),
        network.dataset(name="flights", sharing="conditional", contract="a.rule"),
    )
    early = network.parcel([b'{"n":1}'] * 3, dataset="a.open")
    late = network.parcel([b'{"n":2}'] * 2, dataset="a.open")
    sealed = network.sealed_parcel([b'{"n":3}'])
    world.commit(early, late, sealed)
    place = world.ledger.blocks.location(network.id_of(late))
    assert place is not None
    before = world.package(place.height)
    while world.ledger.tip.height < BLOCKS:
        world.commit(*_block(world, network.id_of(early), network.id_of(late), network.id_of(sealed)))
    world.before_erasure = place, BlockPackage(before.block, before.transactions)
    return world


def _block(world: PastWorld, early: bytes, late: bytes, sealed: bytes) -> list[Transaction]:
    network, height = world.network, world.ledger.tip.height + 1
    records = [b'{"n":%d}' % height] * 2
    if height == 50:
        return [network.erase(early, dataset="a.open")]
    if height == ERASED_AT:
        return [network.erase(late, dataset="a.open")]
    match height % 8:
        case 0:
            return [network.request(parcels=(sealed,))]
        case 1:
            return [network.parcel(records, dataset="a.open"), network.parcel(records, member="b", dataset="a.open")]
        case 2:
            return [network.read_report(_newest_request(world), [sealed])]
        case 3:  # made from an old one, and from one that there is not
            sources = (((late, 1),), ((bytes(32), 0),), ((late, 7),))
            return [network.parcel(records, dataset="a.open", derived_from=source) for source in sources]
        case _:
            return [network.parcel(records, dataset="a.open")]


def _newest_request(world: PastWorld) -> bytes:
    places = world.ledger.blocks.read_transactions("a.flights", None, 9999)
    requests = [world.ledger.outcome_at(place) for place in places]
    return next(outcome.transaction_id for outcome in reversed(requests) if outcome.verdict is not None)


def _allow(_case: object) -> CallResult:
    return allow()
