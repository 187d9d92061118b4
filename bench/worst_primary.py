"""Section about a primary that does the worst it can without being replaced."""

import re
import sys
import tempfile
from pathlib import Path

from bench.bench import PLAIN, Bench
from bench.figures import Figure, Section
from bench.network import MEMBERS, Network
from bench.rates import PARCEL_RECORDS
from bench.statistics import Summary
from cli.processes import LocalNetwork, NodeProcess

SINGLES_RATE = 1_500
PARCELS_RATE = 20_000
"""Records a second where the sections before have found no rate that a good primary sustains."""
_VIEW_CHANGES = re.compile(rb"^blockpool_view_changes_total\{.*\} ([0-9.]+)$", re.MULTILINE)


class SlowProcess(NodeProcess):
    """A daemon that delays its proposals (``bench.slow_node``)."""

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "bench.slow_node", str(self.home), *arguments]


def worst_primary(bench: Bench) -> Section:
    """Offer what a good primary sustains to a good one, and to one that delays each proposal as far as is tolerated."""
    with (
        tempfile.TemporaryDirectory(prefix="blockpool-bench-") as folder,
        LocalNetwork(Path(folder), MEMBERS, "Benchmark") as local,
    ):
        local.nodes = {
            member: SlowProcess(member, local.folder, int(process.url.rpartition(":")[2]))
            for member, process in local.nodes.items()
        }
        local.start()
        slow = Bench(Network(local), bench.load, bench.durations, bench.say, bench.rates)
        slow.define_datasets()
        return _compare(bench, slow)


def _compare(bench: Bench, slow: Bench) -> Section:
    figures: list[Figure] = []
    runs: list[Summary] = []
    cases = (
        ("singles", "one record a transaction", 1, SINGLES_RATE),
        ("parcels", f"{PARCEL_RECORDS} records a parcel", PARCEL_RECORDS, PARCELS_RATE),
    )
    for name, what, records, default_rate in cases:
        rate = bench.rates.get(name, default_rate) / records
        before = [view_changes(one.network) for one in (bench, slow)]
        pair = [one.run(one.plan(PLAIN, records, rate, one.durations.half_s))[1] for one in (bench, slow)]
        good, worst = pair
        changes = [view_changes(one.network) - count for one, count in zip((bench, slow), before, strict=True)]
        how = (
            f"{worst.committed_per_s:,.0f} of {good.committed_per_s:,.0f} records/s; p50 {worst.p50_ms:.0f} ms, with a "
            f"good one {good.p50_ms:.0f} ms; view changes {changes[1]}, with a good one {changes[0]}"
        )
        share = 100 * worst.committed_per_s / max(1.0, good.committed_per_s)
        figures.append(Figure(f"worst_primary_{name}", f"worst tolerated primary, {what}: throughput", share, "%", how))
        runs += pair
    setting = (
        "Two networks of four validators, the second with primaries that delay every proposal as far as the others "
        "tolerate. Each in turn is offered what a good primary sustains, while the other has nothing to do. In percent "
        "of what the good one committed."
    )
    return Section("worst_primary", "The worst primary that is tolerated", setting, figures, runs)


def view_changes(network: Network) -> int:
    """View changes that the nodes have started, all together."""
    texts = (node.get_bytes("/metrics") for node in network.running())
    return sum(int(float(count)) for text in texts for count in _VIEW_CHANGES.findall(text))
