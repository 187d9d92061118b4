"""What can be found out about blocks and transactions without the state, so that many can be looked at at once.

An audit and a node ask this of other processes and spare themselves what these vouch for. It decides nothing: a block
or a transaction, or a part of one, that is anything but in order has no facts, and whoever asked looks at it and says
what is wrong, in the same words as ever.

1. The package decodes canonically, its outcomes name its transactions, every payload matches its signed root.
2. A quorum of validators signed the block at this height.
3. Every transaction is signed by the key that it names.
4. Every open record satisfies the schema of its dataset.

Which validators, keys and schemas these are is taken from state entries that may be out of date by now. So the facts
say what was verified with what, and are compared with the state of whoever asked: what is out of date costs time alone.

Facts go from one process to another on one machine, and never come from outside.
"""

from collections.abc import Mapping

import msgspec

from chain.blocks import Block, block_hash
from chain.erasure import check_absent
from chain.errors import ErrorCode, PoolError, Refusal
from chain.facts import Facts
from chain.genesis import Genesis
from chain.packages import BlockPackage, absent_by_index, open_package
from chain.primitives.crypto import Hash
from chain.primitives.encoding import decode
from chain.proofs.validators import ValidatorsEntry, validator_set, verify_certificate
from chain.schema import record_rules
from chain.state.entries import VALIDATORS_KEY, DatasetEntry, dataset_key, member_key
from chain.state.members import Member, registered_key
from chain.transactions.base import CheckedTransaction, Header, Transaction, verify_payload, verify_signed_by
from chain.transactions.parcel import ParcelHeader, verdict_on_records
from chain.transactions.registry import TRANSACTION_TYPES, decode_transaction, type_named_by, type_of

KNOWN_PREFIXES = (VALIDATORS_KEY, member_key(""), dataset_key(""))
"""State entries that an examiner needs to know."""


class SchemaVerdict(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a schema says of a parcel's records."""

    schema: Hash
    """``RecordSchema.hash``."""
    violation: tuple[ErrorCode, Facts] | None = None
    """What is wrong with the first bad record; None if all are good."""


class TransactionFacts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is known of one transaction."""

    signed_by: bytes
    """Public key under which its signature verifies; empty if it was not verified."""
    records_size_bytes: int
    """Sum of its record bodies."""
    verdict: SchemaVerdict | None


class BlockFacts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is known of one block whose package is in order."""

    certified_by: bytes
    """Hash of the set of which a quorum signed it at its height; empty if none is known to have."""
    transactions: tuple[TransactionFacts, ...]


class ExaminedTransaction(CheckedTransaction):
    """A transaction that was examined elsewhere: its records are decoded only if somebody wants to see them."""

    __slots__ = ("_records_size_bytes",)

    def __init__(
        self, id_: Hash, header: Header, transaction: Transaction, size_bytes: int, facts: TransactionFacts
    ) -> None:
        super().__init__(id_, type_of(header), header, transaction, size_bytes)
        self._records_size_bytes = facts.records_size_bytes
        accept_facts(self, facts)

    @property
    def records_size_bytes(self) -> int:
        """Sum of the record bodies of a parcel."""
        return self._records_size_bytes


def accept_facts(checked: CheckedTransaction, facts: TransactionFacts) -> None:
    """Note what was found about a transaction, so that it is not found out again."""
    checked.signed_by = facts.signed_by
    if facts.verdict is not None:
        checked.schema_verdicts[facts.verdict.schema] = _violation(facts.verdict)


class Examiner:
    """Finds the facts.

    Args:
        genesis: of the chain.
    """

    def __init__(self, genesis: Genesis) -> None:
        self._chain_id = genesis.chain_id
        self._validators = genesis.validators
        self._members: dict[str, Member] = {}
        self._schemas: dict[str, str] = {}
        self.learn(genesis.entries)

    def learn(self, entries: Mapping[bytes, bytes]) -> None:
        """Note state entries as they are now, those of ``KNOWN_PREFIXES`` at least."""
        for key, value in entries.items():
            if key == VALIDATORS_KEY:
                self._validators = validator_set(decode(ValidatorsEntry, value))
            elif key.startswith(member_key("")):
                member = decode(Member, value)
                self._members[member.name] = member
            elif key.startswith(dataset_key("")):
                entry = decode(DatasetEntry, value)
                self._schemas[entry.dataset] = entry.schema

    def examine(self, height: int, package: BlockPackage) -> BlockFacts | None:
        """The facts about the block at ``height``; None for one that whoever asked has to look at itself."""
        try:
            block, transactions = open_package(self._chain_id, package)
        except PoolError:
            return None
        names = [outcome.transaction_id for outcome in block.outcomes]
        if names != [checked.id for checked in transactions]:
            return None
        return BlockFacts(self._certified_by(height, block), tuple(map(self._examine, transactions)))

    def examine_transaction(self, data: bytes) -> TransactionFacts | None:
        """The facts about an encoded transaction of no block yet; None for one that is not in order by itself, its
        payload included.
        """
        try:
            checked = decode_transaction(self._chain_id, data)
            verify_payload(checked)
        except PoolError:
            return None
        return self._examine(checked)

    def _certified_by(self, height: int, block: Block) -> bytes:
        if block.certificate is None:
            return b""
        hash_ = block_hash(self._chain_id, block.header)
        try:
            verify_certificate(self._chain_id, block.certificate, self._validators, height, hash_)
        except PoolError:
            return b""
        return self._validators.hash(self._chain_id)

    def _examine(self, checked: CheckedTransaction) -> TransactionFacts:
        return TransactionFacts(self._signed_by(checked), checked.records_size_bytes, self._verdict(checked))

    def _signed_by(self, checked: CheckedTransaction) -> bytes:
        header = checked.header
        try:
            key = registered_key(self._members.get(header.member), header.member, header.key_id)
            verify_signed_by(checked, key.public_key)
        except PoolError:
            return b""
        return key.public_key

    def _verdict(self, checked: CheckedTransaction) -> SchemaVerdict | None:
        header = checked.header
        if not isinstance(header, ParcelHeader) or header.envelope or header.dataset not in self._schemas:
            return None
        schema = record_rules(self._schemas[header.dataset])
        violation = verdict_on_records(checked, schema)
        if violation is None:
            return SchemaVerdict(schema.hash)
        return SchemaVerdict(schema.hash, (violation.code, violation.facts))


def open_examined(package: BlockPackage, facts: BlockFacts) -> tuple[Block, list[CheckedTransaction]]:
    """What ``chain.packages.open_package`` gives for a package that is in order. Payloads are not looked at again."""
    block = decode(Block, package.block)
    opened: list[CheckedTransaction] = []
    for data, outcome, found in zip(package.transactions, block.outcomes, facts.transactions, strict=True):
        transaction = _transactions.decode(data)
        header = _headers[type_named_by(transaction.header).tag].decode(transaction.header)
        opened.append(ExaminedTransaction(outcome.transaction_id, header, transaction, len(data), found))
    for index, kept in absent_by_index(package).items():
        opened[index] = check_absent(opened[index], kept, block.outcomes[index])
    return block, opened


_transactions = msgspec.msgpack.Decoder(Transaction)
_headers: dict[int, msgspec.msgpack.Decoder[Header]] = {
    tag: msgspec.msgpack.Decoder(type_.header) for tag, type_ in TRANSACTION_TYPES.items()
}


def _violation(verdict: SchemaVerdict) -> Refusal | None:
    if verdict.violation is None:
        return None
    code, facts = verdict.violation
    return Refusal.of(code, facts)
