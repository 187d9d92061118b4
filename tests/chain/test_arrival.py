"""A chain that arrives from others: the same roots afterwards, nothing wrong is taken, and what is missing is said."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from msgspec.structs import replace

from chain.arrival import Arrival, Stretch
from chain.blocks import Block, Certificate, Outcome
from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.packages import BlockPackage, read_package
from chain.primitives.encoding import decode, encode
from chain.proofs import past
from chain.proofs.past import SPAN_BLOCKS, Anchor, PastContent, Span, read_anchor, read_span, verify_anchor
from chain.proofs.trust import TrustHistory
from chain.state.chunks import FIRST_PLACE, LAST_PLACE, StateChunk, read_chunk
from chain.state.tree import EMPTY
from chain.storage.database import MemoryDatabase
from chain.storage.head import MemoryHead
from chain.transactions.base import Transaction
from tests.chain.past_world import BLOCKS, PastWorld, make_past_world
from tests.ledgers import take
from tests.networks import TIME_MS, TestNetwork
from tests.refusals import refuses
from tests.rules import NEXT, use_changing_rules

ANCHOR = SPAN_BLOCKS


@contextmanager
def refused(*codes: ErrorCode) -> Iterator[None]:
    """One of several: which of them depends on what is looked at first."""
    with pytest.raises(PoolError) as caught:
        yield
    assert caught.value.code in codes, caught.value


@pytest.fixture(scope="module")
def world() -> PastWorld:
    return make_past_world()


class Receiving:
    """A node that takes a chain from one that has all of it."""

    def __init__(self, source: Ledger, height: int = ANCHOR) -> None:
        self.source = source
        self.blocks, self.states, self.head = MemoryDatabase(), MemoryDatabase(), MemoryHead()
        self.arrival = Arrival(source.genesis, self.blocks, self.states)
        self.arrival.open()
        self.height = height

    @property
    def anchor(self) -> Anchor:
        found = read_anchor(self.source.blocks, self.source.trust, self.height, 0)
        assert found is not None
        return found

    def begin(self) -> None:
        trust = TrustHistory(self.source.genesis)
        verify_anchor(trust, self.anchor, self.height)
        self.arrival.begin(self.anchor, trust)

    def chunk(self, stretch: Stretch) -> StateChunk:
        view = self.source.state_at(self.height)
        return read_chunk(view.nodes, view.root, stretch.first, stretch.until)

    def span(self, first: int, offset: int) -> Span:
        found = read_span(self.source.blocks, self.height, first, offset)
        assert found is not None
        return found

    def take_all(self) -> None:
        while missing := self.arrival.missing_state():
            self.arrival.take_chunk(missing[-1], self.chunk(missing[-1]))
        while spans := self.arrival.missing_spans():
            self.arrival.take_span(*spans[-1], self.span(*spans[-1]))

    def package(self, height: int) -> BlockPackage:
        found = read_package(self.source.blocks, height, self.source.prove_erasures)
        assert found is not None
        return found

    def finish(self) -> None:
        self.arrival.finish(self.package(self.height), self.head)

    def open(self) -> Ledger:
        ledger = Ledger(self.source.genesis, self.blocks, self.states, self.head, self.policy)
        ledger.open()
        return ledger

    policy = None


def joined(world: PastWorld) -> Ledger:
    node = Receiving(world.ledger)
    node.policy = world.network.policy  # type: ignore[assignment]
    node.begin()
    node.take_all()
    node.finish()
    return node.open()


def test_s68_a_node_that_took_the_state_goes_on_as_all_others(world: PastWorld) -> None:
    """Every later block is verified and executed, parcels and duplicates of the past among them: the same roots."""
    ledger = joined(world)
    assert (ledger.tip.height, ledger.tip.block_hash) == (ANCHOR, world.ledger.header_at(ANCHOR + 1).parent_hash)
    for height in range(ANCHOR + 1, BLOCKS + 1):
        take(ledger, world.package(height))
    assert ledger.tip.block_hash == world.ledger.tip.block_hash
    assert ledger.tip.header.state_root == world.ledger.tip.header.state_root
    keys = world.ledger.states.keys(b"")
    assert {key: ledger.state_proof(key) for key in keys} == {key: world.ledger.state_proof(key) for key in keys}
    assert ledger.states.keys(b"dataset/") == world.ledger.states.keys(b"dataset/")


def test_s68_all_that_execution_looks_up_is_there(world: PastWorld) -> None:
    ledger = joined(world)
    for id_ in world.ids:
        location = world.ledger.blocks.location(id_)
        assert location is not None
        if location.height <= ANCHOR:
            assert ledger.blocks.location(id_) == location
            assert ledger.blocks.parcel(id_, ANCHOR) == world.ledger.blocks.parcel(id_, ANCHOR)
    old = world.network.checked(world.transaction(world.ids[5]))
    executed = ledger.execute([old], TIME_MS + BLOCKS, "a")
    with refuses(ErrorCode.BAD_BLOCK):
        ledger.check(executed.proposal, [old], None)


def test_s68_what_is_not_here_yet_is_said(world: PastWorld) -> None:
    ledger = joined(world)
    assert ledger.blocks.anchor_height == ANCHOR
    assert ledger.header_at(ANCHOR // 2) == world.ledger.header_at(ANCHOR // 2)
    reads: list[Callable[[int], object]] = [ledger.block_at, ledger.final_header_at, ledger.receipts_of]
    for read in [*reads, ledger.state_at, ledger.verify_here]:
        with refuses(ErrorCode.NOT_HERE_YET):
            read(ANCHOR - 1)
        if read != ledger.state_at:
            read(ANCHOR)
    assert ledger.state_at(ANCHOR).get(b"protocol") == world.ledger.state_at(ANCHOR).get(b"protocol")
    assert read_package(ledger.blocks, ANCHOR - 1) is None
    assert read_package(ledger.blocks, ANCHOR) == read_package(world.ledger.blocks, ANCHOR)
    assert read_span(ledger.blocks, ANCHOR, 0, 0) is None


def test_s68_the_past_becomes_whole(world: PastWorld) -> None:
    ledger = joined(world)
    for height in range(ANCHOR + 1, BLOCKS + 1):
        take(ledger, world.package(height))
    while height := ledger.blocks.past_height:
        ledger.fill(ledger.open_past(world.package(height), height))
        ledger.end_past(height - 1)
    for height in range(BLOCKS + 1):
        assert read_package(ledger.blocks, height) == read_package(world.ledger.blocks, height), height
        assert ledger.block_at(height) == world.ledger.block_at(height)
    for dataset in world.datasets:
        assert ledger.blocks.parcels(dataset, None, 9999) == world.ledger.blocks.parcels(dataset, None, 9999)
        reads = ledger.blocks.read_transactions(dataset, None, 9999)
        assert reads == world.ledger.blocks.read_transactions(dataset, None, 9999)
    with refuses(ErrorCode.NOT_HERE_YET):
        ledger.state_at(ANCHOR - 1)
    assert read_span(ledger.blocks, ANCHOR, 0, 0) == read_span(world.ledger.blocks, ANCHOR, 0, 0)


def test_s68_a_payload_that_was_erased_meanwhile_does_not_come_back(world: PastWorld) -> None:
    """A peer that is behind sends the payload still: the parcel is kept without."""
    ledger = joined(world)
    for height in range(ANCHOR + 1, BLOCKS + 1):
        take(ledger, world.package(height))
    place, package = world.before_erasure
    assert place.height < ANCHOR
    ledger.fill(ledger.open_past(package, place.height))
    stored, kept = ledger.blocks.transaction(place), ledger.blocks.erased_payload(place)
    assert stored is not None
    assert stored.payload == b""
    assert kept == world.ledger.blocks.erased_payload(place)


def test_s68_it_goes_on_after_a_stop_at_every_piece(world: PastWorld) -> None:
    node, pieces = Receiving(world.ledger), 0
    node.begin()

    def again() -> Arrival:
        arrival = Arrival(world.network.genesis, node.blocks, node.states)
        arrival.open()
        return arrival

    while not (arrival := again()).has_everything:
        pieces += 1
        before = arrival.share_done
        if missing := arrival.missing_state():
            arrival.take_chunk(missing[0], node.chunk(missing[0]))
        else:
            arrival.take_span(*arrival.missing_spans()[0], node.span(*arrival.missing_spans()[0]))
        assert again().share_done > before
    assert pieces >= 17
    again().finish(node.package(ANCHOR), node.head)
    assert Ledger(world.network.genesis, node.blocks, node.states, node.head).blocks.past_height == ANCHOR - 1


def test_s68_one_piece_from_two_peers_is_taken_once(world: PastWorld) -> None:
    node = Receiving(world.ledger)
    node.begin()
    stretch = node.arrival.missing_state()[0]
    chunk, span = node.chunk(stretch), node.span(0, 0)
    for _ in range(2):
        node.arrival.take_chunk(stretch, chunk)
        node.arrival.take_span(0, 0, span)
    node.take_all()
    node.finish()
    assert node.open().tip.height == ANCHOR


def test_s68_a_large_span_comes_in_several(world: PastWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "SPAN_BYTES", 10_000)
    node, replies = Receiving(world.ledger), 0
    node.begin()
    while spans := node.arrival.missing_spans():
        node.arrival.take_span(*spans[0], node.span(*spans[0]))
        replies += 1
    assert replies > 3
    node.take_all()
    node.finish()
    assert node.open().tip.height == ANCHOR


def another_vote(anchor: Anchor) -> Anchor:
    (name, _), *others = anchor.certificate.votes
    return replace(anchor, certificate=replace(anchor.certificate, votes=((name, bytes(64)), *others)))


def below_quorum(anchor: Anchor) -> Anchor:
    return replace(anchor, certificate=replace(anchor.certificate, votes=anchor.certificate.votes[:2]))


def other_peaks(anchor: Anchor) -> Anchor:
    return replace(anchor, peaks=(bytes(32),))


def more_peaks(anchor: Anchor) -> Anchor:
    return replace(anchor, peaks=(*anchor.peaks, bytes(32)))


@pytest.mark.parametrize("spoil", [another_vote, below_quorum, other_peaks, more_peaks])
def test_s68_a_spoilt_anchor_is_refused(world: PastWorld, spoil: Callable[[Anchor], Anchor]) -> None:
    node = Receiving(world.ledger)
    with refused(ErrorCode.BAD_PROOF, ErrorCode.BAD_CERTIFICATE):
        verify_anchor(TrustHistory(world.network.genesis), spoil(node.anchor), ANCHOR)


def test_s68_an_anchor_at_another_height_is_refused(world: PastWorld) -> None:
    with refuses(ErrorCode.BAD_BLOCK):
        verify_anchor(TrustHistory(world.network.genesis), Receiving(world.ledger).anchor, ANCHOR + SPAN_BLOCKS)


def content_of(span: Span, at: int) -> PastContent:
    return span.contents[at]


def with_content(span: Span, at: int, content: PastContent) -> Span:
    return replace(span, contents=(*span.contents[:at], content, *span.contents[at + 1 :]))


def accepted(span: Span) -> Span:
    """A refused transaction is said to have taken effect."""
    for at, content in enumerate(span.contents):
        outcomes = decode(tuple[Outcome, ...], content.outcomes)
        for place, outcome in enumerate(outcomes):
            if not outcome.is_ok:
                lie = (*outcomes[:place], Outcome(outcome.transaction_id, "ok", (), 0), *outcomes[place + 1 :])
                return with_content(span, at, replace(content, outcomes=encode(lie)))
    raise AssertionError("no transaction was refused")


def other_header(span: Span) -> Span:
    return with_content(span, 5, replace(span.contents[5], headers=span.contents[6].headers))


def header_left_out(span: Span) -> Span:
    return with_content(span, 5, replace(span.contents[5], headers=span.contents[5].headers[1:]))


def both_left_out(span: Span) -> Span:
    return with_content(span, 5, PastContent(encode(()), ()))


def exchanged(span: Span) -> Span:
    return replace(span, headers=(span.headers[1], span.headers[0], *span.headers[2:]))


def altered_header(span: Span) -> Span:
    header = span.headers[9]
    return replace(span, headers=(*span.headers[:9], header[:-1] + bytes([header[-1] ^ 1]), *span.headers[10:]))


def longer_path(span: Span) -> Span:
    return replace(span, path=(*span.path, bytes(32)))


def short(span: Span) -> Span:
    """As a peer that drips would have it."""
    return replace(span, contents=span.contents[:3])


SPOILT_SPANS = [accepted, other_header, header_left_out, both_left_out, exchanged, altered_header, longer_path, short]


@pytest.mark.parametrize("spoil", SPOILT_SPANS)
def test_s68_a_spoilt_span_is_refused(world: PastWorld, spoil: Callable[[Span], Span]) -> None:
    node = Receiving(world.ledger)
    node.begin()
    before = node.arrival.missing_spans()
    with refused(ErrorCode.BAD_PROOF, ErrorCode.BAD_BLOCK, ErrorCode.MALFORMED):
        node.arrival.take_span(0, 0, spoil(node.span(0, 0)))
    assert node.arrival.missing_spans() == before


def test_s68_a_spoilt_chunk_leaves_no_trace(world: PastWorld) -> None:
    node = Receiving(world.ledger)
    node.begin()
    stretch = next(item for item in node.arrival.missing_state() if node.chunk(item).entries)
    chunk = node.chunk(stretch)
    (key, value), *others = chunk.entries
    with refuses(ErrorCode.BAD_PROOF):
        node.arrival.take_chunk(stretch, replace(chunk, entries=((key, value + b"!"), *others)))
    with refuses(ErrorCode.BAD_PROOF):
        node.arrival.take_chunk(Stretch(0, FIRST_PLACE, LAST_PLACE), chunk)
    assert stretch in node.arrival.missing_state()
    arriving = node.arrival.states.arriving()
    assert arriving is not None
    assert arriving.root == EMPTY


REFUSALS_OF_BLOCKS = (
    ErrorCode.BAD_CERTIFICATE,
    ErrorCode.BAD_BLOCK,
    ErrorCode.BAD_SIGNATURE,
    ErrorCode.PAYLOAD_MISMATCH,
    ErrorCode.MALFORMED,
)


def without_vote(package: BlockPackage) -> BlockPackage:
    block = decode(Block, package.block)
    assert isinstance(block.certificate, Certificate)
    votes = block.certificate.votes[:2]
    return replace(package, block=encode(replace(block, certificate=replace(block.certificate, votes=votes))))


def other_outcomes(package: BlockPackage) -> BlockPackage:
    block = decode(Block, package.block)
    lie = replace(block.outcomes[0], code="expired" if block.outcomes[0].is_ok else "ok", facts=(), verdict=None)
    return replace(package, block=encode(replace(block, outcomes=(lie, *block.outcomes[1:]))))


def other_signature(package: BlockPackage) -> BlockPackage:
    first = package.transactions[0]
    header_end = first.index(b"\xc4\x40") + 2
    spoilt = first[:header_end] + bytes([first[header_end] ^ 1]) + first[header_end + 1 :]
    return replace(package, transactions=(spoilt, *package.transactions[1:]))


def other_payload(package: BlockPackage) -> BlockPackage:
    first = package.transactions[0]
    return replace(package, transactions=(first[:-1] + bytes([first[-1] ^ 1]), *package.transactions[1:]))


@pytest.mark.parametrize("spoil", [without_vote, other_outcomes, other_signature, other_payload])
def test_s68_a_spoilt_block_of_the_past_is_refused(
    world: PastWorld, spoil: Callable[[BlockPackage], BlockPackage]
) -> None:
    ledger, height = joined(world), world.plain_height
    package = world.package(height)
    with refused(*REFUSALS_OF_BLOCKS):
        ledger.fill(ledger.open_past(spoil(package), height))
    with refuses(ErrorCode.BAD_BLOCK):
        ledger.fill(ledger.open_past(package, height + 1))
    assert ledger.blocks.transaction_heads(height) == []
    ledger.fill(ledger.open_past(package, height))
    assert len(ledger.blocks.transaction_heads(height)) == len(package.transactions)


def test_s68_a_lost_state_is_damage_that_only_others_can_repair(world: PastWorld) -> None:
    node = Receiving(world.ledger)
    node.begin()
    node.take_all()
    node.finish()
    node.states.clear()
    with refuses(ErrorCode.DATABASE_DAMAGED):
        node.open()


def test_s68_nothing_is_finished_before_all_is_here(world: PastWorld) -> None:
    node = Receiving(world.ledger)
    node.begin()
    with refuses(ErrorCode.NOT_READY):
        node.finish()
    assert node.head.read() is None


def test_s68_a_start_checks_what_is_here(world: PastWorld) -> None:
    """After more blocks, the ones that are checked at a start reach into the past that is not whole."""
    node = Receiving(world.ledger)
    node.policy = world.network.policy  # type: ignore[assignment]
    node.begin()
    node.take_all()
    node.finish()
    ledger = node.open()
    for height in range(ANCHOR + 1, ANCHOR + 6):
        take(ledger, world.package(height))
    assert node.open().tip.height == ANCHOR + 5


def heights() -> Iterator[int]:
    yield from range(SPAN_BLOCKS, 20 * SPAN_BLOCKS, SPAN_BLOCKS)


def test_s68_every_span_is_under_one_peak() -> None:
    for height in heights():
        for first in range(0, height, SPAN_BLOCKS):
            assert past._peak_level(height, first) >= past.SPAN_LEVEL
        with pytest.raises(PoolError):
            past._peak_level(height, height)


def test_s68_a_chain_whose_validators_and_rules_change_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """One change lies before the anchor, one is the anchor's own: the next block follows other rules."""
    use_changing_rules(monkeypatch)
    network = TestNetwork()
    source = network.ledger()

    def commit(transaction: Transaction) -> None:
        executed = source.execute([network.checked(transaction)], TIME_MS + 1 + source.tip.height, "a")
        names = source.validators.names[: source.validators.quorum]
        source.commit(executed, network.certify(executed, signers=names))

    commit(network.dataset())
    commit(network.dataset(name="x", legal_basis="without c"))
    while source.tip.height < ANCHOR - 1:
        commit(network.parcel([b'{"n":%d}' % source.tip.height]))
    commit(network.dataset(name="y", legal_basis=f"version {NEXT}"))
    assert source.tip.height == ANCHOR
    commit(network.parcel([b'{"n":1}']))
    node = Receiving(source)
    assert len(node.anchor.handovers) == 1
    node.begin()
    node.take_all()
    node.finish()
    ledger = node.open()
    assert ledger.validators.names == ("a", "b", "d")
    assert ledger.rules.version == NEXT
    assert ledger.trust.handovers_until(ANCHOR + 1) == source.trust.handovers_until(ANCHOR + 1)
    package = read_package(source.blocks, ANCHOR + 1)
    assert package is not None
    take(ledger, package)
    assert ledger.tip.block_hash == source.tip.block_hash
    first = read_package(source.blocks, 1)
    assert first is not None
    ledger.fill(ledger.open_past(first, 1))  # of the first set
