"""The fault proxy does to bytes what its rules say, and knows whose they are."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator

import pytest

from cli.processes import free_ports
from tests.chaos.proxy import HOST, FaultProxy, LinkRule, dialler

BLOCKED_S = 0.4


class Pair:
    """A connection that `a`, which is this process, has made through the proxy to `b`."""

    def __init__(self, proxy: FaultProxy, port: int, listener: socket.socket) -> None:
        self.proxy = proxy
        self.near = socket.create_connection((HOST, port), timeout=5)
        self.far, _ = listener.accept()
        self.far.settimeout(5)

    def send(self, source: socket.socket, target: socket.socket) -> float:
        """Seconds until four bytes have got through."""
        started_s = time.monotonic()
        source.sendall(b"ping")
        assert target.recv(4) == b"ping"
        return time.monotonic() - started_s

    def gets_through(self, source: socket.socket, target: socket.socket) -> bool:
        """Whether bytes come out within a while. They are taken if they do."""
        source.sendall(b"late")
        target.settimeout(BLOCKED_S)
        try:
            return target.recv(4) == b"late"
        except TimeoutError:
            return False
        finally:
            target.settimeout(5)


@pytest.fixture
def pair() -> Iterator[Pair]:
    ports = free_ports(3)
    own = os.getpid()
    with (
        socket.create_server((HOST, ports[2])) as listener,
        FaultProxy({"a": (ports[0], ports[0]), "b": (ports[1], ports[2])}, lambda: {"a": own, "b": None}, 1) as proxy,
    ):
        pair = Pair(proxy, ports[1], listener)
        with pair.near, pair.far:
            yield pair


def test_bytes_go_both_ways(pair: Pair) -> None:
    assert pair.send(pair.near, pair.far) < 1
    assert pair.send(pair.far, pair.near) < 1


def test_a_delay_is_of_one_direction(pair: Pair) -> None:
    pair.proxy.rule([("a", "b")], LinkRule(delay_s=0.3))
    assert pair.send(pair.near, pair.far) >= 0.3
    assert pair.send(pair.far, pair.near) < 0.3


def test_lost_bytes_come_a_retransmission_later(pair: Pair) -> None:
    pair.proxy.rule([("a", "b")], LinkRule(loss=1.0))
    assert pair.send(pair.near, pair.far) >= 0.2


def test_a_stalled_direction_holds_everything_until_it_heals(pair: Pair) -> None:
    pair.proxy.rule([("a", "b")], LinkRule(is_stalled=True))
    assert not pair.gets_through(pair.near, pair.far)
    assert pair.gets_through(pair.far, pair.near)
    pair.proxy.heal()
    assert pair.far.recv(4) == b"late"


def test_a_cut_ends_the_connection_on_both_sides(pair: Pair) -> None:
    pair.send(pair.near, pair.far)
    pair.proxy.cut()
    for side in (pair.near, pair.far):
        with contextlib.suppress(ConnectionResetError):
            assert side.recv(1) == b""


def test_who_has_dialled_is_told_by_the_owner_of_the_socket(pair: Pair) -> None:
    local, remote = pair.near.getsockname()[1], pair.near.getpeername()[1]
    assert dialler(local, remote, {"x": None, "y": 1, "z": os.getpid()}) == "z"
    assert dialler(local, remote, {"y": 2**22 - 1}) is None
