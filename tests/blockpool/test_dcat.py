"""The catalogue in DCAT-AP: every property that the profile makes mandatory, on every class that it has them for."""

import json
from typing import Any, get_args

from blockpool.answers import CatalogueDescription, CatalogueEntry, CatalogueTotals
from blockpool.dcat import dcat_catalogue
from chain.catalogue import Description, Grade, UpdateCycle

MANDATORY = {
    "dcat:Catalog": {"dct:description", "dct:publisher", "dct:title"},
    "dcat:Dataset": {"dct:description", "dct:title"},
    "dcat:Distribution": {"dcat:accessURL"},
    "foaf:Agent": {"foaf:name"},
    "skos:Concept": {"skos:prefLabel"},
    "skos:ConceptScheme": {"dct:title"},
    "vcard:Kind": {"vcard:fn"},
}
"""DCAT-AP 3.0, the properties of cardinality 1..n, and those of a contact that make one."""
AT_MOST_ONE = {
    "dct:publisher", "dct:accrualPeriodicity", "dct:accessRights", "dct:format", "dct:rights", "dcat:version",
}  # fmt: skip
RANGES = {
    "dct:publisher": "foaf:Agent",
    "dcat:dataset": "dcat:Dataset",
    "dcat:distribution": "dcat:Distribution",
    "dcat:theme": "skos:Concept",
    "dcat:contactPoint": "vcard:Kind",
    "dcat:accessURL": "rdfs:Resource",
    "dct:accessRights": "dct:RightsStatement",
    "dct:accrualPeriodicity": "dct:Frequency",
    "dct:rights": "dct:RightsStatement",
    "dct:provenance": "dct:ProvenanceStatement",
}


def entry(name: str, sharing: Any, **said: str) -> CatalogueEntry:
    return CatalogueEntry(
        dataset=f"aviation.{name}",
        owner="aviation",
        version=3,
        title_zh="航班" if name != "untitled" else "",
        title_en="",
        schema="",
        sharing=sharing,
        legal_basis="民用航空法" if sharing != "open" else "",
        contract="",
        description=CatalogueDescription(**said),
        registered_height=1,
        updated_height=2,
        transaction_id="00" * 32,
        totals=CatalogueTotals(parcels=0, records=0, size_bytes=0, last_height=0),
    )


FULL = {
    "summary": "每日航班", "contact": "数据处", "update_cycle": "half-yearly", "theme": "公共 安全/户籍",
    "grade": "core", "format": "xlsx", "method": "接口", "scope": "气象", "use": "防汛", "conditions": "不得转供",
    "impact_assessment": "17", "source": "机场",
}  # fmt: skip
ENTRIES = [entry("untitled", "open"), entry("full", "conditional", **FULL), entry("closed", "closed")]
DOCUMENT = dcat_catalogue("city", "ab" * 32, "https://node:8000/", ENTRIES, {"aviation": ("民用航空局", "Aviation")})


def nodes(value: Any) -> list[dict[str, Any]]:
    """All nodes of the document that say their type."""
    if isinstance(value, list):
        return [node for item in value for node in nodes(item)]
    if not isinstance(value, dict) or "@value" in value:
        return []
    below = [node for key, item in value.items() if not key.startswith("@") for node in nodes(item)]
    return [value, *below]


def test_every_mandatory_property_is_there_with_a_value() -> None:
    seen = set()
    for node in nodes(DOCUMENT):
        type_ = node.get("@type", "")  # a mere reference says none
        seen.add(type_)
        for name in MANDATORY.get(type_, ()):
            assert node.get(name), (node["@id"], name)
    assert seen >= MANDATORY.keys()


def test_properties_lead_to_what_the_profile_says_and_are_not_repeated() -> None:
    for node in nodes(DOCUMENT):
        for name, value in node.items():
            if name in AT_MOST_ONE:
                assert not isinstance(value, list)
            if name in RANGES:
                assert {item["@type"] for item in (value if isinstance(value, list) else [value])} == {RANGES[name]}


def test_names_are_iris_and_of_known_vocabularies() -> None:
    prefixes = {key.partition(":")[0] for node in nodes(DOCUMENT) for key in node if not key.startswith("@")}
    assert prefixes <= DOCUMENT["@context"].keys()
    for node in nodes(DOCUMENT):
        assert node["@id"].startswith(("urn:blockpool:", "http://", "https://"))
        assert not set(node["@id"]) & set(' <>"{}|\\^`')
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT


def test_what_is_said_of_datasets() -> None:
    untitled, full, closed = DOCUMENT["dcat:dataset"]
    assert untitled["dct:title"] == untitled["dct:description"] == ["aviation.untitled"]
    assert full["dct:accrualPeriodicity"]["@id"].endswith("/frequency/ANNUAL_2")
    assert full["dct:publisher"]["foaf:name"][0] == {"@value": "民用航空局", "@language": "zh"}
    assert full["dcat:distribution"][0]["dct:rights"]["rdfs:label"] == (
        "共享范围：气象；使用用途：防汛；使用条件：不得转供；共享方式：接口"
    )
    assert full["dcat:distribution"][0]["dcat:accessURL"][0]["@id"] == "https://node:8000/v1/datasets/aviation.full"
    rights = [found["dct:accessRights"]["@id"].rpartition("/")[2] for found in (untitled, full, closed)]
    assert rights == ["RESTRICTED", "RESTRICTED", "NON_PUBLIC"]


def test_every_cycle_and_grade_has_its_term() -> None:
    for cycle in get_args(UpdateCycle):
        for grade in get_args(Grade):
            found = dcat_catalogue("c", "ab", "http://n", [entry("x", "open", update_cycle=cycle, grade=grade)], {})
            (dataset,) = found["dcat:dataset"]
            assert ("dct:accrualPeriodicity" in dataset, "dcat:keyword" in dataset) == (bool(cycle), bool(grade))


def test_answers_have_the_fields_of_the_wire() -> None:
    assert CatalogueDescription.__struct_fields__ == Description.__struct_fields__
