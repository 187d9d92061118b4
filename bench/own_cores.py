"""Section about a node that has cores of its own: one validator and the load on this machine, and nobody else."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.bench import PLAIN, Bench
from bench.figures import Figure, Section
from bench.network import Network
from cli.processes import LocalNetwork

EXAMINERS = (0, 1)
FIRST_RATE = 900
_SETTING = (
    "A network of one validator, so that its node has the machine to itself but for the load. Records of one a "
    "transaction as in (a), without and with a process that verifies signatures, payloads and schemas beside the "
    "node's event loop (`examiners` in `[node]`)."
)


def own_cores(bench: Bench) -> Section:
    """What one node sustains, by its examiners."""
    figures, runs = [], []
    for count in EXAMINERS:
        with lone_network(count) as network:
            own = Bench(network, bench.load, bench.durations, bench.say)
            own.define_datasets()
            rate, found = own.find_saturation(PLAIN, 1, FIRST_RATE)
        runs += found
        peak = max(run.committed_per_s for run in found)
        what = f"one validator alone, {count or 'no'} examiner: sustained"
        figures.append(Figure(f"own_cores_{count}", what, rate, "records/s", f"peak {peak:,.0f} when overloaded"))
    return Section("own_cores", "A node with cores of its own", _SETTING, figures, runs)


@contextmanager
def lone_network(examiners: int) -> Iterator[Network]:
    """One started, ready validator with so many examiners; it is ended with the block."""
    name = "BLOCKPOOL_NODE_EXAMINERS"
    before = os.environ.get(name)
    os.environ[name] = str(examiners)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="blockpool-bench-") as folder,
            LocalNetwork(Path(folder) / "pool", ["registry"], "Benchmark") as local,
        ):
            local.start()
            yield Network(local)
    finally:
        os.environ.pop(name) if before is None else os.environ.update({name: before})
