"""What is done to the cluster: one function for each kind of fault, which returns when the fault is over.

Faults of nodes strike one node, as many as four validators tolerate; ``rolling_restart`` strikes one after the other.
Those in ``WITHOUT_QUORUM`` strike more: no service is promised while they last, but nothing may be lost either.
"""

import random
import re
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from chain.limits import KIB
from cli.processes import READY_TIMEOUT_S
from tests.chaos.cluster import ChaosNode, Cluster
from tests.chaos.equivocating_node import BEGIN
from tests.chaos.proxy import LinkRule

HOUR_S = 3600
_HOUR_TOLERANCE_MS = 60_000
_POLL_S = 0.1
_REFUSAL_S_MAX = 60.0
"""Under load there is a proposal every moment; but the node has to catch up before it judges any."""
_DISK_FULL_S_MAX = 20.0
_NOTICED_S_MAX = 60.0
_CATCH_UP_BLOCKS_PER_S_MIN = 25
"""While the others go on: a tenth of what an idle machine does, since all four share this one."""
_STALLED = LinkRule(is_stalled=True)
_PRIMARY_SHARE = 0.5
"""How often the victim is the primary; otherwise it may be anyone."""
_WEATHER = LinkRule(delay_s=0.005, jitter_s=0.03)
_WEATHER_SHARE = 0.3
"""How often the links are slow while something else goes wrong."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault is done to."""

    cluster: Cluster
    random: random.Random
    hold_s: float
    """How long a fault lasts, more or less."""

    def wait(self, share: float = 1.0) -> None:
        """Let the fault last for a share of its time, drawn between a half and one and a half."""
        time.sleep(self.hold_s * share * self.random.uniform(0.5, 1.5))

    def victim(self) -> ChaosNode:
        """A node, rather often the primary."""
        nodes = self.cluster.nodes
        if self.random.random() < _PRIMARY_SHARE:
            return nodes[self.cluster.primary()]
        return self.random.choice(list(nodes.values()))

    def weather(self) -> None:
        """Sometimes make all links slow, until the next healing."""
        if self.random.random() < _WEATHER_SHARE:
            self.cluster.proxy.rule(self.cluster.proxy.directions, _WEATHER)


def kill_loop(scene: Scene) -> None:
    """s37: kill -9 and restart, again and again, not always waiting until it has come up."""
    node = scene.victim()
    for _ in range(scene.random.randint(3, 5)):
        node.kill()
        node.start()
        scene.wait(0.5)


def freeze(scene: Scene) -> None:
    """s43: SIGSTOP and SIGCONT: the process sleeps, then goes on as if no time had passed. Sometimes for so long that
    the others have closed their links to it.
    """
    node = scene.victim()
    node.freeze()
    scene.wait(scene.random.choice([1.0, 3.0]))
    node.thaw()


def slow_links(scene: Scene) -> None:
    """Every link delayed, each way by another amount."""
    proxy = scene.cluster.proxy
    for direction in proxy.directions:
        rule = LinkRule(delay_s=scene.random.uniform(0.005, 0.06), jitter_s=scene.random.uniform(0, 0.05))
        proxy.rule([direction], rule)
    scene.wait()


def lossy_links(scene: Scene) -> None:
    """Every link loses bytes, and now and then connections end."""
    proxy = scene.cluster.proxy
    proxy.rule(proxy.directions, LinkRule(loss=scene.random.uniform(0.01, 0.08)))
    for _ in range(3):
        scene.wait(0.3)
        proxy.cut(0.3)


def one_way(scene: Scene) -> None:
    """s30: a node hears the others and is not heard, or the other way round, or cannot reach a single one."""
    name, proxy = scene.victim().member, scene.cluster.proxy
    heard = [direction for direction in proxy.directions if direction[0] == name]
    hears = [direction for direction in proxy.directions if direction[1] == name]
    proxy.rule(scene.random.choice([heard, hears, heard[:1]]), _STALLED)
    scene.wait()


def isolate(scene: Scene) -> None:
    """s30: the primary is alone, long enough for the others to notice and go on without it."""
    name, proxy = scene.cluster.primary(), scene.cluster.proxy
    proxy.rule([direction for direction in proxy.directions if name in direction], _STALLED)
    scene.wait(3.0)


