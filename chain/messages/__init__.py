"""What people read of a code and its facts: the one catalogue of messages.

Sentences are made here at the edge (problem documents, command line, pages) and never stand under a root. Texts that
somebody else wrote are shown with control and formatting characters written out, so that none passes itself off as
ours.
"""

import datetime
from collections.abc import Mapping
from string import Formatter

from chain.facts import Facts, FactValue, unpack
from chain.messages.chinese import CHINESE, WORDS
from chain.messages.chinese import FAULTS as CHINESE_FAULTS
from chain.messages.english import ENGLISH
from chain.messages.english import FAULTS as ENGLISH_FAULTS
from chain.messages.languages import POOL_ZONE, Language

_CATALOGUE: dict[Language, dict[str, tuple[str, ...]]] = {"en": ENGLISH, "zh": CHINESE}
"""By code: title, advice, and sentences, of which the first is taken whose facts are all there."""
_FAULTS: dict[Language, dict[str, str]] = {"en": ENGLISH_FAULTS, "zh": CHINESE_FAULTS}
_FIXED = frozenset({"sharing", "status", "part"})
"""Facts with few words, which Chinese has its own for."""
_TOP_LEVEL: dict[Language, str] = {"en": "the top level", "zh": "顶层"}
"""An empty JSON Pointer: of the record or schema itself."""
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_YEAR_10000_MS = 253_402_300_800_000 - 8 * 3_600_000
"""In the pool's time zone."""


def title(code: str, language: Language = "en") -> str:
    """What kind of refusal a code stands for."""
    return _message(code, language)[0]


def advice(code: str, language: Language = "en") -> str:
    """What the reader can do about it."""
    return _message(code, language)[1]


def sentence(code: str, facts: Mapping[str, FactValue], language: Language = "en") -> str:
    """What exactly was wrong, in one sentence.

    Args:
        code: of an error.
        facts: by name. Facts that are missing give a shorter sentence.
        language: of the reader.
    """
    for template in _message(code, language)[2:]:
        if placeholders(template) <= facts.keys():
            return template.format_map({name: _shown(name, value, language) for name, value in facts.items()})
    return title(code, language)


def denial(facts: Facts, language: Language = "en") -> str:
    """Why a request was denied or revoked, in one sentence; empty if the facts speak of no such thing."""
    named = unpack(facts)
    code = str(named.get("denial", ""))
    return sentence(code, named, language) if code else ""


def placeholders(template: str) -> set[str]:
    """Names of the facts that a sentence needs."""
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def printable(text: str) -> str:
    """Somebody else's text as it may be shown: control and formatting characters are written out as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def time_text(time_ms: int) -> str:
    """A time in milliseconds since 1970 for people: in the pool's time zone with its offset, to the millisecond. Who
    signs may write any number.
    """
    if time_ms >= _YEAR_10000_MS:
        return "after the year 9999"
    moment = _EPOCH + datetime.timedelta(milliseconds=time_ms)
    return moment.astimezone(POOL_ZONE).isoformat(sep=" ", timespec="milliseconds")


def _message(code: str, language: Language) -> tuple[str, ...]:
    """A code that this version does not know stands for itself."""
    return _CATALOGUE[language].get(code) or (printable(code), "")


def _shown(name: str, value: FactValue, language: Language) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if name == "keyword" and value in _FAULTS[language]:
        return _FAULTS[language][str(value)]
    if language == "zh" and name in _FIXED and value in WORDS:
        return WORDS[str(value)]
    if name == "pointer" and not value:
        return _TOP_LEVEL[language]
    if isinstance(value, str):
        return printable(value)
    return time_text(value) if name.endswith("_ms") else str(value)
