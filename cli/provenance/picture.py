"""The provenance of a record as a picture: one SVG file that needs nothing else, no script, font or network.

From left to right: what the record was made from, the record, who used it, what they made of it.
"""

from collections.abc import Iterator
from itertools import islice

from blockpool import Genesis, Provenance
from blockpool.provenance import Gap, ParcelUse, ProvenParcel, Uses
from chain.access.decision import RequestStatus
from chain.messages import time_text
from chain.primitives.places import count_of
from cli.provenance.drawing import Card, CardKind, LineStyle, TextLine, picture, two_lines
from cli.provenance.grouping import MemberUse, SourceParcel, counted, sources_by_parcel, uses_by_member
from cli.provenance.layout import Edge, columns_from

_STATUS: dict[RequestStatus, tuple[str, LineStyle]] = {
    "granted": ("granted 已授权", "good"),
    "asked": ("asked 待批准", "warn"),
    "denied": ("denied 已拒绝", "bad"),
    "revoked": ("revoked 已撤回", "bad"),
}
_REQUESTS_SHOWN = 4
_BEFORE, _AT, _AFTER = -1, 0, 1
"""Order of a parcel's own card among those that belong to it."""


def provenance_svg(graph: Provenance, genesis: Genesis) -> str:
    """The graph as SVG text."""
    parts = _Parts(graph, genesis)
    found = sorted(parts.cards(), key=lambda card: card.place)
    cards = {card.key: card for card in found}
    columns = columns_from(parts.key(graph.parcel.id), list(cards), parts.edges)
    proven = f"Proven up to block {graph.height:,} 可证至该区块 · {time_text(graph.time_ms)}"
    heads = (
        "Where a record comes from, and what became of it  记录的来源与去向",
        f"record 记录 {graph.record}",
        f"{proven} · chain 链 {genesis.chain_id.hex()[:16]} · {genesis.file.network}",
    )
    return picture(heads, cards, columns, parts.edges)


