"""What workers find out about blocks spares an audit work, and changes nothing about what it says."""

from collections.abc import Callable, Mapping

import msgspec
import pytest

from audit.chain import AuditReport, ChainAudit
from chain.blocks import Block
from chain.catalogue import Description
from chain.errors import ErrorCode, PoolError
from chain.examination.facts import BlockFacts, Examiner
from chain.packages import BlockPackage
from chain.primitives.encoding import decode, encode
from chain.state.entries import DatasetEntry, dataset_key
from chain.transactions.base import Transaction
from tests.audit.audit_world import STRICTER, EventfulChain, policy
from tests.networks import SCHEMA


@pytest.fixture(scope="module")
def chain() -> EventfulChain:
    return EventfulChain()


def report_of(chain: EventfulChain, facts: Callable[[int, BlockPackage], BlockFacts | None]) -> AuditReport:
    audit = ChainAudit(chain.network.genesis, policy())
    for height, package in enumerate(chain.packages):
        audit.add(package, facts(height, package))
    return audit.report


def travelled(facts: BlockFacts | None) -> BlockFacts | None:
    return msgspec.msgpack.decode(encode(facts), type=BlockFacts | None)


SCHEMAS: dict[str, dict[str, str]] = {
    "none known": {},
    "the first one": {"a.flights": SCHEMA, "a.plain": ""},
    "the later one": {"a.flights": STRICTER},
    "another dataset's": {"a.plain": SCHEMA},
    "of sealed records": {"a.sealed": STRICTER},
}


def entries(schemas: Mapping[str, str]) -> dict[bytes, bytes]:
    """State entries of datasets with these schemas."""
    known = {
        dataset: DatasetEntry(dataset, dataset[0], 1, "", "", schema, "open", "", "", Description(), 1, 1, bytes(32))
        for dataset, schema in schemas.items()
    }
    return {dataset_key(dataset): encode(entry) for dataset, entry in known.items()}


@pytest.mark.parametrize("known", SCHEMAS)
def test_an_audit_with_facts_says_the_same(chain: EventfulChain, known: str) -> None:
    examiner = Examiner(chain.network.genesis)
    examiner.learn(entries(SCHEMAS[known]))
    found = report_of(chain, lambda height, package: travelled(examiner.examine(height, package)))
    assert found == report_of(chain, lambda height, package: None)
    assert found.outcomes["schema_violation"] == 5
    assert (found.records_erased, found.is_complete) == ({"PIPL 47": 3}, True)


def test_facts_are_found_about_every_block_but_the_first(chain: EventfulChain) -> None:
    examiner = Examiner(chain.network.genesis)
    examiner.learn(entries({"a.flights": SCHEMA}))
    facts = [examiner.examine(height, package) for height, package in enumerate(chain.packages)]
    for found in facts[1:]:
        assert found is not None
        assert found.certified_by == chain.network.genesis.validators.hash(chain.network.chain_id)
        assert all(transaction.signed_by for transaction in found.transactions)
    good, bad = facts[2].transactions[:2]  # type: ignore[union-attr]
    assert good.verdict is not None
    assert good.verdict.violation is None
    assert bad.verdict is not None
    assert bad.verdict.violation == ("schema_violation", ((1, 1), (2, "/n"), (3, "type")))
    assert facts[0] is not None
    assert not facts[0].certified_by


def garbled(package: BlockPackage) -> BlockPackage:
    """The same with another record in its first parcel, of the same length."""
    alter = _changed_transaction(
        lambda found: msgspec.structs.replace(found, payload=found.payload.replace(b'"n":', b'"m":'))
    )
    return alter(package)


