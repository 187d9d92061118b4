"""Sections about reading: who asked for what and why, what was decided, what was read, and what was left undone."""

from collections.abc import Callable, Iterable, Iterator

from audit.findings import DatasetFinding, Findings, tally
from chain.access.decision import RequestStatus
from chain.access.history import DecisionNote, RequestHistory
from cli.audit.reporting.html import Element, Node, Words, element
from cli.audit.reporting.parts import (
    Column,
    Row,
    badge,
    fine_print,
    name,
    number,
    paragraph,
    section,
    short,
    table,
    when,
)
from cli.audit.reporting.plots import stacked_bars
from cli.audit.reporting.words import ANSWERS, EXPIRED, STATUSES, VERDICTS, code_words

_STATUS_ORDER: tuple[RequestStatus, ...] = ("granted", "denied", "asked", "revoked")


def access_sections(findings: Findings) -> Iterator[Element]:
    """The sections in their order."""
    yield _reads(findings)
    yield _unused(findings)
    yield _denials(findings)
    yield _approvals(findings)
    yield _waiting(findings)


def _reads(findings: Findings) -> Element:
    plot = stacked_bars(
        "verdicts", Words("对查阅申请的裁决", "Verdicts on requests to read"), findings.verdicts, VERDICTS
    )
    return section(
        "reads",
        Words("查阅", "Reads"),
        plot,
        _tallies(findings.reads, "reads-by-purpose", Words("用途", "Purpose"), lambda read: read.header.purpose),
        _tallies(findings.reads, "reads-by-reader", Words("查阅方", "Reader"), lambda read: read.by.member),
        _by_dataset(findings),
    )


def _tallies(
    reads: Iterable[RequestHistory], table_id: str, of: Words, group: Callable[[RequestHistory], str]
) -> Element:
    columns = [
        Column(of),
        Column(Words("申请", "Requests"), is_number=True),
        *(Column(STATUSES[status], is_number=True) for status in _STATUS_ORDER),
        Column(Words("读取报告", "Read reports"), is_number=True),
        Column(Words("查阅记录", "Records read"), is_number=True),
    ]
    rows = [
        (
            grouped_by,
            number(found.requests),
            *(number(found.by_status[status]) for status in _STATUS_ORDER),
            number(found.read_reports),
            number(found.records_read),
        )
        for grouped_by, found in tally(reads, group)
    ]
    return table(table_id, Words(f"按{of.zh}", f"By {of.en.lower()}"), columns, rows)


def _by_dataset(findings: Findings) -> Element:
    columns = (
        Column(Words("数据集", "Dataset")),
        Column(Words("申请", "Requests"), is_number=True),
        Column(Words("授权次数", "Grants"), is_number=True),
        Column(Words("拒绝次数", "Denials"), is_number=True),
        Column(Words("读取报告", "Read reports"), is_number=True),
        Column(Words("查阅记录", "Records read"), is_number=True),
    )
    title = Words("按数据集（与链上计数核对，无遗漏）", "By dataset (held against the chain's counters: none left out)")
    return table("reads-by-dataset", title, columns, list(_dataset_rows(findings.datasets)))


def _dataset_rows(datasets: Iterable[DatasetFinding]) -> Iterator[Row]:
    for found in datasets:
        reads = found.reads
        if reads is not None:
            counts = (reads.requests, reads.grants, reads.denials, reads.read_reports, reads.records_read)
            yield (name(found.entry.dataset), *map(number, counts))


_REQUEST_COLUMNS = (
    Column(Words("申请", "Request")),
    Column(Words("查阅方", "Reader")),
    Column(Words("数据集", "Dataset")),
    Column(Words("用途", "Purpose")),
)


def _request_cells(read: RequestHistory) -> Row:
    header = read.header
    return (short(read.by.transaction_id), name(read.by.member), name(header.dataset), _purpose(read))


def _purpose(read: RequestHistory) -> Node:
    header = read.header
    grounds = ", ".join(filter(None, (header.legal_basis, header.case_number, header.person)))
    if not grounds:
        return header.purpose
    return element("span", header.purpose, fine_print(grounds))


