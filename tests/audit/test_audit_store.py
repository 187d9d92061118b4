"""An audit that stops anywhere goes on where it was saved, and ends with the same counts."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from audit.chain import ChainAudit, decode_report, encode_report
from audit.store import AuditProgress, AuditStore
from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import sha256
from chain.state.entries import DatasetTotals, dataset_totals_key
from chain.storage.database import MemoryDatabase, Write
from chain.storage.level import LevelDatabase
from tests.audit.audit_world import EventfulChain, policy
from tests.ledgers import audited, packages_of
from tests.refusals import refuses


@pytest.fixture(scope="module")
def chain() -> EventfulChain:
    return EventfulChain()


def audit_on(chain: EventfulChain, engine: MemoryDatabase) -> ChainAudit:
    """As another process would begin it, or go on."""
    return ChainAudit(chain.network.genesis, policy(), store=AuditStore(chain.network.chain_id, engine))


@pytest.mark.parametrize("saved", range(8))
@pytest.mark.parametrize("lost", [0, 2])
def test_it_goes_on_from_any_block(chain: EventfulChain, saved: int, lost: int) -> None:
    whole = ChainAudit(chain.network.genesis, policy())
    audited(whole, chain.packages)
    engine = MemoryDatabase()
    first = audit_on(chain, engine)
    audited(first, chain.packages[:saved])
    if saved:
        first.save()
    audited(first, chain.packages[saved : saved + lost])
    again = audit_on(chain, engine)
    assert again.next_height == saved, "what was not saved is verified again"
    audited(again, chain.packages[saved:])
    assert asdict(again.report) == asdict(whole.report)
    assert again.entry(dataset_totals_key("a.flights"), DatasetTotals) == whole.entry(
        dataset_totals_key("a.flights"), DatasetTotals
    )
    assert list(again.entries(b"dataset/")) == [b"dataset/a.flights", b"dataset/a.plain", b"dataset/a.sealed"]


def test_a_transaction_that_was_seen_before_the_break_is_known_after_it() -> None:
    chain, engine = EventfulChain(), MemoryDatabase()
    repeated = chain.ledger.blocks.transactions(2)[0]
    executed = chain.network.commit(chain.ledger, [repeated])
    (package,) = packages_of(chain.ledger, executed.header.height)
    assert package is not None
    first = audit_on(chain, engine)
    audited(first, chain.packages)
    first.save()
    with refuses(ErrorCode.BAD_BLOCK, "in the chain already"):
        audit_on(chain, engine).add(package)


def test_nothing_of_the_records_is_kept(chain: EventfulChain, tmp_path: Path) -> None:
    engine = LevelDatabase(tmp_path)
    audit = ChainAudit(chain.network.genesis, policy(), store=AuditStore(chain.network.chain_id, engine))
    audited(audit, chain.packages)
    assert audit.unsaved_bytes > 1_000
    audit.save()
    assert audit.unsaved_bytes == 0
    engine.close()
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"a.flights" in content
    assert b'{"n":1}' not in content


class FailingEngine(MemoryDatabase):
    """Fails at a write, of which nothing arrives."""

    def __init__(self, fails_at: int) -> None:
        super().__init__()
        self.writes_left = fails_at

    def write(self, batch: Sequence[Write], *, sync: bool) -> None:
        self.writes_left -= 1
        if self.writes_left == 0:
            raise PoolError(ErrorCode.DISK_FULL, "no space left")
        assert sync, "what counts as saved must survive a power cut"
        super().write(batch, sync=sync)


def test_a_save_that_fails_leaves_the_one_before_it(chain: EventfulChain) -> None:
    engine = FailingEngine(fails_at=2)
    audit = audit_on(chain, engine)
    audited(audit, chain.packages[:3])
    audit.save()
    audited(audit, chain.packages[3:])
    with pytest.raises(PoolError, match="no space"):
        audit.save()
    again = audit_on(chain, engine)
    assert again.next_height == 3
    audited(again, chain.packages[3:])


def saved_engine(chain: EventfulChain) -> MemoryDatabase:
    engine = MemoryDatabase()
    audit = audit_on(chain, engine)
    audited(audit, chain.packages)
    audit.save()
    return engine


def put(engine: MemoryDatabase, key: bytes, value: bytes | None) -> None:
    engine.write([(key, value)], sync=True)


def test_the_folder_of_another_chain_is_refused(chain: EventfulChain) -> None:
    engine = saved_engine(chain)
    with refuses(ErrorCode.WRONG_DATA_FOLDER, chain.network.chain_id.hex()[:16]):
        AuditStore(sha256(b"another"), engine)


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        (b"aversion", b"0", ErrorCode.DATABASE_VERSION),
        (b"achain", None, ErrorCode.WRONG_DATA_FOLDER),
        (b"aprogress", b"\x00", ErrorCode.DATABASE_DAMAGED),
    ],
)
def test_a_folder_that_makes_no_sense_is_refused(
    chain: EventfulChain, key: bytes, value: bytes | None, code: ErrorCode
) -> None:
    engine = saved_engine(chain)
    put(engine, key, value)
    with refuses(code):
        audit_on(chain, engine)


def test_something_else_than_an_audit_is_refused(chain: EventfulChain) -> None:
    engine = MemoryDatabase()
    put(engine, b"mversion", b"3")
    with refuses(ErrorCode.WRONG_DATA_FOLDER):
        audit_on(chain, engine)


@pytest.mark.parametrize(("kind", "detail"), [(b"sn", "other bytes"), (b"sr", "is missing")], ids=["nodes", "root"])
def test_a_state_that_cannot_be_read_is_refused(chain: EventfulChain, kind: bytes, detail: str) -> None:
    engine = saved_engine(chain)
    keys = [key for key, _ in engine.scan(kind, kind + b"\xff" * 33)]
    for key in keys:
        put(engine, key, b"\x00" * 65)
    with refuses(ErrorCode.DATABASE_DAMAGED, detail):
        audit_on(chain, engine)


def test_a_report_comes_back_as_it_was(chain: EventfulChain) -> None:
    audit = ChainAudit(chain.network.genesis, policy())
    audited(audit, chain.packages[:3])
    assert audit.report.awaiting_erasure
    assert audit.report.outcomes
    back = decode_report(encode_report(audit.report))
    assert back == audit.report
    back.outcomes["never seen"] += 1
    with refuses(ErrorCode.DATABASE_DAMAGED):
        decode_report(b"\x90")


def test_deleted_and_unsaved_keys_are_read_as_one(chain: EventfulChain) -> None:
    store = AuditStore(chain.network.chain_id, MemoryDatabase())
    store.states.write([(b"k1", b"one"), (b"k2", b"two"), (b"k3", b"three")], sync=False)
    store.blocks.write([(b"k2", b"another part")], sync=False)
    store.save(AuditProgress(b"", b"", None))
    store.states.write([(b"k2", None), (b"k4", b"four")], sync=False)
    assert list(store.states.scan(b"k1", b"k5")) == [(b"k1", b"one"), (b"k3", b"three"), (b"k4", b"four")]
    assert list(store.states.scan(b"k2", b"k4", reverse=True)) == [(b"k3", b"three")]
    assert [store.states.get(key) for key in (b"k1", b"k2", b"k4")] == [b"one", None, b"four"]
    assert store.blocks.get(b"k2") == b"another part"
