"""Real networks for tests: daemons as processes on free local ports, killed whatever happens."""

import itertools
import os
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from blockpool import Client, DatasetDefinition, Identity
from blockpool.credentials import default_credentials
from chain.primitives.types import SharingClass
from cli.homes import GENESIS_FILE, SYSTEM_KEY
from cli.processes import LocalNetwork
from tests.networks import SCHEMA
from tests.signing import DESCRIPTION

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For nodes that speak plain HTTP: httpx would read all root certificates anew at each call, some 0.1 s."""

MEMBERS = ("airports", "aviation", "meteorology", "registry")


@dataclass
class RunningNetwork:
    """A started network, and what tests need of it."""

    network: LocalNetwork
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def genesis_file(self) -> Path:
        """The genesis file."""
        return self.network.folder / GENESIS_FILE

    def key_file(self, member: str = "aviation") -> Path:
        """A member's signing key."""
        return self.network.folder / member / SYSTEM_KEY

    def identity(self, member: str = "aviation") -> Identity:
        """A member that signs."""
        return Identity.load(self.key_file(member), self.network.genesis)

    def client(self, member: str = "aviation") -> Client:
        """A client that signs as ``member`` and asks its node first."""
        return Client(self.network.urls_from(member), self.network.genesis, self.identity(member))

    def new_number(self) -> int:
        """A number for names that no other test in this network uses."""
        return next(self._numbers)

    def new_dataset(self, member: str = "aviation", schema: str = SCHEMA, sharing: SharingClass = "open") -> str:
        """Define a dataset that no other test uses; gives its id."""
        dataset = f"{member}.test-{self.new_number()}"
        with self.client(member) as client:
            definition = DatasetDefinition(
                dataset, "测试", "Test", schema, sharing, legal_basis="保守国家秘密法", description=DESCRIPTION
            )
            client.define(definition)
        self.network.settle()
        return dataset

    def record_counts(self, dataset: str) -> set[int]:
        """How many records of a dataset each node holds."""
        self.network.settle()
        counts = set()
        for url in self.network.urls:
            with Client(url) as client:
                counts.add(client.dataset(dataset).totals.records)
        return counts


def get(node: str, path: str) -> httpx.Response:
    """What a node of ours answers whoever knows its token."""
    shown = default_credentials(None, ()).authorization(bytes, node, "GET", path)
    return httpx.get(node + path, headers={"Authorization": shown or ""}, trust_env=False, verify=NO_TLS)


@pytest.fixture(scope="session")
def running_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    """Four validators that live as long as the test session. Tests use datasets of their own, and kill no node."""
    with LocalNetwork(tmp_path_factory.mktemp("network") / "pool", MEMBERS, "Test pool") as network:
        network.start()
        yield RunningNetwork(network)


def processes_using(folder: Path) -> list[int]:
    """Ids of other processes whose command line names ``folder``."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(folder).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


def wait_until_gone(folder: Path, timeout_s: float = 20) -> list[int]:
    """Those that are still there after so long."""
    deadline_s = time.monotonic() + timeout_s
    while (left := processes_using(folder)) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    return left
