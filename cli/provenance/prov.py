"""The provenance of a record as W3C PROV-JSON (the PROV-JSON member submission of 2013, which PROV tools read).

| in the pool                         | in PROV                                                        |
|-------------------------------------|----------------------------------------------------------------|
| member                              | agent, ``prov:Organization``                                   |
| parcel                              | entity, ``prov:Collection``, attributed to its member          |
| record that something was made from | entity, member of its parcel                                   |
| sharing a parcel                    | activity that generates it, and uses the records it came from  |
| request                             | entity, ``prov:Plan``, attributed to its reader                |
| read report of a read                   | activity that uses the parcel, with the request as its plan    |
| erasure                             | activity that invalidates the parcel                           |

Names are made of transaction ids under a namespace of the chain's own, so documents about one chain fit together. Times
are those of blocks.
"""

import datetime
from collections.abc import Mapping

from blockpool import Genesis, Provenance, RecordId
from blockpool.provenance import ParcelUse, ProvenParcel
from cli.provenance.grouping import sources_by_parcel

Attributes = Mapping[str, object]

_LAST_MS = 253_402_300_799_000
"""The last second that ISO 8601's four digits of a year can say."""


def prov_document(graph: Provenance, genesis: Genesis) -> dict[str, object]:
    """The graph as a PROV-JSON document."""
    return _Document(graph, genesis).document()


