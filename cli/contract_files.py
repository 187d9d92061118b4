"""Contracts and their parameters in files, and the author's line that an error is about."""

from pathlib import Path

import orjson
from rich.text import Text

from chain.errors import ErrorCode, PoolError
from chain.messages.phrases import phrase
from cli.output import talk
from contracts.library import expand_parts


def read_contract(file: Path) -> str:
    """A contract's source; raises ``bad_contract`` if it is not UTF-8."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise PoolError(ErrorCode.BAD_CONTRACT, phrase("{file} is not UTF-8 text", file=file)) from None


def read_parameters(file: Path | None) -> str:
    """A contract's parameters, an empty object without a file; parts that name library contracts become their source.

    Raises:
        PoolError: code ``bad_contract``.
    """
    if file is None:
        return "{}"
    try:
        parameters = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise PoolError(ErrorCode.BAD_CONTRACT, phrase("{file} is not JSON: {error}", file=file, error=error)) from None
    if not isinstance(parameters, dict):
        raise PoolError(ErrorCode.BAD_CONTRACT, phrase("{file} is not a JSON object", file=file))
    return orjson.dumps(expand_parts(parameters), option=orjson.OPT_SORT_KEYS).decode()


def show_line(source: str, line: int) -> None:
    """The author's line that is at fault, with those around it; nothing for line 0."""
    if not line:
        return
    lines = source.splitlines()
    for number in range(max(1, line - 2), min(len(lines), line + 2) + 1):
        talk().print(Text(f"{'>' if number == line else ' '} {number:4} {lines[number - 1]}"))
