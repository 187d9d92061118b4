"""The commands that people type. Each group has its file; what they share is in `options`, `output` and `failures`."""

import os
import signal

if os.getpid() == 1:
    # To the first process of a container or other namespace a signal means nothing unless it has a handler
    # (pid_namespaces(7)): one that came while modules are being loaded would be lost.
    signal.signal(signal.SIGTERM, lambda number, _frame: os._exit(128 + number))
