"""A MANIFEST of LevelDB that was cut off is found or does no harm, at whatever length; a killed process leaves none
that looks like it.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

from chain.errors import ErrorCode, PoolError
from chain.storage import level
from chain.storage.level import LevelDatabase
from chain.storage.manifest import missing_log
from tests.storage_faults.damage import cut, record_ends
from tests.storage_faults.world import SMALL_BUFFER_BYTES

Content = dict[bytes, bytes]
ROOT = Path(__file__).resolve().parents[2]
EVERY = 5
"""Lengths that are tried, besides the ends of records and the bytes around them."""
WRITER = """
import os, sys
from pathlib import Path
from chain.storage import level
level.WRITE_BUFFER_SIZE = 64 * 1024
database = level.LevelDatabase(Path(sys.argv[1]))
number = int(sys.argv[2])
while True:
    number += 1
    key = (number * 2654435761 % 2**32).to_bytes(4, "big")
    database.write([(key, os.urandom(2000)), (b"newest", number.to_bytes(8, "big"))], sync=False)
"""


def busy_database(folder: Path) -> Content:
    """Tables made out of logs and merged, more than once; closed."""
    rng, content = random.Random(1), Content()
    with mock.patch.object(level, "WRITE_BUFFER_SIZE", SMALL_BUFFER_BYTES):
        database = LevelDatabase(folder)
        for _ in range(400):
            batch = [(rng.randbytes(1), rng.randbytes(3000)) for _ in range(2)]
            database.write(batch, sync=False)
            content |= dict(batch)
        time.sleep(0.2)  # for what is being merged
        database.close()
    return content


def read(folder: Path) -> Content | None:
    """What a database holds; None if it is refused as damaged."""
    try:
        database = LevelDatabase(folder)
    except PoolError as error:
        if error.code is not ErrorCode.DATABASE_DAMAGED:
            raise
        return None
    try:
        return dict(database.scan(b"\x00", b"\xff" * 8))
    finally:
        database.close()


def test_s40_a_manifest_cut_at_any_length_is_found_or_harmless(scratch: Path) -> None:
    content = busy_database(scratch / "whole")
    manifest = next((scratch / "whole").glob("MANIFEST-*"))
    size, ends = manifest.stat().st_size, record_ends(manifest.read_bytes())
    assert len(ends) > 20
    found = []
    for length in sorted({*range(0, size, EVERY), *(end + step for end in ends for step in (-1, 0, 1))} - {size + 1}):
        folder = scratch / "copy"
        shutil.copytree(scratch / "whole", folder)
        cut(folder / manifest.name, length)
        found.append(read(folder))
        assert found[-1] in (None, content), f"cut at {length} of {size}: {len(found[-1] or ())} keys are left"
        shutil.rmtree(folder)
    assert found.count(None) > len(found) // 2
    assert found[-1] == content


def test_s40_a_killed_writer_is_not_taken_for_damage(scratch: Path) -> None:
    rng, newest = random.Random(2), 0
    for _ in range(12):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(scratch / "database"), str(newest)], cwd=ROOT)
        time.sleep(0.3 + rng.random() / 2)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        assert missing_log(scratch / "database") is None
        content = read(scratch / "database")
        assert content is not None
        newest = int.from_bytes(content.pop(b"newest", b""), "big")
        assert content.keys() == {(number * 2654435761 % 2**32).to_bytes(4, "big") for number in range(1, newest + 1)}
    assert newest > 1000


def test_a_database_that_is_not_there_or_new_misses_nothing(scratch: Path) -> None:
    assert missing_log(scratch / "none") is None
    LevelDatabase(scratch / "new").close()
    assert missing_log(scratch / "new") is None
    next((scratch / "new").glob("*.log")).unlink()
    assert missing_log(scratch / "new") is not None
