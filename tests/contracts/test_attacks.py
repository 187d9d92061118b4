"""Contracts that try to get out, to stall, to flood or to confuse (scenario 52): each is a deny with its code."""

import pytest

from bench.contract_fuel import block_fuel_max
from chain.errors import ErrorCode
from chain.facts import unpack
from chain.limits import LIMITS
from contracts.sandbox import Sandbox
from tests.contracts.support import ALLOW_ALL, CONTEXT, DATASET, REQUEST, call, contract, decide

FAILED = ErrorCode.CONTRACT_FAILED
FUEL = ErrorCode.CONTRACT_OUT_OF_FUEL
MEMORY = ErrorCode.CONTRACT_OUT_OF_MEMORY
TRAPPED = ErrorCode.CONTRACT_TRAPPED
BAD = {ErrorCode.CONTRACT_BAD_VERDICT, ErrorCode.CONTRACT_BAD_ANSWER}

SYS = "import json\nsys = json.codecs.sys\n"
"""Modules that a contract cannot import, it can still reach inside its own interpreter."""

FORBIDDEN_IMPORTS = ("os", "sys", "socket", "ctypes", "subprocess", "time", "random", "threading", "asyncio", "pathlib",
                     "importlib", "builtins", "gc", "inspect", "pickle", "contracts.author", "wit_world")  # fmt: skip

ESCAPES = {
    "open": ("open('/etc/passwd')", FAILED, "NameError"),
    "real open": ("import json\njson.codecs.builtins.open('/etc/passwd')", FAILED, "there are no files"),
    "open for writing": ("import json\njson.codecs.builtins.open('/tmp/x', 'w')", FAILED, "there are no files"),
    "list a folder": (SYS + "sys.modules['os'].listdir('/')", TRAPPED, "stopped"),
    "environment": (SYS + "return deny(str(len(sys.modules['os'].environ)))", None, "0"),
    "run a program": (SYS + "sys.modules['os'].system('id')", FAILED, "AttributeError"),
    "clock": (SYS + "sys.modules['time'].time()", TRAPPED, "stopped"),
    "clock through datetime": ("import datetime\ndatetime.datetime.now()", TRAPPED, "stopped"),
    "randomness": (SYS + "sys.modules['os'].urandom(8)", TRAPPED, "stopped"),
    "socket": (SYS + "sys.modules['socket']", FAILED, "KeyError"),
    "late import": (SYS + "sys.modules['importlib'].import_module('socket')", TRAPPED, "stopped"),
    "write to standard output": (SYS + "sys.stdout.write('x')\nsys.stdout.flush()", TRAPPED, "stopped"),
    "subclasses": (
        "names = {c.__name__ for c in ().__class__.__base__.__subclasses__()}\n"
        "return deny(str(sorted(names & {'Popen', 'socket', 'CDLL'})))",
        None,
        "[]",
    ),
    "frames": (
        "def f():\n    yield g.gi_frame.f_back.f_back\ng = f()\nframe = next(g)\n"
        "while frame.f_back:\n    frame = frame.f_back\nreturn deny(frame.f_code.co_filename)",
        None,
        "",
    ),
    "code from text": ("eval('(')", FAILED, "SyntaxError"),
    "exit": ("raise SystemExit(0)", FAILED, "SystemExit"),
    "hard exit": (SYS + "sys.modules['os']._exit(0)", TRAPPED, "stopped"),
    "abort": (SYS + "sys.modules['os'].abort()", TRAPPED, "stopped"),
    "crash the interpreter": (
        "f = lambda: 0\nf.__code__ = f.__code__.replace(co_code=b'\\x53\\xff' * 50, co_consts=())\nf()",
        None,
        "",
    ),
}

