"""Records that were read and checked once, on disk until they are sent: what is sent is what was checked, even if the
file changes meanwhile, and no file is read twice.
"""

import gzip
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import BufferedWriter
from pathlib import Path
from struct import Struct
from typing import IO

from records.sources import Problem, RecordSource, SourceRecord

_FRAME = Struct(">QI")
"""Line and length of a record."""
_BUFFER_SIZE_BYTES = 256 * 1024
_LEVEL = 1
"""Names of fields come again with each record: they fall to a tenth in a moment."""


class Spool:
    """A source that reads another one once. The first iteration takes its records to disk as it gives them; once it has
    come to the end without a problem, later ones read from there.

    Args:
        source: what is read.
        file: takes the records in clear, compressed.
    """

    def __init__(self, source: RecordSource, file: IO[bytes]) -> None:
        self._source = source
        self._file = file
        self._is_whole = False

    @property
    def description(self) -> str:
        """Of the source."""
        return self._source.description

    def __iter__(self) -> Iterator[SourceRecord | Problem]:
        """Raises as the source, and ``OSError`` where the disk is full."""
        return self._read() if self._is_whole else self._take()

    def _take(self) -> Iterator[SourceRecord | Problem]:
        self._file.seek(0)
        self._file.truncate()
        is_whole = True
        packed = gzip.GzipFile(fileobj=self._file, mode="wb", compresslevel=_LEVEL)
        with closing(packed), BufferedWriter(packed, _BUFFER_SIZE_BYTES) as stream:
            for item in self._source:
                if isinstance(item, Problem):
                    is_whole = False
                elif is_whole:
                    stream.write(_FRAME.pack(item.line, len(item.body)) + item.body)
                yield item
        self._is_whole = is_whole

    def _read(self) -> Iterator[SourceRecord]:
        self._file.seek(0)
        with closing(gzip.GzipFile(fileobj=self._file, mode="rb")) as stream:
            while frame := stream.read(_FRAME.size):
                line, length = _FRAME.unpack(frame)
                yield SourceRecord(line, stream.read(length))


@contextmanager
def spooled(source: RecordSource, folder: Path) -> Iterator[Spool]:
    """A spool for a source, in a file in ``folder`` without a name: it is gone with the process, however that ends."""
    with tempfile.TemporaryFile(dir=folder, prefix=".blockpool-") as file:
        yield Spool(source, file)
