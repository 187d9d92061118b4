"""A set of validators that changes, for those who have only read docs/protocol.md: the other verifier and Node.js."""

import json
import runpy
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from chain.primitives.encoding import encode
from evidence.parts import HandOverPart
from evidence.record import make_record_evidence
from tests.networks import TestNetwork
from tests.rules import NEXT, use_changing_rules

EXAMPLES = Path(__file__).parents[2] / "examples"


class Handed:
    """A chain whose block 3, with a parcel, is of another set than block 2; block 5 is under other rules."""

    def __init__(self) -> None:
        self.network = network = TestNetwork()
        self.ledger = ledger = network.ledger()
        self.parcel, self.late = network.parcel(), network.parcel()
        for signers, transaction in (
            ("abc", network.dataset()),
            ("abc", network.dataset(name="exit", legal_basis="without c")),
            ("ad", self.parcel),
            ("ad", network.dataset(name="next", legal_basis=f"version {NEXT}")),
            ("ad", self.late),
        ):
            executed = ledger.execute([network.checked(transaction)], 0, "a")
            ledger.commit(executed, network.certify(executed, signers=signers))


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> Handed:
    use_changing_rules(monkeypatch)
    return Handed()


def test_the_other_verifier_follows_hand_overs_up_to_rules_that_it_does_not_know(handed: Handed) -> None:
    example = runpy.run_path(str(EXAMPLES / "verify_evidence.py"))
    network, genesis = handed.network, example["Network"](handed.network.genesis.content)
    content = make_record_evidence(handed.ledger, network.id_of(handed.parcel), 0, 4)
    file = json.loads(content)
    handover = handed.ledger.trust.handovers_since(0)[0]
    assert file["handovers"] == []
    with pytest.raises(example["Refused"]) as caught:
        list(example["verify"](content, genesis))
    assert (caught.value.code, caught.value.step) == ("unknown_validators", 2)
    file["handovers"] = [msgspec.to_builtins(HandOverPart.of(handover))]
    assert len(list(example["verify"](json.dumps(file).encode(), genesis))) > 8
    late = make_record_evidence(handed.ledger, network.id_of(handed.late), 0)
    with pytest.raises(example["Refused"]) as caught:
        list(example["verify"](late, genesis))
    assert (caught.value.code, caught.value.step) == ("unknown_protocol", 2)


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_the_javascript_client_follows_hand_overs(handed: Handed, tmp_path: Path) -> None:
    network = handed.network
    (tmp_path / "genesis.json").write_bytes(network.genesis.content)
    parts = [HandOverPart.of(handover) for handover in handed.ledger.trust.handovers_since(0)]
    (tmp_path / "handovers.json").write_bytes(msgspec.json.encode({"handovers": parts}))

    def verify(height: int, transaction: object, *more: str) -> subprocess.CompletedProcess[str]:
        receipt = handed.ledger.receipts_of(height).receipt(0)
        (tmp_path / "receipt").write_bytes(encode(receipt))
        id_ = network.id_of(transaction).hex()  # type: ignore[arg-type]
        command = ["node", str(EXAMPLES / "submit.mjs"), "--genesis", "genesis.json", "--verify", "receipt"]
        command += ["--transaction", id_, *more]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert "other validators" in verify(3, handed.parcel).stderr
    found = verify(3, handed.parcel, "--handovers", "handovers.json")
    assert json.loads(found.stdout)["votes"] == ["a", "d"], found.stderr
    assert "protocol version 3" in verify(5, handed.late, "--handovers", "handovers.json").stderr
