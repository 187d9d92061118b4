"""The catalogue in DCAT-AP 3 (JSON-LD), for other catalogues to harvest.

Mapping: docs/cli.md, ``blockpool dataset export``. Vocabularies are those that DCAT-AP names, the EU Publications
Office's; their IRIs are identifiers, nothing is fetched.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from blockpool.answers import CatalogueEntry

_AUTHORITY = "http://publications.europa.eu/resource/authority/"
_CYCLES = {
    "irregular": "IRREG",
    "real-time": "UPDATE_CONT",
    "daily": "DAILY",
    "weekly": "WEEKLY",
    "monthly": "MONTHLY",
    "quarterly": "QUARTERLY",
    "half-yearly": "ANNUAL_2",
    "yearly": "ANNUAL",
    "other": "OTHER",
}
_RIGHTS = {"open": "RESTRICTED", "conditional": "RESTRICTED", "closed": "NON_PUBLIC"}
"""Also what is open is so to members only."""
_GRADES = {"general": "一般数据", "important": "重要数据", "core": "核心数据"}
_CONTEXT = {
    "adms": "http://www.w3.org/ns/adms#",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
}
Node = dict[str, Any]


def dcat_catalogue(
    network: str, chain_id: str, api_url: str, entries: Iterable[CatalogueEntry], titles: Mapping[str, tuple[str, str]]
) -> Node:
    """A JSON-LD document of the catalogue.

    Args:
        network: name of the pool.
        chain_id: of the pool, hexadecimal; datasets' IRIs begin with it.
        api_url: of a node, where the records are to be had.
        entries: of the catalogue.
        titles: of members, Chinese and English; a member that is not there stands under its name.
    """
    catalogue = f"urn:blockpool:{chain_id}"
    theme_scheme = f"{catalogue}:themes"

    def agent(member: str) -> Node:
        names = _texts(*titles.get(member, ("", ""))) or [_text(member)]
        return {"@id": f"{catalogue}:member:{quote(member)}", "@type": "foaf:Agent", "foaf:name": names}

    datasets = [_dataset(entry, catalogue, theme_scheme, api_url.rstrip("/"), agent(entry.owner)) for entry in entries]
    return {
        "@context": _CONTEXT,
        "@id": catalogue,
        "@type": "dcat:Catalog",
        "dct:title": [_text(network)],
        "dct:description": [
            _text(f"块数据池 {network} 的政务数据目录", "zh"),
            _text(f"Catalogue of the pool {network}", "en"),
        ],
        "dct:publisher": {"@id": f"{catalogue}:pool", "@type": "foaf:Agent", "foaf:name": [_text(network)]},
        "dcat:themeTaxonomy": {
            "@id": theme_scheme,
            "@type": "skos:ConceptScheme",
            "dct:title": [_text("目录分类", "zh"), _text("Classes of the catalogue", "en")],
        },
        "dcat:dataset": datasets,
    }


def _dataset(entry: CatalogueEntry, catalogue: str, theme_scheme: str, api_url: str, publisher: Node) -> Node:
    said, iri = entry.description, f"{catalogue}:dataset:{quote(entry.dataset)}"
    titles = _texts(entry.title_zh, entry.title_en) or [_text(entry.dataset)]
    found: Node = {
        "@id": iri,
        "@type": "dcat:Dataset",
        "dct:identifier": [entry.dataset],
        "dct:title": titles,
        "dct:description": [_text(said.summary)] if said.summary else titles,
        "dct:publisher": publisher,
        "dct:accessRights": _term("access-right/", _RIGHTS[entry.sharing], "dct:RightsStatement"),
        "dcat:version": str(entry.version),
        "dcat:distribution": [_distribution(entry, iri, api_url)],
    }
    if said.contact:
        found["dcat:contactPoint"] = [{"@id": f"{iri}:contact", "@type": "vcard:Kind", "vcard:fn": said.contact}]
    if said.update_cycle:
        found["dct:accrualPeriodicity"] = _term("frequency/", _CYCLES[said.update_cycle], "dct:Frequency")
    if said.theme:
        concept: Node = {"@id": f"{theme_scheme}:{quote(said.theme, safe='')}", "@type": "skos:Concept"}
        concept |= {"skos:prefLabel": [_text(said.theme, "zh")], "skos:inScheme": {"@id": theme_scheme}}
        found["dcat:theme"] = [concept]
    if said.grade:
        found["dcat:keyword"] = [_text(_GRADES[said.grade], "zh")]
    if entry.legal_basis:
        found["dcatap:applicableLegislation"] = [
            {"@id": f"{iri}:legal-basis", "@type": "http://data.europa.eu/eli/ontology#LegalResource"}
            | {"rdfs:label": entry.legal_basis}
        ]
    if said.source:
        source = {"@id": f"{iri}:source", "@type": "dct:ProvenanceStatement", "rdfs:label": f"数源部门：{said.source}"}
        found["dct:provenance"] = [source]
    return found


def _distribution(entry: CatalogueEntry, iri: str, api_url: str) -> Node:
    said = entry.description
    found: Node = {
        "@id": f"{iri}:records",
        "@type": "dcat:Distribution",
        "dcat:accessURL": [{"@id": f"{api_url}/v1/datasets/{quote(entry.dataset)}", "@type": "rdfs:Resource"}],
        "dct:format": {"@id": f"{_AUTHORITY}file-type/JSON", "@type": "dct:MediaTypeOrExtent"},
    }
    conditions = {"共享范围": said.scope, "使用用途": said.use, "使用条件": said.conditions, "共享方式": said.method}
    text = "；".join(f"{name}：{value}" for name, value in conditions.items() if value)
    if text:
        found["dct:rights"] = {"@id": f"{iri}:rights", "@type": "dct:RightsStatement", "rdfs:label": text}
    return found


def _text(value: str, language: str = "") -> object:
    return {"@value": value, "@language": language} if language else value


def _texts(chinese: str, english: str) -> list[object]:
    return [_text(value, language) for value, language in ((chinese, "zh"), (english, "en")) if value]


def _term(scheme: str, name: str, type_: str) -> Node:
    return {"@id": f"{_AUTHORITY}{scheme}{name}", "@type": type_}
