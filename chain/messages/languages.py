"""In which language somebody is spoken to, and in which time zone times are shown to people.

The language goes with the work: a command sets it once, a node for each request. Nothing under a root depends on it.
"""

import datetime
from collections.abc import Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Literal, get_args

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
LANGUAGE: ContextVar[Language] = ContextVar("language", default="en")
"""Of whoever reads what is said now."""
POOL_ZONE = datetime.timezone(datetime.timedelta(hours=8))
"""The pool's: the time of China, which has no summer time. A date means the day there."""
_RANGES_MAX = 16


def of_environment(environment: Mapping[str, str]) -> Language:
    """The language of a process: of ``BLOCKPOOL_LANG``, else of its locale, ``LC_ALL``, ``LC_MESSAGES``, ``LANG``, the
    first that is set (POSIX).
    """
    names = ("BLOCKPOOL_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    locale = next((found for name in names if (found := environment.get(name))), "")
    return "zh" if locale.lower().startswith("zh") else "en"


@lru_cache(maxsize=256)
def of_header(accept_language: str) -> Language:
    """The language that an ``Accept-Language`` header prefers (RFC 9110, 12.5.4); English if it names neither."""
    best: Language = "en"
    best_weight = 0.0
    for item in accept_language.split(",")[:_RANGES_MAX]:
        tag, _, parameter = item.partition(";")
        primary = tag.strip().lower().partition("-")[0]
        weight = _weight(parameter)
        if primary in LANGUAGES and weight > best_weight:
            best, best_weight = ("zh" if primary == "zh" else "en"), weight
    return best


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if not name:
        return 1.0
    digits = value.strip()
    is_weight = name.strip().lower() == "q" and len(digits) <= 5 and digits.replace(".", "", 1).isdecimal()
    return float(digits) if is_weight and digits.isascii() else 0.0
