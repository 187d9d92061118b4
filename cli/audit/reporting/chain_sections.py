"""Sections about what stands on the chain: numbers, members, datasets, contracts, erasures, misbehaviour."""

from collections.abc import Iterator

from audit.findings import DatasetFinding, ErasureFinding, Findings, MemberFinding
from audit.misbehaviour import ProvenMisbehaviour
from chain.blocks import OK
from cli.audit.reporting.html import Element, Node, Words, element
from cli.audit.reporting.parts import (
    Column,
    Row,
    at_height,
    badge,
    facts,
    figure,
    fine_print,
    name,
    number,
    paragraph,
    section,
    short,
    table,
    titled,
    when,
    whole,
)
from cli.audit.reporting.plots import stacked_bars
from cli.audit.reporting.words import CHARGES, MEMBER_KINDS, SHARING, code_words


def chain_sections(findings: Findings) -> Iterator[Element]:
    """The sections in their order."""
    yield _numbers(findings)
    yield _members(findings)
    yield _datasets(findings)
    yield _erasures(findings)


def _numbers(findings: Findings) -> Element:
    report = findings.report
    rows: list[tuple[Node, Node]] = [
        (Words("区块", "Blocks"), figure("blocks", report.blocks)),
        (Words("区块上核验的签名", "Votes on blocks checked"), figure("votes", report.certificate_signatures)),
        (Words("交易", "Transactions"), figure("transactions", report.transactions)),
        (Words("交易上核验的签名", "Signatures checked"), figure("signatures", report.transaction_signatures)),
        (Words("记录", "Records"), figure("records", report.records)),
        _part_of(1, Words("正文已核验", "body verified"), figure("verified", report.records_verified)),
        _part_of(1, Words("仅核验哈希", "hash only, body not there"), figure("hash-only", report.records_hash_only)),
        _part_of(2, Words("其中依法删除", "of these erased"), figure("erased", report.records_erased.total())),
        _part_of(2, Words("其中被驳回", "of these rejected"), figure("rejected", report.records_rejected)),
        _part_of(
            2, Words("其中由其他节点保存", "of these left to others"), figure("not-kept", report.records_not_kept)
        ),
        _part_of(2, Words("其中缺失", "of these missing"), _alarming("missing", report.records_missing)),
        _part_of(1, Words("与签署不符", "wrong: not what was signed"), _alarming("wrong", report.records_wrong)),
        (Words("正文字节数", "Bytes of bodies verified"), figure("bytes", report.record_bytes)),
        (Words("重新执行的合约调用", "Contract calls run again"), figure("contract-calls", report.contract_calls)),
    ]
    outcomes = [
        (code_words(code), element("code", code), number(count))
        for code, count in sorted(report.outcomes.items(), key=lambda item: (item[0] != OK, -item[1]))
    ]
    columns = (
        Column(Words("结果", "Outcome")),
        Column(Words("代码", "Code")),
        Column(Words("交易", "Transactions"), is_number=True),
    )
    plot = stacked_bars("records", Words("各数据集新增记录", "Records shared, by dataset"), findings.records, {})
    return section(
        "numbers",
        Words("数字", "Numbers"),
        facts(rows, "numbers-facts"),
        table("outcomes", Words("交易结果", "What became of the transactions"), columns, outcomes),
        plot,
    )


def _part_of(depth: int, title: Words, value: Node) -> tuple[Node, Node]:
    """A line that is counted in the one above it."""
    return element("span", title, class_=f"part-{depth}"), value


def _alarming(figure_id: str, count: int) -> Node:
    """A number that has to be 0."""
    shown = figure(figure_id, count)
    return element("span", shown, class_="badge bad") if count else shown


def _members(findings: Findings) -> Element:
    columns = (
        Column(Words("成员", "Member")),
        Column(Words("名称", "Title")),
        Column(Words("类别", "Kind")),
        Column(Words("表决", "Vote")),
        Column(Words("节点", "Node")),
        Column(Words("交易（被拒）", "Transactions (rejected)"), is_number=True),
        Column(Words("提出区块", "Blocks proposed"), is_number=True),
    )
    rows = [_member_row(member) for member in findings.members]
    title = Words("成员", "Members")
    return section("members", title, table("members-table", None, columns, rows))


def _member_row(member: MemberFinding) -> Row:
    entry = member.entry
    return (
        name(entry.name),
        titled(entry.title_zh, entry.title_en),
        MEMBER_KINDS[entry.kind],
        _vote(member),
        element("code", entry.node.address) if entry.node is not None else "—",
        number(member.accepted) + (f" ({number(member.rejected)})" if member.rejected else ""),
        number(member.proposed),
    )


def _vote(member: MemberFinding) -> Words:
    if member.entry.consensus_key is not None:
        return Words("验证节点，有表决权", "validator, votes")
    if member.entry.witness_key is not None:
        return Words("见证方，联署检查点", "witness, cosigns checkpoints")
    return Words("无表决权", "no vote")


