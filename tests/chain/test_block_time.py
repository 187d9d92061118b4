"""Time on the chain: a block's own, within bounds that every replica checks; no client's clock decides anything."""

import pytest

from chain.blocks import Proposal
from chain.errors import ErrorCode, PoolError
from chain.ledger import ExecutedBlock, Ledger
from chain.limits import LIMITS
from chain.primitives.encoding import encode
from tests.networks import TIME_MS, TestNetwork

DRIFT_MS = LIMITS.clock_drift_ms


def proposed(network: TestNetwork, time_ms: int) -> tuple[Ledger, ExecutedBlock]:
    """A block of this time, and the ledger that it is proposed to."""
    ledger = network.ledger()
    return ledger, ledger.execute([network.checked(network.dataset())], time_ms, "a")


@pytest.mark.parametrize("drift_ms", [-DRIFT_MS, 0, DRIFT_MS])
def test_s21_s43_a_proposers_clock_may_be_a_little_wrong(network: TestNetwork, drift_ms: int) -> None:
    ledger, executed = proposed(network, TIME_MS + 10 * DRIFT_MS)
    now_ms = TIME_MS + 10 * DRIFT_MS - drift_ms
    assert ledger.check(executed.proposal, executed.transactions, now_ms).block_hash == executed.block_hash


@pytest.mark.parametrize("drift_ms", [-3_600_000, -DRIFT_MS - 1, DRIFT_MS + 1, 3_600_000])
def test_s21_s43_a_proposers_clock_may_not_be_wrong_by_more(network: TestNetwork, drift_ms: int) -> None:
    """An hour fast or slow, or a millisecond beyond the bound: nothing that such a node proposes is voted for. A block
    that a quorum has certified is taken all the same, whatever the clock of whoever fetches it.
    """
    ledger, executed = proposed(network, TIME_MS + 7_200_000)
    with pytest.raises(PoolError, match="from this node's clock"):
        ledger.check(executed.proposal, executed.transactions, TIME_MS + 7_200_000 - drift_ms)
    assert ledger.check(executed.proposal, executed.transactions, None).block_hash == executed.block_hash


def test_s21_time_never_goes_back(network: TestNetwork) -> None:
    """Not even within the bound: a slow primary takes its parent's time, and one that insists is refused."""
    ledger = network.ledger()
    network.commit(ledger, [network.dataset()], TIME_MS + 3000)
    transactions = [network.checked(network.parcel())]
    executed = ledger.execute(transactions, TIME_MS + 1000, "a")
    assert executed.header.time_ms == TIME_MS + 3000
    fields = {name: getattr(executed.header, name) for name in executed.header.__struct_fields__}
    early = type(executed.header)(**fields | {"time_ms": TIME_MS + 2999})
    with pytest.raises(PoolError, match="before its parent's"):
        ledger.check(Proposal(encode(early), executed.proposal.transaction_ids), transactions, TIME_MS + 3000)


@pytest.mark.parametrize(("expiry_ms", "code"), [(TIME_MS + 999, "expired"), (TIME_MS + 1000, "ok")])
def test_s21_expiry_is_judged_by_the_blocks_time_alone(network: TestNetwork, expiry_ms: int, code: str) -> None:
    """The client chooses when its transaction expires; whether it has is the same for whoever executes the block, and
    whenever: the replicas now, a new node in ten years.
    """
    proposer, replica, newcomer = network.ledger(), network.ledger(), network.ledger()
    transactions = [network.checked(network.dataset(expiry_ms=expiry_ms))]
    executed = proposer.execute(transactions, TIME_MS + 1000, "a")
    assert [outcome.code for outcome in executed.outcomes] == [code]
    for now_ms in (TIME_MS, TIME_MS + 1000 + DRIFT_MS):
        assert replica.check(executed.proposal, transactions, now_ms).outcomes == executed.outcomes
    assert newcomer.check(executed.proposal, transactions, None).outcomes == executed.outcomes


def test_s21_what_a_client_says_of_time_is_a_bound_on_itself_only(network: TestNetwork) -> None:
    """The order is the block's, not that of the expiries or nonces that clients choose."""
    ledger = network.ledger()
    first, second = network.dataset(expiry_ms=TIME_MS + 10**9), network.dataset(name="other", expiry_ms=TIME_MS + 500)
    executed = network.commit(ledger, [first, second], TIME_MS + 500)
    assert executed.proposal.transaction_ids == (network.id_of(first), network.id_of(second))
    late = network.commit(ledger, [network.dataset(name="late", expiry_ms=TIME_MS + 500)], TIME_MS + 501)
    assert [outcome.code for outcome in late.outcomes] == [ErrorCode.EXPIRED]
