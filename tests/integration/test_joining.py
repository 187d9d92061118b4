"""Daemons: a validator with an empty home joins a chain of hundreds of blocks by its state, votes, gets the past."""

from pathlib import Path

import pytest

from cli.processes import NodeProcess
from tests.integration.daemons import Daemons, until
from tests.node.long_network import ANCHOR, BLOCKS, make_long_network

pytestmark = pytest.mark.integration


def test_s68_a_validator_with_an_empty_home_joins_and_votes(tmp_path: Path) -> None:
    long = make_long_network(tmp_path / "network")
    nodes = {}
    for member in long.network.genesis.founders:
        assert member.node is not None
        nodes[member.name] = NodeProcess(member.name, long.network.folder, int(member.node.api_url.rpartition(":")[2]))
    pool = Daemons(long.network, nodes)
    try:
        pool.start("a", "b", "c")
        nodes["d"].start()
        until(lambda: pool.status("d")["height"] == BLOCKS, timeout_s=60)
        log = nodes["d"].log.read_text()
        assert "the state is here; this node starts again with it" in log
        assert log.count(" ready ") == 2
        for number in range(4):  # its votes are missing: it waits for a few blocks
            pool.submit(long.network.parcel([b'{"n":%d}' % (1000 + number)]), "a")
        until(lambda: pool.status("d")["role"] == "validator", timeout_s=30)
        nodes["c"].stop()
        pool.submit(long.network.parcel([b'{"n":7}']), "a", "b")  # without d there is no quorum
        until(lambda: pool.blocks_agree("a", "b", "d"))
        until(lambda: pool.status("d")["past_blocks"] == 0, timeout_s=60)
        nodes["d"].stop()
        nodes["d"].start()
        nodes["d"].wait_ready()
        status = pool.status("d")
        assert (status["past_blocks"], status["state_sync_percent"]) == (0, None)
        assert int(str(status["height"])) > BLOCKS > ANCHOR
        assert len(list((nodes["d"].home / "data").glob("replaced-*"))) == 0
    finally:
        for node in nodes.values():
            node.kill()
