"""Metrics of what every transaction is counted in."""

from node.metrics import Metrics


def test_a_latency_counts_in_every_bucket_that_it_does_not_exceed() -> None:
    metrics = Metrics()
    metrics.commit_latency.observe([0.001, 0.002, 0.0021, 40.0])
    value, name = metrics.registry.get_sample_value, "blockpool_commit_latency_seconds"
    assert value(f"{name}_bucket", {"le": "0.002"}) == 2
    assert value(f"{name}_bucket", {"le": "0.005"}) == 3
    assert value(f"{name}_bucket", {"le": "30.0"}) == 3
    assert value(f"{name}_bucket", {"le": "+Inf"}) == value(f"{name}_count") == 4
    assert value(f"{name}_sum") == 0.001 + 0.002 + 0.0021 + 40.0
