"""Real full and read-only disks, in a mount namespace of this process's own. Arguments: a scenario and a folder.

Run by ``test_full_disk`` as ``unshare --user --map-root-user --mount``, so that it needs no privileges and leaves no
mount behind, however it ends. Prints one JSON object: what was tried, and what came of it.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import httpx

from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.limits import KIB, MIB
from chain.storage import level
from cli.processes import NodeProcess
from tests.node.cluster import MSGPACK, Network
from tests.storage_faults.world import SMALL_BUFFER_BYTES, SeasonedFolder, make_seasoned, open_files, take

BLOCKS = 60
DISK_BYTES = 16 * MIB
POINTS = int(os.environ.get("STORAGE_FAULTS_SAMPLES", "6"))
"""At how many points early in a node's life the disk fills up, and at how many later."""
FILE_LIMITS_BYTES = (100, 700, 1_200, 10_000, 20_000, 30_000, 50_000)
DAEMON_DISK_BYTES = 32 * MIB


@contextmanager
def disk(folder: Path, size_bytes: int) -> Iterator[None]:
    """A small file system at ``folder``."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "none", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, mode: str) -> None:
    """Make the file system read-only (``ro``) or writable again (``rw``)."""
    subprocess.run(["mount", "-o", f"remount,{mode}", str(folder)], check=True)


def fill(folder: Path, free_bytes: int) -> None:
    """Leave so much space, to a page."""
    ballast = folder / "ballast"
    ballast.unlink(missing_ok=True)
    ballast.write_bytes(bytes(max(0, shutil.disk_usage(folder).free - free_bytes)))


def fill_at_every_point(folder: Path) -> dict[str, object]:
    """Let the disk fill up at many points of a life: at its first start, in batches, while tables are written."""
    seasoned = make_seasoned(folder / "reference", BLOCKS)
    size_bytes = sum(len(package) for package in seasoned.contents.packages)
    early = range(0, 96 * KIB, 96 * KIB // POINTS)
    points = [*early, *range(96 * KIB, 4 * size_bytes, 4 * size_bytes // POINTS), DISK_BYTES]
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    for free_bytes in points:
        with disk(folder / "disk", DISK_BYTES):
            fill(folder / "disk", free_bytes)
            data = folder / "disk" / "data"
            code, acknowledged = live(seasoned, data)
            outcomes[code] += 1
            (folder / "disk" / "ballast").unlink()
            if problem := recover(seasoned, data, acknowledged):
                wrong.append(f"{free_bytes} bytes free, ended with {code} at {acknowledged}: {problem}")
    return {"points": len(points), "outcomes": outcomes, "wrong": wrong}


def limit_files(folder: Path) -> dict[str, object]:
    """Let no file grow beyond various sizes: real errors of real writes, in logs, tables and slots alike."""
    seasoned = make_seasoned(folder / "reference", BLOCKS)
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    hard_limit = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    for limit_bytes in FILE_LIMITS_BYTES:
        data = folder / str(limit_bytes)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard_limit))
        code, acknowledged = live(seasoned, data)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard_limit, hard_limit))
        outcomes[code] += 1
        if problem := recover(seasoned, data, acknowledged):
            wrong.append(f"files of {limit_bytes} bytes, ended with {code} at {acknowledged}: {problem}")
    return {"points": len(FILE_LIMITS_BYTES), "outcomes": outcomes, "wrong": wrong}


def live(seasoned: SeasonedFolder, data: Path) -> tuple[str, int]:
    """Open and commit until the disk is full or the chain ends: the code of the error, and the acknowledged height."""
    acknowledged = -1
    try:
        data.mkdir()
        small = mock.patch.object(level, "WRITE_BUFFER_SIZE", SMALL_BUFFER_BYTES)
        with small, open_files(seasoned.network, data) as ledger:
            acknowledged = 0
            for height in range(1, BLOCKS + 1):
                take_one_of_two_ways(seasoned, ledger, height)
                if height % 10 == 0 or height <= BLOCKS // 2:
                    acknowledged = height
    except PoolError as error:
        return error.code, acknowledged
    return "finished", acknowledged


def take_one_of_two_ways(seasoned: SeasonedFolder, ledger: Ledger, height: int) -> None:
    """The first half block by block, as decided; the rest as in catch-up, made durable ten at a time."""
    take(seasoned, ledger, height, durable=height <= BLOCKS // 2)
    if height > BLOCKS // 2 and height % 10 == 0:
        ledger.make_durable()


def recover(seasoned: SeasonedFolder, data: Path, acknowledged: int) -> str:
    """What is wrong after there is space again; empty if nothing is."""
    try:
        with open_files(seasoned.network, data) as ledger:
            if ledger.tip.height < acknowledged:
                return f"only {ledger.tip.height} blocks are left"
            for height in range(ledger.tip.height + 1, BLOCKS + 1):
                take(seasoned, ledger, height)
            if seasoned.read(ledger) != seasoned.contents:
                return "it reads otherwise"
    except PoolError as error:
        return str(error)
    return ""


def daemon_on_a_bad_disk(folder: Path) -> dict[str, object]:
    """The only validator of a network: its first start on a full disk, a read-only one, and when there is space."""
    network = Network.create(folder / "network", validators="a", others=())
    data = network.home("a") / "data"
    api_url = network.genesis.founders[0].node
    if api_url is None:
        raise PoolError(ErrorCode.BAD_GENESIS, "a has no node")
    node = NodeProcess("a", folder / "network", int(api_url.api_url.rpartition(":")[2]))
    steps: list[tuple[str, int | None, list[str]]] = []
    with disk(data, DAEMON_DISK_BYTES):
        for free_bytes in (0, 4 * KIB, 64 * KIB, 1536 * KIB):
            fill(data, free_bytes)
            steps.append(run_to_its_end(node, f"{free_bytes} bytes free"))
        (data / "ballast").unlink()
        remount(data, "ro")
        steps.append(run_to_its_end(node, "read-only"))
        remount(data, "rw")
        parcel = network.dataset()
        serve(node, network, parcel, submit=True)
        remount(data, "ro")
        steps.append(run_to_its_end(node, "read-only with a chain"))
        remount(data, "rw")
        fill(data, 0)
        steps.append(run_to_its_end(node, "full with a chain"))
        (data / "ballast").unlink()
        serve(node, network, parcel, submit=False)
    return {"steps": steps}


def run_to_its_end(node: NodeProcess, label: str) -> tuple[str, int | None, list[str]]:
    """(label, exit code, what it said last)."""
    before = node.log.stat().st_size if node.log.exists() else 0
    node.start()
    deadline_s = time.monotonic() + 30
    while node.pid is not None and time.monotonic() < deadline_s:
        time.sleep(0.02)
    code = node.wait() if node.pid is None else None
    node.kill()
    said = node.log.read_bytes()[before:].decode().splitlines()
    return label, code, said[-3:]


def serve(node: NodeProcess, network: Network, parcel: bytes, *, submit: bool) -> None:
    """Start, hand in or ask for a transaction, and stop; raises if it is not there."""
    node.start()
    try:
        node.wait_ready()
        if submit:
            httpx.post(
                f"{node.url}/v1/transactions?wait=commit", content=parcel, headers=MSGPACK, timeout=20, trust_env=False
            ).raise_for_status()
        path = f"/v1/transactions/{network.id_of(parcel).hex()}/raw"
        if httpx.get(node.url + path, trust_env=False).raise_for_status().content != parcel:
            raise PoolError(ErrorCode.NOT_FOUND, "it gives back something else")
    finally:
        node.stop()


SCENARIOS = {"points": fill_at_every_point, "daemon": daemon_on_a_bad_disk, "limits": limit_files}

if __name__ == "__main__":
    print(json.dumps(SCENARIOS[sys.argv[1]](Path(sys.argv[2]))))
