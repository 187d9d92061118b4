"""Auditing reads and verdicts on real nodes: from a stopped node's files, from a URL, and by proof alone."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from chain.access.policy import contract_hash
from cli.networks import create_network
from tests.blockpool.test_lying_node import Change, lying_proxy
from tests.cli.access import CONTRACT, as_member, deploy, share_sealed
from tests.cli.commands import Done
from tests.cli.report_page import ReportPage
from tests.processes import RunningNetwork

pytestmark = pytest.mark.integration

STRICTER = CONTRACT.replace('request.purpose == "flight safety"', 'request.purpose == "rescue"').replace(
    "only for flight safety", "only for rescue"
)


@dataclass(frozen=True)
class Shared:
    """A dataset with reads of every kind."""

    dataset: str
    contract: str
    record: str
    """Id of its first record."""
    read: str
    """Granted to meteorology, and read."""
    approved: str
    """Asked by registry, approved by aviation."""
    denied: str
    """Denied to airports."""


@pytest.fixture(scope="module")
def shared(running_network: RunningNetwork, tmp_path_factory: pytest.TempPathFactory) -> Shared:
    folder = tmp_path_factory.mktemp("audited")
    contract = deploy(running_network, folder)
    dataset, _ = share_sealed(running_network, contract, folder)
    parcels = httpx.get(f"{running_network.network.urls[0]}/v1/datasets/{dataset}/parcels", trust_env=False).json()
    first = parcels["parcels"][0]["transaction_id"]
    out = folder / "read.ndjson"
    read = as_member(
        running_network, "meteorology", "read", dataset, "--purpose", "flight safety", "--out", out, "--json"
    )
    assert read.code == 0, read.err
    asked = ("request", "new", dataset, "--json", "--purpose")
    approved = as_member(running_network, "registry", *asked, "statistics", "--case-number", "2026-17").json["request"]
    answer = ("request", "approve", approved, "--reason", "yearly report")
    assert as_member(running_network, "aviation", *answer).code == 0
    denied = as_member(running_network, "airports", *asked, "advertising").json["request"]
    running_network.network.settle()
    return Shared(dataset, contract, f"{first}/0", read.json["request"], approved, denied)


def audit(network: RunningNetwork, *arguments: object) -> Done:
    return as_member(network, "registry", "audit", *arguments)


def url(network: RunningNetwork) -> str:
    return network.network.urls[1]


def requests_of(done: Done) -> list[str]:
    assert done.code == 0, done.err
    return [read["request"] for read in done.json["reads"]]


@pytest.mark.parametrize("proof", [[], ["--proof"]], ids=["whole chain", "by proof"])
def test_all_reads_of_a_dataset_with_the_proof_that_none_is_left_out(
    running_network: RunningNetwork, shared: Shared, proof: list[str]
) -> None:
    done = audit(running_network, "reads", url(running_network), "--dataset", shared.dataset, "--json", *proof)
    assert requests_of(done) == [shared.read, shared.approved, shared.denied]
    (complete,) = done.json["proofs"]
    assert (complete["dataset"], complete["transactions"], complete["is_complete"]) == (shared.dataset, 5, True)
    read, approved, denied = done.json["reads"]
    assert (read["status"], read["reader"], read["purpose"]) == ("granted", "meteorology", "flight safety")
    assert (read["records_read"], sum(len(receipt["parcels"]) for receipt in read["read_reports"])) == (25, 3)
    (decision,) = read["decisions"]
    assert (decision["verdict"], decision["contract"]) == ("allow", shared.contract)
    chain_id = running_network.network.genesis.chain_id
    assert decision["contract_hash"] == contract_hash(chain_id, CONTRACT, "{}").hex()
    assert decision["fuel"] > 0
    assert [(answer["member"], answer["answer"], answer["reason"]) for answer in approved["answers"]] == [
        ("aviation", "approve", "yearly report")
    ]
    assert [decision["verdict"] for decision in approved["decisions"]] == ["ask", "allow"]
    assert approved["case_number"] == "2026-17"
    assert (denied["status"], denied["decisions"][0]["reason"]) == ("denied", "only for flight safety")


def test_reads_are_shown_to_people(running_network: RunningNetwork, shared: Shared) -> None:
    done = audit(running_network, "reads", url(running_network), "--dataset", shared.dataset, "--proof")
    assert f"granted  meteorology asked for all of {shared.dataset}" in done.out
    assert "aviation: approve, 'yearly report'" in done.out
    assert "only for flight safety" in done.out
    assert "3 of 3 requests shown." in done.out
    assert f"{shared.dataset}: 5 of 5 reads, none left out: proven at height" in done.out


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (["--reader", "registry"], ["approved"]),
        (["--purpose", "ADVERT"], ["denied"]),
        (["--verdict", "granted"], ["read", "approved"]),
        (["--since", "2020-01-01", "--until", "2020-12-31"], []),
        (["--since", "2020-01-01T00:00:00Z"], ["read", "approved", "denied"]),
        (["--record"], ["read", "approved", "denied"]),
    ],
)
def test_filters(running_network: RunningNetwork, shared: Shared, filters: list[str], names: list[str]) -> None:
    more = [shared.record] if filters == ["--record"] else []
    wanted = ("--dataset", shared.dataset, *filters, *more, "--proof", "--json")
    done = audit(running_network, "reads", url(running_network), *wanted)
    assert requests_of(done) == [getattr(shared, name) for name in names]
    assert done.json["requests"] == 3


@pytest.mark.parametrize("proof", [[], ["--proof"]], ids=["whole chain", "by proof"])
def test_that_a_member_never_had_a_grant_is_proven(
    running_network: RunningNetwork, shared: Shared, proof: list[str]
) -> None:
    for reader, requests, grants in (("airports", 1, 0), ("aviation", 0, 0), ("registry", 1, 1)):
        wanted = ("reads", url(running_network), "--dataset", shared.dataset, "--reader", reader, *proof)
        claim = audit(running_network, *wanted, "--json").json["proofs"][0]["reader"]
        assert claim == {"member": reader, "requests": requests, "grants": grants, "never_granted": grants == 0}
        said = f"{reader} never had a grant" in audit(running_network, *wanted).out
        assert said == (grants == 0)


@pytest.fixture
def stopped_home(running_network: RunningNetwork, shared: Shared, tmp_path: Path) -> Path:
    """A copy of a node's home, as it is after a power cut."""
    home = tmp_path / "copy"
    ignored = shutil.ignore_patterns("*.pem", "state")
    shutil.copytree(running_network.network.nodes["meteorology"].home, home, ignore=ignored)
    return home


