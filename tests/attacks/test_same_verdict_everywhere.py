"""Contracts that try to answer differently on different nodes, or on the same node at another time (scenario 52): the
whole block, hash and all, comes out the same in a sandbox that has run for long, in a new one, in another process with
another hash seed, and for an auditor.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chain.access.decision import CallResult
from chain.access.policy import Deployable
from chain.state.difference import damage
from chain.transactions.request import RequestHeader
from contracts.engine import Engine
from contracts.policy import SandboxPolicy
from contracts.sandbox import Sandbox, SandboxSession
from contracts.worker import SandboxProcess
from tests.attacks.world import World, contract
from tests.contracts.test_attacks import SYS

ROOT = Path(__file__).parents[2]

FICKLE = {
    "address": "return deny(str(id(object())) + str(id(ctx)))",
    "address-in-a-text": "return deny(repr(object()) + repr(can_read))",
    "address-in-an-error": "raise ValueError(object(), lambda: 0)",
    "address-in-an-attribute-error": "return (lambda: 0).nothing",
    "hash-of-a-text": "return deny(str(hash('blockpool')) + str(hash(b'blockpool')) + str(hash(None)))",
    "order-of-a-set": "return deny(','.join({f'member-{n}' for n in range(20)}))",
    "order-of-addresses": "return deny(str(sorted(range(9), key=lambda n: id(str(n) * 3))))",
    "floats": "return deny(repr([0.1 + 0.2, 1e300 * 1e10, float('nan'), -0.0, 2 ** 0.5, 1 / 3, 1e22, 5e-324]))",
    "mathematics": "import math\nreturn deny(repr([math.sin(1e22), math.gamma(4.5), math.fsum([.1] * 9)]))",
    "floats-in-its-state": "ctx.state['x'] = ctx.state.get('x', 0.1) * 1.1 + 1e-17\nreturn deny(repr(ctx.state['x']))",
    "bits-of-not-a-number": "import struct\nreturn deny(struct.pack('<d', float('inf') - float('inf')).hex())",
    "version-and-platform": f"{SYS}return deny(str([sys.version, sys.platform, sys.byteorder, sys.maxsize]))",
    "arguments-and-paths": f"{SYS}return deny(str([sys.argv, sys.path, len(sys.modules)]))",
    "reference-counts": f"{SYS}return deny(str([sys.getrefcount(None) > 9, sys.getsizeof(ctx), sys.intern('x')]))",
    "collected-garbage": "class A:\n    def __del__(self): ctx.state['n'] = ctx.state.get('n', 0) + 1\n"
    "for _ in range(99):\n    a = A(); a.a = a\nreturn deny(str(ctx.state))",
    "depth-of-recursion": "def f(n):\n    try:\n        return f(n + 1)\n    except RecursionError:\n        return n\n"
    "return deny(str(f(0)))",
    "memory-that-is-left": "all = []\ntry:\n    while True: all.append(bytes(10**6))\nexcept MemoryError:\n"
    "    n = len(all)\n    del all\n    return deny(str(n))",
    "remembers-by-force": f"{SYS}sys.calls = getattr(sys, 'calls', 0) + 1\nreturn deny(str(sys.calls))",
    "remembers-in-a-default": "import json\njson.calls = getattr(json, 'calls', []) + [request.id[:4]]\n"
    "return deny(','.join(json.calls))",
    "fails-every-second-time": f"{SYS}sys.calls = getattr(sys, 'calls', 0) + 1\n"
    "if sys.calls == 2:\n    1 / 0\nreturn deny(str(sys.calls))",
    "fuel-at-its-end": "n = 0\ntry:\n    while True: n += 1\nexcept BaseException:\n    return deny(str(n))",
}
"""Each wants to see something of the machine, the process or the past."""


@pytest.fixture(scope="module")
def fickle_world(engine: Engine) -> World:
    """A chain on which every fickle contract has been called, three times in one block, once in each of the next two,
    and once in a block with as many others as it has room for.
    """
    world = World.create(engine)
    for name, body in FICKLE.items():
        world.accept(*world.share(contract(body), name))
    for name in FICKLE:
        asked = [world.network.request(member, f"a.{name}") for member in ("b", "c", "d")]
        assert len(world.offer(*asked)) >= 2  # what spends a block's fuel leaves no room for the third
        for member in ("outsider", "b"):
            world.accept(world.network.request(member, f"a.{name}"))
    left = [world.network.request("outsider", f"a.{name}") for name in FICKLE if name != "fuel-at-its-end"]
    while left:
        left = left[len(world.offer(*left)) :]
    return world


def test_s52_a_new_node_agrees_with_one_that_has_run_for_long(fickle_world: World, engine: Engine) -> None:
    sandbox = Sandbox(engine, fickle_world.network.chain_id)
    busy = sandbox.contract(contract("return deny(str(hash('x')))"))
    busy.close()
    replayed = fickle_world.replayed(SandboxPolicy(sandbox))
    assert replayed.tip.block_hash == fickle_world.ledger.tip.block_hash


def test_s52_a_process_of_its_own_agrees(fickle_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another hash seed, time zone and locale, other addresses."""
    monkeypatch.setenv("PYTHONHASHSEED", "4711" if os.environ.get("PYTHONHASHSEED") != "4711" else "1")
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    monkeypatch.setenv("LC_ALL", "C")
    with SandboxProcess(fickle_world.network.chain_id) as process:
        replayed = fickle_world.replayed(SandboxPolicy(process))
    assert replayed.tip.block_hash == fickle_world.ledger.tip.block_hash