def test_payloads_with_facts_are_not_looked_at_again(chain: EventfulChain) -> None:
    examiner = Examiner(chain.network.genesis)
    examiner.learn(entries({"a.flights": STRICTER}))
    facts = examiner.examine(5, chain.packages[5])
    assert examiner.examine(5, garbled(chain.packages[5])) is None
    for found, records_wrong in ((facts, 0), (None, 1)):
        audit = ChainAudit(chain.network.genesis, policy())
        for package in chain.packages[:5]:
            audit.add(package)
        audit.add(garbled(chain.packages[5]), found)
        assert audit.report.records_wrong == records_wrong


def _changed_block(**changes: object) -> Callable[[BlockPackage], BlockPackage]:
    def change(package: BlockPackage) -> BlockPackage:
        block = msgspec.structs.replace(decode(Block, package.block), **changes)
        return msgspec.structs.replace(package, block=encode(block))

    return change


def _changed_transaction(alter: Callable[[Transaction], Transaction]) -> Callable[[BlockPackage], BlockPackage]:
    def change(package: BlockPackage) -> BlockPackage:
        first, *others = package.transactions
        return msgspec.structs.replace(package, transactions=(encode(alter(decode(Transaction, first))), *others))

    return change


def _forged(package: BlockPackage) -> BlockPackage:
    block = decode(Block, package.block)
    assert block.certificate is not None
    votes = tuple((name, bytes(64)) for name, _ in block.certificate.votes)
    return _changed_block(certificate=msgspec.structs.replace(block.certificate, votes=votes))(package)


def _renamed(package: BlockPackage) -> BlockPackage:
    outcomes = decode(Block, package.block).outcomes
    renamed = msgspec.structs.replace(outcomes[0], transaction_id=bytes(32))
    return _changed_block(outcomes=(renamed, *outcomes[1:]))(package)


DAMAGE: dict[str, tuple[Callable[[BlockPackage], BlockPackage], ErrorCode]] = {
    "no certificate": (_changed_block(certificate=None), ErrorCode.BAD_CERTIFICATE),
    "forged votes": (_forged, ErrorCode.BAD_CERTIFICATE),
    "outcome names another transaction": (_renamed, ErrorCode.BAD_BLOCK),
    "no outcomes": (_changed_block(outcomes=()), ErrorCode.BAD_BLOCK),
    "signature": (
        _changed_transaction(lambda found: msgspec.structs.replace(found, signature=bytes(64))),
        ErrorCode.BAD_SIGNATURE,
    ),
    "payload missing": (
        _changed_transaction(lambda found: msgspec.structs.replace(found, payload=b"")),
        ErrorCode.MALFORMED,
    ),
    "other header": (
        _changed_transaction(lambda found: msgspec.structs.replace(found, header=found.header[:-1] + b"\xff")),
        ErrorCode.MALFORMED,
    ),
    "block before it": (lambda package: package, ErrorCode.BAD_CERTIFICATE),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named_by_the_audit_itself(chain: EventfulChain, damage: str) -> None:
    """With the facts of an examiner that saw the damaged block, and without: the same words."""
    alter, code = DAMAGE[damage]
    place = 5
    package = alter(chain.packages[4 if damage == "block before it" else place])
    said = []
    for facts in (None, Examiner(chain.network.genesis).examine(place, package)):
        audit = ChainAudit(chain.network.genesis, policy())
        for sound in chain.packages[:place]:
            audit.add(sound)
        with pytest.raises(PoolError) as caught:
            audit.add(package, facts)
        said.append((caught.value.code, caught.value.detail, caught.value.context))
    assert said[0] == said[1]
    assert (said[0][0], said[0][2]["height"]) == (code, place)


def test_a_wrong_payload_is_counted_all_the_same(chain: EventfulChain) -> None:
    packages = [*chain.packages[:5], garbled(chain.packages[5]), *chain.packages[6:]]
    examiner = Examiner(chain.network.genesis)
    audit = ChainAudit(chain.network.genesis, policy())
    for height, package in enumerate(packages):
        audit.add(package, examiner.examine(height, package))
    assert (audit.report.records_wrong, audit.report.is_complete) == (1, False)
