"""The audit of a whole chain: counts what it verified, and names the first height at which something is wrong."""

from collections.abc import Callable

import msgspec
import pytest

from audit.chain import ChainAudit
from chain.blocks import Block, Outcome
from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.packages import BlockPackage, Packages, open_package, read_packages
from chain.primitives.encoding import decode, encode, encode_array
from chain.state.entries import ReaderEntry, reader_key
from chain.transactions.base import Transaction
from tests.chain.access_world import CALL_FUEL, CHECK_FUEL, AccessWorld, ScriptedPolicy, allow, deny
from tests.ledgers import audited, packages_of
from tests.networks import TestNetwork
from tests.refusals import refuses


@pytest.fixture
def ledger(network: TestNetwork) -> Ledger:
    ledger = network.ledger()
    network.commit(ledger, [network.dataset()])
    for _ in range(3):
        network.commit(ledger, [network.parcel([b'{"n":1}', b'{"n":2}']), network.parcel([b'{"n":"no"}'])])
    return ledger


def test_a_good_chain_is_counted_by_outcome(network: TestNetwork, ledger: Ledger) -> None:
    report = audited(ChainAudit(network.genesis), packages_of(ledger)).report
    assert (report.height, report.blocks, report.block_hash) == (4, 5, ledger.tip.block_hash)
    assert dict(report.outcomes) == {"ok": 4, "schema_violation": 3}
    assert (report.transactions, report.records, report.transaction_signatures) == (7, 9, 7)
    assert dict(report.records_by_dataset) == {"a.flights": 6}
    assert report.certificate_signatures == 12


def _without_last_vote(block: Block) -> Block:
    assert block.certificate is not None
    return msgspec.structs.replace(
        block, certificate=msgspec.structs.replace(block.certificate, votes=block.certificate.votes[:-1])
    )


def _with_other_outcome(block: Block) -> Block:
    first = block.outcomes[0]
    return msgspec.structs.replace(
        block, outcomes=(Outcome(first.transaction_id, "expired", (), 0), *block.outcomes[1:])
    )


BLOCK_CHANGES: dict[str, tuple[Callable[[Block], Block], ErrorCode]] = {
    "certificate missing": (lambda block: msgspec.structs.replace(block, certificate=None), ErrorCode.BAD_CERTIFICATE),
    "vote missing": (_without_last_vote, ErrorCode.BAD_CERTIFICATE),
    "outcome changed": (_with_other_outcome, ErrorCode.BAD_BLOCK),
    "outcome missing": (lambda block: msgspec.structs.replace(block, outcomes=block.outcomes[1:]), ErrorCode.BAD_BLOCK),
    "header changed": (
        lambda block: msgspec.structs.replace(block, header=block.header[:-1] + b"\x00"),
        ErrorCode.BAD_CERTIFICATE,
    ),
}


@pytest.mark.parametrize("change", BLOCK_CHANGES)
def test_a_changed_block_is_found_at_its_height(network: TestNetwork, ledger: Ledger, change: str) -> None:
    alter, code = BLOCK_CHANGES[change]
    audit = ChainAudit(network.genesis)
    packages = packages_of(ledger)
    for package in packages[:3]:
        audit.add(package)
    block = alter(decode(Block, packages[3].block))
    with refuses(code, height=3):
        audit.add(msgspec.structs.replace(packages[3], block=encode(block)))


def _flip_signature(transaction: Transaction) -> Transaction:
    return msgspec.structs.replace(
        transaction, signature=bytes([transaction.signature[0] ^ 1]) + transaction.signature[1:]
    )


def test_a_changed_signature_is_found(network: TestNetwork, ledger: Ledger) -> None:
    audit = ChainAudit(network.genesis)
    packages = packages_of(ledger)
    audit.add(packages[0])
    audit.add(packages[1])
    changed = encode(_flip_signature(decode(Transaction, packages[2].transactions[0])))
    with refuses(ErrorCode.BAD_SIGNATURE, height=2):
        audit.add(msgspec.structs.replace(packages[2], transactions=(changed, *packages[2].transactions[1:])))


