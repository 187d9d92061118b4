"""What a report tells of misbehaviour: what a node holds evidence of, once that is verified here."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote

import pytest

from audit.chain import ChainAudit
from audit.findings import Audited, Circumstances, Collector, Findings, conclude
from audit.misbehaviour import MisbehaviourFindings, verify_file, verify_files
from chain.access.history import ReadLog
from chain.blocks import commit_message
from chain.errors import ErrorCode
from cli.audit.accusations import fetch_accusations
from cli.audit.reporting.page import render
from consensus.messages import Commit
from evidence.misbehaviour import make_vote_evidence
from tests.cli.report_page import ReportPage
from tests.ledgers import audited, packages_of
from tests.networks import TIME_MS, TestNetwork


@pytest.fixture
def network() -> TestNetwork:
    return TestNetwork()


@contextmanager
def node(files: Mapping[str, bytes], listed: Any = None) -> Iterator[str]:
    """The URL of a node that holds these files of evidence, or says that it holds others."""
    names = [{"name": name, "member": "nobody"} for name in files] if listed is None else listed

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = unquote(self.path.removeprefix("/v1/misbehaviour").removeprefix("/"))
            content = files.get(name) if name else json.dumps({"misbehaviour": names}).encode()
            body = b'{"code": "not_found", "detail": "no such file"}' if content is None else content
            self.send_response(404 if content is None else 200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def two_votes(network: TestNetwork, member: str = "c", height: int = 7) -> bytes:
    """Evidence that a validator has committed two blocks at one height."""

    def vote(hash_: bytes) -> Commit:
        message = commit_message(network.chain_id, height, 0, hash_)
        return Commit(height, 0, hash_, member, network.consensus[member].sign(message))

    return make_vote_evidence(network.trust, vote(b"1" * 32), vote(b"2" * 32))


def findings_with(network: TestNetwork, misbehaviour: MisbehaviourFindings) -> Findings:
    """An audit of a chain that holds, with what a node said of misbehaviour."""
    ledger = network.ledger()
    network.commit(ledger, [network.dataset()])
    collector = Collector(ReadLog(network.chain_id))
    audit = audited(ChainAudit(network.genesis, on_block=collector.add_block), packages_of(ledger))
    made = Circumstances("http://node", TIME_MS, 1.0, 7)
    return conclude(made, network.genesis, Audited(audit, collector, None), misbehaviour)


def test_what_verifies_is_shown_and_the_report_is_not_green(network: TestNetwork) -> None:
    with node({"c.votes.7.json": two_votes(network), "a.votes.8.json": two_votes(network, "a", 8)}) as url:
        found = verify_files(fetch_accusations(url), network.genesis)
    assert [proven.member for proven in found.proven] == ["c", "a"]
    assert (found.refused, found.failure) == (0, None)
    findings = findings_with(network, found)
    page = ReportPage(render(findings))
    assert (findings.conclusion, "attention" in page.classes, "holds" in page.classes) == ("attention", True, False)
    assert "Misbehaviour is proven of: a, c." in page.text
    member, charge, _ = page.tables["misbehaviour-table"][0]
    assert member == "c"
    assert "two votes that contradict each other" in charge
    assert "commit at height 7" in charge


def test_a_false_accusation_is_counted_and_not_repeated(network: TestNetwork) -> None:
    good = two_votes(network)
    of_another_chain = two_votes(TestNetwork(size=7))
    forged = good.replace(b'"member": "c"', b'"member": "b"')
    assert forged != good
    with node({"1": forged, "2": of_another_chain, "3": b"rubbish"}) as url:
        found = verify_files(fetch_accusations(url), network.genesis)
    assert (found.proven, found.refused) == ((), 3)
    findings = findings_with(network, found)
    page = ReportPage(render(findings))
    assert (findings.conclusion, "misbehaviour-table" in page.tables) == ("attention", False)
    assert "the node gave, do not verify and are left out: 3." in page.text


def test_a_node_that_holds_none_leaves_the_report_green(network: TestNetwork) -> None:
    with node({}) as url:
        found = verify_files(fetch_accusations(url), network.genesis)
    assert found == MisbehaviourFindings(is_asked=True)
    findings = findings_with(network, found)
    assert findings.conclusion == "holds"
    assert "Not asked" not in ReportPage(render(findings)).text


@pytest.mark.parametrize(
    ("listed", "code"),
    [
        ([{"name": "gone"}], ErrorCode.NOT_FOUND),
        ([{"name": "../../status"}], ErrorCode.NOT_FOUND),
        ([{"name": "c"}] * 513, ErrorCode.BAD_EVIDENCE),
    ],
)
def test_what_the_node_would_not_give_is_said(network: TestNetwork, listed: Any, code: ErrorCode) -> None:
    with node({}, listed) as url:
        found = verify_files(fetch_accusations(url), network.genesis)
    assert found.failure is not None
    assert (found.failure.code, found.proven) == (code, ())
    page = ReportPage(render(findings_with(network, found)))
    assert "Asked, but the node did not give it all" in page.text
    assert "Not asked" not in page.text


def test_one_file_given_twice_counts_once(network: TestNetwork) -> None:
    content = two_votes(network)
    with node({"1": content, "2": content}) as url:
        found = verify_files(fetch_accusations(url), network.genesis)
    assert found.proven == (verify_file(content, network.genesis),)


def test_a_failed_audit_stays_red_whatever_else_is_proven(network: TestNetwork) -> None:
    proven = verify_file(two_votes(network), network.genesis)
    findings = findings_with(network, MisbehaviourFindings(True, (proven,)))
    findings.report.records_wrong = 1
    assert findings.conclusion == "fails"
    assert "fails" in ReportPage(render(findings)).classes
