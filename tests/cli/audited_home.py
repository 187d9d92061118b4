"""A stopped node's home with a chain on which everything has happened that an audit tells of, and ways to spoil it."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chain.blocks import FinalHeader
from chain.genesis import parse_genesis
from chain.ledger import Ledger
from chain.primitives.encoding import decode, encode
from chain.storage.database import MemoryDatabase
from chain.storage.head import Head, HeadFile, MemoryHead
from chain.storage.level import LevelDatabase
from chain.transactions.base import ErasedPayload, Transaction
from chain.transactions.parcel import record_leaves
from contracts.engine import Engine
from contracts.policy import SandboxPolicy
from contracts.sandbox import Sandbox
from tests.networks import TIME_MS, TestNetwork

HOUR_MS = 3_600_000
HOSTILE = "</td></table><script>alert(1)</script><img src=x onerror='alert(2)' \" & \u202egnp"
"""What a member may write wherever it may write anything."""
SANITIZED = HOSTILE.replace("\u202e", "\ufffd")
"""How it is shown."""
ESCAPED = HOSTILE.replace("\u202e", r"\u202e")
"""How it is shown within a sentence of ours."""
RECORDS = (b'{"n":1}', b'{"n":2}', b'{"n":3}')
CONTRACT = f'''"""Flood warning may read, statistics after the owner has said yes, all else is denied."""

from blockpool.contract import allow, ask, deny


def can_read(request, dataset, ctx):
    if request.purpose == "flood warning":
        return allow(note={HOSTILE!r})
    if request.purpose != "statistics":
        return deny("no " + {HOSTILE!r})
    if not ctx.approvals:
        return ask(["a"])
    return allow() if ctx.approvals[-1].verdict == "approve" else deny("the owner said no")
'''


@dataclass(frozen=True)
class Ids:
    """Transactions on the chain."""

    read: bytes
    """Request by ``b``, granted and read."""
    unused: bytes
    """Request by ``c``, granted and never read."""
    denied: bytes
    waiting: bytes
    erased: bytes
    """Parcel of three records, erased."""
    kept: bytes
    """Parcel of three records of the same block."""


class AuditedHome:
    """Writes the chain into a database as a node does.

    Args:
        folder: new; becomes the home.
        engine: runs the contract.
    """

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.home = folder
        self.network = TestNetwork(has_contracts=True)
        content = self.network.genesis.content.replace(b"Department b", HOSTILE.replace('"', '\\"').encode())
        self.network.genesis = parse_genesis(content)
        self.network.chain_id = self.network.genesis.chain_id
        self.genesis_file = folder / "genesis.json"
        (folder / "data").mkdir(parents=True)
        (folder / "config.toml").write_text('[node]\ndata = "data"\n')
        self.genesis_file.write_bytes(content)
        self._time_ms = TIME_MS
        with self.database() as database:
            policy = SandboxPolicy(Sandbox(engine, self.network.chain_id))
            self._ledger = Ledger(self.network.genesis, database, MemoryDatabase(), MemoryHead(), policy)
            self._ledger.open()
            self.ids = self._write()
            self.height = self._ledger.tip.height

    @contextmanager
    def database(self) -> Iterator[LevelDatabase]:
        """The blocks' database, opened and closed again."""
        database = LevelDatabase(self.home / "data" / "blocks")
        try:
            yield database
        finally:
            database.close()

    def _commit(self, *transactions: Transaction) -> list[bytes]:
        self._time_ms += HOUR_MS
        executed = self.network.commit(self._ledger, transactions, self._time_ms)
        return [outcome.transaction_id for outcome in executed.outcomes]

    def _write(self) -> Ids:
        network = self.network
        self._commit(
            network.contract(CONTRACT),
            network.dataset(sharing="conditional", contract="a.rule", legal_basis=HOSTILE),
            network.dataset("b", "open", title_zh=HOSTILE, title_en=""),
        )
        erased, kept, _ = self._commit(
            *(network.parcel(RECORDS, "b", "b.open") for _ in range(2)),
            network.parcel([b'{"n":"no number"}'], "b", "b.open"),
        )
        (sealed,) = self._commit(network.sealed_parcel())
        read, unused = self._commit(network.request(person=HOSTILE), network.request("c"))
        denied, _, waiting = self._commit(
            network.request("outsider", purpose=HOSTILE),
            approved := network.request("d", purpose="statistics"),
            network.request("outsider", purpose="statistics"),
        )
        self._commit(
            network.read_report(read, [sealed]),
            network.approval(network.id_of(approved), reason=HOSTILE),
            network.erase(erased, "b", "b.open", legal_basis="PIPL 47", reason=HOSTILE),
        )
        return Ids(read, unused, denied, waiting, erased, kept)

    # Ways to spoil it

    def change_block(self, height: int) -> None:
        """Take a vote away."""
        key = struct.pack(">cQ", b"b", height)
        with self.database() as database:
            block = decode(FinalHeader, database.get(key) or b"")
            assert block.certificate is not None
            certificate = type(block.certificate)(
                height, block.certificate.view, block.certificate.block_hash, block.certificate.votes[:-1]
            )
            self._put(database, [(key, encode(FinalHeader(block.header, certificate)))])

    def change_body(self) -> None:
        """Change a record of the parcel that was not erased."""
        with self.database() as database:
            payload = database.get(_place(b"p", 2, 1)) or b""
            self._put(database, [(_place(b"p", 2, 1), payload.replace(RECORDS[1], b'{"n":4}'))])

    def lose_body(self) -> None:
        """Take the payload of that parcel away, as if it had been erased."""
        with self.database() as database:
            payload = database.get(_place(b"p", 2, 1)) or b""
            left = ErasedPayload(len(payload), tuple(record_leaves(self.network.chain_id, RECORDS)))
            self._put(database, [(_place(b"p", 2, 1), None), (_place(b"e", 2, 1), encode(left))])

    def keep_erased_body(self) -> None:
        """Put the payload of the erased parcel back."""
        with self.database() as database:
            payload = database.get(_place(b"p", 2, 1)) or b""
            self._put(database, [(_place(b"e", 2, 0), None), (_place(b"p", 2, 0), payload)])

    def lose_blocks(self) -> None:
        """Have the node acknowledge two blocks that the database does not hold."""
        head = HeadFile(self.home / "data" / "HEAD")
        head.write(Head(self.height + 2, bytes(32)))
        head.close()

    @staticmethod
    def _put(database: LevelDatabase, entries: Sequence[tuple[bytes, bytes | None]]) -> None:
        database.write(entries, sync=True)


def _place(kind: bytes, height: int, index: int) -> bytes:
    return struct.pack(">cQI", kind, height, index)
