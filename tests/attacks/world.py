"""What the attacks are tried on: a ledger whose contracts run in the real sandbox, and others to compare it with."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

from audit.chain import AuditReport, ChainAudit
from chain.access.decision import failure_of
from chain.access.policy import AccessPolicy
from chain.blocks import Outcome
from chain.errors import PoolError
from chain.ledger import ExecutedBlock, Ledger
from chain.primitives.crypto import Hash
from chain.state.entries import RequestEntry, request_key
from chain.storage.database import MemoryDatabase
from chain.storage.head import MemoryHead
from chain.transactions.base import CheckedTransaction, Transaction
from contracts.engine import Engine
from contracts.policy import SandboxPolicy
from contracts.sandbox import Sandbox
from tests.ledgers import audited, caught_up, memory_ledger, packages_of
from tests.networks import TIME_MS, TestNetwork

BLOCK_TIME_MS = 1000
"""Between two blocks of a world."""

ALLOW = "from blockpool.contract import allow\n\ndef can_read(request, dataset, ctx):\n    return allow()\n"


def contract(body: str) -> str:
    """A contract whose can_read has this body; its first line is line 3."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return f"from blockpool.contract import allow, ask, deny\ndef can_read(request, dataset, ctx):\n{lines}"


@dataclass
class World:
    """Validators ``a`` to ``d`` and ``outsider``; the ledger of one of them."""

    network: TestNetwork
    ledger: Ledger
    disk: tuple[MemoryDatabase, MemoryHead]
    """Where the ledger keeps its blocks, and its HEAD."""
    blocks: list[ExecutedBlock] = field(default_factory=list)

    @classmethod
    def create(cls, engine: Engine, size: int = 4) -> "World":
        """A world of ``size`` validators with a sandbox of its own in this process."""
        network = TestNetwork(size, has_contracts=True)
        network.policy = SandboxPolicy(Sandbox(engine, network.chain_id))
        disk = MemoryDatabase(), MemoryHead()
        return cls(network, memory_ledger(network.genesis, network.policy, *disk), disk)

    @property
    def time_ms(self) -> int:
        """Time of the next block."""
        return TIME_MS + (self.ledger.tip.height + 1) * BLOCK_TIME_MS

    def commit(self, *transactions: Transaction) -> tuple[Outcome, ...]:
        """Put everything into the next block; one outcome for each transaction."""
        outcomes = self.offer(*transactions)
        assert len(outcomes) == len(transactions), "some were left out"
        return outcomes

    def offer(self, *transactions: Transaction) -> tuple[Outcome, ...]:
        """Make the next block of these; outcomes of those that found room."""
        executed = self.network.commit(self.ledger, transactions, self.time_ms)
        self.blocks.append(executed)
        return executed.outcomes

    def accept(self, *transactions: Transaction) -> None:
        """Put everything into the next block, where all of it must take effect."""
        outcomes = self.commit(*transactions)
        assert all(outcome.is_ok for outcome in outcomes), outcomes

    def share(
        self, source: str, name: str = "flights", member: str = "a", parameters: str = "{}"
    ) -> tuple[Transaction, Transaction]:
        """A contract, and a dataset that it guards; both have this name."""
        network = self.network
        return (
            network.contract(source, member, name, parameters=parameters),
            network.dataset(member, name, sharing="conditional", contract=f"{member}.{name}"),
        )

    def request(self, id_: Hash) -> RequestEntry:
        """A request as it stands."""
        entry = self.ledger.entry(request_key(id_), RequestEntry)
        assert entry is not None
        return entry

    def checked(self, *transactions: Transaction) -> list[CheckedTransaction]:
        """The transactions after their stateless checks."""
        return [self.network.checked(transaction) for transaction in transactions]

    def code_of_sender(self, transaction: Transaction) -> str:
        """What a node says of a transaction's sender before it takes it in: ``ok``, or why not."""
        try:
            self.ledger.verify_sender(self.network.checked(transaction))
        except PoolError as error:
            return error.code.value
        return "ok"

    def replayed(self, policy: AccessPolicy) -> Ledger:
        """A second node that has seen nothing yet and catches up block by block; each must be as it was."""
        return caught_up(self.ledger, policy)

    def restarted(self, policy: AccessPolicy) -> Ledger:
        """The same node after it has lost its state: it executes its own blocks again, and each must be as it was."""
        return memory_ledger(self.network.genesis, policy, *self.disk)

    def audited(self, policy: AccessPolicy) -> AuditReport:
        """An auditor's report on the whole chain."""
        return audited(ChainAudit(self.network.genesis, policy), packages_of(self.ledger)).report


def codes(outcomes: Sequence[Outcome]) -> list[str]:
    """The codes of the outcomes."""
    return [outcome.code for outcome in outcomes]


def verdicts(outcomes: Sequence[Outcome]) -> list[tuple[str, str]]:
    """Verdict and failure of every outcome that has a verdict."""
    return [(outcome.verdict.verdict, failure_of(outcome.facts)) for outcome in outcomes if outcome.verdict]


def traces_of(secret: bytes, data: bytes) -> list[bytes]:
    """In which forms ``secret`` stands in ``data``: as it is, in hexadecimal, in base64 at any offset, in UTF-16."""
    forms = [secret, secret.hex().encode(), secret.hex().upper().encode(), secret.decode().encode("utf-16-le")]
    # Characters that share bits with what stands before or after the secret are left out.
    forms += [base64.b64encode(bytes(offset) + secret)[offset + (offset > 0) : -4] for offset in range(3)]
    return [form for form in forms if form in data]
