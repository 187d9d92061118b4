"""Section about what a program gets through the package: signing, sending and verifying included."""

from collections.abc import Callable

from bench import sdk_client
from bench.bench import PLAIN, Bench
from bench.figures import Figure, Section
from bench.rates import PARCEL_RECORDS
from bench.sdk_client import Program, Shared

AT_ONCE = (1, 8, 400)
_SETTING = (
    "One program in a process of its own on the same machine, with one node's URL and defaults: it signs each record "
    "or parcel, sends it, waits for its commit and verifies the receipt against the genesis file. One record a call: "
    "so many callers in threads (`Client`) or tasks (`AsyncClient`), each of which calls again once it has its receipt."
)


def sdk(bench: Bench) -> Section:
    """Records a second and processor time a record, by how a program shares."""
    program = program_of(bench)
    figures: list[Figure] = []
    for kind, name, calls, submission in (
        ("sdk", "blocking", sdk_client.calls, sdk_client.submission),
        ("sdk_async", "asyncio", sdk_client.async_calls, sdk_client.async_submission),
    ):
        for at_once in AT_ONCE:
            shared = _run(bench, f"{name}, {at_once} at once", calls, program, at_once)
            what = f"through the SDK, {name}: one record a call, {at_once} at once"
            figures.append(Figure(f"{kind}_calls_{at_once}", what, shared.per_second, "records/s", _cpu(shared)))
        singles = _run(bench, f"{name}, singles", submission, program, 1)
        what = f"through the SDK, {name}: one submission, a record a transaction"
        figures.append(Figure(f"{kind}_singles", what, singles.per_second, "records/s"))
        what = f"through the SDK, {name}: processor time of the program for it"
        figures.append(Figure(f"{kind}_singles_cpu", what, singles.cpu_ms, "ms/record"))
        bulk = _run(bench, f"{name}, bulk", submission, program, PARCEL_RECORDS)
        what = f"through the SDK, {name}: one submission, {PARCEL_RECORDS} records a parcel"
        figures.append(Figure(f"{kind}_bulk", what, bulk.per_second, "records/s", _cpu(bulk)))
        saturation = bench.rates.get("parcels")
        if saturation:
            share = 100 * bulk.per_second / saturation
            how = f"{bulk.per_second:,.0f} of {saturation:,.0f} records/s; signing is in it"
            what = f"through the SDK, {name}: the same against saturation of (b)"
            figures.append(Figure(f"{kind}_bulk_share", what, share, "%", how))
    return Section("sdk", "Through the SDK", _SETTING, figures)


def program_of(bench: Bench) -> Program:
    """A program of the first member, at its node."""
    node = bench.network.nodes[0]
    genesis = node.process.home / "genesis.json"
    return Program(node.url, genesis, node.member, node.system_seed, f"{node.member}.{PLAIN}")


def _run(bench: Bench, what: str, share: Callable[..., Shared], program: Program, size: int) -> Shared:
    before = bench.network.cpu_seconds()
    shared = bench.load.call(share, program, size, bench.durations.step_s)
    bench.network.wait_idle()
    nodes_us = (bench.network.cpu_seconds() - before) * 1e6 / shared.records
    bench.say(f"{what}: {shared.per_second:,.0f} records/s; cpu: {_cpu(shared)}, nodes {nodes_us:.0f} us/record")
    return shared


def _cpu(shared: Shared) -> str:
    return f"{shared.cpu_ms * 1000:,.0f} us of processor time a record in the program"
