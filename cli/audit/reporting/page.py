"""The report as a page: verdict on top, then how it was made, the numbers, who and what, and how to check it again."""

import shlex
from collections.abc import Iterator

from audit.findings import Conclusion, Findings
from blockpool.version import VERSION
from cli.audit.reporting.access_sections import access_sections
from cli.audit.reporting.chain_sections import chain_sections, misbehaviour_section
from cli.audit.reporting.html import Element, Node, Words, document, element
from cli.audit.reporting.parts import both_clocks, facts, figure, number, paragraph, section, whole
from cli.audit.reporting.style import STYLE
from cli.audit.reporting.words import code_words

TITLE = Words("块数据池审计报告", "Audit report of a block data pool")

_HEADLINES: dict[Conclusion, Words] = {
    "holds": Words("✔ 全部核验通过", "Everything is verified"),
    "attention": Words("⚠ 链核验通过，但有事项须关注", "The chain is verified, but something needs attention"),
    "fails": Words("✘ 核验不通过", "Does not hold"),
}


def render(findings: Findings) -> bytes:
    """The report's file."""
    return document(TITLE, STYLE, [element("main", _body(findings)), _footer()])


def _body(findings: Findings) -> Iterator[Node]:
    yield element("h1", TITLE)
    yield element("p", findings.genesis.file.network, class_="network")
    yield _verdict(findings)
    yield _origin(findings)
    yield from chain_sections(findings)
    yield from access_sections(findings)
    yield misbehaviour_section(findings)
    yield _recheck(findings)


def _verdict(findings: Findings) -> Element:
    conclusion = findings.conclusion
    headline = element("p", _HEADLINES[conclusion], class_="headline")
    return element(
        "div", headline, _objections(findings), _extent(findings), class_=f"verdict {conclusion}", role="status"
    )


def _objections(findings: Findings) -> Iterator[Node]:
    """What stands against the chain, or against somebody."""
    report, failure = findings.report, findings.failure
    if failure is not None:
        where, said = failure.context.get("height", "?"), code_words(failure.code.value)
        yield paragraph(
            Words(
                f"自高度 {where} 起不成立：{said.zh}。下文各项只到此前最后一个成立的区块。",
                f"From height {where} on it does not hold: {said.en}. "
                "All that follows is up to the last block before it that does.",
            )
        )
        yield element("p", element("code", f"{failure.code.value}: {failure.detail}"))
    if count := report.records_wrong:
        yield paragraph(
            Words(
                f"正文与所签署的不符的记录：{count:,} 条。",
                f"Records whose bodies are not those that were signed: {count:,}.",
            )
        )
    if count := report.records_missing:
        yield paragraph(
            Words(
                f"正文缺失而链上未予删除的记录：{count:,} 条。",
                f"Records whose bodies are missing though nothing on the chain has erased them: {count:,}.",
            )
        )
    yield from _warnings(findings)


def _warnings(findings: Findings) -> Iterator[Node]:
    if proven := findings.misbehaviour.proven:
        names = ", ".join(sorted({found.member for found in proven}))
        yield paragraph(Words(f"已证实的不当行为：{names}。", f"Misbehaviour is proven of: {names}."))
    if refused := findings.misbehaviour.refused:
        yield paragraph(
            Words(
                f"该节点提供的不当行为证据中，未通过核验、未予采信的：{refused} 份。",
                f"Files of evidence of misbehaviour that the node gave, do not verify and are left out: {refused}.",
            )
        )
    if unerased := findings.unerased:
        yield paragraph(
            Words(
                f"链上已删除、但来源仍提供正文的数据包：{len(unerased)} 个。",
                f"Parcels that the chain has erased and the source still gave with their bodies: {len(unerased)}.",
            )
        )


