"""File descriptors: every connection is one, and the databases must never lack one. LevelDB that cannot open a file has
failed, and the node with it, so strangers must not be able to take the last.
"""

import logging
import resource

RESERVED = 768
"""For what is not an HTTP connection: both databases (256 each), links, connections that are being refused, logs."""
_CONNECTIONS_MIN = 16

_log = logging.getLogger("blockpool.descriptors")


def servable_connections(wanted: int) -> int:
    """How many HTTP connections may be held at once, at most ``wanted``.

    The process's own limit of descriptors is raised first, as far as it may be (``RLIMIT_NOFILE``, the hard limit).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVED
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    servable = max(_CONNECTIONS_MIN, soft - RESERVED)
    _log.warning(
        "serving fewer connections than api.connections says: raise the limit of open files",
        extra={"connections": servable, "open_files": soft},
    )
    return servable
