"""What a call of a contract costs in the engine alone: no chain, no state, no signatures."""

import statistics
import time
from collections.abc import Callable

import orjson

from bench.figures import Figure
from bench.network import process_memory
from chain.limits import LIMITS
from contracts.engine import Engine
from contracts.facts import ContextFacts, DatasetFacts, GrantFacts, MemberFacts, RequestFacts, encode_call
from contracts.library import source_of
from contracts.sandbox import Sandbox
from contracts.worker import SandboxProcess

CONTRACT = "purpose_bound"
PURPOSE = "flood warning"
PARAMETERS = orjson.dumps({"purposes": {PURPOSE: None}, "required": ["person"], "days": 30}).decode()
TIME_MS = 1_772_366_400_000
FIRST_CALLS = 20
CALLS = 2_000
OPEN_CONTRACTS = 8
"""Contracts opened at once, to see what memory one takes."""


def engine_figures() -> list[Figure]:
    """First and further calls, calls in bulk, memory."""
    source, few, many = source_of(CONTRACT), _call(grants=0), _call(grants=LIMITS.contract_grants)
    sandbox = Sandbox(Engine.open())
    first_ms = statistics.median(_first_call_ms(sandbox, source, few) for _ in range(FIRST_CALLS))
    session = sandbox.contract(source, PARAMETERS)
    few_us, many_us = (_call_us(session.decide_encoded, call) for call in (few, many))
    session.close()
    with SandboxProcess(bytes(32)) as process:
        closed = process_memory(process.process_id)
        sessions = [process.contract(source, PARAMETERS) for _ in range(OPEN_CONTRACTS)]
        for remote in sessions:
            remote.decide_encoded(few, TIME_MS)
        opened = process_memory(process.process_id)
        bulk_us = _call_us(sessions[0].decide_encoded, few)
    each_mb = (opened.private - closed.private) / OPEN_CONTRACTS / 1e6
    call_how = f"in one process; {many_us:.0f} us if there are {LIMITS.contract_grants} earlier grants to tell of"
    memory_how = (
        f"resident, {closed.private / 1e6:.0f} MB of it private; {each_mb:.1f} MB more for each contract that a block "
        f"calls, at most {LIMITS.contract_memory_size_bytes / 1e6:.0f} MB"
    )
    return [
        Figure("engine_first", "contract engine: first call in a block", first_ms, "ms", "a fresh guest, load, call"),
        Figure("engine_call", "contract engine: further call", few_us, "us", call_how),
        Figure(
            "engine_bulk", "contract engine: calls in bulk", 1e6 / bulk_us, "calls/s", "one after another, over a pipe"
        ),
        Figure("engine_memory", "contract engine: memory of its process", closed.resident / 1e6, "MB", memory_how),
    ]


def _call(grants: int) -> bytes:
    """What ``CONTRACT`` is told of a reader with this many earlier grants."""
    earlier = tuple(
        GrantFacts(f"{number:064x}", 100 + number, TIME_MS - 1_000, TIME_MS + 1_000, PURPOSE, PURPOSE)
        for number in range(grants)
    )
    request = RequestFacts(id="ab" * 32, purpose=PURPOSE, legal_basis="Flood Control Law", person="Li Wei")
    context = ContextFacts(MemberFacts("meteorology"), MemberFacts("aviation"), 1_000, TIME_MS, grants=earlier)
    return encode_call(request, DatasetFacts("aviation.flights", "aviation"), context)


def _first_call_ms(sandbox: Sandbox, source: str, call: bytes) -> float:
    started = time.perf_counter()
    session = sandbox.contract(source, PARAMETERS)
    session.decide_encoded(call, TIME_MS)
    taken_ms = (time.perf_counter() - started) * 1000
    session.close()
    return taken_ms


def _call_us(decide: Callable[[bytes, int], object], call: bytes) -> float:
    decide(call, TIME_MS)
    started = time.perf_counter()
    for _ in range(CALLS):
        decide(call, TIME_MS)
    return (time.perf_counter() - started) * 1e6 / CALLS