def test_blocks_left_out_or_out_of_order_are_found(network: TestNetwork, ledger: Ledger) -> None:
    audit = ChainAudit(network.genesis)
    packages = packages_of(ledger)
    audit.add(packages[0])
    with pytest.raises(PoolError) as caught:
        audit.add(packages[2])
    assert caught.value.context["height"] == 1


def test_another_chains_genesis_block_is_refused(ledger: Ledger) -> None:
    audit = ChainAudit(TestNetwork(size=7).genesis)
    with refuses(ErrorCode.BAD_BLOCK, height=0):
        audit.add(packages_of(ledger)[0])


def test_packages_travel_joined_and_bounded(network: TestNetwork, ledger: Ledger) -> None:
    joined = encode_array(read_packages(ledger.blocks, 1, 100, 1 << 20))
    assert decode(Packages, joined) == tuple(packages_of(ledger)[1:])
    assert len(read_packages(ledger.blocks, 1, 2, 1 << 20)) == 2
    assert len(read_packages(ledger.blocks, 1, 100, 1)) == 1, "one block at least, however small the bound"
    assert decode(Packages, encode_array([])) == ()
    assert len(decode(Packages, encode_array([encode(packages_of(ledger)[1])] * 20))) == 20


def test_a_package_has_one_transaction_for_each_outcome(network: TestNetwork, ledger: Ledger) -> None:
    package = packages_of(ledger)[2]
    with refuses(ErrorCode.BAD_BLOCK):
        open_package(network.chain_id, BlockPackage(package.block, package.transactions[:1]))


def test_a_recognised_transaction_is_taken_as_it_is(network: TestNetwork, ledger: Ledger) -> None:
    package = packages_of(ledger)[2]
    _, fresh = open_package(network.chain_id, package)
    known = {checked.id: checked for checked in fresh[:1]}
    _, again = open_package(network.chain_id, package, lambda checked: known.get(checked.id))
    assert again[0] is fresh[0]
    assert again[1] is not fresh[1]
    assert again[1].records == fresh[1].records


def test_contract_calls_verdicts_and_fuel_are_counted() -> None:
    world = AccessWorld(allow=lambda case: allow(), deny=lambda case: deny())
    world.ask()
    world.accept(world.network.contract("deny", version=2))
    world.ask("outsider")
    world.ask(dataset="c.secret")
    audit = ChainAudit(world.network.genesis, world.policy)
    for package in packages_of(world.ledger):
        audit.add(package)
    report = audit.report
    assert dict(report.verdicts) == {"allow": 1, "deny": 2}
    assert report.contract_calls == 4, "two deployments and two decisions; nobody is asked about closed data"
    assert report.fuel == 2 * CHECK_FUEL + 2 * CALL_FUEL
    assert audit.entry(reader_key("a.flights", "b"), ReaderEntry) == world.reader()


def test_without_an_engine_nothing_is_said_about_the_chain() -> None:
    world = AccessWorld()
    audit = ChainAudit(world.network.genesis)
    audit.add(packages_of(world.ledger)[0])
    with refuses(ErrorCode.ENGINE_UNAVAILABLE) as caught:
        audit.add(packages_of(world.ledger)[1])
    assert caught.value.code.is_engine


def test_a_verdict_that_execution_does_not_give_is_found_at_its_height() -> None:
    world = AccessWorld(rule=lambda case: allow())
    world.ask()
    audit = ChainAudit(world.network.genesis, ScriptedPolicy({"rule": lambda case: deny()}))
    for package in packages_of(world.ledger)[:-1]:
        audit.add(package)
    with refuses(ErrorCode.BAD_BLOCK, height=2):
        audit.add(packages_of(world.ledger)[-1])
