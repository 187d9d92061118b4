"""The audit report: its numbers are the audits' own, nothing on the chain can change the page, and it is never green if
anything is missing or wrong.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.failures import ExitCode
from contracts.engine import Engine
from tests.cli.audited_home import ESCAPED, HOSTILE, SANITIZED, AuditedHome
from tests.cli.commands import Done, run
from tests.cli.report_page import ReportPage
from tests.networks import TestNetwork

TAGS = """html head meta title style body main h1 h2 p br span div section table caption thead tbody tr th td time code
wbr data strong small figure figcaption svg defs pattern rect path g line text ul li pre footer"""
ATTRIBUTES = """lang charset http-equiv content name class id role aria-label aria-labelledby aria-hidden scope value
viewbox x y x1 x2 y1 y2 width height fill stroke stroke-width d text-anchor dominant-baseline patternunits"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> AuditedHome:
    return AuditedHome(tmp_path_factory.mktemp("audited") / "home", Engine.open())


def audit(home: AuditedHome, command: str, *arguments: object) -> Done:
    return run("audit", command, home.home, "--genesis", home.genesis_file, "--json", *arguments)


def reported(home: AuditedHome, *arguments: object) -> tuple[Done, ReportPage]:
    out = home.home / "report.html"
    done = audit(home, "report", "-o", out, *arguments)
    return done, ReportPage(out.read_bytes())


@pytest.fixture(scope="module")
def done(whole: AuditedHome) -> Done:
    return reported(whole)[0]


@pytest.fixture(scope="module")
def page(whole: AuditedHome, done: Done) -> ReportPage:
    return ReportPage(Path(done.json["file"]).read_bytes())


def test_all_of_it_holds(whole: AuditedHome, done: Done, page: ReportPage) -> None:
    assert (done.code, done.json["conclusion"], done.json["misbehaviour"]) == (0, "holds", None)
    assert {"verdict", "holds"} <= page.classes
    assert not {"fails", "attention"} & page.classes
    assert "全部核验通过" in page.text
    assert "Everything is verified" in page.text
    assert whole.network.genesis.chain_id.hex() in page.text
    assert "Not asked" in page.text


def test_the_numbers_are_those_of_the_other_audits(whole: AuditedHome, page: ReportPage) -> None:
    chain = audit(whole, "chain").json
    assert page.figures["height"] == chain["height"] == whole.height
    assert chain["block_hash"] in page.text
    names = {"blocks": "blocks", "transactions": "transactions", "records": "records", "bytes": "record_bytes"}
    names |= {"votes": "certificate_signatures", "signatures": "transaction_signatures"}
    names |= {"contract-calls": "contract_calls"}
    assert {name: page.figures[name] for name in names} == {name: chain[key] for name, key in names.items()}
    assert {code: int(count) for _, code, count in page.tables["outcomes"]} == chain["outcomes"]
    assert {row[0]: int(row[6]) for row in page.tables["datasets-table"]} == chain["records_by_dataset"]


def test_more_processes_find_the_same(whole: AuditedHome) -> None:
    (_, one), (_, two) = (reported(whole, "--jobs", jobs) for jobs in (1, 2))
    assert (one.figures, one.tables["reads-by-purpose"]) == (two.figures, two.tables["reads-by-purpose"])


def test_records_are_counted_by_what_became_of_them(page: ReportPage) -> None:
    names = ("records", "verified", "hash-only", "erased", "rejected", "missing", "wrong")
    assert [page.figures[name] for name in names] == [8, 4, 4, 3, 1, 0, 0]
    assert page.tables["erased-by-basis"] == [["PIPL 47", "3"]]


def test_the_reads_are_those_that_the_other_audit_lists(whole: AuditedHome, page: ReportPage) -> None:
    reads = audit(whole, "reads").json["reads"]
    for table, key in (("reads-by-purpose", "purpose"), ("reads-by-reader", "reader")):
        expected: dict[str, list[int]] = {}
        for read in reads:
            counts = expected.setdefault(read[key].replace(HOSTILE, SANITIZED), [0] * 7)
            status = ("granted", "denied", "asked", "revoked").index(read["status"])
            for place, more in ((0, 1), (1 + status, 1), (5, len(read["read_reports"])), (6, read["records_read"])):
                counts[place] += more
        assert {name: list(map(int, row)) for name, row in page.table(table).items()} == expected
    assert page.tables["reads-by-dataset"] == [["a.flights", "5", "3", "1", "1", "1"]]