def _extent(findings: Findings) -> Iterator[Node]:
    report = findings.report
    if not report.blocks:
        yield paragraph(Words("没有任何区块成立。", "No block holds at all."))
        return
    holds = Words("，全部成立", ", and all of it holds") if findings.conclusion != "fails" else Words("", "")
    yield paragraph(
        Words(
            f"从创世区块到高度 {report.height:,}，每个哈希、签名、证书、树根和执行结果均在审计者的"
            f"计算机上重新计算{holds.zh}。不依赖任何节点。",
            f"From the genesis block to height {report.height:,}, each hash, signature, certificate, root and outcome "
            f"was computed again on the auditor's own machine{holds.en}. No node was believed.",
        )
    )
    yield facts(
        (
            (Words("核验至高度", "Verified to height"), figure("height", report.height)),
            (Words("该区块哈希", "Hash of that block"), whole(report.block_hash)),
            (Words("该区块时间", "Time of that block"), both_clocks(report.time_ms)),
            (Words("正文已核验的记录", "Records whose bodies were verified"), number(report.records_verified)),
            (
                Words("依法删除的记录（只核验哈希）", "Records erased (hash only)"),
                number(report.records_erased.total()),
            ),
        ),
        "extent",
    )
    yield paragraph(
        Words(
            "此后的区块（如有）不在本报告之内。报告本身不是证据：任何人都可按末节所述自行核验。",
            "Later blocks, if there are any, are not covered. This report is no proof in itself: anyone can check "
            "everything again as its last section says.",
        ),
        "note",
    )


def _origin(findings: Findings) -> Element:
    made, genesis = findings.circumstances, findings.genesis
    rows: list[tuple[Words, Node]] = [
        (
            Words("依据：创世文件的 SHA-256（即链标识）", "Founded on: SHA-256 of the genesis file (the chain's id)"),
            whole(genesis.chain_id),
        ),
        (Words("区块来源", "Blocks taken from"), element("code", made.source)),
        (Words("审计时间（本机时钟）", "Audited at (this machine's clock)"), both_clocks(made.made_ms)),
        (Words("程序", "Program"), f"blockpool {VERSION}"),
        (Words("用时", "Took"), Words(f"{made.seconds:.1f} 秒", f"{made.seconds:.1f} s")),
    ]
    identity = genesis.protocol.engine
    if identity is not None:
        engine = f"wasmtime {identity.wasmtime_version}, {identity.target}"
        rows.append((Words("合约引擎", "Contract engine"), engine))
    return section("origin", Words("报告如何得出", "How this report was made"), facts(rows, "origin-facts"))


def _recheck(findings: Findings) -> Element:
    source = shlex.quote(findings.circumstances.source)
    commands = "\n".join(
        (
            "sha256sum genesis.json",
            f"blockpool audit chain {source} --genesis genesis.json",
            f"blockpool audit reads {source} --genesis genesis.json",
            f"blockpool audit replay {source} --genesis genesis.json",
            f"blockpool audit report {source} --genesis genesis.json -o report.html",
        )
    )
    return section(
        "recheck",
        Words("如何自行核验", "How to check this again"),
        paragraph(
            Words(
                "请从可信的另一来源（例如某成员当面交付、公告或已存档的副本）取得创世文件，不要使用随本报告或由被审计节点提供的副本。"
                "其 SHA-256 必须与下列值一致，否则所审计的是另一条链：",
                "Get the genesis file from another source that you trust, such as a member in person, an announcement "
                "or a copy on file; never with this report, nor from the node that is audited. Its SHA-256 must be the "
                "following, or it is another chain:",
            )
        ),
        element("pre", element("code", findings.genesis.chain_id.hex())),
        paragraph(
            Words(
                "然后运行以下命令。来源可换成任一成员节点的地址，结果在相同高度必须相同。",
                "Then run these commands. Any member's node will do as the source: at the same height the results must "
                "be the same.",
            )
        ),
        element("pre", element("code", commands)),
    )


def _footer() -> Element:
    return element(
        "footer",
        Words(
            "表中时间为协调世界时（UTC）。哈希只列前 16 位十六进制字符。",
            "Times in tables are UTC. Of hashes, the first 16 hexadecimal digits are shown.",
        ),
    )
