"""``blockpool audit chain`` on stopped homes: with workers, in parts, and on chains that are not whole."""

import os
import signal
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest

from audit.chain import ChainAudit
from audit.parallel import ParallelAudit, open_store
from audit.sources import ChainSource
from audit.workers import Workers
from blockpool import ErrorCode
from chain.storage.level import LevelDatabase
from tests.audit.audit_world import EventfulChain, policy
from tests.cli.commands import Done, run
from tests.ledgers import audited as audited_blocks
from tests.refusals import refuses

GROUP_BLOCKS = 8
BLOCKS_MORE = 10 * GROUP_BLOCKS


@pytest.fixture(scope="module")
def long_chain() -> EventfulChain:
    """More groups of blocks than are on their way to two workers at once."""
    return EventfulChain(blocks_more=BLOCKS_MORE)


@pytest.fixture(scope="module")
def chain() -> EventfulChain:
    """A chain that runs no contracts."""
    return EventfulChain(has_contracts=False)


@pytest.fixture
def genesis_file(chain: EventfulChain, tmp_path: Path) -> Path:
    path = tmp_path / "genesis.json"
    path.write_bytes(chain.network.genesis.content)
    return path


def counts(audit: ChainAudit) -> dict[str, Any]:
    return msgspec.to_builtins(audit.report)  # type: ignore[no-any-return]


def expected(chain: EventfulChain) -> dict[str, Any]:
    return counts(audited_blocks(ChainAudit(chain.network.genesis, policy()), chain.packages))


def source_of(chain: EventfulChain, on_the_way: Callable[[int], None] = lambda height: None) -> ChainSource:
    """The chain; ``on_the_way`` is told of every height that is taken."""

    def blocks(first_height: int) -> Iterator[Any]:
        for height, package in islice(enumerate(chain.packages), first_height, None):
            on_the_way(height)
            yield package

    return ChainSource(len(chain.packages) - 1, blocks)


def audited(chain: EventfulChain, source: ChainSource, workers: Workers, folder: Path | None = None) -> dict[str, Any]:
    with open_store(folder, chain.network.genesis) as store, workers:
        auditing = ParallelAudit(chain.network.genesis, policy(), store, workers)
        assert auditing.run(source) is None
        return counts(auditing.audit)


@pytest.mark.parametrize("count", [0, 2])
def test_workers_change_nothing_about_the_counts(long_chain: EventfulChain, count: int) -> None:
    found = audited(long_chain, source_of(long_chain), Workers(long_chain.network.genesis, count, GROUP_BLOCKS))
    assert found == expected(long_chain)
    assert found["blocks"] == BLOCKS_MORE + 5


@pytest.mark.parametrize("killed", [[0], [0, 1]], ids=["one", "all"])
def test_workers_that_die_cost_time_and_no_verdict(long_chain: EventfulChain, killed: list[int]) -> None:
    workers = Workers(long_chain.network.genesis, 2, GROUP_BLOCKS)

    def kill(height: int) -> None:
        if height == GROUP_BLOCKS:
            for number in killed:
                os.kill(workers.process_ids[number], signal.SIGKILL)

    assert audited(long_chain, source_of(long_chain, kill), workers) == expected(long_chain)


class Interruption(Exception):
    """Stands for whatever ends the process."""


