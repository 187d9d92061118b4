"""``node run``: what is asked of the command reaches the daemon."""

import json
from pathlib import Path

import pytest

from cli.processes import LocalNetwork


@pytest.mark.integration
def test_json_is_the_form_of_the_log(tmp_path: Path) -> None:
    with LocalNetwork(tmp_path / "pool", ["tax"]) as network:
        node = network.nodes["tax"]
        node.start("--json")
        node.wait_ready()
        node.stop()
    events = [json.loads(line)["event"] for line in node.log.read_text(encoding="utf-8").splitlines()]
    assert "ready" in events
    assert events[-1] == "stopped"