def halves(scene: Scene) -> None:
    """s31: two and two, in the middle of whatever they were deciding; no quorum."""
    proxy, names = scene.cluster.proxy, list(scene.cluster.nodes)
    half = set(scene.random.sample(names, len(names) // 2))
    proxy.rule(
        [(source, target) for source, target in proxy.directions if (source in half) != (target in half)], _STALLED
    )
    scene.wait()


def flapping_links(scene: Scene) -> None:
    """s30: every moment other directions are silent, and connections end; hardly ever is there a quorum for long."""
    proxy = scene.cluster.proxy
    for _ in range(8):
        proxy.heal()
        proxy.rule([direction for direction in proxy.directions if scene.random.random() < 0.4], _STALLED)
        proxy.cut(0.2)
        scene.wait(0.15)


def rolling_restart(scene: Scene) -> None:
    """Every node in turn, in good order, each once the one before it is back, as for an upgrade."""
    for node in _shuffled(scene, scene.cluster.nodes.values()):
        node.stop()
        node.start()
        node.wait_ready()


def blackout(scene: Scene) -> None:
    """s38: all are killed at once, and start one by one."""
    nodes = list(scene.cluster.nodes.values())
    for node in nodes:
        node.kill()
    for node in _shuffled(scene, nodes):
        node.start()
        scene.wait(0.2)


def kill_storm(scene: Scene) -> None:
    """s38: any node is killed at any moment, whatever the others are about, and comes back a little later."""
    nodes = list(scene.cluster.nodes.values())
    for _ in range(10):
        for node in scene.random.sample(nodes, scene.random.randint(1, 3)):
            if node.expected:
                node.kill()
            else:
                node.start()
        scene.wait(0.2)
    for node in nodes:
        if not node.expected:
            node.start()


def disk_full(scene: Scene) -> None:
    """s41: the disk takes no more in the middle of a write: the node stops, and says so; then there is space again."""
    node = scene.victim()
    node.fill_disk(scene.random.randrange(64 * KIB))
    assert node.has_ended(_DISK_FULL_S_MAX), f"the node of {node.member} runs on without a disk"
    assert node.wait() == 1, f"the node of {node.member} ended with {node.wait()} on a full disk"
    scene.wait(0.3)
    node.start()


def wiped_node(scene: Scene) -> None:
    """s36: a node loses everything but its keys, votes included, and fetches the chain under load."""
    node, status = scene.victim(), None
    while status is None:
        status = node.status()
    node.kill()
    shutil.rmtree(node.data)
    scene.wait(0.3)
    node.start()
    node.wait_ready(READY_TIMEOUT_S + status.height / _CATCH_UP_BLOCKS_PER_S_MIN)


def wrong_clock(scene: Scene) -> None:
    """s43: a node's clock is an hour ahead or behind, until it or the others have refused a proposal for it and then
    for a while.
    """
    node, before = scene.victim(), hourly_drifts(scene.cluster)
    node.stop()
    node.clock_offset_s = scene.random.choice([-HOUR_S, HOUR_S])
    node.start()
    node.wait_up()  # a daemon that has not come up yet cannot end in good order
    until_s = time.monotonic() + _REFUSAL_S_MAX
    while hourly_drifts(scene.cluster) == before:
        assert time.monotonic() < until_s, f"the wrong clock of {node.member} is nowhere noticed"
        time.sleep(_POLL_S)
    scene.wait()
    node.stop()
    node.clock_offset_s = 0
    node.start()


def hourly_drifts(cluster: Cluster) -> int:
    """How many proposals were refused, by the nodes' logs, for a time that was wrong by about an hour."""
    logs = "".join(node.log.read_text() for node in cluster.nodes.values())
    drifts_ms = (int(drift) for drift in re.findall(r"its time is (\d+) ms from this node's clock", logs))
    return sum(abs(drift_ms - HOUR_S * 1000) < _HOUR_TOLERANCE_MS for drift_ms in drifts_ms)


def old_image(scene: Scene) -> None:
    """s42: a node's disk goes back to what it was some blocks ago, its votes too: it counts as the faulty one."""
    node = scene.victim()
    image = node.data.with_name("image")
    node.kill()
    shutil.copytree(node.data, image)
    node.start()
    node.wait_ready()
    scene.wait()
    node.kill()
    shutil.rmtree(node.data)
    image.rename(node.data)
    node.start()


def equivocating(scene: Scene) -> None:
    """s01, s02: a validator tells some of the others one thing and the rest another, with its genuine key. It lasts
    until it has been primary, and others have evidence against it.
    """
    node = scene.victim()
    before = contradictions(scene.cluster, node.member)
    node.stop()
    node.equivocates = True
    node.start()
    _enthrone(scene, node)
    node.signal(BEGIN)
    until_s = time.monotonic() + _NOTICED_S_MAX
    while contradictions(scene.cluster, node.member) == before:
        assert time.monotonic() < until_s, f"nobody has evidence against {node.member}"
        time.sleep(_POLL_S)
    scene.wait()
    assert node.pid is not None, f"the node of {node.member} ended\n{node.log_tail()}"
    node.stop()
    node.equivocates = False
    node.start()


def twins(scene: Scene) -> None:
    """s02: a validator's keys and disk are in two daemons at once, each of which reaches and hears whom it can. It
    lasts until both have voted.
    """
    node = scene.victim()
    node.kill()
    twin = node.make_twin()
    node.start()
    _enthrone(scene, node)
    twin.start()
    own_port = scene.cluster.proxy.port_of(node.member)
    scene.cluster.proxy.lead(node.member, own_port, twin.peer_port)
    until_s = time.monotonic() + _NOTICED_S_MAX
    voted: set[str] = set()
    while len(voted) < 2:
        assert time.monotonic() < until_s, f"of the twins of {node.member}, {len(voted)} voted"
        voted |= {each.url for each in (node, twin) if (status := each.status()) and status.role == "validator"}
        scene.cluster.proxy.cut(0.1, node.member)
        time.sleep(_POLL_S)
    scene.wait()
    assert twin.pid is not None, f"the twin of {node.member} ended\n{twin.log_tail()}"
    node.end_twin()
    scene.cluster.proxy.lead(node.member)
    node.stop()
    node.start()


def contradictions(cluster: Cluster, member: str) -> int:
    """How often the nodes' logs say that a member's validator contradicts itself."""
    logs = "".join(node.log.read_text() for node in cluster.nodes.values())
    return len(re.findall(rf"a validator contradicts itself.*validator={member}\b", logs))


def _enthrone(scene: Scene, node: ChaosNode) -> None:
    """Make a validator that is not faulty yet the primary, once it votes: each one before it is frozen until the others
    have deposed it.
    """
    scene.cluster.wait_settled()
    until_s = time.monotonic() + _NOTICED_S_MAX
    while (primary := _primary_by(node)) != node.member:
        assert time.monotonic() < until_s, f"{node.member} does not become primary"
        if primary is None:
            continue
        scene.cluster.nodes[primary].freeze()
        while _primary_by(node) == primary and time.monotonic() < until_s:
            time.sleep(_POLL_S)
        scene.cluster.nodes[primary].thaw()
        scene.cluster.wait_settled()


def _primary_by(node: ChaosNode) -> str | None:
    status = node.status()
    return None if status is None else status.primary


Fault = Callable[[Scene], None]

FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        kill_loop,
        freeze,
        slow_links,
        lossy_links,
        one_way,
        isolate,
        halves,
        flapping_links,
        rolling_restart,
        blackout,
        kill_storm,
        disk_full,
        wiped_node,
        wrong_clock,
        old_image,
        equivocating,
        twins,
    )
}
"""All kinds, by name."""

WITHOUT_QUORUM = frozenset({"halves", "flapping_links", "blackout", "kill_storm"})
"""Kinds under which no service is promised until they are over."""


def _shuffled(scene: Scene, nodes: Iterable[ChaosNode]) -> list[ChaosNode]:
    found = list(nodes)
    scene.random.shuffle(found)
    return found