@pytest.mark.parametrize("count", [0, 2])
def test_an_audit_that_was_interrupted_goes_on(
    long_chain: EventfulChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr("audit.parallel.SAVED_EVERY_S", 0)

    def interrupt(height: int) -> None:
        if height == len(long_chain.packages) - 1:
            raise Interruption

    first, second = (Workers(long_chain.network.genesis, count, GROUP_BLOCKS) for _ in range(2))
    with pytest.raises(Interruption):
        audited(long_chain, source_of(long_chain, interrupt), first, tmp_path / "work")
    taken: list[int] = []
    found = audited(long_chain, source_of(long_chain, taken.append), second, tmp_path / "work")
    assert found == expected(long_chain)
    assert taken[0] > (0 if count else BLOCKS_MORE), "what was verified before is not read again"


def audit(home: Path, genesis_file: Path, *more: object) -> Done:
    return run("audit", "chain", home, "--genesis", genesis_file, "--jobs", "1", *more)


def test_an_audit_goes_on_with_what_was_added_since(chain: EventfulChain, genesis_file: Path, tmp_path: Path) -> None:
    home, work = chain.make_home(tmp_path / "home", chain.blocks[:3]), ("--work", tmp_path / "work", "--json")
    first = audit(home, genesis_file, *work).json
    assert (first["holds"], first["height"], first["from_height"]) == (True, 3, 0)
    assert audit(home, genesis_file, *work).json["from_height"] == 4, "nothing is verified twice"
    longer = chain.make_home(tmp_path / "longer")
    second = audit(longer, genesis_file, *work).json
    assert (second["holds"], second["from_height"], second["height"]) == (True, 4, 7)
    at_once = audit(longer, genesis_file, "--json").json
    for key in ("block_hash", "records", "outcomes", "records_by_dataset", "transaction_signatures"):
        assert second[key] == at_once[key]
    assert second["records_verified"] == at_once["records_verified"] + 3, "they were not erased yet when verified"
    assert "from height 8 on" in audit(longer, genesis_file, "--work", tmp_path / "work").out


@pytest.mark.parametrize(
    ("blocks", "code", "height"),
    [
        (lambda chain: chain.blocks[:2], ErrorCode.DATABASE_DAMAGED, 3),
        (lambda chain: [*chain.blocks[:2], [chain.network.parcel()]], ErrorCode.HISTORY_CONFLICT, 3),
        (lambda chain: [*chain.blocks[:2], *[[chain.network.parcel()]] * 3], ErrorCode.HISTORY_CONFLICT, 3),
    ],
    ids=["shorter", "forked", "forked and longer"],
)
def test_another_history_than_the_one_verified_before_is_refused(
    chain: EventfulChain,
    genesis_file: Path,
    tmp_path: Path,
    blocks: Callable[[EventfulChain], list[Any]],
    code: ErrorCode,
    height: int,
) -> None:
    work = ("--work", tmp_path / "work", "--json")
    assert audit(chain.make_home(tmp_path / "first", chain.blocks[:3]), genesis_file, *work).code == 0
    done = audit(chain.make_home(tmp_path / "second", blocks(chain)), genesis_file, *work)
    assert (done.code, done.json["holds"]) == (1, False)
    assert (done.json["error"]["code"], done.json["error"]["height"]) == (code, height)


def test_a_folder_in_use_of_another_chain_or_with_other_things_is_refused(
    chain: EventfulChain, genesis_file: Path, tmp_path: Path
) -> None:
    home, work = chain.make_home(tmp_path / "home"), tmp_path / "work"
    with open_store(work, chain.network.genesis):
        done = audit(home, genesis_file, "--work", work, "--json")
    assert (done.code, done.json["error"]["code"]) == (3, "data_folder_locked")
    assert audit(home, genesis_file, "--work", work).code == 0
    other = EventfulChain(blocks_more=0).network.genesis
    with refuses(ErrorCode.WRONG_DATA_FOLDER), open_store(work, other):
        pass
    another = chain.make_home(tmp_path / "another")
    for folder in (another, another / "data", another / "data" / "state"):
        before = sorted((path.name, path.stat().st_mtime_ns) for path in folder.rglob("*"))
        done = audit(home, genesis_file, "--work", folder, "--json")
        assert (done.code, done.json["error"]["code"]) == (3, "wrong_data_folder")
        assert sorted((path.name, path.stat().st_mtime_ns) for path in folder.rglob("*")) == before


def falsify(home: Path) -> None:
    """Change a record that a home holds, in a parcel of two."""
    engine = LevelDatabase(home / "data" / "blocks")
    key = next(key for key, found in engine.scan(b"p", b"q") if b'"n":1' in found)
    engine.write([(key, (engine.get(key) or b"").replace(b'"n":1', b'"n":9'))], sync=True)
    engine.close()


def test_erased_and_wrong_records_are_told_apart(chain: EventfulChain, genesis_file: Path, tmp_path: Path) -> None:
    home = chain.make_home(tmp_path / "home")
    sound = audit(home, genesis_file, "--json")
    assert sound.code == 0
    assert (sound.json["records_erased"], sound.json["records_rejected"]) == ({"PIPL 47": 3}, 7)
    assert sound.json["records_verified"] == sound.json["records"] - 10
    falsify(home)
    wrong = audit(home, genesis_file, "--json")
    assert (wrong.code, wrong.json["holds"], wrong.json["error"]) == (1, False, None)
    assert (wrong.json["records_wrong"], wrong.json["records_verified"]) == (2, sound.json["records_verified"] - 2)
    shown = audit(home, genesis_file)
    assert shown.code == 1
    assert "erased: PIPL 47" in shown.out
    assert "Not complete: 0 records are missing and were never erased, 2 are not those that were signed." in shown.out


def test_an_audit_changes_nothing_of_what_it_audits(chain: EventfulChain, genesis_file: Path, tmp_path: Path) -> None:
    """An auditor's copy stays byte for byte, dates included, and may lie on media that cannot be written."""

    def content() -> dict[str, tuple[bytes, int]]:
        return {
            str(path): (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns)
            for path in home.rglob("*")
        }

    home = chain.make_home(tmp_path / "home")
    before = content()
    assert audit(home, genesis_file).code == 0
    assert content() == before
    (home / "data" / "blocks" / "LOCK").unlink()
    assert audit(home, genesis_file).code == 0, "a copy has no such file"
    assert not (home / "data" / "blocks" / "LOCK").exists()


def test_records_that_nothing_erases_are_missing(chain: EventfulChain, genesis_file: Path, tmp_path: Path) -> None:
    home = chain.make_home(tmp_path / "home", chain.blocks[:3])
    erased = chain.make_home(tmp_path / "erased", chain.blocks[:4])
    source, target = LevelDatabase(erased / "data" / "blocks"), LevelDatabase(home / "data" / "blocks")
    (stub,) = (stub for stub in source.scan(b"e", b"f") if target.get(b"p" + stub[0][1:]))
    target.write([stub, (b"p" + stub[0][1:], None)], sync=True)
    source.close()
    target.close()
    done = audit(home, genesis_file, "--json")
    assert (done.code, done.json["holds"]) == (1, False)
    assert (done.json["records_missing"], done.json["records_erased"]) == (3, {})
    assert "missing" in audit(home, genesis_file).out


def test_wrong_usage(chain: EventfulChain, genesis_file: Path, tmp_path: Path) -> None:
    home = chain.make_home(tmp_path / "home")
    assert audit(home, genesis_file, "--jobs", "0").code == 2
    assert audit(home, genesis_file, "--work", genesis_file).code == 2
