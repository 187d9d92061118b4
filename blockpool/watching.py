"""Watching several nodes: do they all tell one history, and does it continue the one that the auditor holds?

Nobody is believed. A checkpoint counts if a quorum of validators has cosigned it, and one continues another if an
RFC 6962 proof says so. What cannot be brought together raises an alarm, with evidence that convicts a member wherever
its own signatures allow it.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Literal, NamedTuple, Protocol

from chain.errors import ErrorCode, PoolError
from chain.proofs.checkpoints import Checkpoint, is_contradiction
from chain.proofs.history import TreeHead
from chain.proofs.trust import TrustHistory
from evidence.misbehaviour import make_checkpoint_evidence

State = Literal["agrees", "behind", "disagrees", "unproven", "unreachable"]
"""``behind``: what it showed is older than the newest, and leads to it. ``unproven``: it gave no checkpoint that
holds."""
_SILENCE = frozenset({ErrorCode.UNREACHABLE, ErrorCode.TIMEOUT})


class Node(Protocol):
    """Whoever is asked; see ``blockpool.watched_node.WatchedNode``."""

    url: str

    def member(self) -> str: ...
    def checkpoint(self, witnesses: int = 0) -> Checkpoint: ...
    def own_checkpoint(self, size: int) -> Checkpoint: ...
    def verify_continues(self, old: TreeHead, new: TreeHead) -> None: ...


class NodeView(NamedTuple):
    """What one node showed."""

    url: str
    state: State
    checkpoint: Checkpoint | None
    detail: str
    """Why, where it does not agree."""


class Conviction(NamedTuple):
    """A file of evidence against a member."""

    member: str
    size: int
    """Of the checkpoint that it should not have signed."""
    content: bytes


class Report(NamedTuple):
    """What a look at all nodes has shown."""

    newest: Checkpoint | None
    """The checkpoint to hold from now on; None if there is none, or an alarm."""
    views: tuple[NodeView, ...]
    alarms: tuple[str, ...]
    """What must not be, one sentence each; empty if all is well."""
    convictions: tuple[Conviction, ...]


class Watch:
    """One look at several nodes.

    Args:
        trust: of the chain, from a genesis file of someone you trust.
        nodes: who is asked.
        held: the checkpoint that the auditor holds, verified; None at the first look.
        witnesses: how many witnesses must have cosigned what the nodes show.
    """

    def __init__(self, trust: TrustHistory, nodes: Sequence[Node], held: Checkpoint | None, witnesses: int = 0) -> None:
        self._trust = trust
        self._nodes = nodes
        self._held = held
        self._witnesses = witnesses
        self._shown: dict[str, Checkpoint] = {}
        """Verified checkpoints, by the URL of the node that gave them."""
        self._words: list[Checkpoint] = []
        """What nodes said of themselves, when checkpoints left doubts."""
        self._alarms: list[str] = []

    def look(self) -> Report:
        """Ask every node, and compare what they say."""
        views = {node.url: self._ask(node) for node in self._nodes}
        given = [*self._shown.values(), *([self._held] if self._held is not None else [])]
        newest = max(given, key=self._rank, default=None)
        if newest is not None and self._shown:
            compare = self._show_less if self._is_cut_off() else self._compare
            views |= {url: compare(url, shown, newest) for url, shown in self._shown.items()}
            if self._held is not None:
                self._compare_held(self._held, newest)
        convictions = tuple(self._convict(given))
        for conviction in convictions:
            self._alarm(f"{conviction.member} has signed what contradicts its own history, or that of a quorum")
        return Report(None if self._alarms else newest, tuple(views.values()), tuple(self._alarms), convictions)

    def _rank(self, checkpoint: Checkpoint) -> tuple[int, int, int, int]:
        """What is newest: most blocks, then most witnesses, most validators, and the latest quorum."""
        signers = self._trust.signers_of(checkpoint.head.size)
        cosigners, witnesses = checkpoint.cosigners(signers.names), checkpoint.cosigners(signers.witnesses)
        return checkpoint.head.size, len(witnesses), len(cosigners), quorum_time_s(checkpoint, self._trust)

    # The nodes

    def _ask(self, node: Node) -> NodeView:
        try:
            checkpoint = self._shown[node.url] = node.checkpoint(self._witnesses)
        except PoolError as error:
            return NodeView(node.url, "unreachable" if error.code in _SILENCE else "unproven", None, error.detail)
        return NodeView(node.url, "agrees", checkpoint, "")

    def _compare(self, url: str, shown: Checkpoint, newest: Checkpoint) -> NodeView:
        """Whether what a node showed leads to the newest checkpoint."""
        size, newest_size = shown.head.size, newest.head.size
        if shown.head == newest.head:
            return NodeView(url, "agrees", shown, "")
        if size == newest_size:
            self._alarm(f"two histories of {size} blocks, each cosigned by a quorum")
            return NodeView(url, "disagrees", shown, "another history of the same size")
        if self._is_continued(shown.head, newest.head):
            return NodeView(url, "behind", shown, f"{newest_size - size} blocks behind the newest")
        self._alarm(f"nobody proves that the {size} blocks that {url} shows lead to the newest {newest_size}")
        self._take_words(size)
        return NodeView(url, "disagrees", shown, "no beginning of the newest history")

    def _show_less(self, url: str, shown: Checkpoint, newest: Checkpoint) -> NodeView:
        """A node that has fewer blocks than are held, as all of them have."""
        return NodeView(url, "behind", shown, f"{newest.head.size - shown.head.size} blocks less than held")

    def _compare_held(self, held: Checkpoint, newest: Checkpoint) -> None:
        """Whether the newest checkpoint continues the one that the auditor holds."""
        size, newest_size = held.head.size, newest.head.size
        if held.head == newest.head:
            return
        if size == newest_size:
            self._alarm(f"another history of {size} blocks than the one held")
        elif not self._is_continued(held.head, newest.head):
            self._alarm(f"nobody proves that the {size} blocks held lead to the newest {newest_size}")
            self._take_words(size)

    def _is_cut_off(self) -> bool:
        """Whether what the nodes show is smaller than what is held, and none of them has the rest: who had cosigned it
        has lost it then. Nodes of others may only be late.
        """
        held = self._held
        if held is None or any(shown.head.size >= held.head.size for shown in self._shown.values()):
            return False
        if self._take_words(held.head.size):
            return False
        known = self._trust.signers_of(held.head.size)
        signers = held.cosigners((*known.names, *known.witnesses))
        lost = sorted(signer for node in self._nodes if (signer := self._member(node)) in signers)
        if lost:
            sizes = ", ".join(str(size) for size in sorted({shown.head.size for shown in self._shown.values()}))
            self._alarm(
                f"cut off: {', '.join(lost)} cosigned {held.head.size} blocks, now no node has more than {sizes}"
            )
        return True

    def _member(self, node: Node) -> str:
        if node.url not in self._shown:
            return ""
        try:
            return node.member()
        except PoolError:
            return ""

    # Proofs

    def _is_continued(self, old: TreeHead, new: TreeHead) -> bool:
        """Whether any node proves that ``new`` continues ``old``."""
        for node in self._nodes:
            try:
                node.verify_continues(old, new)
            except PoolError:
                continue
            return True
        return False

    def _take_words(self, size: int) -> list[Checkpoint]:
        """What the nodes say of themselves at this size, each under its member's signature."""
        words = []
        for node in self._nodes:
            try:
                words.append(node.own_checkpoint(size))
            except PoolError:
                continue
        self._words += words
        return words

    # Evidence

    def _convict(self, given: Sequence[Checkpoint]) -> Iterator[Conviction]:
        """A file for every member that the signatures seen convict."""
        convicted: set[str] = set()
        for first, second in combinations((*given, *self._words), 2):
            for member in sorted(self._liars(first, second) - convicted):
                convicted.add(member)
                content = make_checkpoint_evidence(self._trust, member, first, second)
                yield Conviction(member, second.head.size, content)

    def _liars(self, first: Checkpoint, second: Checkpoint) -> set[str]:
        """Who has signed both although nobody honest does; and who stands with its word alone against a quorum."""
        liars = {one.member for one in first.signatures for other in second.signatures if is_contradiction(one, other)}
        is_fork = first.head.size == second.head.size and first.head.root != second.head.root
        if is_fork and second in self._words and first not in self._words:
            liars |= {item.member for item in second.signatures}
        return liars

    def _alarm(self, text: str) -> None:
        if text not in self._alarms:
            self._alarms.append(text)


def quorum_time_s(checkpoint: Checkpoint, trust: TrustHistory) -> int:
    """Since when a quorum of validators has stood behind a checkpoint, seconds since 1970; one with a quorum."""
    validators = trust.signers_of(checkpoint.head.size)
    times_s = [item.time_s for item in checkpoint.signatures if item.time_s is not None and item.member in validators]
    return sorted(times_s, reverse=True)[validators.quorum - 1]
