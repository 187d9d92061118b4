"""Files of evidence against members whose signatures contradict each other, kept until an operator takes them away.

What survives a crash: a file is complete or not there at all. At most one for each member and place in the chain, and
a bound for each member and for all, since a liar can contradict itself as often as it likes: one lie convicts.
"""

import logging
import re
from pathlib import Path
from typing import Literal, NamedTuple

from chain.errors import ErrorCode, PoolError
from chain.primitives.types import NAME_PATTERN
from chain.proofs.trust import TrustHistory
from chain.storage.files import replace_file
from chain.storage.slots import storage_error, sync_folder
from consensus.messages import Statement
from evidence.misbehaviour import make_checkpoint_evidence, make_vote_evidence
from node.checkpoints import Conflict
from node.metrics import Metrics

_MEMBER_FILES = 16
_FILES = 512
_FILE_NAME = re.compile(rf"({NAME_PATTERN[2:-2]})\.(votes|checkpoints)\.([0-9]{{1,19}})\.json\Z", re.ASCII)


class MisbehaviourFile(NamedTuple):
    """A file of evidence that this node holds."""

    name: str
    member: str
    """The accused."""
    kind: Literal["votes", "checkpoints"]
    place: int
    """Height of the votes; size of the second checkpoint."""


class MisbehaviourFolder:
    """See the module.

    Args:
        folder: made when the first file comes.
        trust: of the chain.
        metrics: counts contradictions.
    """

    def __init__(self, folder: Path, trust: TrustHistory, metrics: Metrics) -> None:
        self._folder = folder
        self._trust = trust
        self._metrics = metrics
        self._log = logging.getLogger("blockpool.misbehaviour")
        self._names = {path.name for path in folder.glob("*.json") if _FILE_NAME.match(path.name)}

    @property
    def files(self) -> list[MisbehaviourFile]:
        """All of them, by name."""
        return [_parsed(name) for name in sorted(self._names)]

    def read(self, name: str) -> bytes:
        """The evidence file of that name.

        Raises:
            PoolError: code ``not_found``; ``storage_failed``.
        """
        if name not in self._names:
            raise PoolError(ErrorCode.NOT_FOUND, "this node holds no such file of evidence")
        path = self._folder / name
        try:
            return path.read_bytes()
        except FileNotFoundError:  # taken away by the operator
            self._names.discard(name)
            raise PoolError(ErrorCode.NOT_FOUND, "this node holds no such file of evidence") from None
        except OSError as error:
            raise storage_error(path, error) from None

    def on_votes(self, first: Statement, second: Statement) -> None:
        """A validator has signed two statements that contradict each other.

        Raises:
            PoolError: codes ``disk_full``, ``storage_failed``: the process must stop.
        """
        self._metrics.evidence.inc()
        name = f"{first.validator}.votes.{first.height}.json"
        if self._has_room(first.validator, name):
            self._store(name, make_vote_evidence(self._trust, first, second))

    def on_conflict(self, conflict: Conflict) -> None:
        """A member has signed a checkpoint that contradicts another one.

        Raises:
            PoolError: codes ``disk_full``, ``storage_failed``: the process must stop.
        """
        name = f"{conflict.member}.checkpoints.{conflict.second.head.size}.json"
        if name in self._names:
            return
        self._metrics.evidence.inc()
        if self._has_room(conflict.member, name):
            content = make_checkpoint_evidence(self._trust, conflict.member, conflict.first, conflict.second)
            self._store(name, content)

    def _has_room(self, member: str, name: str) -> bool:
        of_member = sum(_parsed(other).member == member for other in self._names)
        return name not in self._names and of_member < _MEMBER_FILES and len(self._names) < _FILES

    def _store(self, name: str, content: bytes) -> None:
        try:
            if not self._folder.exists():
                self._folder.mkdir()
                sync_folder(self._folder.parent)
        except OSError as error:
            raise storage_error(self._folder, error) from None
        replace_file(self._folder / name, content)
        self._names.add(name)
        self._log.error("evidence of misbehaviour is kept", extra={"path": str(self._folder / name)})


def _parsed(name: str) -> MisbehaviourFile:
    member, kind, place, _ = name.split(".")
    return MisbehaviourFile(name, member, "votes" if kind == "votes" else "checkpoints", int(place))
