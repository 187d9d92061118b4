"""``python -m bench.contract_fuel``: how long a unit of contract fuel takes, whatever a contract does with it.

Fuel bounds how long a block's contracts take, so no kind of work may cost much more time than fuel. Each kind here
spends its time on something else: instructions, memory, failures, what goes in and what comes out. Exit code 1 if a
unit takes more than ``UNIT_NS_MAX``: this machine is too slow for a validator of a network with contracts, or a price
is too low.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import closing

from rich.console import Console

from chain.limits import LIMITS
from cli.output import grid
from contracts.engine import Engine
from contracts.facts import ContextFacts, DatasetFacts, GrantFacts, MemberFacts, RequestFacts, encode_call
from contracts.sandbox import Sandbox, call_fuel

UNIT_NS_MAX = 1.0
"""Nanoseconds of processor time, on the slowest machine that may be a validator."""
ROUNDS = 5
TIME_MS = 1_750_000_000_000
_HEAD = "from blockpool.contract import *\n\ndef can_read(request, dataset, ctx):\n"
KINDS = {
    "a simple call": "return allow()",
    "what goes in": "return deny(ctx.grants[-1].note[:9])",
    "state of numbers": "ctx.state['x'] = [0.1e-5] * 1700\nreturn allow()",
    "an answer too long": "ctx.state['x'] = [0.1e-5] * 18000\nreturn allow()",
    "an exception": "raise ValueError('x')",
    "a trap": "import json\njson.loads('[' * 5000)",
    "a trap, far down": "x = []\nfor _ in range(100000): x = [x]\nrepr(x)",
    "memory": "kept = []\nwhile True: kept.append(bytes(1000000) + b'x')",
    "instructions": "while True: pass",
    "copying": "a, b = bytearray(20000000), bytearray(20000000)\nwhile True: b[:] = a",
    "comparing": "a, b = bytes(20000000), bytes(20000000)\nwhile True: a == b",
    "jumping about": "n = [0] * 2**20\ni = 0\nwhile True:\n    i = (i * 1103515245 + 12345) % 2**20\n    n[i]",
    "sorting": "n = [i * 1103515245 % 2**20 for i in range(100000)]\nwhile True: sorted(n)",
    "writing JSON": "import json\nn = list(range(200000))\nwhile True: json.dumps(n)",
    "powers": "x = 1.5\nwhile True: x = (x / 1.0000001) ** 0.99999",
}
"""Bodies of contracts."""


def block_fuel_max() -> int:
    """The most that a block's contracts can spend: the last call that may stand in it begins just below the bound."""
    limits = LIMITS
    last_call = call_fuel(limits.contract_inputs_size_bytes) + limits.contract_guest_fuel + 2 * limits.contract_fuel
    read = limits.contract_answer_length * limits.contract_answer_character_fuel
    return limits.block_contract_fuel + last_call + read


def contract(body: str) -> str:
    """A contract of which this is what it does."""
    return _HEAD + "".join(f"    {line}\n" for line in body.splitlines())


def unit_ns(sandbox: Sandbox, body: str, rounds: int = ROUNDS) -> tuple[float, int]:
    """Nanoseconds a unit takes in the best of some rounds of this kind, and the fuel of a round."""
    best_ns, fuel = float("inf"), 0
    is_simple, is_told_much = body == KINDS["a simple call"], body == KINDS["what goes in"]
    calls, call = 20 if is_simple else 1, _call(LIMITS.contract_grants if is_told_much else 0)
    with closing(sandbox.contract(contract(body))) as session:
        for _ in range(rounds):
            began_ns = time.process_time_ns()
            fuel = sum(session.decide_encoded(call, TIME_MS).decision.fuel for _ in range(calls))
            best_ns = min(best_ns, (time.process_time_ns() - began_ns) / fuel)
    return best_ns, fuel


def measured() -> Iterator[tuple[str, float, int]]:
    """Name, nanoseconds a unit and fuel, of each kind."""
    sandbox = Sandbox(Engine.open())
    for name, body in KINDS.items():
        yield name, *unit_ns(sandbox, body)


def main() -> int:
    """Measure, and print one table."""
    table = grid("kind of work", "units", "ms", "ns a unit", right=frozenset({"units", "ms", "ns a unit"}))
    worst_ns = 0.0
    for name, ns, fuel in measured():
        worst_ns = max(worst_ns, ns)
        table.add_row(name, f"{fuel:,}", f"{ns * fuel / 1e6:.2f}", f"{ns:.3f}")
    console = Console(highlight=False)
    console.print(table)
    units = block_fuel_max()
    console.print(
        f"a unit takes {worst_ns:.2f} ns here at most; a validator's machine may take {UNIT_NS_MAX:g}. A block's "
        f"contracts spend {units:,} units at most: {units * worst_ns / 1e6:.0f} ms here, "
        f"{units * UNIT_NS_MAX / 1e6:.0f} ms there."
    )
    return int(worst_ns > UNIT_NS_MAX)


def _call(grants_count: int) -> bytes:
    grants = tuple(
        GrantFacts(f"{number:064x}", 100 + number, TIME_MS - 1, TIME_MS + 1, "flood warning", "x" * 1500)
        for number in range(grants_count)
    )
    context = ContextFacts(MemberFacts("meteorology"), MemberFacts("aviation"), 1_000, TIME_MS, grants=grants)
    return encode_call(RequestFacts("ab" * 32, "flood warning"), DatasetFacts("aviation.flights", "aviation"), context)


if __name__ == "__main__":
    sys.exit(main())