def _unused(findings: Findings) -> Element:
    columns = (
        *_REQUEST_COLUMNS,
        Column(Words("授权时间", "Granted")),
        Column(Words("现状", "Stands")),
        Column(Words("合约备注", "The contract's note")),
    )
    rows = [_unused_row(findings, read) for read in reversed(findings.unused)]
    title = Words("从未使用的授权", "Grants never used")
    said = Words(
        "已授权、但链上没有任何查阅读取报告的申请。",
        "Requests that were granted, without any read report on the chain.",
    )
    return section("unused", title, paragraph(said), table("unused-table", None, columns, rows))


def _unused_row(findings: Findings, read: RequestHistory) -> Row:
    granted = next(decision for decision in read.decisions if decision.status == "granted")
    held = findings.decisions.get(read.by.transaction_id)
    is_over = held is not None and 0 < held.until_ms <= findings.circumstances.made_ms
    stands = EXPIRED if read.status == "granted" and is_over else STATUSES[read.status]
    note = held.note if held is not None else ""
    return (*_request_cells(read), when(granted.by.time_ms), stands, note or "—")


def _denials(findings: Findings) -> Element:
    denied = [
        (read, decision)
        for read in findings.reads
        for decision in read.decisions
        if decision.status in ("denied", "revoked")
    ]
    denied.sort(key=lambda item: item[1].by.height, reverse=True)
    columns = (
        *_REQUEST_COLUMNS,
        Column(Words("时间", "When")),
        Column(Words("裁决", "Decision")),
        Column(Words("理由", "Reason")),
        Column(Words("合约", "Contract")),
    )
    title = Words("拒绝与撤销", "Denials and revocations")
    rows = [_denial_row(read, decision) for read, decision in denied]
    return section(
        "denials", title, table("denials-table", Words("裁决，最近的在前", "Decisions, newest first"), columns, rows)
    )


def _denial_row(read: RequestHistory, decision: DecisionNote) -> Row:
    verdict = decision.verdict
    failure: list[Node] = [element("br"), code_words(decision.failure)] if decision.failure else []
    contract = element("span", name(verdict.contract), f" v{verdict.contract_version}") if verdict.contract else "—"
    return (
        *_request_cells(read),
        when(decision.by.time_ms),
        STATUSES[decision.status],
        element("span", decision.sentence, *failure),
        contract,
    )


def _approvals(findings: Findings) -> Element:
    answers = [(read, note) for read in findings.reads for note in read.answers]
    answers.sort(key=lambda item: item[1].by.height, reverse=True)
    columns = (
        *_REQUEST_COLUMNS,
        Column(Words("时间", "When")),
        Column(Words("答复方", "Answered by")),
        Column(Words("答复", "Answer")),
        Column(Words("理由", "Reason")),
    )
    rows = [
        (*_request_cells(read), when(note.by.time_ms), name(note.by.member), ANSWERS[note.answer], note.reason or "—")
        for read, note in answers
    ]
    title = Words("审批答复", "Approvals")
    return section(
        "approvals", title, table("approvals-table", Words("答复，最近的在前", "Answers, newest first"), columns, rows)
    )


def _waiting(findings: Findings) -> Element:
    days = findings.circumstances.overdue_days
    columns = (
        *_REQUEST_COLUMNS,
        Column(Words("申请时间", "Asked")),
        Column(Words("等待答复方", "Waits for")),
        Column(Words("等待天数", "Days"), is_number=True),
        Column(Words("状态", "State")),
    )
    rows = [_waiting_row(findings, read) for read in findings.waiting]
    title = Words("待答复与逾期", "Awaiting answers, and overdue")
    said = Words(
        f"等待满 {days} 天视为逾期，算至报告生成之时。",
        f"A request that has waited for {days} days is overdue, counted up to when this report was made.",
    )
    caption = Words("申请，最久的在前", "Requests, longest wait first")
    return section("waiting", title, paragraph(said), table("waiting-table", caption, columns, rows))


def _waiting_row(findings: Findings, read: RequestHistory) -> Row:
    held = findings.decisions.get(read.by.transaction_id)
    overdue = badge(Words("逾期", "overdue"), "bad")
    return (
        *_request_cells(read),
        when(read.by.time_ms),
        ", ".join(held.approvers) if held is not None else "—",
        number(findings.waited_days(read)),
        overdue if findings.is_overdue(read) else Words("未逾期", "in time"),
    )
