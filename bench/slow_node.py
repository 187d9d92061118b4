"""``python -m bench.slow_node HOME``: a daemon that, as primary, is as slow as the others tolerate for ever.

They grant a primary ``crawl_ticks`` for each proposal, on average. This one uses them up but for ``SPARE_TICKS``, which
is what the way to the others and their own pace add.
"""

import asyncio
import sys
from pathlib import Path

import node.service
from node.daemon import run
from node.driver import ConsensusDriver

SPARE_TICKS = 2


class SlowDriver(ConsensusDriver):
    """Waits before it makes a block."""

    _ready_for: tuple[int, int] | None = None
    """Height and view whose wait is over or under way."""

    def _build(self, height: int, view: int) -> None:
        if self._ready_for == (height, view):
            super()._build(height, view)
            return
        self._ready_for = height, view
        pause_s = (self._settings.timers.crawl_ticks - SPARE_TICKS) * self._settings.tick_s
        asyncio.get_running_loop().call_later(pause_s, self._build_later, height, view)


if __name__ == "__main__":
    vars(node.service)["ConsensusDriver"] = SlowDriver  # where the daemon takes its driver from
    sys.exit(run(Path(sys.argv[1])))
