"""Checkpoints on a running node: cosigns its own history, gathers what others cosign, and notices who says otherwise.

There is no leader. Every validator and every witness cosigns each ``CHECKPOINT_INTERVAL``-th size as its chain passes
it, and its tip once that has rested for ``REST_S``; the line goes to all other nodes. Heads that a quorum of
validators has cosigned are this node's checkpoints. A line for another root than this node's own at that size is a
conflict: it is logged and counted, and handed on as evidence where it can convict its signer.

What survives a crash: the newest checkpoint, as a note that anyone can read; what this member has cosigned
(``node.cosigner``). Lines of others come again when they connect.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import Hash
from chain.primitives.encoding import decode, encode
from chain.proofs import history
from chain.proofs.checkpoints import (
    Checkpoint,
    Cosignature,
    encode_checkpoint,
    is_contradiction,
    parse_checkpoint,
    verify_cosignature,
)
from chain.proofs.history import TreeHead
from chain.storage.files import replace_file
from node.cosigner import Cosigner
from node.frames import FrameKind
from node.metrics import Metrics
from node.pool import CommittedBlock, Pool

CHECKPOINT_INTERVAL = 64
"""Blocks between two sizes that are cosigned while blocks follow each other."""
REST_S = 2.0
"""How long the tip must have stood to be cosigned, whatever its size."""
REFRESH_S = 300
"""A tip that still stands is cosigned again after so long: an auditor sees that nothing is held back from him."""
TICK_S = 0.25
_MEMBER_LINES = 4
"""Newest lines that are kept of each member."""
_KEPT = 8
"""Newest checkpoints that are kept: what a witness adds a moment later still finds its place."""
_DISPUTED = 64
_MEMBER_LINES_PER_TICK = 8
"""A member that sends more is not heard until the next tick: every line costs a signature check."""


class CheckpointLinks(Protocol):
    """Links to the other nodes, as far as they are needed here."""

    def send(self, member: str, kind: int, body: bytes) -> bool:
        """Queue a message for one of them."""
        ...

    def broadcast(self, kind: int, body: bytes) -> int:
        """Queue a message for each of them."""
        ...


class Conflict(NamedTuple):
    """Two signed heads that cannot both be of one chain, the second by ``member``, the first by it or by a quorum."""

    member: str
    first: Checkpoint
    second: Checkpoint


class Checkpoints:
    """See the module. All methods run on the event loop's thread.

    Args:
        pool: the node's ledger.
        links: to the other nodes.
        cosigner: signs for this node's member; None if it is neither validator nor witness.
        note_file: keeps the newest checkpoint.
        metrics: counts conflicts.
        may_cosign: whether this node holds the complete history, as far as it can know.
        on_conflict: told of signed heads that contradict each other.
        clock_s: seconds since 1970.
        monotonic_s: seconds that never go back.
    """

    def __init__(
        self,
        pool: Pool,
        links: CheckpointLinks,
        cosigner: Cosigner | None,
        note_file: Path,
        metrics: Metrics,
        may_cosign: Callable[[], bool],
        on_conflict: Callable[[Conflict], None],
        clock_s: Callable[[], float],
        monotonic_s: Callable[[], float],
    ) -> None:
        self._pool = pool
        self._links = links
        self._trust = pool.ledger.trust
        self._cosigner = cosigner
        self._note_file = note_file
        self._metrics = metrics
        self._may_cosign = may_cosign
        self._on_conflict = on_conflict
        self._clock_s = clock_s
        self._monotonic_s = monotonic_s
        self._log = logging.getLogger("blockpool.checkpoints")
        self._lines: dict[str, list[Cosignature]] = {}
        """Newest verified lines by member, in the order they came."""
        self._ahead: frozenset[int] = frozenset()
        """Sizes of lines that this node's chain has not reached."""
        self._kept: dict[int, Checkpoint] = {}
        """Newest checkpoints by size, in ascending order; of this node's own history, with a quorum each."""
        self._heard: Counter[str] = Counter()
        """Lines since the last tick, by member."""
        self._disputed: tuple[Cosignature, ...] = ()
        """Newest lines for other roots than this node's that have been logged."""
        self._rests_since_s = monotonic_s()
        self._is_unwritten = False
        self._has_refused = False
        self._recall()
        pool.add_listener(self._on_committed)

    # Serving

    @property
    def newest(self) -> Checkpoint | None:
        """The newest checkpoint of this node's history that a quorum of validators has cosigned."""
        return self._kept[max(self._kept)] if self._kept else None

    def note(self, witnesses: int = 0) -> bytes:
        """The newest checkpoint that as many witnesses have cosigned too.

        Raises:
            PoolError: code ``not_found``.
        """
        for checkpoint in reversed(self._kept.values()):
            if len(checkpoint.cosigners(self._trust.signers_of(checkpoint.head.size).witnesses)) >= witnesses:
                return encode_checkpoint(checkpoint, self._trust)
        wanted = f"a quorum of validators and {witnesses} witnesses" if witnesses else "a quorum of validators"
        raise PoolError(ErrorCode.NOT_FOUND, f"this node holds no checkpoint that {wanted} has cosigned")

    def own_note(self, size: int) -> bytes:
        """What this node's history was at ``size``, with the plain signature of its member: whatever it answers binds
        it.

        Raises:
            PoolError: code ``not_found``.
        """
        if self._cosigner is None:
            raise PoolError(ErrorCode.NOT_FOUND, "this node's member signs no checkpoints")
        if not 1 <= size <= self._own_size:
            raise PoolError(ErrorCode.NOT_FOUND, f"this node holds {self._own_size} blocks")
        head = self._head(size)
        return encode_checkpoint(Checkpoint(head, (self._cosigner.sign(head),)), self._trust)

    # Inputs

    def receive(self, member: str, body: bytes) -> None:
        """A peer sent its line.

        Raises:
            PoolError: codes ``malformed``, ``not_canonical``, ``bad_checkpoint``.
        """
        self._heard[member] += 1
        if self._heard[member] > _MEMBER_LINES_PER_TICK:
            return
        line = decode(Cosignature, body)
        if line.member != member or line.time_s is None:
            raise PoolError(ErrorCode.BAD_CHECKPOINT, f"{member} may send cosignatures of its own alone")
        if line in self._lines.get(member, ()):
            return
        verify_cosignature(line, self._trust)
        self._add(line)

    def on_connect(self, member: str, height: int) -> None:
        """Tell a node that is new here what was cosigned last."""
        if self._cosigner is not None and self._cosigner.last is not None:
            self._links.send(member, FrameKind.COSIGNATURE, encode(self._cosigner.last))

    def tick(self) -> None:
        """A quarter of a second has passed.

        Raises:
            PoolError: codes ``disk_full``, ``storage_failed``: the process must stop.
        """
        self._heard.clear()
        if self._monotonic_s() - self._rests_since_s >= REST_S and self._is_due():
            self._pool.flush()
            self._cosign(self._own_size)
        if self._is_unwritten:
            replace_file(self._note_file, self.note())
            self._is_unwritten = False

    def close(self) -> None:
        """Release the files."""
        if self._cosigner is not None:
            self._cosigner.close()

    def _on_committed(self, block: CommittedBlock) -> None:
        size = block.executed.header.height + 1
        self._rests_since_s = self._monotonic_s()
        if size in self._ahead:
            self._consider(size)
        if size % CHECKPOINT_INTERVAL == 0:
            self._cosign(size)

    # Cosigning

    def _is_due(self) -> bool:
        """Whether the resting tip has not been cosigned, or so long ago that it should be said again."""
        if self._cosigner is None or not self._cosigner.may_sign(self._own_size):
            return False
        last = self._cosigner.last
        return last is None or last.size < self._own_size or self._clock_s() - (last.time_s or 0) >= REFRESH_S

    def _cosign(self, size: int) -> None:
        """Cosign a size that this node has just reached, durably, if this is the time and the history is the one that
        was cosigned before.
        """
        cosigner = self._cosigner
        if cosigner is None or not cosigner.may_sign(size) or not self._may_cosign():
            return
        if cosigner.last is not None and size < cosigner.last.size:
            return  # it is fetching again what it has held before
        try:
            line = cosigner.cosign(self._head(size), int(self._clock_s()), self._root_at)
        except PoolError as error:
            if error.code is not ErrorCode.HISTORY_CONFLICT:
                raise
            if not self._has_refused:
                self._metrics.checkpoint_conflicts.inc()
                self._log.critical("cosigning refused", extra={"reason": error.detail})
            self._has_refused = True
            return
        self._add(line)
        self._links.broadcast(FrameKind.COSIGNATURE, encode(line))

    # Gathering

    def _add(self, line: Cosignature) -> None:
        """Keep a verified line, and look at what it makes of its head."""
        kept = self._lines.setdefault(line.member, [])
        for other in kept:
            if is_contradiction(other, line):
                self._report(Conflict(line.member, _alone(other), _alone(line)))
        kept[:] = [*[other for other in kept if other.head != line.head][1 - _MEMBER_LINES :], line]
        own_size = self._own_size
        self._ahead = frozenset(
            other.size for lines in self._lines.values() for other in lines if other.size > own_size
        )
        if line.size <= own_size:
            self._consider(line.size)

    def _consider(self, size: int) -> None:
        """Make a checkpoint of the lines for ``size`` if they are of this node's history and a quorum's."""
        head = self._head(size)
        lines = [line for kept in self._lines.values() for line in kept if line.size == size]
        before = self._kept.get(size)
        known = {line.member: line for line in (before.signatures if before is not None else ())}
        known |= {line.member: line for line in lines if line.root == head.root}
        signers = self._trust.signers_of(size)
        names = (*signers.names, *signers.witnesses)
        checkpoint = Checkpoint(head, tuple(known[name] for name in names if name in known))
        if self._has_quorum(checkpoint):
            self._keep(checkpoint)
        others = [line for line in lines if line.root != head.root]
        if others:
            self._on_other_roots(checkpoint, others)

    def _keep(self, checkpoint: Checkpoint) -> None:
        self._kept[checkpoint.head.size] = checkpoint
        self._kept = {size: self._kept[size] for size in sorted(self._kept)[-_KEPT:]}
        self._is_unwritten = self._is_unwritten or checkpoint is self.newest
        self._metrics.checkpoint_size.set(max(self._kept))

    def _on_other_roots(self, own: Checkpoint, lines: Iterable[Cosignature]) -> None:
        """Others have signed another history at a size that this node has reached."""
        for line in lines:
            if line not in self._disputed:
                self._disputed = (*self._disputed, line)[-_DISPUTED:]
                self._metrics.checkpoint_conflicts.inc()
                self._log.error(
                    "a checkpoint of another history",
                    extra={
                        "member": line.member,
                        "size": line.size,
                        "root": line.root.hex(),
                        "own_root": own.head.root.hex(),
                    },
                )
            if self._has_quorum(own):
                self._report(Conflict(line.member, own, _alone(line)))

    def _report(self, conflict: Conflict) -> None:
        self._log.error(
            "signed checkpoints contradict each other",
            extra={
                "member": conflict.member,
                "first_size": conflict.first.head.size,
                "second_size": conflict.second.head.size,
            },
        )
        self._on_conflict(conflict)

    def _recall(self) -> None:
        """Take up the lines of the note on disk; they are worth what they prove, however old they are."""
        try:
            content = self._note_file.read_bytes()
        except OSError:
            return
        try:
            signatures = parse_checkpoint(content, self._trust).signatures
        except PoolError as error:
            self._log.warning("the kept checkpoint is not accepted", extra={"reason": error.detail})
            return
        for line in signatures:
            if line.time_s is not None:
                self._add(line)

    # Parts

    @property
    def _own_size(self) -> int:
        return self._pool.height + 1

    def _has_quorum(self, checkpoint: Checkpoint) -> bool:
        validators = self._trust.signers_of(checkpoint.head.size)
        return len(checkpoint.cosigners(validators.names)) >= validators.quorum

    def _head(self, size: int) -> TreeHead:
        return TreeHead(size, self._root_at(size))

    def _root_at(self, size: int) -> Hash:
        return history.root_at(size, self._pool.ledger.blocks.history_node)


def _alone(line: Cosignature) -> Checkpoint:
    return Checkpoint(line.head, (line,))