EXHAUSTION = {
    "endless loop": ("while True: pass", FUEL),
    "endless loop that catches everything": ("while True:\n    try:\n        while True: pass\n    except: pass", FUEL),
    "endless recursion": ("can_read(request, dataset, ctx)", FAILED),
    "endless recursion without a bound": (SYS + "sys.setrecursionlimit(10**9)\ndef f(): return f()\nreturn f()", FUEL),
    "catastrophic pattern": ("import re\nre.match('(a*)*b', 'a' * 64)", FUEL),
    "huge power": ("10 ** 10 ** 8", None),
    "one huge list": ("[0] * 10**9", MEMORY),
    "many strings": ("all = []\nwhile True: all.append('a' * 10**7)", MEMORY),
    "huge shift": ("1 << 10**10", MEMORY),
    "digits of a huge integer": ("str(10 ** 5000)", FAILED),
    "deep repr": ("x = []\nfor _ in range(20000): x = [x]\nrepr(x)", TRAPPED),
    "deep comparison": ("x, y = [], []\nfor _ in range(20000): x, y = [x], [y]\nx == y", TRAPPED),
    "deep JSON": ("import json\njson.loads('[' * 100000)", TRAPPED),
    "deep source": ("eval('(' * 10000)", TRAPPED),
    "megabytes of note": ("return allow(note='a' * 10**7)", FUEL),
    "exception with megabytes": ("raise Exception('a' * 10**7)", FAILED),
    "exception that cannot be shown": ("class E(Exception):\n    def __str__(self): raise ValueError\nraise E", FAILED),
    "finaliser that raises": ("class E:\n    def __del__(self): raise ValueError\nE()\nreturn allow()", None),
}

NONSENSE = {
    "nothing": "pass",
    "a word": "return 'allow'",
    "true": "return True",
    "a dictionary": "return {'verdict': 'allow'}",
    "the function": "return allow",
    "a changed verdict": "return allow()._replace(verdict='Allow')",
    "a verdict with both": "return deny('no')._replace(verdict='allow')",
    "nobody asked": "return ask([])",
    "more needed than asked": "return ask(['aviation'], needed=2)",
    "none needed": "return ask(['aviation'], needed=0)",
    "asked twice": "return ask(['aviation', 'aviation'], needed=1)",
    "no member's name": "return ask(['AVIATION'])",
    "end in the past": "return allow(until=ctx.time_ms)",
    "end beyond all time": "return allow(until=2**63)",
    "negative end": "return allow()._replace(until_ms=-1)",
    "end that is no number": "return allow()._replace(until_ms=1.5)",
    "same field twice": "return allow(fields=['a', 'a'])",
    "too many fields": "return allow(fields=map(str, range(2000)))",
    "long reason": "return deny('a' * 301)",
    "long note": "return allow(note='a' * 10**5)",
    "half a character": "return deny('\\ud800')",
    "large state": "ctx.state['x'] = 'a' * 17000\nreturn allow()",
    "deep state": "x = {}\nfor _ in range(40): x = {'x': x}\nctx.state['x'] = x\nreturn allow()",
    "state that is not JSON": "ctx.state['x'] = {1, 2}\nreturn allow()",
    "not a number": "ctx.state['x'] = float('nan')\nreturn allow()",
    "integer beyond 64 bits": "ctx.state['x'] = 2**70\nreturn allow()",
    "state with half a character": "ctx.state['x'] = '\\ud800'\nreturn allow()",
}


@pytest.mark.parametrize("module", FORBIDDEN_IMPORTS)
def test_s52_what_is_not_pure_cannot_be_imported(sandbox: Sandbox, module: str) -> None:
    decision = decide(sandbox, contract(f"import {module}"))
    assert (decision.verdict, decision.failure) == ("deny", FAILED)
    assert (
        decision.sentence
        == f"line 3: ImportError: a contract cannot import {module}; docs/contracts.md lists what it can"
    )


