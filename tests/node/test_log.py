"""Logs: one event a line, its facts as fields, as text or JSON."""

import ast
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import node.log
from node.log import JsonFormatter, TextFormatter, set_up_logging


def record(event: str, **facts: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": "blockpool.test", "levelno": 30, "levelname": "WARNING", "msg": event})
    made.__dict__.update(facts)
    return made


def test_json_has_the_event_and_its_facts() -> None:
    line = JsonFormatter().format(record("view change", height=7, reason="timeout", raw=b"\x01"))
    entry = json.loads(line)
    assert "\n" not in line
    assert entry["time"].endswith("+00:00")
    del entry["time"]
    assert entry == {
        "level": "warning",
        "logger": "blockpool.test",
        "event": "view change",
        "height": 7,
        "reason": "timeout",
        "raw": "b'\\x01'",
    }


def test_text_is_one_line_with_its_facts() -> None:
    line = TextFormatter().format(record("view change", height=7))
    assert line.split(" ", 1)[1] == "warning view change height=7"


def test_s65_a_peers_words_make_no_line_no_field_and_no_terminal_code_of_their_own() -> None:
    said = record(
        "no link to b: refused:\n12:00 error\x1b[2J\u202e", reason="气象\u0085 height=7", said='"', odd=OSError("\x1b")
    )
    line = TextFormatter().format(said)
    wanted = r'warning no link to b: refused:\n12:00 error\x1b[2J\u202e reason="气象\x85 height=7" said="\"" odd="\x1b"'
    assert line.split(" ", 1)[1] == wanted
    entry = json.loads(JsonFormatter().format(said))
    assert entry["reason"] == r"气象\x85 height=7"
    assert entry["odd"] == r"\x1b"
    assert all(text.isprintable() for text in entry.values())


def test_s65_what_an_exception_quotes_acts_as_little() -> None:
    try:
        raise ValueError("refused:\n13:18:27.001 info    ready\x1b[2J")
    except ValueError:
        failed = record("the node stops", exc_info=sys.exc_info())
    lines = TextFormatter().format(failed).split("\n")
    assert all(line.startswith("  ") for line in lines[1:])
    assert all(line.isprintable() for line in lines)
    assert "\x1b" not in json.loads(JsonFormatter().format(failed))["exception"]


def test_an_exception_is_told_in_both_forms() -> None:
    try:
        raise ValueError("wrong")
    except ValueError:
        failed = record("the node stops", exc_info=sys.exc_info())
    assert "ValueError: wrong" in json.loads(JsonFormatter().format(failed))["exception"]
    assert "ValueError: wrong" in TextFormatter().format(failed)


@pytest.fixture
def root_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.mark.usefixtures("root_logging")
def test_the_level_is_kept_and_libraries_stay_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("info", "json")
    logging.getLogger("blockpool.node").info("ready")
    logging.getLogger("blockpool.node").debug("hidden")
    logging.getLogger("uvicorn.error").info("hidden")
    said = capsys.readouterr()
    assert said.out == ""
    assert [json.loads(line)["event"] for line in said.err.splitlines()] == ["ready"]


def test_no_event_has_a_field_that_logging_reserves() -> None:
    """`logging` raises on such a field, but only at the level at which the event is really logged."""
    reserved = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}
    used = set()
    for path in Path(node.log.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.keyword) and call.arg == "extra":
                keys = [key for part in ast.walk(call.value) if isinstance(part, ast.Dict) for key in part.keys]
                used |= {key.value for key in keys if isinstance(key, ast.Constant)}
    assert "height" in used
    assert used & reserved == set()
