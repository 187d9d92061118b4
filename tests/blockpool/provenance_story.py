"""A chain in memory on which something was made of something, and read in between."""

from collections.abc import Callable

from msgspec import structs

from blockpool.operations.provenance import provenance
from blockpool.provenance import DEFAULT_BOUNDS, Provenance, ProvenanceBounds
from blockpool.signing import RecordId
from chain.transactions.base import Transaction, sign_transaction
from chain.transactions.parcel import ParcelHeader
from chain.transactions.registry import decode_transaction_header
from tests.blockpool.ledger_node import Body, LedgerNode, Nodes
from tests.chain.access_world import AccessWorld

Change = Callable[[str, Body], Body]


class Story:
    """``c`` shares weather; ``a`` makes sealed flights of it; ``b`` reads flights, and makes delays of one; ``d`` makes
    a report of the delays.
    """

    def __init__(self) -> None:
        self.world = world = AccessWorld()
        network = world.network
        world.accept(
            network.dataset("c", "weather", title_zh="天气", title_en="Weather"),
            network.dataset("b", "delays", title_zh="延误", title_en="Delays"),
            network.dataset("d", "report", title_zh="报告", title_en="Report"),
        )
        (self.weather,) = world.accept(network.parcel([b'{"n":1}', b'{"n":2}'], "c", "c.weather"))
        (self.flights,) = world.accept(self.sealed_from((self.weather, 1)))
        self.request, _ = world.ask(parcels=(self.flights,), purpose="delays by airline")
        (self.read_report,) = world.accept(network.read_report(self.request, [self.flights], record_count=2))
        self.wide, _ = world.ask("c", purpose="statistics")
        (self.delays,) = world.accept(self.made("b", "delays", (self.flights, 0)))
        (self.others,) = world.accept(self.made("b", "delays", (self.flights, 1)))
        (self.report,) = world.accept(self.made("d", "report", (self.delays, 0), (self.weather, 0)))
        self.record = RecordId(self.flights, 0)

    def sealed_from(self, *sources: tuple[bytes, int]) -> Transaction:
        network = self.world.network
        sealed = network.sealed_parcel([b'{"n":1}', b'{"n":2}'])
        header = decode_transaction_header(network.chain_id, sealed.header)
        assert isinstance(header, ParcelHeader)
        return sign_transaction(structs.replace(header, derived_from=sources), network.system["a"], sealed.payload)

    def made(self, member: str, name: str, *sources: tuple[bytes, int]) -> Transaction:
        return self.world.network.parcel(member=member, dataset=f"{member}.{name}", derived_from=sources)

    def nodes(self, *changes: Change) -> Nodes:
        """Nodes that change their answers; an honest one without."""
        ledger = self.world.ledger
        made = [LedgerNode(ledger, change=change) for change in changes] or [LedgerNode(ledger)]
        return Nodes(self.world.network, made)

    def walk(
        self, nodes: Nodes | None = None, record: RecordId | None = None, bounds: ProvenanceBounds = DEFAULT_BOUNDS
    ) -> Provenance:
        nodes = nodes or self.nodes()
        return nodes.run(provenance(nodes.session, record or self.record, bounds))
