"""How checkpoints are made, kept and doubted, node by node and without a clock: several nodes in memory, joined by
lines that a test can cut.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from chain.errors import ErrorCode
from chain.ledger import ExecutedBlock, Ledger
from chain.primitives.crypto import Signer
from chain.primitives.encoding import encode
from chain.proofs.checkpoints import Cosignature, parse_checkpoint, sign_head, trusted_head
from chain.proofs.history import TreeHead, root_at
from chain.proofs.trust import TrustHistory
from evidence.kinds import verify_any_evidence
from node.checkpoints import CHECKPOINT_INTERVAL, REFRESH_S, REST_S, Checkpoints
from node.cosigner import Cosigner
from node.frames import FrameKind
from node.metrics import Metrics
from node.misbehaviour import MisbehaviourFolder
from node.pool import Pool
from tests.networks import TestNetwork
from tests.refusals import refuses

NAMES = "abcd"


class Hub:
    """Joins nodes; who is in ``cut`` neither hears nor is heard."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.network = TestNetwork()
        genesis = self.network.genesis
        self.keys = TrustHistory(genesis)
        self.now_s = 1_700_000_000.0
        self.nodes: dict[str, MemoryNode] = {}
        self.cut: set[str] = set()

    def start(self, *names: str) -> None:
        for name in names:
            self.nodes[name] = MemoryNode(self, name, self.network.ledger())

    def extend(self, blocks: int, *names: str) -> ExecutedBlock:
        """The same blocks on every node of ``names``, by default on all; gives the last one."""
        nodes = [self.nodes[name] for name in names or self.nodes]
        for _ in range(blocks):
            executed = self.next_block(nodes[0].ledger)
            for node in nodes:
                node.pool.commit(executed, self.network.certify(executed))
        return executed

    def next_block(self, ledger: Ledger) -> ExecutedBlock:
        transaction = self.network.dataset(name=f"n{self.network.nonce}")
        return ledger.execute([self.network.checked(transaction)], ledger.tip.header.time_ms + 1, "a")

    def rest(self, seconds: float = REST_S) -> None:
        """Time passes, and the clocks tick."""
        self.now_s += seconds
        for node in self.nodes.values():
            node.checkpoints.tick()

    def sign(self, member: str, size: int, root: bytes, time_s: int | None = None) -> Cosignature:
        time_s = int(self.now_s) if time_s is None else time_s
        return sign_head(self.network.consensus[member], self.network.chain_id, member, TreeHead(size, root), time_s)


def signers_of(hub: Hub, name: str) -> dict[bytes, Signer]:
    """What a validator cosigns with."""
    signer = hub.network.consensus[name]
    return {signer.public_key: signer}


class MemoryNode:
    """A validator's checkpoints on a ledger in memory; its own files are on disk."""

    def __init__(self, hub: Hub, name: str, ledger: Ledger) -> None:
        self.hub, self.name, self.ledger = hub, name, ledger
        self.folder = hub.folder / name
        self.folder.mkdir(exist_ok=True)
        self.metrics = Metrics()
        self.may_cosign = True
        self.pool = Pool(ledger, lambda: int(hub.now_s * 1000), lambda: hub.now_s)
        self.misbehaviour = MisbehaviourFolder(self.folder / "misbehaviour", hub.network.trust, self.metrics)
        self.checkpoints = Checkpoints(
            self.pool,
            self,
            Cosigner(
                self.folder / "COSIGNED",
                signers_of(hub, name),
                name,
                hub.keys,
            ),
            self.folder / "checkpoint.note",
            self.metrics,
            lambda: self.may_cosign,
            self.misbehaviour.on_conflict,
            lambda: hub.now_s,
            lambda: hub.now_s,
        )

    @property
    def size(self) -> int:
        """Of the newest checkpoint; 0 without one."""
        newest = self.checkpoints.newest
        return 0 if newest is None else newest.head.size

    @property
    def conflicts(self) -> float:
        return self.metrics.registry.get_sample_value("blockpool_checkpoint_conflicts_total") or 0

    def send(self, member: str, kind: int, body: bytes) -> bool:
        assert kind == FrameKind.COSIGNATURE
        is_heard = member in self.hub.nodes and not {member, self.name} & self.hub.cut
        if is_heard:
            self.hub.nodes[member].checkpoints.receive(self.name, body)
        return is_heard

    def broadcast(self, kind: int, body: bytes) -> int:
        return sum(self.send(member, kind, body) for member in self.hub.nodes if member != self.name)

    def hear(self, line: Cosignature) -> None:
        self.checkpoints.receive(line.member, encode(line))

    def restart(self) -> "MemoryNode":
        self.checkpoints.close()
        node = self.hub.nodes[self.name] = MemoryNode(self.hub, self.name, self.ledger)
        return node


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    hub = Hub(tmp_path)
    hub.start(*NAMES)
    yield hub
    for node in hub.nodes.values():
        node.checkpoints.close()


