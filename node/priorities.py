"""Background threads step back for the event loop.

LevelDB compacts its tables in a thread of its own, and validators that hold the same data do it at the same moments. At
equal priority that thread takes half of a busy node's processor for as long as it takes, and everybody's transactions
wait. Linux schedules threads, not processes, so each has its own nice value (sched(7)): the loop's stays, all others'
are raised. They still get about a tenth of what the loop gets, and all that it leaves. A thread that consensus waits
for is no background thread and says so.
"""

import contextlib
import os
import threading
from pathlib import Path

BACKGROUND_NICE = 10
_THREADS = Path("/proc/self/task")
_kept: set[str] = set()
"""Native ids of the threads that asked to stay as they are."""


def keep_priority() -> None:
    """Exempt the calling thread, for as long as the process lives."""
    _kept.add(str(threading.get_native_id()))


def lower_background_threads() -> None:
    """Raise the nice value of every thread but the calling one and those exempted. Threads come late, so this is called
    now and then.

    Where the system does not say which threads there are, or forbids it, everything stays as it is.
    """
    foreground = {str(threading.get_native_id()), *_kept}
    with contextlib.suppress(OSError):
        for thread in _THREADS.iterdir():
            if thread.name not in foreground and os.getpriority(os.PRIO_PROCESS, int(thread.name)) < BACKGROUND_NICE:
                os.setpriority(os.PRIO_PROCESS, int(thread.name), BACKGROUND_NICE)