class _Document:
    """Statements by their kinds, each kind in the order in which it was stated."""

    def __init__(self, graph: Provenance, genesis: Genesis) -> None:
        self._graph = graph
        self._genesis = genesis
        self._sections: dict[str, dict[str, dict[str, object]]] = {}

    def document(self) -> dict[str, object]:
        """All of it."""
        graph = self._graph
        for parcel in graph.parcels.values():
            self._add_parcel(parcel)
        for parcel_id, uses in graph.uses.items():
            for use in uses.reads:
                self._add_read(parcel_id, use)
        self._add_record(graph.record)
        for gap in graph.gaps:
            if gap.what == "parcel":
                self._declare("entity", _parcel_name(gap.parcel), {"pool:unverified": gap.code.value})
        about = {"pool:provenHeight": graph.height, "pool:provenTime": _typed_time(graph.time_ms)}
        self._sections["entity"][_record_name(graph.record)] |= about
        return {"prefix": {"pool": f"urn:blockpool:{self._genesis.chain_id.hex()}:"}, **self._sections}

    def _add_parcel(self, parcel: ProvenParcel) -> None:
        header, name, share = parcel.header, _parcel_name(parcel.id), f"pool:share-{parcel.id.hex()}"
        entry = self._graph.datasets.get(header.dataset)
        attributes: dict[str, object] = {
            "prov:type": [_name("pool:Parcel"), _name("prov:Collection")],
            "pool:dataset": header.dataset,
            "pool:records": header.record_count,
            "pool:sealed": bool(header.envelope),
            "pool:height": parcel.height,
        }
        if entry is not None:
            attributes["prov:label"] = _label(entry.title_zh, entry.title_en)
        self._declare("entity", name, attributes)
        self._activity(share, "pool:Share", parcel.time_ms, header.member)
        self._state("wasGeneratedBy", entity=name, activity=share, time=_time(parcel.time_ms))
        self._state("wasAttributedTo", entity=name, agent=self._agent(header.member))
        for source in sources_by_parcel(parcel.sources):
            for index in source.records:
                record = self._add_record(RecordId(source.parcel_id, index))
                self._state("used", activity=share, entity=record)
                self._state("wasDerivedFrom", generatedEntity=name, usedEntity=record, activity=share)
        if (erasure := parcel.erasure) is not None:
            erase = f"pool:erase-{erasure.transaction_id.hex()}"
            grounds: Attributes = {"pool:legalBasis": erasure.legal_basis, "pool:reason": erasure.reason}
            self._activity(erase, "pool:Erase", erasure.time_ms, erasure.owner, grounds)
            self._state("wasInvalidatedBy", entity=name, activity=erase, time=_time(erasure.time_ms))

    def _add_record(self, record: RecordId) -> str:
        """A record and the parcel that it is in; gives its name."""
        name, parcel = _record_name(record), _parcel_name(record.transaction_id)
        if name not in self._sections.get("entity", {}):
            self._declare("entity", name, {"prov:type": _name("pool:Record"), "pool:index": record.index})
            self._declare("entity", parcel, {})
            self._state("hadMember", collection=parcel, entity=name)
        return name

    def _add_read(self, parcel_id: bytes, use: ParcelUse) -> None:
        request, terms, plan = use.request, use.request.terms, f"pool:request-{use.request_id.hex()}"
        reader, parcel = self._agent(terms.reader), _parcel_name(parcel_id)
        if plan not in self._sections["entity"]:
            said = {
                "pool:purpose": terms.purpose,
                "pool:legalBasis": terms.legal_basis,
                "pool:caseNumber": terms.case_number,
                "pool:person": terms.person,
                "pool:status": request.decision.status,
                "pool:contract": request.contract,
            }
            self._declare(
                "entity",
                plan,
                {"prov:type": [_name("pool:Request"), _name("prov:Plan")], "pool:dataset": terms.dataset}
                | {key: text for key, text in said.items() if text},
            )
            self._state("wasAttributedTo", entity=plan, agent=reader)
            for answer in request.answers:
                influence = {"pool:answer": answer.answer, "pool:time": _typed_time(answer.time_ms)}
                self._state("wasInfluencedBy", influencee=plan, influencer=self._agent(answer.member), **influence)
        if use.is_named:
            asked = {"prov:type": _name("pool:AskedFor")}
            self._state("wasInfluencedBy", influencee=plan, influencer=parcel, **asked)
        for report in use.read_reports:
            read = f"pool:read-{report.id.hex()}"
            if read not in self._sections["activity"]:
                counted: Attributes = {"pool:records": report.record_count, "pool:parcels": report.parcels}
                self._activity(read, "pool:Read", report.time_ms, report.member, counted, plan)
            self._state("used", activity=read, entity=parcel, time=_time(report.time_ms))

    def _activity(
        self, name: str, type_: str, time_ms: int, member: str, attributes: Attributes | None = None, plan: str = ""
    ) -> None:
        times = {"prov:startTime": _time(time_ms), "prov:endTime": _time(time_ms)}
        said = {key: value for key, value in (attributes or {}).items() if value != ""}
        self._declare("activity", name, {**times, "prov:type": _name(type_)} | said)
        association = {"plan": plan} if plan else {}
        self._state("wasAssociatedWith", activity=name, agent=self._agent(member), **association)

    def _agent(self, name: str) -> str:
        agent = f"pool:member-{name}"
        if agent not in self._sections.get("agent", {}):
            member = self._genesis.founder(name)
            label = {"prov:label": _label(member.title_zh, member.title_en)} if member else {}
            self._declare("agent", agent, {"prov:type": _name("prov:Organization"), **label})
        return agent

    def _declare(self, kind: str, name: str, attributes: Attributes) -> None:
        self._sections.setdefault(kind, {}).setdefault(name, {}).update(attributes)

    def _state(self, relation: str, **attributes: object) -> None:
        """State a relation; names without a prefix are PROV's own, and what is empty is left out."""
        statements = self._sections.setdefault(relation, {})
        statements[f"_:{relation}{len(statements) + 1}"] = {
            key if ":" in key else f"prov:{key}": value for key, value in attributes.items() if value
        }


def _parcel_name(id_: bytes) -> str:
    return f"pool:parcel-{id_.hex()}"


def _record_name(record: RecordId) -> str:
    return f"pool:record-{record.transaction_id.hex()}-{record.index}"


def _name(name: str) -> Attributes:
    return {"$": name, "type": "prov:QUALIFIED_NAME"}


def _label(title_zh: str, title_en: str) -> list[Attributes]:
    return [{"$": title_zh, "lang": "zh"}, {"$": title_en, "lang": "en"}]


def _time(time_ms: int) -> str:
    moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(
        milliseconds=min(time_ms, _LAST_MS)
    )
    return moment.isoformat(timespec="milliseconds")


def _typed_time(time_ms: int) -> Attributes:
    return {"$": _time(time_ms), "type": "xsd:dateTime"}
