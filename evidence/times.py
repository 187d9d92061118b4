"""Times for people."""

from datetime import UTC, datetime

_LAST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999: what a later time means is not for this program to say."""


def utc(time_ms: int) -> str:
    """A time as ``2023-11-14 22:13:20 UTC``.

    Args:
        time_ms: milliseconds since 1970.
    """
    if time_ms > _LAST_MS:
        return f"{time_ms} ms since 1970"
    return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
