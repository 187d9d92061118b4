"""Structured logs: one event a line, with its facts as fields, as text for people or JSON for machines.

Peers' and clients' words are in some events, facts and exceptions. So every value is cleaned here, where all of them
pass: nothing in it acts on a terminal, begins a line, or passes for another field.
"""

import datetime
import logging
import sys
from typing import Literal

import orjson

from chain.messages import printable

LogFormat = Literal["text", "json"]

_AMBIGUOUS = frozenset(' ="')
_OWN_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """A JSON object a line: ``time``, ``level``, ``logger``, ``event``, then the record's extra fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        entry = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": printable(record.getMessage()),
            **{key: printable(value) if isinstance(value, str) else value for key, value in _fields(record).items()},
        }
        if record.exc_info:
            entry["exception"] = _printable_lines(self.formatException(record.exc_info))
        return orjson.dumps(entry, default=lambda value: printable(str(value))).decode()


class TextFormatter(logging.Formatter):
    """``time level event key=value ...``, for a terminal; values that could pass for more than one are quoted."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC).strftime("%H:%M:%S.%f")[:-3]
        facts = "".join(f" {key}={_quoted(str(value))}" for key, value in _fields(record).items())
        line = f"{moment} {record.levelname.lower():7} {printable(record.getMessage())}{facts}"
        if record.exc_info:
            line += "\n" + _printable_lines(self.formatException(record.exc_info))
        return line


def set_up_logging(level: str, format_: LogFormat) -> None:
    """Send all logs to standard error in ``format_``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if format_ == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for library in ("asyncio", "uvicorn"):
        logging.getLogger(library).setLevel(logging.WARNING)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in record.__dict__.items() if key not in _OWN_FIELDS}


def _quoted(text: str) -> str:
    """A value as it stands in a line of text."""
    if text.isprintable() and not _AMBIGUOUS.intersection(text):
        return text
    return f'"{printable(text).replace(chr(34), chr(92) + chr(34))}"'


def _printable_lines(text: str) -> str:
    """An exception: its lines are indented, so that none of them looks like an event."""
    return "\n".join("  " + printable(line) for line in text.split("\n"))
