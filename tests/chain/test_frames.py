"""Frames: a database with compressed old entries answers as one without, and loses nothing on the way."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import ClassVar
from unittest import mock

import pytest

from chain.errors import ErrorCode
from chain.ledger import Ledger
from chain.state.entries import dataset_totals_key
from chain.storage import blocks as block_store
from chain.storage import frames
from chain.storage.blocks import BlockStore, Location
from chain.storage.database import MemoryDatabase, Write
from chain.storage.frames import FramedDatabase
from chain.storage.head import HeadFile
from chain.storage.level import LevelDatabase
from tests.ledgers import packages_of
from tests.networks import TIME_MS, TestNetwork
from tests.refusals import refuses

LENGTHS = {b"b": 8, b"p": 12}


@pytest.fixture(autouse=True)
def small() -> Iterator[None]:
    """Frames and slices of a few entries, and hardly a hot block."""
    with (
        mock.patch.object(frames, "FRAME_BYTES", 200),
        mock.patch.object(frames, "_SLICE_BLOCKS", 7),
        mock.patch.object(block_store, "HOT_BLOCKS", 3),
    ):
        yield


def key(kind: bytes, height: int, *index: int) -> bytes:
    return kind + height.to_bytes(8, "big") + b"".join(number.to_bytes(4, "big") for number in index)


def block(random: Random, height: int) -> list[Write]:
    payloads = [
        (key(b"p", height, index), random.randbytes(random.randrange(40))) for index in range(random.randrange(4))
    ]
    return [(key(b"b", height), random.randbytes(30)), (b"i" + random.randbytes(8), b"index"), *payloads]


def same(framed: FramedDatabase, plain: MemoryDatabase, random: Random, height: int) -> None:
    """Whether both answer the same."""
    everything = list(plain.scan(b"", b"\xff"))
    for found, value in random.sample(everything, min(20, len(everything))):
        assert framed.get(found) == value
    for _ in range(10):
        kind = random.choice([b"b", b"p"])
        first, last = sorted(random.choices(range(height + 2), k=2))
        start = key(kind, first) if random.random() < 0.5 else key(kind, first, *[random.randrange(4)] * (kind == b"p"))
        for reverse in (False, True):
            stop = random.choice([key(kind, last), kind + b"\xff"])
            assert list(framed.scan(start, stop, reverse=reverse)) == list(plain.scan(start, stop, reverse=reverse))
        absent = key(kind, first, *[9] * (kind == b"p")) + b"" if kind == b"p" else key(kind, height + 5)
        assert framed.get(absent) is None
    assert list(framed.scan(b"b", b"c", reverse=True)) == list(plain.scan(b"b", b"c", reverse=True))


@pytest.mark.parametrize("seed", range(12))
def test_s67_it_answers_as_a_database_without_frames(seed: int) -> None:
    random, base, plain = Random(seed), MemoryDatabase(), MemoryDatabase()
    framed = FramedDatabase(base, LENGTHS)
    for height in range(60):
        batch = block(random, height)
        framed.write(batch, sync=False)
        plain.write(batch, sync=False)
        there = [found for found, _ in plain.scan(b"p", b"q")]
        if there and random.random() < 0.3:
            gone = random.choice(there)
            changes: list[Write] = [(gone, None), (b"e" + gone[1:], b"what stays")]
            framed.write(changes, sync=False)
            plain.write(changes, sync=False)
            if random.random() < 0.3:
                back: list[Write] = [(b"e" + gone[1:], None), (gone, b"back")]
                framed.write(back, sync=False)
                plain.write(back, sync=False)
        if random.random() < 0.3:
            framed.freeze(height - 3, lambda first, last: [])
        if random.random() < 0.1:
            framed = FramedDatabase(base, LENGTHS)
        same(framed, plain, random, height)
    assert framed.frozen_height > 20
    assert len(list(base.scan(b"z", b"{"))) > 10


def chain(network: TestNetwork, path: Path, count: int = 24) -> Ledger:
    ledger = opened(network, path)
    network.commit(ledger, [network.dataset()])
    for number in range(1, count):
        parcels = [network.parcel([b'{"n":%d}' % (10 * number + index)]) for index in range(1 + number % 3)]
        network.commit(ledger, parcels, TIME_MS + number)
    return ledger


def opened(network: TestNetwork, path: Path) -> Ledger:
    engines = LevelDatabase(path / "blocks"), LevelDatabase(path / "state")
    ledger = Ledger(network.genesis, *engines, HeadFile(path / "HEAD"))
    ledger.open()
    return ledger


def answers(ledger: Ledger) -> list[object]:
    blocks, heights = ledger.blocks, range(1, ledger.tip.height + 1)
    return [
        packages_of(ledger),
        [ledger.final_header_at(height) for height in heights],
        [blocks.history_node(0, height) for height in heights],
        [ledger.header_at(height).history_root for height in heights],
        [ledger.state_proof(dataset_totals_key("a.flights"), height) for height in heights],
        [ledger.receipts_of(height).receipt(0) for height in heights],
        list(blocks.changes(1, ledger.tip.height)),
        [blocks.transaction(Location(height, 0)) for height in heights],
        blocks.last_height(),
    ]


def frozen(ledger: Ledger) -> Ledger:
    while ledger.blocks.freeze():
        pass
    return ledger


def test_s67_a_chain_in_frames_answers_as_before(network: TestNetwork, tmp_path: Path) -> None:
    ledger = chain(network, tmp_path)
    before = answers(ledger)
    assert ledger.blocks.freeze(), "one slice is not all"
    assert answers(ledger) == before
    assert answers(frozen(ledger)) == before
    assert ledger.blocks.frozen_height == ledger.tip.height - 3
    ledger.blocks.compact(1, ledger.blocks.frozen_height)
    ledger.close()
    again = opened(network, tmp_path)
    assert answers(again) == before
    network.commit(again, [network.parcel([b'{"n":7}'])], TIME_MS + 100)
    again.close()


def test_s67_a_lost_state_is_made_again_from_frames(network: TestNetwork, tmp_path: Path) -> None:
    ledger = frozen(chain(network, tmp_path))
    tip = ledger.tip
    ledger.close()
    engine = LevelDatabase(tmp_path / "blocks")
    again = Ledger(network.genesis, engine, MemoryDatabase(), HeadFile(tmp_path / "HEAD"))
    again.open()
    assert (again.tip.height, again.tip.block_hash) == (tip.height, tip.block_hash)
    again.close()


def test_a_record_costs_less_than_its_own_bytes() -> None:
    with mock.patch.object(frames, "FRAME_BYTES", 64 * 1024), mock.patch.object(frames, "_SLICE_BLOCKS", 1024):
        base = MemoryDatabase()
        framed, payload_bytes = FramedDatabase(base, LENGTHS), 0
        for height in range(1, 500):
            payload = b'{"flight":%d,"dest":"IAH"}' % (height * 7919)
            payload_bytes += len(payload)
            framed.write([(key(b"p", height, 0), payload)], sync=False)
        framed.freeze(499, lambda first, last: [])
        assert sum(len(found) + len(value) for found, value in base.scan(b"p", b"{")) < payload_bytes / 2


def test_s57_s67_the_frames_that_held_it_are_purged_and_the_one_that_is_left_is_not() -> None:
    purged: list[bytes] = []

    class Watched(MemoryDatabase):
        def purge(self, keys: Sequence[bytes]) -> bool:
            purged.extend(keys)
            return super().purge(keys)

    base = Watched()
    framed = FramedDatabase(base, LENGTHS)
    framed.write([(key(b"p", height, 0), b"%d" % height) for height in range(1, 6)], sync=False)
    framed.freeze(5, lambda first, last: [])
    held = [found for found, _ in base.scan(b"z", b"{")]
    for height in (2, 3):
        framed.write([(key(b"p", height, 0), None)], sync=False)
        held += [found for found, _ in base.scan(b"z", b"{")]
    assert len(held) == len(set(held)) == 3
    assert framed.purge([key(b"p", 3, 0)])
    assert purged == [key(b"p", 3, 0), *held[:2]]
    assert framed.get(key(b"p", 4, 0)) == b"4"


class TestErasing:
    RECORD = b'{"n":314159}'

    def story(self, network: TestNetwork, path: Path) -> tuple[Ledger, bytes, list[bytes]]:
        """A chain in frames, the id of a parcel, and the bytes of the frames that it is in."""
        ledger = opened(network, path)
        parcel = network.parcel([self.RECORD, b'{"n":1}'])
        network.commit(ledger, [network.dataset()])
        network.commit(ledger, [network.parcel([b'{"n":2}']), parcel, network.parcel([b'{"n":3}'])])
        for number in range(12):
            network.commit(ledger, [network.parcel([b'{"n":%d}' % number])])
        frozen(ledger).blocks._database._database.compact(b"", b"\xff" * 20)  # to a low level, as what is old is
        ledger.close()
        engine = LevelDatabase(path / "blocks")
        held = [
            value
            for _, value in engine.scan(b"zp", b"zq")
            if any(self.RECORD in payload for payload in frames._opened(b"", value).entries.values())
        ]
        engine.close()
        assert len(held) == 1
        return opened(network, path), network.id_of(parcel), held

    def files_with(self, path: Path, content: bytes) -> list[str]:
        return [file.name for file in path.rglob("*") if file.is_file() and content in file.read_bytes()]

    def test_s57_s67_the_frame_is_gone_from_every_file(self, network: TestNetwork, tmp_path: Path) -> None:
        ledger, id_, held = self.story(network, tmp_path)
        location = ledger.blocks.location(id_)
        assert location == Location(2, 1)
        others = [ledger.blocks.transaction(Location(2, index)) for index in (0, 2)]
        network.commit(ledger, [network.erase(id_)])
        stored = ledger.blocks.transaction(location)
        assert stored is not None
        assert stored.payload == b""
        assert self.files_with(tmp_path, held[0]), "the deletion alone does not remove it"
        assert ledger.blocks.purge(ledger.blocks.unpurged(10))
        assert self.files_with(tmp_path, held[0]) == []
        assert self.files_with(tmp_path, self.RECORD) == []
        assert [ledger.blocks.transaction(Location(2, index)) for index in (0, 2)] == others
        ledger.close()

    def test_s57_s67_a_second_parcel_of_the_frame_goes_as_well(self, network: TestNetwork, tmp_path: Path) -> None:
        ledger, id_, _ = self.story(network, tmp_path)
        for erased in (id_, network.id_of(ledger.blocks.transactions(2)[0])):
            network.commit(ledger, [network.erase(erased)])
            assert ledger.blocks.purge(ledger.blocks.unpurged(10))
        kept = [transaction.payload for transaction in ledger.blocks.transactions(2)]
        assert kept[:2] == [b"", b""]
        assert kept[2]
        ledger.close()


def test_s67_a_damaged_frame_is_found() -> None:
    base = MemoryDatabase()
    framed = FramedDatabase(base, LENGTHS)
    framed.write([(key(b"b", height), bytes(20)) for height in range(10)], sync=False)
    framed.freeze(9, lambda first, last: [])
    whole = dict(base.scan(b"z", b"{"))
    for found, value in whole.items():
        for spoiled in (value[:-1], value + b"\x00", b"", value[:5] + bytes([value[5] ^ 1]) + value[6:]):
            base.write([(found, spoiled)], sync=False)
            with refuses(ErrorCode.DATABASE_DAMAGED):
                list(FramedDatabase(base, LENGTHS).scan(b"b", b"c"))
        base.write([(found, value)], sync=False)


def test_s67_who_reads_as_a_batch_is_written_misses_nothing() -> None:
    entries = [(key(b"b", height), b"%d" % height) for height in range(1, 30)]

    class Watched(MemoryDatabase):
        framed: FramedDatabase | None = None

        def look(self) -> None:
            assert self.framed is None or [self.framed.get(found) for found, _ in entries] == [v for _, v in entries]

        def write(self, batch: Sequence[Write], *, sync: bool) -> None:
            self.look()
            super().write(batch, sync=sync)
            self.look()

    base = Watched()
    framed = FramedDatabase(base, LENGTHS)
    framed.write(entries, sync=False)
    base.framed = framed
    while framed.freeze(25, lambda first, last: []) < 25:
        pass


@pytest.mark.parametrize("reverse", [False, True])
def test_s67_who_begins_to_scan_as_blocks_move_misses_nothing(reverse: bool) -> None:
    entries = [(key(b"b", height), b"%d" % height) for height in range(1, 30)]

    class Moving(MemoryDatabase):
        moves: ClassVar[list[FramedDatabase]] = []

        def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
            if self.moves:
                self.moves.pop().freeze(25, lambda first, last: [])
            yield from super().scan(start, stop, reverse=reverse)

    base = Moving()
    framed = FramedDatabase(base, LENGTHS)
    framed.write(entries, sync=False)
    for _ in range(4):
        base.moves[:] = [framed]
        assert sorted(framed.scan(key(b"b", 1), b"c", reverse=reverse)) == entries
    assert framed.frozen_height == 25


def test_s67_who_reads_meanwhile_misses_nothing(tmp_path: Path) -> None:
    framed = FramedDatabase(LevelDatabase(tmp_path / "db"), LENGTHS)
    entries = [(key(b"b", height), b"%d" % height * 20) for height in range(1, 1500)]
    framed.write(entries, sync=False)
    stopped, missed = threading.Event(), list[bytes]()

    def read(seed: int) -> None:
        random = Random(seed)
        while not stopped.is_set():
            found, value = random.choice(entries)
            if framed.get(found) != value:
                missed.append(found)
            stop = found + b"\xff"
            if len(list(framed.scan(key(b"b", 1), stop))) != int.from_bytes(found[1:9], "big"):
                missed.append(found)

    readers = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
    for reader in readers:
        reader.start()
    while framed.freeze(1400, lambda first, last: []) < 1400:
        pass
    stopped.set()
    for reader in readers:
        reader.join()
    assert missed == []
    framed.close()


def test_the_layout_before_is_opened_and_read(network: TestNetwork, tmp_path: Path) -> None:
    ledger = chain(network, tmp_path)
    before = answers(ledger)
    ledger.close()
    engine = LevelDatabase(tmp_path / "blocks")
    engine.write([(b"mversion", b"6")], sync=True)
    BlockStore(engine).open(network.chain_id)
    assert engine.get(b"mversion") == b"6", "who only reads writes nothing"
    engine.close()
    again = opened(network, tmp_path)
    assert answers(frozen(again)) == before
    again.close()
    engine = LevelDatabase(tmp_path / "blocks")
    assert engine.get(b"mversion") == block_store.LAYOUT_VERSION
    engine.close()
