"""The limit of open files is raised as far as it may be, and connections are held below it."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
from node.descriptors import servable_connections
print(servable_connections(int(sys.argv[3])), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "expected"),
    [
        (256, 4000, 1000, (1000, 1768, 4000)),
        (3000, 4000, 1000, (1000, 3000, 4000)),
        (256, 1024, 4096, (256, 1024, 1024)),
        (256, 256, 4096, (16, 256, 256)),
    ],
)
def test_s48_connections_leave_room_for_files(soft: int, hard: int, wanted: int, expected: tuple[int, ...]) -> None:
    command = [sys.executable, "-c", PROGRAM, str(soft), str(hard), str(wanted)]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert tuple(map(int, found.split())) == expected