def root_of(node: MemoryNode, size: int) -> bytes:
    return root_at(size, node.ledger.blocks.history_node)


def test_every_64th_size_is_cosigned_as_it_is_passed(hub: Hub) -> None:
    hub.extend(CHECKPOINT_INTERVAL - 2)
    assert [node.size for node in hub.nodes.values()] == [0] * 4
    hub.extend(1)
    assert [node.size for node in hub.nodes.values()] == [CHECKPOINT_INTERVAL] * 4
    for node in hub.nodes.values():
        assert trusted_head(node.checkpoints.note(), hub.keys).root == root_of(node, CHECKPOINT_INTERVAL)


def test_a_tip_is_cosigned_once_it_has_rested(hub: Hub) -> None:
    hub.extend(2)
    hub.rest(REST_S / 2)
    assert [node.size for node in hub.nodes.values()] == [0] * 4
    hub.rest(REST_S / 2)
    assert [node.size for node in hub.nodes.values()] == [3] * 4


def test_a_tip_that_still_rests_is_cosigned_again_and_shows_the_later_time(hub: Hub) -> None:
    hub.rest()
    first = hub.nodes["a"].checkpoints.newest
    hub.rest(REFRESH_S / 2)
    assert hub.nodes["a"].checkpoints.newest == first
    hub.rest(REFRESH_S / 2)
    again = hub.nodes["a"].checkpoints.newest
    assert first is not None
    assert again is not None
    assert again.head == first.head
    assert {item.time_s for item in again.signatures} == {int(hub.now_s)}


def test_too_few_make_no_checkpoint_and_who_is_heard_later_completes_it(hub: Hub) -> None:
    hub.cut = {"c", "d"}
    hub.rest()
    assert [node.size for node in hub.nodes.values()] == [0] * 4
    with refuses(ErrorCode.NOT_FOUND):
        hub.nodes["a"].checkpoints.note()
    hub.cut = {"d"}
    hub.nodes["c"].checkpoints.on_connect("a", 0)
    assert hub.nodes["a"].size == 1


def test_a_node_that_is_behind_keeps_lines_for_sizes_that_it_reaches_later(hub: Hub) -> None:
    executed = hub.extend(1, *"abc")
    hub.nodes["d"].may_cosign = False
    hub.rest()
    assert hub.nodes["d"].size == 0
    hub.nodes["d"].pool.commit(executed, hub.network.certify(executed))
    assert hub.nodes["d"].size == 2


def test_a_node_that_may_not_cosign_gathers_all_the_same(hub: Hub) -> None:
    hub.nodes["d"].may_cosign = False
    hub.rest()
    newest = hub.nodes["d"].checkpoints.newest
    assert newest is not None
    assert newest.cosigners(NAMES) == ("a", "b", "c")


def test_a_restart_keeps_the_checkpoint_and_what_was_cosigned(hub: Hub) -> None:
    hub.extend(3)
    hub.rest()
    hub.rest(0)
    before = hub.nodes["a"].checkpoints.newest
    node = hub.nodes["a"].restart()
    assert node.checkpoints.newest == before
    assert node.checkpoints._cosigner.last  # type: ignore[union-attr]


