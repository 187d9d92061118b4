"""How a file of text is written: found by reading all of it, so that no byte is guessed at or replaced.

A byte order mark says it (UTF-8, UTF-16). Without one, a file that is UTF-8 throughout is UTF-8; else, one that is
GB18030 (GB 18030-2022, which contains GBK and GB 2312) throughout is that. Anything else has to be named.
"""

import codecs
from pathlib import Path
from typing import NamedTuple

from chain.errors import ErrorCode, PoolError
from chain.messages.phrases import phrase

_CHUNK_SIZE_BYTES = 1024 * 1024
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LIKELY = ("utf-8", "gb18030")


class _Undecodable(NamedTuple):
    line: int
    reason: str


def recognise_encoding(path: Path, named: str | None = None) -> str:
    """The encoding of a file, as Python names it.

    Args:
        path: the file; it is read from its beginning to its end.
        named: what the user says; then the file is only checked.

    Raises:
        PoolError: code ``malformed`` with the line that no encoding fits, ``bad_request`` for an unknown name.
    """
    if named is not None:
        try:
            found = codecs.lookup(named).name
            "".encode(found)
        except LookupError:
            raise PoolError(ErrorCode.BAD_REQUEST, phrase("there is no encoding {named!r}", named=named)) from None
        if found == "utf-8":
            found = "utf-8-sig"  # a mark is no text
        bad = _decode_all(path, found)
        if bad is None:
            return found
        raise malformed(bad.line, phrase("not {named}: {reason}", named=named, reason=bad.reason))
    with path.open("rb") as file:
        start = file.read(len(codecs.BOM_UTF8))
    marked = next((encoding for mark, encoding in _MARKS if start.startswith(mark)), None)
    faults = {}
    for encoding in (marked,) if marked else _LIKELY:
        bad = _decode_all(path, encoding)
        if bad is None:
            return encoding
        faults[encoding] = bad
    reasons = "; ".join(
        phrase("no {name} from line {line} on ({reason})", name=name, line=bad.line, reason=bad.reason)
        for name, bad in faults.items()
    )
    raise malformed(
        max(bad.line for bad in faults.values()),
        phrase("{reasons}. Name the file's encoding with --encoding", reasons=reasons),
    )


def malformed(line: int, reason: str, column: str = "") -> PoolError:
    """The error for what stands in a line (from 1) of a file, and in a column if it is named."""
    if not column:
        return PoolError(ErrorCode.MALFORMED, phrase("line {line}: {reason}", line=line, reason=reason), line=line)
    detail = phrase("line {line}, column {column}: {reason}", line=line, column=column, reason=reason)
    return PoolError(ErrorCode.MALFORMED, detail, line=line, column=column)


def _decode_all(path: Path, encoding: str) -> _Undecodable | None:
    """What cannot be decoded first, if anything. A NUL is no text, but the sign of UTF-16 without its mark."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    with path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK_SIZE_BYTES)
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                before = error.object[: error.start].decode(encoding, "ignore")
                return _Undecodable(line + before.count("\n"), error.reason)
            if "\0" in text:
                return _Undecodable(line + text[: text.index("\0")].count("\n"), phrase("a NUL character"))
            line += text.count("\n")
            if not chunk:
                return None