class _Parts:
    """Turns the graph into cards, and arrows between them."""

    def __init__(self, graph: Provenance, genesis: Genesis) -> None:
        self._graph = graph
        self._genesis = genesis
        self._origins = graph.origins()
        self._results = graph.results()
        self.edges: dict[Edge, str] = {}
        """With what is written at them; complete once all cards were made."""

    def key(self, parcel_id: bytes) -> str:
        """Of a parcel's card."""
        return parcel_id.hex()

    def cards(self) -> Iterator[Card]:
        """All cards, each once."""
        for parcel in (*self._origins, *self._results):
            yield self._parcel_card(parcel)
            yield from self._source_cards(parcel)
            if parcel.id in self._graph.uses:
                yield from self._use_cards(parcel, self._graph.uses[parcel.id])

    # Parcels and what they were made from

    def _parcel_card(self, parcel: ProvenParcel) -> Card:
        graph, header = self._graph, parcel.header
        is_start = parcel is graph.parcel
        kind: CardKind = "erased" if parcel.erasure else "record" if is_start else "parcel"
        entry = graph.datasets.get(header.dataset)
        sealing = "sealed 密封" if header.envelope else "open 公开"
        place = f"block 区块 {parcel.height:,} · {time_text(parcel.time_ms)[:16]}"
        lines = [
            TextLine(header.dataset, "title"),
            *((TextLine(entry.title_zh), TextLine(entry.title_en)) if entry else ()),
            TextLine(f"{counted(header.record_count, 'record')} 条记录 · {sealing}"),
            TextLine(f"{header.member} · {self._titles(header.member)}"),
            TextLine(place, "dim"),
            TextLine(f"{parcel.id.hex()[:24]}…" + (f"/{graph.record.index}" if is_start else ""), "id"),
        ]
        tip = f"{header.dataset}\n{parcel.id.hex()}\n{time_text(parcel.time_ms)}"
        if (erasure := parcel.erasure) is not None:
            lines.append(TextLine(f"erased 已删除: {erasure.legal_basis}", "gone"))
            tip += f"\nerased 已删除: {erasure.legal_basis} {erasure.reason}, {time_text(erasure.time_ms)}"
        gone = is_start and graph.erasure is not None and parcel.erasure is None
        lines += [TextLine("this record erased 本条已删除", "gone")] if gone else []
        acts = (parcel.erased_records, "erased 条已删除"), (parcel.corrected_records, "corrected 条已更正")
        lines += [TextLine(f"{count_of(some.places):,} {what}", "gone") for some, what in acts if some.places]
        return Card(self.key(parcel.id), kind, self._place(parcel, _AT), tuple(lines), tip, is_start)

    def _source_cards(self, parcel: ProvenParcel) -> Iterator[Card]:
        """Arrows from what a parcel was made from, and cards for what of that is not there."""
        left_out = 0
        for source in sources_by_parcel(parcel.sources):
            gap = self._graph.gap(source.parcel_id, "parcel")
            known = self._graph.parcels.get(source.parcel_id)
            if known is not None and known in (*self._origins, *self._results):
                if not self._is_shown_as_use(known, parcel):
                    self.edges[self.key(known.id), self.key(parcel.id)] = _records(source)
            elif parcel not in self._origins:
                left_out += len(source.records)
            elif gap is not None:
                yield self._gap_card(gap, parcel, _BEFORE)
            else:
                left_out += len(source.records)
        if left_out:
            text = counted(left_out, "more source" if parcel in self._origins else "other source")
            yield self._note_card(parcel, _BEFORE, f"{text}, not followed", f"另有 {left_out:,} 条来源记录")

    def _is_shown_as_use(self, source: ProvenParcel, made: ProvenParcel) -> bool:
        return made in self._graph.made_of(source.id)

    # Uses

    def _use_cards(self, parcel: ProvenParcel, uses: Uses) -> Iterator[Card]:
        graph = self._graph
        for use in uses_by_member(graph, parcel.id):
            card = self._use_card(parcel, use)
            self.edges[self.key(parcel.id), card.key] = ""
            for made in use.made:
                self.edges[card.key, self.key(made.id)] = ""
            yield card
        for id_ in uses.derived:
            if (gap := graph.gap(id_, "parcel")) is not None:
                yield self._gap_card(gap, parcel, _AFTER)
        for gap in (graph.gap(parcel.id, "derived"), graph.gap(parcel.id, "reads")):
            if gap is not None:
                yield self._gap_card(gap, parcel, _AFTER)
        more = graph.unfollowed(parcel.id)
        if more and graph.gap(parcel.id, "derived") is None:
            yield self._note_card(
                parcel, _AFTER, f"{counted(more, 'more parcel')} made of it", f"另有 {more:,} 个衍生数据包"
            )
        named = uses.counters.requests + uses.counters.read_reports
        if named and not uses.reads and graph.gap(parcel.id, "reads") is None:
            text = f"{counted(uses.counters.requests, 'request')}, {counted(uses.counters.read_reports, 'read report')}"
            yield self._note_card(parcel, _AFTER, text, f"另有 {named:,} 项申请与读取报告")

    def _use_card(self, parcel: ProvenParcel, use: MemberUse) -> Card:
        lines = [TextLine(use.member, "title"), TextLine(self._titles(use.member))]
        for read in islice(use.reads, _REQUESTS_SHOWN):
            lines += _read_lines(read)
        if len(use.reads) > _REQUESTS_SHOWN:
            more = len(use.reads) - _REQUESTS_SHOWN
            lines.append(TextLine(f"and {counted(more, 'more request')} 另有 {more:,} 项申请", "dim"))
        if use.made:
            lines.append(TextLine(f"made {counted(len(use.made), 'parcel')} 加工生成数据包"))
        tips = [use.member, *(f"{read.request_id.hex()}: {read.request.terms.purpose}" for read in use.reads)]
        key = f"{self.key(parcel.id)} {use.member}"
        return Card(key, "use", self._place(parcel, _AFTER, use.member), tuple(lines), "\n".join(tips))

    # What is not there

    def _gap_card(self, gap: Gap, parcel: ProvenParcel, where: int) -> Card:
        key = f"gap {gap.what} {gap.parcel.hex()} {self.key(parcel.id)}"
        lines = (
            TextLine("not verifiable 无法验证", "bad"),
            TextLine(f"{gap.what} · {gap.code.value}"),
            TextLine(f"{gap.parcel.hex()[:24]}…", "id"),
        )
        self._connect(key, parcel, where)
        return Card(key, "gap", self._place(parcel, where, key), lines, f"{gap.parcel.hex()}\n{gap.detail}")

    def _note_card(self, parcel: ProvenParcel, where: int, text: str, text_zh: str) -> Card:
        key = f"{text} {self.key(parcel.id)}"
        self._connect(key, parcel, where)
        return Card(
            key, "more", self._place(parcel, where, key), (TextLine(text, "dim"), TextLine(text_zh, "dim")), text
        )

    def _connect(self, key: str, parcel: ProvenParcel, where: int) -> None:
        own = self.key(parcel.id)
        self.edges[(key, own) if where == _BEFORE else (own, key)] = ""

    def _place(self, parcel: ProvenParcel, where: int, name: str = "") -> tuple[int, int, int, str]:
        return parcel.height, parcel.index, where, name

    def _titles(self, name: str) -> str:
        member = self._genesis.founder(name)
        return f"{member.title_zh} {member.title_en}" if member else ""


def _read_lines(read: ParcelUse) -> Iterator[TextLine]:
    """What was asked, where it stands, and what was read."""
    request = read.request
    status, style = _STATUS[request.decision.status]
    yield from two_lines(f"“{request.terms.purpose}”")
    yield TextLine(f"{status} · block 区块 {request.terms.height:,}", style)
    if read.read_reports:
        yield TextLine(f"read 已读取: {counted(len(read.read_reports), 'read report')} 读取报告", "dim")
    else:
        yield TextLine("no read report 无读取报告", "dim")


def _records(source: SourceParcel) -> str:
    """Which records, at an arrow."""
    return "record 记录 " + ", ".join(map(str, source.records))