def test_reads_and_verdicts_from_a_stopped_nodes_files(
    running_network: RunningNetwork, shared: Shared, stopped_home: Path
) -> None:
    done = audit(running_network, "reads", stopped_home, "--dataset", shared.dataset, "--json")
    assert requests_of(done) == [shared.read, shared.approved, shared.denied]
    replayed = audit(running_network, "replay", stopped_home, "--json").json
    assert (replayed["holds"], replayed["differences"], replayed["error"]) == (True, [], None)
    assert replayed["verdicts_replayed"] >= 4
    chain = audit(running_network, "chain", stopped_home, "--json").json
    assert (chain["verdicts"], chain["fuel"]) == (replayed["verdicts"], replayed["fuel"])
    assert chain["contract_calls"] > replayed["verdicts_replayed"], "deployments are calls too"
    assert "contract calls" in audit(running_network, "chain", stopped_home).out


def test_a_report_tells_what_the_other_audits_count(
    running_network: RunningNetwork, shared: Shared, tmp_path: Path
) -> None:
    out = tmp_path / "report.html"
    done = audit(running_network, "report", url(running_network), "-o", out, "--json")
    assert (done.code, done.json["conclusion"], done.json["misbehaviour"]) == (0, "holds", 0), done.err
    chain = audit(running_network, "chain", url(running_network), "--json").json
    page = ReportPage(out.read_bytes())
    names = ("height", "blocks", "transactions", "records")
    assert [page.figures[name] for name in names] == [chain[name] for name in names]
    (counts,) = (row for row in page.tables["reads-by-dataset"] if row[0] == shared.dataset)
    assert counts[1:] == ["3", "2", "1", "1", "25"]
    assert shared.approved[:16] in {row[0] for row in page.tables["unused-table"]}
    assert shared.denied[:16] in {row[0] for row in page.tables["denials-table"]}
    assert "Not asked" not in page.text


