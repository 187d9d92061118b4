"""Section about files of records: how fast they are read and checked, and in how much memory.

Each file is read by a process of its own, as ``submit`` does it: recognised, every cell converted, every record checked
against the schema and kept on disk until it is sent. The memory is that process's, whole.
"""

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

from bench.bench import Bench
from bench.figures import Figure, Section
from bench.records import DATA, flight_records, flight_schema
from records.excel import ExcelWriter
from records.writers import open_writer

_CHILD = """
import json, resource, sys, time
from pathlib import Path
from records.checking import RecordRules, check_records
from records.sources import SourceOptions, open_source
from records.spool import spooled
schema = Path(sys.argv[2]).read_text()
started = time.monotonic()
source = open_source(Path(sys.argv[1]), schema, SourceOptions(nulls=("NA",)))
with spooled(source, Path(sys.argv[1]).parent) as spool:
    check = check_records(spool, RecordRules.of(schema, is_sealed=False))
    seconds = time.monotonic() - started
    again = sum(1 for _ in spool)
    again_seconds = time.monotonic() - started - seconds
assert check.problem_count or again == check.records
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps([check.records, check.problem_count, seconds, again_seconds, peak]))
"""
_SMALL_PART = 10
"""The memory for a file that is so many times smaller is measured beside: it is the same if memory is flat."""


class _Record(NamedTuple):
    id: int
    body: bytes


def files(bench: Bench) -> Section:
    """Read and check CSV, NDJSON, Excel and Parquet."""
    text_bytes, rows = bench.durations.file_size_bytes, bench.durations.sheet_rows
    with tempfile.TemporaryDirectory(dir=bench.network.folder, prefix="files-") as folder:
        return files_section(Path(folder), text_bytes, rows, bench.say)


def files_section(folder: Path, text_bytes: int, sheet_rows: int, say: Callable[[str], None]) -> Section:
    """The figures for text files of so many bytes and a workbook of so many rows."""
    schema = folder / "schema.json"
    schema.write_text(flight_schema(), encoding="utf-8")
    figures: list[Figure] = []
    kinds: list[tuple[str, str, Callable[[Path, int], None], int]] = [
        ("csv", "CSV", _write_csv, text_bytes),
        ("ndjson", "NDJSON", _write_ndjson, text_bytes),
        ("xlsx", "Excel", _write_excel, sheet_rows),
        ("parquet", "Parquet", _write_parquet, text_bytes),
    ]
    for suffix, title, write, amount in kinds:
        peaks = []
        for size in (amount // _SMALL_PART, amount):
            path = folder / f"records.{suffix}"
            write(path, size)
            records, problems, seconds, again_seconds, peak = _measured(path, schema)
            if problems or not records:
                raise OSError(f"{path}: {records} records, {problems} problems")
            peaks.append(peak / 2**20)
            say(f"{title}: {records:,} rows, {path.stat().st_size / 1e6:.0f} MB, {seconds:.1f} s, {peaks[-1]:.0f} MiB")
        how = f"{records:,} rows of {len(_header())} columns, {path.stat().st_size / 1e6:.0f} MB, read and checked"
        figures += [
            Figure(f"file_{suffix}_rows", f"{title}: rows", records / seconds, "rows/s", how),
            Figure(
                f"file_{suffix}_again",
                f"{title}: rows to be sent",
                records / again_seconds,
                "rows/s",
                "out of the spool, where the check has left them",
            ),
            Figure(
                f"file_{suffix}_memory",
                f"{title}: memory, peak",
                peaks[1],
                "MiB",
                f"{peaks[0]:.0f} MiB for a tenth of the file",
            ),
        ]
    setting = (
        "Flights, each file by a process of its own, as by submit: recognised, converted, checked against the schema, "
        "and kept on disk until they are sent. Nothing is sent."
    )
    return Section("files", "Files of records", setting, figures)


def _measured(path: Path, schema: Path) -> tuple[int, int, float, float, int]:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(path), str(schema)], capture_output=True, text=True, check=True
    )
    records, problems, seconds, again_seconds, peak = json.loads(done.stdout)
    return records, problems, seconds, again_seconds, peak


def _header() -> list[str]:
    with (DATA / "flights.csv").open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file))


def _rows() -> Iterator[list[str]]:
    with (DATA / "flights.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    return cycle(rows)


def _write_csv(path: Path, size_bytes: int) -> None:
    written = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_header())
        for row in _rows():
            writer.writerow(row)
            written += sum(map(len, row)) + len(row)
            if written >= size_bytes:
                return


def _write_ndjson(path: Path, size_bytes: int) -> None:
    written = 0
    with path.open("wb") as file:
        for record in cycle(flight_records()):
            written += file.write(record + b"\n")
            if written >= size_bytes:
                return


def _write_parquet(path: Path, size_bytes: int) -> None:
    """As many records as in a file of NDJSON that is so large."""
    written = 0
    with path.open("wb") as file:
        writer = open_writer(file, "parquet", flight_schema())
        for number, record in enumerate(cycle(flight_records())):
            writer.write(_Record(number, record))
            written += len(record)
            if written >= size_bytes:
                break
        writer.close()


def _write_excel(path: Path, rows: int) -> None:
    with path.open("wb") as file:
        book = ExcelWriter(file)
        book.write(_header())
        for row in islice(_rows(), rows):
            book.write(row)
        book.close()