def test_a_spoiled_note_is_passed_over(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    hub.rest()
    hub.rest(0)
    note = hub.folder / "a" / "checkpoint.note"
    note.write_bytes(note.read_bytes()[:-9])
    with caplog.at_level(logging.WARNING):
        assert hub.nodes["a"].restart().size == 0
    assert "the kept checkpoint is not accepted" in caplog.text


def test_s22_a_restart_on_another_history_cosigns_nothing_any_more(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    """What a member has signed binds it, whatever its database says today."""
    hub.extend(3)
    hub.rest()
    signed = Cosigner(
        hub.folder / "a" / "COSIGNED",
        signers_of(hub, "a"),
        "a",
        hub.keys,
    )
    before = signed.last
    signed.close()
    node = hub.nodes["a"]
    node.ledger = hub.network.ledger()
    node = node.restart()
    hub.extend(4, "a")
    with caplog.at_level(logging.CRITICAL):
        hub.rest()
        hub.rest()
    assert caplog.text.count("cosigning refused") == 1
    assert node.conflicts >= 1
    assert before is not None
    again = Cosigner(
        hub.folder / "a" / "COSIGNED",
        signers_of(hub, "a"),
        "a",
        hub.keys,
    )
    assert again.last == before
    again.close()


def test_a_node_that_has_lost_blocks_waits_until_it_has_them_again(hub: Hub) -> None:
    blocks = [hub.extend(1) for _ in range(3)]
    hub.rest()
    hub.rest(0)
    node = hub.nodes["a"]
    node.ledger = hub.network.ledger()
    node = node.restart()
    hub.rest()
    assert (node.size, node.conflicts) == (0, 0)
    assert [item.size for item in hub.nodes["b"].checkpoints._lines["a"]] == [4]
    for executed in blocks:
        node.pool.commit(executed, hub.network.certify(executed))
    assert node.size == 4, "its note on disk counts again"
    hub.extend(1)
    hub.rest()
    assert [item.size for item in hub.nodes["b"].checkpoints._lines["a"]] == [4, 5]


def test_times_never_go_back(hub: Hub) -> None:
    hub.rest()
    hub.now_s -= 1000
    hub.extend(1)
    hub.rest()
    newest = hub.nodes["b"].checkpoints.newest
    assert newest is not None
    assert newest.head.size == 2
    assert {item.time_s for item in newest.signatures} == {1_700_000_002}


def test_a_line_for_another_root_is_a_conflict_and_convicts_once_a_quorum_stands_against_it(hub: Hub) -> None:
    hub.cut = {"d"}
    node = hub.nodes["a"]
    node.hear(hub.sign("d", 1, bytes(32)))
    assert (node.conflicts, node.misbehaviour.files) == (1, [])
    hub.rest()
    (file,) = node.misbehaviour.files
    assert (file.name, file.member, file.kind, file.place) == ("d.checkpoints.1.json", "d", "checkpoints", 1)
    steps = list(verify_any_evidence(node.misbehaviour.read(file.name), hub.network.trust))
    assert steps[-1].detail == "another history than the quorum's at 1 blocks"
    assert node.conflicts == 1


def test_two_lines_of_one_member_convict_it_without_a_quorum(hub: Hub) -> None:
    node = hub.nodes["a"]
    node.hear(hub.sign("d", 9, bytes(32)))
    node.hear(hub.sign("d", 9, b"\x01" * 32))
    (file,) = node.misbehaviour.files
    detail = list(verify_any_evidence(node.misbehaviour.read(file.name), hub.network.trust))[-1].detail
    assert detail == "another history than its own at 9 blocks"


def test_a_smaller_size_at_a_later_time_convicts(hub: Hub) -> None:
    node = hub.nodes["a"]
    node.hear(hub.sign("d", 9, bytes(32)))
    node.hear(hub.sign("d", 7, bytes(32), int(hub.now_s) + 5))
    (file,) = node.misbehaviour.files
    detail = list(verify_any_evidence(node.misbehaviour.read(file.name), hub.network.trust))[-1].detail
    assert detail == "cut off: 7 blocks, after it had seen 9"


def test_a_liar_fills_neither_memory_nor_disk(hub: Hub) -> None:
    node = hub.nodes["a"]
    for size in range(2, 200):
        for root in (bytes(32), b"\x01" * 32):
            node.hear(hub.sign("d", size, root))
        node.checkpoints.tick()
    assert len(node.misbehaviour.files) == 16
    assert len(node.checkpoints._lines["d"]) == 4
    assert len(node.checkpoints._ahead) <= 4


def test_more_lines_than_a_member_needs_are_not_looked_at(hub: Hub) -> None:
    node = hub.nodes["a"]
    for size in range(2, 12):
        node.hear(hub.sign("d", size, bytes(32), 1_700_000_000 + size))
    assert node.checkpoints._lines["d"][-1].size == 9
    node.checkpoints.tick()
    node.hear(hub.sign("d", 12, bytes(32), 1_700_000_012))
    assert node.checkpoints._lines["d"][-1].size == 12


@pytest.mark.parametrize("wrong", ["another's", "plain", "forged"])
def test_only_the_sender_s_own_cosignature_is_taken(hub: Hub, wrong: str) -> None:
    line = hub.sign("d", 1, bytes(32))
    spoiled = {
        "another's": hub.sign("c", 1, bytes(32)),
        "plain": replace(line, time_s=None),
        "forged": replace(line, size=2),
    }[wrong]
    with refuses(ErrorCode.BAD_CHECKPOINT):
        hub.nodes["a"].checkpoints.receive("d", encode(spoiled))
    assert "d" not in hub.nodes["a"].checkpoints._lines


def test_a_node_gives_its_word_on_every_size_that_it_holds(hub: Hub) -> None:
    hub.extend(5)
    node = hub.nodes["a"]
    for size in (1, 4, 6):
        word = parse_checkpoint(node.checkpoints.own_note(size), hub.keys)
        assert word.head == TreeHead(size, root_of(node, size))
        assert [(item.member, item.time_s) for item in word.signatures] == [("a", None)]
    for size in (0, 7):
        with refuses(ErrorCode.NOT_FOUND):
            node.checkpoints.own_note(size)


def test_evidence_survives_a_restart_and_is_listed_once(hub: Hub) -> None:
    node = hub.nodes["a"]
    node.hear(hub.sign("d", 9, bytes(32)))
    node.hear(hub.sign("d", 9, b"\x01" * 32))
    files = node.misbehaviour.files
    node = node.restart()
    node.hear(hub.sign("d", 9, bytes(32)))
    node.hear(hub.sign("d", 9, b"\x01" * 32))
    assert node.misbehaviour.files == files
    for name in ("d.checkpoints.8.json", "../COSIGNED", ""):
        with refuses(ErrorCode.NOT_FOUND):
            node.misbehaviour.read(name)
