"""Section about nodes that are far from each other: every byte between them takes its time."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import sdk_client
from bench.bench import Bench
from bench.figures import Figure, Section
from bench.network import MEMBERS, Network
from bench.rates import PARCEL_RECORDS
from bench.sdk import program_of
from cli.processes import LocalNetwork, free_ports

DELAYS_MS = (0, 25, 75)
AT_ONCE = 400
_SETTING = (
    "Fresh networks, all of whose links go through a proxy that passes each byte on so much later, both ways, with no "
    "bound on the rate. One program beside one node shares through the SDK with defaults, as above."
)


def delays(bench: Bench) -> Section:
    """Commit latency, and records a second, by the delay between nodes."""
    figures: list[Figure] = []
    for delay_ms in DELAYS_MS:
        with distant_network(delay_ms) as network:
            own = Bench(network, bench.load, bench.durations, bench.say)
            own.define_datasets()
            program, duration_s = program_of(own), own.durations.half_s
            alone = own.load.call(sdk_client.async_calls, program, 1, own.durations.step_s)
            many = own.load.call(sdk_client.async_calls, program, AT_ONCE, own.durations.step_s)
            bulk = own.load.call(sdk_client.async_submission, program, PARCEL_RECORDS, duration_s)
        what = f"{delay_ms} ms between nodes"
        key = f"delay_{delay_ms}"
        figures += [
            Figure(f"{key}_call", f"{what}: one call, mean", 1000 / alone.per_second, "ms"),
            Figure(f"{key}_calls", f"{what}: {AT_ONCE} calls at once", many.per_second, "records/s"),
            Figure(
                f"{key}_bulk",
                f"{what}: one submission, {PARCEL_RECORDS} records a parcel",
                bulk.per_second,
                "records/s",
            ),
        ]
        own.say("; ".join(f"{figure.what}: {figure.value:,.0f} {figure.unit}" for figure in figures[-3:]))
    return Section("delays", "Nodes far apart", _SETTING, figures)


@contextmanager
def distant_network(delay_ms: int) -> Iterator[Network]:
    """Four started, ready nodes, so far from each other. They listen elsewhere than where the others look for them: in
    between stands the proxy.
    """
    with (
        tempfile.TemporaryDirectory(prefix="blockpool-bench-") as folder,
        LocalNetwork(Path(folder), MEMBERS, "Benchmark") as local,
    ):
        pairs = []
        for node, port in zip(local.nodes.values(), free_ports(len(MEMBERS)), strict=True):
            config = node.home / "config.toml"
            text = config.read_text(encoding="utf-8")
            address = text.partition("[peer]")[2].partition('"')[2].partition('"')[0]
            config.write_text(text.replace(address, f"127.0.0.1:{port}"), encoding="utf-8")
            pairs.append(f"{address.rpartition(':')[2]}:{port}")
        proxy = subprocess.Popen([sys.executable, "-m", "bench.delaying_proxy", str(delay_ms), *pairs])
        try:
            local.start()
            yield Network(local)
        finally:
            proxy.kill()
            proxy.wait()
