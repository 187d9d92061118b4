"""``python -m tests.chaos.skewed_node OFFSET_S HOME``: a daemon whose wall clock is wrong by so many seconds.

Only the wall clock: time that only ever passes (``time.monotonic``, the event loop's) does not know what hour it is.
"""

import sys
import time
from pathlib import Path


def main() -> int:
    """Shift the clock, then run the daemon as ``blockpool node run`` does."""
    offset_s, home = int(sys.argv[1]), Path(sys.argv[2])
    true_time_ns = time.time_ns
    time.time_ns = lambda: true_time_ns() + offset_s * 1_000_000_000
    from node.daemon import run  # after the shift: nothing may have taken the true clock by then

    return run(home)


if __name__ == "__main__":
    sys.exit(main())
