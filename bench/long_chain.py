"""Chains made in one process: a network's validators with keys of their own, and a ledger."""

from collections.abc import Sequence

from chain.blocks import Certificate, commit_message
from chain.catalogue import Description
from chain.genesis import MemberKeyObject, MemberObject, NodeRecordObject, encode_genesis, parse_genesis
from chain.ledger import Ledger
from chain.primitives.crypto import Ed25519Signer, sha256
from chain.primitives.encoding import encode
from chain.state.members import Member
from chain.storage.database import Database
from chain.storage.head import MemoryHead
from chain.transactions.base import CheckedTransaction, Sender, Transaction, verify_payload
from chain.transactions.dataset import DATASET
from chain.transactions.parcel import open_content, sign_parcel
from chain.transactions.registry import decode_transaction

SCHEMA = '{"type":"object","properties":{"flight":{"type":"integer"},"dest":{"type":"string"}},"required":["flight"]}'
TIME_MS = 1_772_366_400_000


class LongChain:
    """A chain whose transactions the first validator signs, and a quorum of all of them the blocks.

    Args:
        members: of a network: their KEM keys and certificates are as long as real ones.
        blocks: engine of the block store.
        states: engine of the state store.
    """

    def __init__(self, members: tuple[Member, ...], blocks: Database, states: Database) -> None:
        validators = [member for member in members if member.consensus_key is not None]
        self._consensus = {member.name: Ed25519Signer(sha256(member.name.encode())) for member in validators}
        self._system = {member.name: Ed25519Signer(sha256(b"system " + member.name.encode())) for member in validators}
        founding = [self._member(member) for member in validators]
        self.genesis = parse_genesis(encode_genesis("Benchmark", TIME_MS, founding, None))
        self._head = MemoryHead()
        self.open(blocks, states)
        self._names = self.genesis.validators.names
        self._owner = self._names[0]
        self._nonce = 0

    def open(self, blocks: Database, states: Database) -> None:
        """Open the chain, in databases that are open."""
        self.ledger = Ledger(self.genesis, blocks, states, self._head)
        self.ledger.open()

    def fill(self, count: int) -> list[bytes]:
        """Commit so many parcels of one record, each in a block of its own; their ids. Every tenth one is made from the
        record before, so that the state grows with the chain.
        """
        self.commit([self.dataset("flights", SCHEMA)])
        ids: list[bytes] = []
        for number in range(count):
            sources = ((ids[-1], 0),) if number % 10 == 9 else ()
            parcel = self.parcel("flights", [b'{"flight":%d,"dest":"IAH"}' % number], sources)
            self.commit([parcel])
            ids.append(parcel.id)
        self.ledger.make_durable()
        return ids

    def commit(self, transactions: Sequence[CheckedTransaction]) -> None:
        """Make a block of ``transactions`` the tip; ``ledger.make_durable`` makes it durable."""
        executed = self.ledger.execute(transactions, TIME_MS + self._nonce, self._owner)
        height, hash_ = executed.header.height, executed.block_hash
        message = commit_message(self.genesis.chain_id, height, 0, hash_)
        signers = self._names[: self.genesis.validators.quorum]
        votes = tuple((name, self._consensus[name].sign(message)) for name in signers)
        self.ledger.commit(executed, Certificate(height, 0, hash_, votes), durable=False)

    def dataset(self, name: str, schema: str) -> CheckedTransaction:
        """Registers an open dataset."""
        transaction = DATASET.sign(
            self._sender(),
            nonce=self._next_nonce(),
            dataset=f"{self._owner}.{name}",
            version=1,
            title_zh="航班",
            title_en="Flights",
            schema=schema,
            sharing="open",
            legal_basis="Civil Aviation Law",
            contract="",
            description=Description(),
        )
        return self._checked(transaction)

    def parcel(
        self, name: str, records: Sequence[bytes], sources: tuple[tuple[bytes, int], ...] = ()
    ) -> CheckedTransaction:
        """Shares records, made from the records in ``sources``."""
        content = open_content(self.genesis.chain_id, records)
        return self._checked(sign_parcel(self._sender(), f"{self._owner}.{name}", content, sources, self._next_nonce()))

    def _member(self, member: Member) -> MemberObject:
        node = member.node
        return MemberObject(
            name=member.name,
            kind=member.kind,
            title_zh=member.title_zh,
            title_en=member.title_en,
            roles=(),
            keys=(MemberKeyObject(self._system[member.name].public_key),),
            consensus_key=self._consensus[member.name].public_key,
            kem_key=member.kem_key,
            node=NodeRecordObject(node.address, node.api_url, node.tls_certificate) if node else None,
        )

    def _sender(self) -> Sender:
        return Sender(self.genesis.chain_id, self._owner, self._system[self._owner])

    def _next_nonce(self) -> bytes:
        self._nonce += 1
        return self._nonce.to_bytes(16, "big")

    def _checked(self, transaction: Transaction) -> CheckedTransaction:
        checked = decode_transaction(self.genesis.chain_id, encode(transaction))
        verify_payload(checked)
        return checked
