"""Structured logs: one event a line, with its facts as fields, as text for people or JSON for machines."""

import datetime
import logging
import sys
from typing import Literal

import orjson

from chain.messages import printable

LogFormat = Literal["text", "json"]

_OWN_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """A JSON object a line: ``time``, ``level``, ``logger``, ``event``, then the record's extra fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        entry = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(entry, default=str).decode()


class TextFormatter(logging.Formatter):
    """``time level event key=value ...``, for a terminal. Peers' words are in some events: nothing in them may act."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC).strftime("%H:%M:%S.%f")[:-3]
        facts = "".join(f" {key}={value}" for key, value in _fields(record).items())
        line = f"{moment} {record.levelname.lower():7} {printable(record.getMessage() + facts)}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
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