def test_what_was_left_undone_and_what_was_denied_is_listed(whole: AuditedHome, page: ReportPage) -> None:
    def requests(table: str) -> set[str]:
        return {row[0] for row in page.tables[table]}

    ids = whole.ids
    assert ids.unused.hex()[:16] in requests("unused-table")
    assert ids.read.hex()[:16] not in requests("unused-table")
    assert requests("denials-table") == {ids.denied.hex()[:16]}
    assert f"no {ESCAPED}" in page.tables["denials-table"][0][6]
    assert requests("waiting-table") == {ids.waiting.hex()[:16]}
    (answer,) = page.tables["approvals-table"]
    assert (answer[1], answer[5], answer[7]) == ("d", "a", SANITIZED)
    assert requests("erasures-table") == {ids.erased.hex()[:16]}


@pytest.mark.parametrize(("days", "overdue"), [(0, 1), (7, 1), (1_000_000, 0)])
def test_a_request_is_overdue_after_so_many_days(whole: AuditedHome, days: int, overdue: int) -> None:
    done, page = reported(whole, "--overdue-days", days)
    assert done.json["overdue"] == overdue
    assert ("overdue" in page.tables["waiting-table"][0][7]) == bool(overdue)


def test_nothing_on_the_chain_becomes_markup(page: ReportPage) -> None:
    assert page.tags <= set(TAGS.split())
    assert page.attributes <= set(ATTRIBUTES.split()), "no links, no sources, no styles, no handlers"
    assert page.policy.startswith("default-src 'none';")
    assert page.text.count(SANITIZED) >= 8, "member, dataset, legal basis, purpose, person, note, a member's reasons"
    assert "\u202e" not in page.content.decode()


def test_a_page_is_small_and_in_both_languages(page: ReportPage) -> None:
    assert len(page.content) < 60_000
    for chinese, english in (("成员", "Members"), ("有条件共享", "conditional"), ("依法删除", "Erasures")):
        assert chinese in page.text
        assert english in page.text


SPOILED: dict[str, tuple[Callable[[AuditedHome], None], str, dict[str, int]]] = {
    "a vote missing": (lambda home: home.change_block(4), "From height 4 on it does not hold", {"height": 3}),
    "blocks lost": (AuditedHome.lose_blocks, "From height 7 on it does not hold", {"height": 6, "missing": 0}),
    "a record changed": (AuditedHome.change_body, "not those that were signed: 3.", {"wrong": 3, "verified": 1}),
    "a body lost": (AuditedHome.lose_body, "nothing on the chain has erased them: 3.", {"missing": 3, "erased": 3}),
}


@pytest.fixture
def copy(whole: AuditedHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AuditedHome:
    shutil.copytree(whole.home, tmp_path / "copy")
    monkeypatch.setattr(whole, "home", tmp_path / "copy")
    return whole


@pytest.mark.parametrize("how", SPOILED)
def test_what_is_missing_or_wrong_is_red(copy: AuditedHome, how: str) -> None:
    spoil, said, figures = SPOILED[how]
    spoil(copy)
    done, page = reported(copy)
    assert (done.code, done.json["conclusion"], done.json["holds"]) == (ExitCode.FALSE, "fails", False)
    assert "fails" in page.classes
    assert not {"holds", "attention"} & page.classes
    assert "全部" not in page.text
    assert said in page.text
    assert {name: page.figures[name] for name in figures} == figures


def test_bodies_that_should_be_gone_are_no_success(copy: AuditedHome) -> None:
    copy.keep_erased_body()
    done, page = reported(copy)
    assert (done.code, done.json["conclusion"]) == (0, "attention")
    assert "attention" in page.classes
    assert not {"holds", "fails"} & page.classes
    assert "the source still has the bodies" in page.tables["erasures-table"][0][6]


def test_where_nothing_can_be_known_there_is_no_report(whole: AuditedHome, tmp_path: Path) -> None:
    other, out = tmp_path / "genesis.json", tmp_path / "report.html"
    other.write_bytes(TestNetwork().genesis.content)
    done = run("audit", "report", whole.home, "--genesis", other, "-o", out)
    assert (done.code, out.exists()) == (ExitCode.CANNOT, False)


def test_people_are_told_where_it_is(whole: AuditedHome, tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    done = run("audit", "report", whole.home, "--genesis", whole.genesis_file, "-o", out)
    assert (done.code, str(out) in done.out, "everything is verified" in done.out) == (0, True, True)