@pytest.mark.parametrize("name", ESCAPES)
def test_s52_there_is_nothing_to_escape_to(sandbox: Sandbox, name: str) -> None:
    body, code, reason = ESCAPES[name]
    decision = decide(sandbox, contract(body))
    assert decision.verdict == "deny"
    if name != "crash the interpreter":  # how it ends is not the point, only that it ends as a deny
        assert decision.failure == (code or "")
    assert reason in decision.sentence


@pytest.mark.parametrize("name", EXHAUSTION)
def test_s52_work_and_memory_are_bounded(sandbox: Sandbox, name: str) -> None:
    body, code = EXHAUSTION[name]
    first, second = (decide(sandbox, contract(body)) for _ in range(2))
    assert first == second
    if code is not None:
        assert (first.verdict, first.failure) == ("deny", code)
    assert first.fuel <= block_fuel_max() - LIMITS.block_contract_fuel
    assert len(str(unpack(first.facts).get("text", ""))) <= LIMITS.reason_length


@pytest.mark.parametrize("name", NONSENSE)
def test_s52_nonsense_is_no_verdict(sandbox: Sandbox, name: str) -> None:
    decision, state, _ = call(sandbox, contract(NONSENSE[name]))
    assert (decision.verdict, decision.failure in BAD, state) == ("deny", True, None)


@pytest.mark.parametrize(
    "answer",
    [
        "''",
        "'null'",
        "'[]'",
        '\'[["allow", "", 0, null, [], 0, ""], {}]\'',
        '\'[["allow", "", 0, null, [], 0, ""], {}, "", 1]\'',
        '\'[["allow", "", 0, null, [], 0, ""], [], ""]\'',
        '\'[["allow", "", 0, null, [], 0, ""], {"x": 1e9999}, ""]\'',
        '\'["fine", "", 0]\'',
        "'[' * 100000",
        f"' ' * {LIMITS.contract_answer_length + 1}",
        "'\\ud800'",
        "b''",
    ],
)
def test_a_forged_answer_is_no_verdict(sandbox: Sandbox, answer: str) -> None:
    """The runtime that writes the answer lives in the same interpreter and can be replaced."""
    body = f"{SYS}sys.modules['contracts.runtime']._encode = lambda *_: {answer}\nreturn allow()"
    decision = decide(sandbox, contract(body))
    assert decision.verdict == "deny"
    assert decision.failure in BAD | {TRAPPED}


def test_s52_exactly_at_the_fuel_limit(sandbox: Sandbox) -> None:
    """The longest loop that still answers, and one round more: found twice, in fresh guests each time."""

    def passes(rounds: int) -> bool:
        decision = decide(sandbox, contract(f"for _ in range({rounds}): pass\nreturn allow()"))
        assert decision.failure in ("", FUEL)
        return not decision.failure

    def longest() -> int:
        low, high = 0, 8_000_000
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if passes(middle) else (low, middle)
        return low

    limit = longest()
    assert 200_000 < limit < 7_999_999
    assert [passes(limit), passes(limit + 1)] * 3 == [True, False] * 3


def test_s52_printing_is_harmless_and_shown_to_the_author(sandbox: Sandbox) -> None:
    decision, _, printed = call(sandbox, contract("print('x' * 10**7)\nprint('y')\nreturn allow()"))
    assert decision.verdict == "allow"
    assert printed == "x" * 4096


def test_s52_a_failure_leaves_nothing_behind(sandbox: Sandbox) -> None:
    session = sandbox.contract(
        contract("import json\nif hasattr(json, 'seen'):\n    return deny('seen')\njson.seen = 1\n1 / 0")
    )
    first, second = (session.decide(REQUEST, DATASET, CONTEXT).decision for _ in range(2))
    assert first == second
    assert first.failure == FAILED
    assert first.sentence == "line 7: ZeroDivisionError: division by zero"


def test_an_honest_contract_is_untouched_by_all_this(sandbox: Sandbox) -> None:
    assert decide(sandbox, ALLOW_ALL).verdict == "allow"
