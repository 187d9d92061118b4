"""Daemons as processes: one is killed in mid-stream, all are killed, one stops in good order, one is an observer."""

import time
from pathlib import Path

import httpx
import pytest

from tests.integration.daemons import STOP_S_MAX, Submitter, daemons, until
from tests.processes import NO_TLS

pytestmark = pytest.mark.integration


def test_s24_s38_the_primary_is_killed_in_mid_stream_then_all_are(tmp_path: Path) -> None:
    """s24, s38: service goes on, nothing acknowledged is lost, and who was killed catches up."""
    with daemons(tmp_path) as pool:
        pool.start()
        pool.submit(pool.network.dataset())
        primary = pool.primary()
        others = tuple(name for name in pool.nodes if name != primary)
        stream = Submitter(pool, others)
        with stream.running():
            until(lambda: len(stream.acknowledged) >= 20)
            pool.nodes[primary].kill()
            before = len(stream.acknowledged)
            until(lambda: len(stream.acknowledged) >= before + 20)
        assert stream.gap_s < 3
        pool.start(primary)
        until(lambda: pool.blocks_agree())
        assert all(pool.holds(primary, data) for data in stream.acknowledged)

        for node in pool.nodes.values():
            node.kill()
        for name in pool.nodes:
            pool.nodes[name].start()
            until(
                lambda name=name: (
                    httpx.get(f"{pool.url(name)}/healthz", trust_env=False, verify=NO_TLS).status_code == 200
                )
            )
        late = pool.network.parcel([b'{"n":1000}'])
        pool.submit(late)
        until(lambda: pool.blocks_agree())
        for name in pool.nodes:
            assert pool.holds(name, late)
            assert all(pool.holds(name, data) for data in stream.acknowledged)

        for node in pool.nodes.values():
            started_s = time.monotonic()
            node.stop()
            assert node.wait() == 0
            assert time.monotonic() - started_s < STOP_S_MAX


def test_stopping_answers_those_who_wait_and_is_quick(tmp_path: Path) -> None:
    with daemons(tmp_path) as pool:
        pool.start()
        with (
            httpx.Client(trust_env=False, verify=NO_TLS) as client,
            client.stream("GET", f"{pool.url('a')}/v1/events") as events,
        ):
            assert events.status_code == 200
            started_s = time.monotonic()
            pool.nodes["a"].stop()
            assert pool.nodes["a"].wait() == 0
            assert time.monotonic() - started_s < STOP_S_MAX
            assert list(events.iter_lines()) == []


def test_an_observer_follows_takes_submissions_and_never_votes(tmp_path: Path) -> None:
    with daemons(tmp_path, others=("observer",)) as pool:
        pool.start("a", "b", "c", "d")
        pool.submit(pool.network.dataset())
        pool.submit(pool.network.parcel())
        pool.start("observer")
        until(lambda: pool.blocks_agree())
        assert pool.status("observer")["role"] == "observer"
        own = pool.network.dataset("observer")
        receipt = pool.submit(own, "observer")
        assert "observer" not in {name for name, _ in receipt.certificate.votes}
        assert pool.holds("observer", own)
        pool.nodes["observer"].kill()
        pool.submit(pool.network.parcel([b'{"n":5}']))
        pool.start("observer")
        until(lambda: pool.blocks_agree())
