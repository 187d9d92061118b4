"""The data folder of a node that took the state from others: an audit says what is missing, and passes once it came."""

from pathlib import Path

from audit.chain import ChainAudit
from audit.sources import open_database
from chain.arrival import Arrival
from chain.errors import ErrorCode
from chain.ledger import Ledger
from chain.proofs.past import SPAN_BLOCKS, read_anchor, read_span, verify_anchor
from chain.proofs.trust import TrustHistory
from chain.state.chunks import read_chunk
from chain.storage.head import HeadFile
from chain.storage.level import LevelDatabase
from tests.chain.past_world import PastWorld, make_past_world
from tests.ledgers import audited, take
from tests.refusals import refuses

ANCHOR = SPAN_BLOCKS


def join(world: PastWorld, data: Path) -> None:
    """Leave the databases of a node that has just joined."""
    source, databases = world.ledger, (LevelDatabase(data / "blocks"), LevelDatabase(data / "state"))
    arrival = Arrival(source.genesis, *databases)
    arrival.open()
    anchor, trust = read_anchor(source.blocks, source.trust, ANCHOR, 0), TrustHistory(source.genesis)
    assert anchor is not None
    verify_anchor(trust, anchor, ANCHOR)
    arrival.begin(anchor, trust)
    view = source.state_at(ANCHOR)
    for stretch in arrival.missing_state():
        arrival.take_chunk(stretch, read_chunk(view.nodes, view.root, stretch.first, stretch.until))
    for piece in arrival.missing_spans():
        span = read_span(source.blocks, ANCHOR, *piece)
        assert span is not None
        arrival.take_span(*piece, span)
    head = HeadFile(data / "HEAD")
    arrival.finish(world.package(ANCHOR), head)
    head.close()
    for database in databases:
        database.close()


def open_joined(world: PastWorld, data: Path) -> Ledger:
    databases = LevelDatabase(data / "blocks"), LevelDatabase(data / "state")
    ledger = Ledger(world.network.genesis, *databases, HeadFile(data / "HEAD"), world.network.policy)
    ledger.open()
    return ledger


def test_s68_an_audit_says_what_is_not_here_and_passes_once_it_is(tmp_path: Path) -> None:
    world = make_past_world()
    join(world, tmp_path)
    with open_database(tmp_path, world.network.genesis) as source:
        assert source.newest == ANCHOR
        audit = ChainAudit(world.network.genesis, world.network.policy)
        with refuses(ErrorCode.NOT_HERE_YET, f"from block {ANCHOR} on", height=1):
            audited(audit, source.blocks(0))
        assert audit.next_height == 1
    ledger = open_joined(world, tmp_path)
    for height in range(1, ANCHOR):
        ledger.fill(ledger.open_past(world.package(height), height))
    ledger.end_past(0)
    take(ledger, world.package(ANCHOR + 1))
    ledger.close()
    with open_database(tmp_path, world.network.genesis) as source:
        report = audited(ChainAudit(world.network.genesis, world.network.policy), source.blocks(0)).report
    assert report.height == ANCHOR + 1
