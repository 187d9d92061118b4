"""The provenance of a record for programs: what ``--json`` prints."""

from blockpool import Provenance, RecordId
from blockpool.provenance import ParcelUse, ProvenParcel, Uses
from chain.primitives.places import indexes_in
from chain.state.entries import OwnerAct
from chain.transactions.correction import CorrectionHeader

Json = dict[str, object]


def provenance_view(graph: Provenance) -> Json:
    """The graph as JSON: parcels by their ids, each with what it was made from and, where that was looked at, what
    became of it.
    """
    return {
        "record": str(graph.record),
        "height": graph.height,
        "time_ms": graph.time_ms,
        "erased": _act(graph.erasure),
        "corrected": _act(graph.correction),
        "is_cut": graph.is_cut,
        "depth": graph.bounds.depth,
        "parcels": [_parcel(graph, parcel) for parcel in graph.parcels.values()],
        "gaps": [
            {"parcel": gap.parcel.hex(), "what": gap.what, "code": gap.code.value, "detail": gap.detail}
            for gap in graph.gaps
        ],
    }


def _parcel(graph: Provenance, parcel: ProvenParcel) -> Json:
    header, entry = parcel.header, graph.datasets.get(parcel.header.dataset)
    return {
        "parcel": parcel.id.hex(),
        "dataset": header.dataset,
        "title_zh": entry.title_zh if entry else "",
        "title_en": entry.title_en if entry else "",
        "member": header.member,
        "records": header.record_count,
        "sealed": bool(header.envelope),
        "height": parcel.height,
        "index": parcel.index,
        "time_ms": parcel.time_ms,
        "erased": _act(parcel.erasure),
        "erased_records": list(indexes_in(parcel.erased_records.places)),
        "corrected_records": list(indexes_in(parcel.corrected_records.places)),
        "corrects": str(RecordId(*header.corrected)) if isinstance(header, CorrectionHeader) else None,
        "derived_from": list(map(str, parcel.sources)),
        "uses": _uses(graph.uses[parcel.id]) if parcel.id in graph.uses else None,
    }


def _act(act: OwnerAct | None) -> Json | None:
    if act is None:
        return None
    return {
        "legal_basis": act.legal_basis,
        "reason": act.reason,
        "height": act.height,
        "time_ms": act.time_ms,
        "transaction_id": act.transaction_id.hex(),
    }


def _uses(uses: Uses) -> Json:
    return {
        "is_listed": uses.is_listed,
        "derived_count": uses.derived_count,
        "derived": [id_.hex() for id_ in uses.derived],
        "requests": uses.counters.requests,
        "read_reports": uses.counters.read_reports,
        "reads": [_read(use) for use in uses.reads],
    }


def _read(use: ParcelUse) -> Json:
    request, terms = use.request, use.request.terms
    return {
        "request": use.request_id.hex(),
        "is_named": use.is_named,
        "reader": terms.reader,
        "purpose": terms.purpose,
        "legal_basis": terms.legal_basis,
        "case_number": terms.case_number,
        "person": terms.person,
        "status": request.decision.status,
        "reason": request.decision.sentence,
        "contract": request.contract,
        "answers": [{"member": answer.member, "answer": answer.answer} for answer in request.answers],
        "read_reports": [
            {
                "transaction_id": report.id.hex(),
                "height": report.height,
                "time_ms": report.time_ms,
                "parcels": report.parcels,
                "records": report.record_count,
            }
            for report in use.read_reports
        ],
    }
