"""The benchmark's own validator and its figures about contracts."""

import pytest

from bench.contracts import OFFERED, measure_verdicts
from bench.sealing import measure_sealing
from chain.errors import ErrorCode
from chain.limits import LIMITS
from chain.transactions.sealed import CommitmentKind
from tests.refusals import refuses


@pytest.mark.parametrize("name", ["purpose_bound", "approval_required"])
def test_every_request_of_every_block_is_decided(name: str) -> None:
    verdicts = measure_verdicts(name, readers=8, datasets=5, blocks=1)
    assert verdicts.blocks == 1
    assert OFFERED / 4 < verdicts.requests < OFFERED
    assert verdicts.fuel > LIMITS.block_contract_fuel - 2 * LIMITS.contract_guest_fuel
    assert verdicts.rate == pytest.approx(verdicts.requests / verdicts.seconds)


def test_a_contract_that_refuses_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.contracts.PURPOSE", "marketing")
    with refuses(ErrorCode.CONTRACT_FAILED):
        measure_verdicts("purpose_bound", readers=4, datasets=1, blocks=1)


@pytest.mark.parametrize("kind", list(CommitmentKind))
def test_what_is_sealed_is_opened_again(kind: CommitmentKind) -> None:
    rates = measure_sealing(kind, parcels=1)
    assert rates.sealed_per_s > 0
    assert rates.opened_per_s > 0
