"""Getting a ledger to run on out of a data folder, in whatever state it was left.

A database that cannot be trusted is never served and never deleted: it is moved into a folder of its own, and the
node fetches the chain from its peers. A validator whose databases were set aside, or whose record of its votes is not
complete, is marked, on disk and before anything else happens. It is on probation: it does not vote until the mark
is gone (see ``VotingRight``), otherwise it could vote against its own earlier vote. A new validator has no record
either, and finds out from its peers whether it is new.
"""

import itertools
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from chain.errors import ErrorCode, InvariantBroken, PoolError
from chain.ledger import Ledger
from chain.storage.head import HeadFile
from chain.storage.slots import storage_error, sync_folder
from chain.storage.votes import MemoryVotes, VoteFile, VoteStore
from consensus.memory import is_own_memory
from node.engine_process import ContractEngine
from node.home import Home, open_ledger
from node.state_sync import COMPLETE, DATABASES, FOLDER

_log = logging.getLogger("blockpool.recovery")


def open_recovered(home: Home, *, resync: bool, engine: ContractEngine | None = None) -> Ledger:
    """Open the ledger; start from an empty one if it is damaged, was found damaged before, or ``resync`` says so.

    Args:
        home: of the node.
        resync: set what is there aside.
        engine: runs the contracts: now already, if the databases are of the layout before.

    Raises:
        PoolError: codes of ``Ledger.open`` and of the storage engines; ``database_damaged`` only where there is nobody
            to fetch the chain from; ``bad_configuration`` for a resync there; a code that ``is_engine`` if the
            layout has to be changed, which executes the blocks again, and the contracts cannot be run.
    """
    if resync and _is_sole_validator(home):
        raise PoolError(ErrorCode.BAD_CONFIGURATION, "the only validator has nobody to fetch the chain from")
    if resync or (home.damage_file.exists() and not _is_sole_validator(home)):
        _log.warning("databases set aside", extra={"folder": str(set_aside(home))})
    take_over(home.data)
    try:
        return _open(home, engine)
    except InvariantBroken as error:
        damage = PoolError(ErrorCode.DATABASE_DAMAGED, str(error))
    except PoolError as error:
        if error.code is not ErrorCode.DATABASE_DAMAGED:
            raise
        damage = error
    _log.error("database is damaged", extra={"reason": damage.detail})
    if _is_sole_validator(home):
        raise damage
    _log.warning("set aside; fetching the chain from the peers", extra={"folder": str(set_aside(home))})
    return _open(home, engine)


def take_over(data: Path) -> None:
    """Put what has come whole into the place of the databases that are there, if something has. Those are kept in a
    folder of their own, unless they hold no block but genesis.

    What survives a crash: ``COMPLETE`` stays until everything is in its place, and names the folder of the old ones.
    Each rename is one step, and is done again only if it was not.

    Raises:
        PoolError: codes ``disk_full``, ``storage_failed``.
    """
    folder = data / FOLDER
    try:
        kept = data / (folder / COMPLETE).read_text("ascii")
    except FileNotFoundError:
        return
    except OSError as error:
        raise storage_error(folder, error) from None
    try:
        kept.mkdir(exist_ok=True)
        for name in DATABASES:
            source, target = folder / name, data / name
            if source.exists():
                if target.exists():
                    target.rename(kept / name)
                source.rename(target)
            sync_folder(kept)
            sync_folder(data)
        if _is_fresh(kept):
            shutil.rmtree(kept)
        (folder / COMPLETE).unlink()
        shutil.rmtree(folder)
    except OSError as error:
        raise storage_error(folder, error) from None


def set_aside(home: Home) -> Path:
    """Move the databases and HEAD into a folder of their own, so that the node starts empty; nothing is deleted.

    The node is marked first: a crash in between must not let it vote with its memory gone.
    """
    mark(home.probation_file)
    stamp = time.strftime("damaged-%Y%m%d-%H%M%S", time.gmtime())
    names = itertools.chain([stamp], (f"{stamp}-{number}" for number in itertools.count(2)))
    target = next(folder for name in names if not (folder := home.data / name).exists())
    target.mkdir()
    for name in DATABASES:
        source = home.data / name
        if source.exists():
            shutil.move(source, target / name)
    home.damage_file.unlink(missing_ok=True)
    return target


def open_votes(home: Home) -> VoteStore:
    """Open what this node has voted for; if it may have voted for something else too, it is on probation from now on.
    A file with another validator's votes, or of another chain, is put aside: nothing in it binds this one.

    Raises:
        PoolError: codes ``disk_full``, ``storage_failed``.
    """
    if not home.signers:
        return MemoryVotes()
    path = home.data / "VOTES"
    is_missing = not path.exists()
    if is_missing:
        mark(home.probation_file)  # before the file is there: a crash in between must not look like nothing was lost
    votes = VoteFile(path)
    if votes.is_doubtful:
        _log.error("the file of votes is not complete", extra={"path": str(path)})
        mark(home.probation_file)
    if not is_own_memory(votes.read(), home.genesis.chain_id, home.member.name, home.signers):
        refused = path.with_name("VOTES.refused")
        _log.error("the file of votes is not this validator's", extra={"path": str(path), "kept_as": str(refused)})
        mark(home.probation_file)
        votes.close()
        path.replace(refused)
        votes = VoteFile(path)
    return votes


class ProbationFile:
    """The mark of a validator that may have forgotten votes.

    Args:
        path: of the mark.
        on_fatal: told if the disk fails.
    """

    def __init__(self, path: Path, on_fatal: Callable[[Exception], None]) -> None:
        self._path = path
        self._on_fatal = on_fatal

    @property
    def is_set(self) -> bool:
        """Whether votes may be lost."""
        return self._path.exists()

    def set(self) -> None:
        """Make the mark, durably."""
        try:
            mark(self._path)
        except PoolError as error:
            self._on_fatal(error)

    def clear(self) -> None:
        """Remove the mark."""
        self._path.unlink(missing_ok=True)


def note_damage(home: Home) -> None:
    """Remember that damage was found while running, which the quick checks of the next start may not find again."""
    mark(home.damage_file)


def _open(home: Home, engine: ContractEngine | None) -> Ledger:
    if engine is None:
        return open_ledger(home, _report_progress)
    return engine.run(lambda: open_ledger(home, _report_progress, engine.policy))


def _is_fresh(folder: Path) -> bool:
    """Whether databases that were replaced held no block but genesis."""
    path = folder / "HEAD"
    if not path.is_file():
        return not any(folder.iterdir())
    anchor = HeadFile(path)
    try:
        head = anchor.read()
    finally:
        anchor.close()
    return head is None or head.height == 0


def _is_sole_validator(home: Home) -> bool:
    return len(home.genesis.validators) == 1 and bool(home.signers)


def mark(path: Path) -> None:
    """Make an empty file, on disk for good when this returns; raises codes ``disk_full``, ``storage_failed``."""
    try:
        path.touch()
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error(path, error) from None


def _report_progress(done: int, total: int) -> None:
    if done == total or done % 1000 == 0:
        _log.info("bringing the databases up to date", extra={"done": done, "of": total})