def test_a_proposed_contract_tells_who_gains_and_who_loses(
    running_network: RunningNetwork, shared: Shared, tmp_path: Path
) -> None:
    (tmp_path / "new.py").write_text(STRICTER)
    proposal = ("--with", tmp_path / "new.py", "--contract", shared.contract)
    done = audit(running_network, "replay", url(running_network), *proposal, "--json")
    assert done.code == 0, done.err
    changes = {change["request"]: change for change in done.json["trial"]["changes"]}
    assert changes[shared.read]["change"] == "loses"
    assert changes[shared.read]["proposed"]["reason"] == "only for rescue"
    assert shared.approved not in changes
    assert shared.denied not in changes, "another reason for the same verdict is no change"
    assert done.json["trial"]["unchanged"] >= 2
    shown = audit(running_network, "replay", url(running_network), *proposal).out
    assert "would lose" in shown
    assert "deny: only for rescue" in shown


def test_a_proposal_that_cannot_be_deployed_is_refused_with_its_line(
    running_network: RunningNetwork, shared: Shared, tmp_path: Path
) -> None:
    (tmp_path / "new.py").write_text("def can_read(request, dataset, ctx):\n    return (\n")
    proposal = ("--with", tmp_path / "new.py", "--contract", shared.contract)
    done = audit(running_network, "replay", url(running_network), *proposal)
    assert done.code == 1
    assert "bad_contract" in done.err
    assert ">    2     return (" in done.err


def test_wrong_usage(running_network: RunningNetwork, stopped_home: Path, tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text(CONTRACT)
    for arguments in (
        ("reads", stopped_home, "--dataset", "a.b", "--proof"),
        ("reads", url(running_network), "--proof"),
        ("reads", stopped_home, "--record", "00" * 32 + "/0", "--parcel", "00" * 32),
        ("reads", stopped_home, "--since", "yesterday"),
        ("replay", stopped_home, "--with", tmp_path / "new.py"),
        ("replay", stopped_home, "--contract", "a.b"),
    ):
        assert audit(running_network, *arguments).code == 2


def test_an_unknown_parcel_is_not_found(running_network: RunningNetwork, stopped_home: Path) -> None:
    assert audit(running_network, "reads", stopped_home, "--parcel", "00" * 32, "--json").code == 1


def test_the_genesis_file_of_another_network_fails(running_network: RunningNetwork, tmp_path: Path) -> None:
    create_network(tmp_path / "other", "Other", ["a"], [(7000, 8000)])
    other = ("--genesis", tmp_path / "other" / "genesis.json", "--json")
    for command in (("reads",), ("reads", "--dataset", "aviation.any", "--proof"), ("replay",)):
        done = audit(running_network, command[0], url(running_network), *command[1:], *other)
        assert (done.code, done.json["error"] is None) == (1, False)


# A node that lies about the history of reads


def edited(edit: Callable[[list[dict[str, object]]], list[dict[str, object]]]) -> Change:
    """Changes the list of a dataset's reads."""

    def change(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        if path.split("?")[0].endswith("/reads"):
            page = json.loads(body)
            body = json.dumps(page | {"reads": edit(page["reads"])}).encode()
        return status, body

    return change


def without_entry(path: str, status: int, body: bytes) -> tuple[int, bytes]:
    """Says that the reader, or the dataset's counters, are not in the state."""
    if "/v1/state/" in path:
        body = json.dumps(json.loads(body) | {"value": None}).encode()
    return status, body


LIES: dict[str, Change] = {
    "one left out": edited(lambda reads: reads[:-1]),
    "the first left out": edited(lambda reads: reads[1:]),
    "one put in twice": edited(lambda reads: [*reads[:2], reads[1], *reads[2:]]),
    "two exchanged": edited(lambda reads: [reads[0], reads[1], reads[2], reads[4], reads[3]]),
    "one called rejected": edited(lambda reads: [reads[0] | {"code": "expired"}, *reads[1:]]),
    "all called later": edited(lambda reads: [read | {"height": 1 << 40} for read in reads]),
    "none at all": edited(lambda reads: []),
    "nothing in the state": without_entry,
}


@pytest.mark.parametrize("lie", LIES)
def test_a_list_with_a_gap_is_refused(running_network: RunningNetwork, shared: Shared, lie: str) -> None:
    wanted = ("--dataset", shared.dataset, "--reader", "meteorology", "--proof", "--json")
    with lying_proxy(url(running_network), LIES[lie]) as proxy:
        done = audit(running_network, "reads", proxy, *wanted)
    assert (done.code, done.json["error"]["code"]) == (1, "bad_proof")
