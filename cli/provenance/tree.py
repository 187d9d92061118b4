"""The provenance of a record as a tree in the terminal."""

from itertools import islice

from rich.text import Text
from rich.tree import Tree

from blockpool import Genesis, Provenance, RecordId
from blockpool.provenance import Gap, ParcelUse, ProvenParcel, Uses
from chain.messages import time_text
from chain.primitives.places import count_of, indexes_in
from chain.state.entries import OwnerAct
from chain.transactions.correction import CorrectionHeader
from cli.provenance.grouping import MemberUse, SourceParcel, counted, sources_by_parcel, uses_by_member

_PLACES_NAMED = 8
_STATUS_STYLES = {"granted": "green", "asked": "yellow", "denied": "red", "revoked": "red"}


class ProvenanceTree:
    """Makes the tree. A parcel that is reached twice is shown in full the first time.

    Args:
        graph: what is shown.
        genesis: knows the members' titles.
    """

    def __init__(self, graph: Provenance, genesis: Genesis) -> None:
        self._graph = graph
        self._genesis = genesis
        self._shown: set[bytes] = set()

    def tree(self) -> Tree:
        """The tree, with the record at its root."""
        graph = self._graph
        label = self._parcel_label(graph.parcel, f"record {graph.record.index} of ")
        for act, what in ((graph.erasure, "this record was erased"), (graph.correction, "this record was CORRECTED")):
            if act is not None:
                by = f" by {act.transaction_id.hex()}/0" if act is graph.correction else ""
                label.append(f"\n{_act(act, what + by)}", "bold magenta")
        root = Tree(label, guide_style="dim")
        origins = root.add(Text("where it came from", "bold cyan"))
        self._add_sources(origins, graph.parcel)
        uses = root.add(Text("who used it, and what they made of it", "bold cyan"))
        self._shown.add(graph.parcel.id)
        self._add_uses(uses, graph.parcel)
        return root

    # Towards the sources

    def _add_sources(self, branch: Tree, parcel: ProvenParcel) -> None:
        sources = sources_by_parcel(parcel.sources)
        if not sources:
            branch.add(Text(f"its owner, {parcel.header.member}: no sources are named", "dim"))
        left_out = 0
        for source in sources:
            found = self._graph.parcels.get(source.parcel_id)
            gap = self._graph.gap(source.parcel_id, "parcel")
            if found is not None:
                self._add_source(branch, source, found)
            elif gap is not None:
                branch.add(_gap_label(gap, f"{_records(source.records)} of parcel {source.parcel_id.hex()}"))
            else:
                left_out += len(source.records)
        if left_out:
            branch.add(Text(f"{counted(left_out, 'more record')}, not followed: see --depth and --limit", "yellow"))

    def _add_source(self, branch: Tree, source: SourceParcel, parcel: ProvenParcel) -> None:
        label = self._parcel_label(parcel, f"{_records(source.records)} of ")
        node = branch.add(label)
        if parcel.id in self._shown:
            node.add(Text("shown above", "dim"))
            return
        self._shown.add(parcel.id)
        if parcel.sources:
            self._add_sources(node, parcel)

    # Towards the uses

    def _add_uses(self, branch: Tree, parcel: ProvenParcel) -> None:
        graph = self._graph
        uses = graph.uses.get(parcel.id)
        if uses is None:
            branch.add(Text("not followed further: see --depth", "yellow"))
            return
        members = uses_by_member(graph, parcel.id)
        for use in members:
            self._add_member(branch.add(Text(self._member(use.member), "bold")), use, parcel)
        self._add_left_out(branch, parcel, uses)
        if not parcel.header.envelope:
            branch.add(Text("open data: who reads it leaves no trace on the chain", "dim"))
        elif not members and uses.is_listed and not uses.derived_count:
            branch.add(Text("nobody, as far as the chain knows", "dim"))

    def _add_member(self, branch: Tree, use: MemberUse, source: ProvenParcel) -> None:
        for read in use.reads:
            branch.add(_read_label(read))
        for parcel in use.made:
            origin = f", from {_records(parcel.records_from(source.id))}" if source.id != self._graph.parcel.id else ""
            node = branch.add(self._parcel_label(parcel, "made ", origin))
            if parcel.id in self._shown:
                node.add(Text("shown above", "dim"))
                continue
            self._shown.add(parcel.id)
            self._add_uses(node, parcel)

    def _add_left_out(self, branch: Tree, parcel: ProvenParcel, uses: Uses) -> None:
        graph = self._graph
        for id_ in uses.derived:
            gap = graph.gap(id_, "parcel")
            if gap is not None:
                branch.add(_gap_label(gap, f"parcel {id_.hex()}, made of it"))
        if (gap := graph.gap(parcel.id, "derived")) is not None:
            branch.add(_gap_label(gap, "what was made of it"))
        if (gap := graph.gap(parcel.id, "reads")) is not None:
            branch.add(_gap_label(gap, "who read it"))
        if uses.counters.history.count and not uses.reads and graph.gap(parcel.id, "reads") is None:
            total = (
                f"{counted(uses.counters.requests, 'request')} and {counted(uses.counters.read_reports, 'read report')}"
            )
            branch.add(Text(f"{total} name it, too many to list: see blockpool audit reads", "yellow"))
        more = graph.unfollowed(parcel.id)
        if more and graph.gap(parcel.id, "derived") is None:
            branch.add(Text(f"{counted(more, 'more parcel')} made of it, not followed: see --limit", "yellow"))
        if parcel.id == graph.parcel.id and (others := graph.made_of_others()):
            branch.add(Text(f"{counted(others, 'parcel')} made of other records of this parcel", "dim"))

    # Labels

    def _parcel_label(self, parcel: ProvenParcel, prefix: str, suffix: str = "") -> Text:
        header = parcel.header
        entry = self._graph.datasets.get(header.dataset)
        titles = f" {entry.title_zh} {entry.title_en}" if entry else ""
        kind = "sealed" if header.envelope else "open"
        label = Text(prefix).append(header.dataset, "bold").append(titles)
        label.append(f" · {counted(header.record_count, 'record')}, {kind}{suffix}")
        place = f"block {parcel.height:,}, {time_text(parcel.time_ms)}"
        label.append(f"\n{self._member(header.member)} · {place}\n{parcel.id.hex()}", "dim")
        if isinstance(header, CorrectionHeader):
            corrected = RecordId(*header.corrected)
            label.append(f"\ncorrects {corrected}: {header.legal_basis} ({header.reason})", "bold magenta")
        if (erasure := parcel.erasure) is not None:
            label.append(f"\n{_act(erasure, 'erased')}", "bold magenta")
        for records, what in ((parcel.erased_records, "erased"), (parcel.corrected_records, "corrected")):
            if records.places:
                places = ", ".join(map(str, islice(indexes_in(records.places), _PLACES_NAMED)))
                more = ", ..." if count_of(records.places) > _PLACES_NAMED else ""
                count = counted(count_of(records.places), "record")
                label.append(f"\n{count} {what}: {places}{more}", "magenta")
        return label

    def _member(self, name: str) -> str:
        member = self._genesis.founder(name)
        return f"{name} {member.title_zh} {member.title_en}" if member else name