class AheadSandbox:
    """A sandbox that has spare time after every session, and loads the contract for the next one."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def check(self, source: str, parameters: str = "{}") -> Deployable:
        return self._sandbox.check(source, parameters)

    def contract(self, source: str, parameters: str = "{}") -> "AheadSession":
        return AheadSession(self._sandbox.contract(source, parameters))


class AheadSession:
    """A session that is followed by spare time."""

    def __init__(self, session: SandboxSession) -> None:
        self._session = session

    def decide_encoded(self, call: bytes, time_ms: int) -> CallResult:
        return self._session.decide_encoded(call, time_ms)

    def close(self) -> None:
        self._session.close()
        self._session.prepare_next()


def test_s52_a_node_that_works_ahead_agrees(fickle_world: World, engine: Engine) -> None:
    sandbox = AheadSandbox(Sandbox(engine, fickle_world.network.chain_id))
    replayed = fickle_world.replayed(SandboxPolicy(sandbox))
    assert replayed.tip.block_hash == fickle_world.ledger.tip.block_hash


def test_s52_an_auditor_agrees(fickle_world: World, engine: Engine) -> None:
    policy = SandboxPolicy(Sandbox(engine, fickle_world.network.chain_id))
    report = fickle_world.audited(policy)
    assert report.block_hash == fickle_world.ledger.tip.block_hash
    assert report.outcomes == {"ok": sum(len(block.outcomes) for block in fickle_world.blocks)}


def test_s52_a_node_that_starts_again_executes_the_same(fickle_world: World, engine: Engine) -> None:
    policy = SandboxPolicy(Sandbox(engine, fickle_world.network.chain_id))
    restarted = fickle_world.restarted(policy)
    assert restarted.tip == fickle_world.ledger.tip
    assert not list(damage(restarted.chain_id, restarted.states.view(), restarted.tip.state))


def test_s52_what_was_remembered_by_force_ends_with_the_block(fickle_world: World) -> None:
    """Within a block it is kept, on every node alike; the next block begins with a new guest."""
    assert reasons_of(fickle_world, "remembers-by-force") == [["1", "2", "3"], ["1"], ["1"], ["1"]]


def test_s52_what_was_remembered_by_force_ends_with_a_failure(fickle_world: World) -> None:
    """The call after one that failed begins with a new guest too."""
    first, *later = reasons_of(fickle_world, "fails-every-second-time")
    assert first == ["1", "line 7: ZeroDivisionError: division by zero", "1"]
    assert later == [["1"]] * 3


def reasons_of(world: World, name: str) -> list[list[str]]:
    """What a contract answered, block by block."""
    found = [
        [
            outcome.sentence
            for checked, outcome in zip(block.transactions, block.outcomes, strict=True)
            if isinstance(checked.header, RequestHeader) and checked.header.dataset == f"a.{name}"
        ]
        for block in world.blocks
    ]
    return [reasons for reasons in found if reasons]


SHORT_OF_MEMORY = """
import resource, sys
from pathlib import Path
from chain.errors import PoolError
from contracts.engine import Engine
from contracts.sandbox import Sandbox
from tests.contracts.support import CONTEXT, DATASET, REQUEST

source, limit, measure = sys.argv[1:]
sandbox = Sandbox(Engine.open())
first, second = sandbox.contract(source), sandbox.contract(source)
print(first.decide(REQUEST, DATASET, CONTEXT).decision.sentence)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
bound = int(status[measure].split()[0]) * 1024 + 30_000_000
resource.setrlimit(getattr(resource, limit), (bound, bound))
try:
    print(second.decide(REQUEST, DATASET, CONTEXT).decision.sentence)
except PoolError as error:
    print(error.code.value)
"""


@pytest.mark.parametrize(("limit", "measure"), [("RLIMIT_DATA", "VmData"), ("RLIMIT_AS", "VmSize")])
def test_s52_a_machine_without_memory_does_not_decide(limit: str, measure: str) -> None:
    """A contract that sees a ``MemoryError`` can hide it, and deny where others allow: it must not see one that only
    this machine has.
    """
    body = "try:\n    return deny(str(len(b'x' * 40_000_000)))\nexcept MemoryError:\n    return deny('none')"
    command = [sys.executable, "-c", SHORT_OF_MEMORY, contract(body), limit, measure]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["40000000", "engine_damaged"], done.stderr
