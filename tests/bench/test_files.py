"""The section about files counts what it writes."""

from pathlib import Path

from bench.files import files_section


def test_every_kind_of_file_is_read_whole(tmp_path: Path) -> None:
    said: list[str] = []
    section = files_section(tmp_path, 100_000, 300, said.append)
    assert [figure.key for figure in section.figures] == [
        f"file_{kind}_{what}" for kind in ("csv", "ndjson", "xlsx", "parquet") for what in ("rows", "again", "memory")
    ]
    assert all(figure.value > 0 for figure in section.figures)
    assert [line for line in said if line.startswith("Excel: 300 rows")]