def _act(act: OwnerAct, what: str) -> str:
    reason = f" ({act.reason})" if act.reason else ""
    return f"{what} in block {act.height:,}, {time_text(act.time_ms)}: {act.legal_basis}{reason}"


def _read_label(use: ParcelUse) -> Text:
    request, terms, decision = use.request, use.request.terms, use.request.decision
    what = "asked for it" if use.is_named else "asked for the dataset"
    label = Text(f"{what}: {terms.purpose} · ").append(decision.status, _STATUS_STYLES[decision.status])
    if decision.facts:
        label.append(f" ({decision.sentence})")
    grounds = " · ".join(text for text in (terms.legal_basis, terms.case_number, terms.person) if text)
    answers = ", ".join(f"{answer.answer} by {answer.member}" for answer in request.answers)
    for text in (grounds, answers):
        if text:
            label.append(f"\n{text}", "dim")
    label.append(f"\nrequest {use.request_id.hex()}", "dim")
    if use.read_reports:
        last = use.read_reports[-1]
        read_reports = counted(len(use.read_reports), "read report")
        label.append(f"\nread it: {read_reports}, the last in block {last.height:,}, {time_text(last.time_ms)}")
    else:
        label.append("\nno read report: no read was reported", "dim")
    return label


def _gap_label(gap: Gap, what: str) -> Text:
    return (
        Text("not verifiable: ", "bold red").append(f"{what}\n", "red").append(f"{gap.code.value}: {gap.detail}", "dim")
    )


def _records(indices: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, indices[:8])) + (" ..." if len(indices) > 8 else "")
    return f"record{'s' if len(indices) != 1 else ''} {shown}"
