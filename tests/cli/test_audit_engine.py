"""The engine of an audit: opened when the chain first calls a contract, and only if it is the network's."""

import pytest

from audit.chain import ChainAudit
from audit.walk import walk
from chain.errors import ErrorCode, PoolError
from chain.genesis import parse_genesis
from chain.ledger import Ledger
from cli.failures import ExitCode, exit_code
from cli.network_policy import NetworkPolicy
from contracts.engine import TARGET
from tests.chain.access_world import ScriptedPolicy, allow
from tests.ledgers import packages_of
from tests.networks import TestNetwork
from tests.refusals import refuses


@pytest.fixture
def network() -> TestNetwork:
    """A network whose contracts run on another machine than this one."""
    network = TestNetwork(has_contracts=True, policy=ScriptedPolicy({"allow": lambda case: allow()}))
    network.genesis = parse_genesis(network.genesis.content.replace(TARGET.encode(), b"riscv64-unknown-linux-gnu"))
    network.chain_id = network.genesis.chain_id
    return network


def audit(network: TestNetwork, ledger: Ledger, newest: int) -> PoolError | None:
    auditor = ChainAudit(network.genesis, NetworkPolicy(network.genesis.chain_id, lambda text: None))
    return walk(auditor, packages_of(ledger), newest)


def test_a_chain_that_calls_no_contract_needs_no_engine(network: TestNetwork) -> None:
    ledger = network.ledger()
    network.commit(ledger, [network.dataset()])
    network.commit(ledger, [network.parcel()])
    assert audit(network, ledger, 2) is None


def test_another_engine_says_so_and_nothing_about_the_chain(network: TestNetwork) -> None:
    ledger = network.ledger()
    network.commit(ledger, [network.dataset()])
    network.commit(ledger, [network.contract("allow")])
    with refuses(ErrorCode.ENGINE_UNAVAILABLE, "riscv64") as caught:
        audit(network, ledger, 2)
    assert exit_code(caught.value) is ExitCode.CANNOT


def test_a_chain_that_ends_before_what_was_acknowledged_does_not_hold(network: TestNetwork) -> None:
    ledger = network.ledger()
    network.commit(ledger, [network.dataset()])
    failure = audit(network, ledger, 2)
    assert failure is not None
    assert (failure.code, failure.context["height"]) == (ErrorCode.DATABASE_DAMAGED, 2)
