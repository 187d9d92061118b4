"""The same decision everywhere: fresh or long-running, in this process or another, now or in ten years."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import orjson
import pytest

from chain.access.decision import CallResult, Decision
from chain.access.policy import contract_hash
from chain.errors import ErrorCode, PoolError, Refusal
from chain.limits import LIMITS
from chain.primitives.crypto import ZERO_HASH
from contracts.facts import encode_call
from contracts.sandbox import Sandbox, inputs_hash
from contracts.worker import SandboxProcess
from tests.contracts.support import ALLOW_ALL, CONTEXT, DATASET, REQUEST, call, contract, decide
from tests.refusals import refuses

WORK = contract(
    """import decimal, fractions, hashlib, math, re, statistics, unicodedata
from datetime import timedelta
words = {f"{request.purpose}{i}" for i in range(50)}
order = ",".join(words)
number = math.sin(2) ** 7 + statistics.pstdev([1, 2.5, 4]) + float(decimal.Decimal(2).sqrt())
digest = hashlib.sha256(f"{order}{number!r}{id(words)}{hash(request)}".encode()).hexdigest()
return allow(until=ctx.time + timedelta(days=1), note=digest)"""
)
"""Everything that might differ between machines or processes goes into the note."""


def test_the_same_in_fresh_and_in_used_guests(sandbox: Sandbox) -> None:
    others = [sandbox.contract(ALLOW_ALL) for _ in range(3)]
    for other in others:
        for _ in range(20):
            other.decide(REQUEST, DATASET, CONTEXT)
    decisions = {decide(sandbox, WORK) for _ in range(5)}
    for other in others:
        other.close()
    assert len(decisions) == 1
    assert len(decisions.pop().note) == 64


def test_the_same_calls_in_the_same_order_spend_the_same_fuel(sandbox: Sandbox) -> None:
    def block() -> list[CallResult]:
        session = sandbox.contract(WORK)
        try:
            return [session.decide(REQUEST, DATASET, msgspec.structs.replace(CONTEXT, height=h)) for h in range(50)]
        finally:
            session.close()

    first = block()
    assert block() == first
    assert len({called.decision.inputs_hash for called in first}) == 50


@pytest.fixture(scope="module")
def process(cache_folder: Path) -> Iterator[SandboxProcess]:
    with SandboxProcess(ZERO_HASH, cache_folder) as process:
        yield process


@pytest.mark.parametrize(
    "source",
    [
        WORK,
        ALLOW_ALL,
        contract("while True: pass"),
        contract("1 / 0"),
        contract("x = []\nfor _ in range(20000): x = [x]\nrepr(x)"),
        contract("ctx.state['n'] = ctx.state.get('n', 0) + 1\nprint('counted')\nreturn deny(str(ctx.state))"),
    ],
)
def test_the_same_in_another_process(sandbox: Sandbox, process: SandboxProcess, source: str) -> None:
    there, here = process.contract(source), sandbox.contract(source)
    for _ in range(4):
        assert there.decide(REQUEST, DATASET, CONTEXT) == here.decide(REQUEST, DATASET, CONTEXT)
    there.close()
    here.close()
    assert process.check(source) == sandbox.check(source)


def test_another_process_refuses_alike(sandbox: Sandbox, process: SandboxProcess) -> None:
    found = []
    for check in (sandbox.check, process.check):
        with pytest.raises(PoolError, match="never closed") as refused:
            check("\n\nprint(")
        found.append((refused.value.code, refused.value.detail, refused.value.context))
    assert found[0] == found[1]
    assert found[0][0] is ErrorCode.BAD_CONTRACT
    assert found[0][2]["line"] == 3


def test_a_lost_process_is_no_verdict_and_is_replaced(cache_folder: Path) -> None:
    with SandboxProcess(ZERO_HASH, cache_folder) as process:
        session = process.contract(ALLOW_ALL)
        os.kill(process.process_id, signal.SIGKILL)
        with refuses(ErrorCode.ENGINE_DAMAGED):
            session.decide(REQUEST, DATASET, CONTEXT)
        assert process.contract(ALLOW_ALL).decide(REQUEST, DATASET, CONTEXT).decision.verdict == "allow"
        with pytest.raises(PoolError, match="the session ended"):
            session.decide(REQUEST, DATASET, CONTEXT)


def test_the_process_ends_with_its_input(cache_folder: Path) -> None:
    process = SandboxProcess(ZERO_HASH, cache_folder)
    process.close()
    assert process._process.returncode == 0


def test_names_of_the_module_start_anew_at_every_call(sandbox: Sandbox) -> None:
    source = "from blockpool.contract import deny\nseen = []\n\ndef can_read(request, dataset, ctx):\n"
    session = sandbox.contract(source + "    seen.append(1)\n    return deny(str(len(seen)))\n")
    assert [session.decide(REQUEST, DATASET, CONTEXT).decision.sentence for _ in range(3)] == ["1", "1", "1"]
    session.close()


def test_state_is_kept_and_handed_on_as_it_was_written(sandbox: Sandbox) -> None:
    source = contract(
        "ctx.state['b'] = [1, 1e-7, 1e16, None, True, '航']\nctx.state['a'] = {'y': 1, 'x': 2}\nreturn deny('no')"
    )
    kept = call(sandbox, source).state
    assert kept == rb'{"a":{"x":2,"y":1},"b":[1,1e-07,1e+16,null,true,"\u822a"]}'
    session = sandbox.contract(contract("return deny(repr(sorted(ctx.state.items())))"))
    context = msgspec.structs.replace(CONTEXT, state=orjson.loads(kept))
    assert session.decide(REQUEST, DATASET, context).decision.sentence == (
        "[('a', {'x': 2, 'y': 1}), ('b', [1, 1e-07, 1e+16, None, True, '航'])]"
    )
    session.close()


def test_the_facts_arrive_whole(sandbox: Sandbox) -> None:
    source = contract("print(request)\nprint(dataset)\nprint(ctx)\nprint(ctx.time)\nreturn allow()")
    printed = call(sandbox, source, '{"a": [1]}').printed
    assert "purpose='flood warning', legal_basis='Flood Control Law', case_number='', person='Li Wei'" in printed
    assert "Dataset(id='aviation.flights', owner='aviation', sharing='conditional'" in printed
    assert "reader=Member(name='meteorology', kind='government', roles=('forecast',))" in printed
    assert "parameters={'a': [1]}, state={})\n2026-03-01 12:00:00+00:00\n" in printed


def test_what_is_hashed(sandbox: Sandbox) -> None:
    call = encode_call(REQUEST, DATASET, CONTEXT)
    assert call.startswith(
        b'[["' + b"ab" * 32 + b'","flood warning","Flood Control Law","","Li Wei",[],0,0,0,[],[],[]],['
    )
    chain_id = bytes(range(32))
    assert decide(sandbox, ALLOW_ALL).inputs_hash == inputs_hash(ZERO_HASH, call) != inputs_hash(chain_id, call)
    hashes = {contract_hash(ZERO_HASH, ALLOW_ALL), contract_hash(chain_id, ALLOW_ALL), contract_hash(ZERO_HASH, "")}
    assert len(hashes | {contract_hash(ZERO_HASH, ALLOW_ALL, '{"a":1}')}) == 4


def test_first_call_pays_for_loading(sandbox: Sandbox) -> None:
    session = sandbox.contract(ALLOW_ALL)
    first, second = (session.decide(REQUEST, DATASET, CONTEXT).decision for _ in range(2))
    session.close()
    assert first.fuel > second.fuel + sandbox.check(ALLOW_ALL).fuel // 2
    assert msgspec.structs.replace(first, fuel=0) == msgspec.structs.replace(second, fuel=0)


@pytest.mark.parametrize(
    ("source", "code", "detail", "line"),
    [
        (
            "def can_read(request, dataset, ctx):\n    return (",
            ErrorCode.BAD_CONTRACT,
            "SyntaxError: '(' was never closed",
            2,
        ),
        ("def can_read(request, dataset, ctx):\nreturn", ErrorCode.BAD_CONTRACT, "IndentationError", 2),
        ("x = 1\n", ErrorCode.BAD_CONTRACT, "defines no function can_read", 0),
        ("can_read = 1\n", ErrorCode.BAD_CONTRACT, "must be a plain function", 0),
        ("def can_read(request):\n    pass", ErrorCode.BAD_CONTRACT, "must take exactly (request, dataset, ctx)", 0),
        ("async def can_read(request, dataset, ctx):\n    pass", ErrorCode.BAD_CONTRACT, "must be a plain function", 0),
        ("def can_read(request, dataset, ctx):\n    yield", ErrorCode.BAD_CONTRACT, "must be a plain function", 0),
        ("import json\n\nimport os\n", ErrorCode.BAD_CONTRACT, "line 3: ImportError: a contract cannot import os", 3),
        ("x = 1 / 0\n", ErrorCode.BAD_CONTRACT, "line 1: ZeroDivisionError", 1),
        ("while True: pass\n", ErrorCode.CONTRACT_OUT_OF_FUEL, "it spent all 100000000 units of fuel", 0),
        ("x = '\0'\n", ErrorCode.BAD_CONTRACT, "null bytes", 0),
        ("#" + "x" * LIMITS.contract_source_size_bytes, ErrorCode.CONTRACT_TOO_LARGE, "16384 are allowed", 0),
        ("x = '\ud800'", ErrorCode.CONTRACT_NOT_TEXT, "UTF-8", 0),
    ],
)
def test_what_cannot_be_deployed(sandbox: Sandbox, source: str, code: ErrorCode, detail: str, line: int) -> None:
    with pytest.raises(Refusal) as refused:
        sandbox.check(source)
    assert refused.value.code == code
    assert detail in refused.value.detail
    assert refused.value.context.get("line", 0) == line
    is_refused_before = code in (ErrorCode.CONTRACT_TOO_LARGE, ErrorCode.CONTRACT_NOT_TEXT)
    assert (refused.value.fuel == 0) is is_refused_before


@pytest.mark.parametrize("parameters", ["", "[]", "{", "null", '{"a":' * 40 + "1" + "}" * 40, "{}" + " " * 70_000])
def test_parameters_are_a_bounded_object(sandbox: Sandbox, parameters: str) -> None:
    with pytest.raises(PoolError) as refused:
        sandbox.check(ALLOW_ALL, parameters)
    assert refused.value.code in (ErrorCode.CONTRACT_PARAMETERS, ErrorCode.CONTRACT_TOO_LARGE)


def test_largest_source_loads_within_its_fuel(sandbox: Sandbox) -> None:
    """A table; code so dense that it reaches the size is stopped by its fuel instead."""
    line = "    'carrier': ('CA', 'MU', 'CZ'),\n"
    source = ALLOW_ALL + "TABLE = {\n" + line * ((LIMITS.contract_source_size_bytes - len(ALLOW_ALL) - 99) // len(line))
    source += "}\n"
    assert sandbox.check(source).fuel < LIMITS.contract_fuel


def test_s90_what_is_answered_is_paid_for(sandbox: Sandbox) -> None:
    """By the character, whether the answer is taken or not; what is too long to be read costs as the longest does."""
    notes = [
        decide(sandbox, contract(f"note = 'n' * 2000\nreturn allow(note=note[:{length}])")) for length in (0, 2000)
    ]
    assert notes[1].fuel - notes[0].fuel > 2000 * LIMITS.contract_answer_character_fuel
    long = decide(sandbox, contract("ctx.state['x'] = 'n' * 200000\nreturn allow()"))
    assert long.failure == ErrorCode.CONTRACT_BAD_ANSWER
    assert long.fuel > LIMITS.contract_answer_length * LIMITS.contract_answer_character_fuel


def test_an_odd_escape_is_no_reason_to_stop(sandbox: Sandbox) -> None:
    """CPython warns about it, and would want a standard error for that."""
    assert decide(sandbox, contract(r"return deny('\d')")).sentence == r"\d"


def test_inputs_are_bounded(sandbox: Sandbox) -> None:
    request = msgspec.structs.replace(REQUEST, person="x" * LIMITS.contract_inputs_size_bytes)
    with refuses(ErrorCode.CONTRACT_INPUTS_TOO_LARGE):
        sandbox.contract(ALLOW_ALL).decide(request, DATASET, CONTEXT)


def test_the_same_in_a_thread_however_deep_its_caller(sandbox: Sandbox) -> None:
    """Where the native stack ends is counted from the call, not from the thread's own stack."""
    source = contract("x = []\nfor _ in range(20000): x = [x]\nrepr(x)")

    def deep(levels: int) -> Decision:
        return deep(levels - 1) if levels else decide(sandbox, source)

    with ThreadPoolExecutor(1) as threads:
        there = threads.submit(deep, 100).result()
    assert there == decide(sandbox, source)
    assert there.failure == ErrorCode.CONTRACT_TRAPPED