def _datasets(findings: Findings) -> Element:
    columns = (
        Column(Words("数据集", "Dataset")),
        Column(Words("名称", "Title")),
        Column(Words("所有者", "Owner")),
        Column(Words("共享类别", "Sharing class")),
        Column(Words("法律依据", "Legal basis")),
        Column(Words("版本", "Version"), is_number=True),
        Column(Words("记录", "Records"), is_number=True),
        Column(Words("最后变更（# 高度）", "Last change (# height)")),
    )
    rows = [_dataset_row(dataset) for dataset in findings.datasets]
    title = Words("数据集", "Datasets")
    contracts = [
        (
            name(entry.contract),
            number(entry.version),
            short(entry.hash),
            at_height(entry.updated_height),
            _users(findings, entry.contract),
        )
        for entry in findings.contracts
    ]
    contract_columns = (
        Column(Words("合约", "Contract")),
        Column(Words("版本", "Version"), is_number=True),
        Column(Words("哈希", "Hash")),
        Column(Words("最后变更", "Last change")),
        Column(Words("适用的数据集", "Decides on")),
    )
    return section(
        "datasets",
        title,
        table("datasets-table", None, columns, rows),
        table("contracts-table", Words("访问合约", "Access contracts"), contract_columns, contracts),
    )


def _users(findings: Findings, contract: str) -> str:
    return ", ".join(found.entry.dataset for found in findings.datasets if found.entry.contract == contract) or "—"


def _dataset_row(dataset: DatasetFinding) -> Row:
    entry, totals = dataset.entry, dataset.totals
    return (
        name(entry.dataset),
        titled(entry.title_zh, entry.title_en),
        name(entry.owner),
        SHARING[entry.sharing],
        entry.legal_basis or "—",
        number(entry.version),
        number(totals.records if totals else 0),
        element("span", when(dataset.changed.time_ms), fine_print(f"# {number(dataset.changed.height)}")),
    )


def _erasures(findings: Findings) -> Element:
    by_basis = [(basis, number(count)) for basis, count in sorted(findings.report.records_erased.items())]
    basis_columns = (Column(Words("法律依据", "Legal basis")), Column(Words("记录", "Records"), is_number=True))
    columns = (
        Column(Words("数据包", "Parcel")),
        Column(Words("数据集", "Dataset")),
        Column(Words("时间", "When")),
        Column(Words("删除方", "Erased by")),
        Column(Words("法律依据", "Legal basis")),
        Column(Words("理由", "Reason")),
        Column(Words("记录", "Records"), is_number=True),
    )
    newest = [_erasure_row(erasure) for erasure in reversed(findings.erasures)]
    said = Words(
        "被删除的记录不计为已核验：正文已不存在，但其哈希、位置和删除依据仍可证明。",
        "Erased records never count as verified: their bodies are gone, while their hashes, their places and why they "
        "were erased can still be proved.",
    )
    return section(
        "erasures",
        Words("依法删除", "Erasures"),
        paragraph(said),
        table("erased-by-basis", Words("按法律依据", "By legal basis"), basis_columns, by_basis),
        table("erasures-table", Words("删除交易，最近的在前", "Erasures, newest first"), columns, newest),
    )


def _erasure_row(erasure: ErasureFinding) -> Row:
    left = badge(Words("来源仍有正文", "the source still has the bodies"), "warning")
    return (
        short(erasure.parcel),
        name(erasure.dataset),
        when(erasure.time_ms),
        name(erasure.by),
        erasure.legal_basis,
        erasure.reason or "—",
        number(erasure.records) if erasure.records is not None else left,
    )


def misbehaviour_section(findings: Findings) -> Element:
    """What the node that was asked knows of misbehaviour: verified, or that nobody was asked."""
    found = findings.misbehaviour
    title = Words("不当行为", "Misbehaviour")
    if not found.is_asked:
        said = Words(
            "未查询：来源是已停止的节点，没有可供查询的接口。",
            "Not asked: the source is a stopped node's home, which has no API.",
        )
        return section("misbehaviour", title, paragraph(said, "none"))
    content: list[Node] = []
    if found.failure is not None:
        said = Words("已查询，但该节点未能全部答复：", "Asked, but the node did not give it all: ")
        content.append(element("p", said, element("code", str(found.failure)), class_="note"))
    if found.proven or found.failure is None:
        columns = (
            Column(Words("成员", "Member")),
            Column(Words("已证实的事实", "What is proved")),
            Column(Words("证据文件 SHA-256", "SHA-256 of the file")),
        )
        caption = Words("该节点保存并经本次核验的证据", "Evidence that the node keeps, verified in this audit")
        rows = [_misbehaviour_row(proven) for proven in found.proven]
        content.append(table("misbehaviour-table", caption, columns, rows))
    return section("misbehaviour", title, content)


def _misbehaviour_row(proven: ProvenMisbehaviour) -> Row:
    charge = element("span", CHARGES[proven.contradiction], map(fine_print, proven.details))
    return name(proven.member), charge, whole(proven.file_sha256)
