"""``blockpool provenance``: the tree, the picture, W3C PROV, and the command against real nodes."""

import io
import json
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prov.model import (
    ProvActivity,
    ProvAgent,
    ProvAssociation,
    ProvDerivation,
    ProvDocument,
    ProvEntity,
    ProvInvalidation,
    ProvUsage,
)

from blockpool import KemPrivateKey, load_kem_key
from blockpool.provenance import Provenance, ProvenanceBounds
from blockpool.signing import RecordId
from chain.errors import ErrorCode, PoolError
from chain.genesis import Genesis
from cli.output import SanitizingConsole
from cli.provenance.layout import Edge, Spacing, columns_from, draw
from cli.provenance.picture import provenance_svg
from cli.provenance.prov import prov_document
from cli.provenance.tree import ProvenanceTree
from cli.provenance.view import provenance_view
from tests.blockpool.ledger_node import Body
from tests.blockpool.provenance_story import Story
from tests.blockpool.test_lying_node import lying_proxy, only
from tests.cli.access import as_member, reader_key_file, share_sealed
from tests.processes import RunningNetwork

SVG = "{http://www.w3.org/2000/svg}"
SPACING = Spacing(node_width=100, column_gap=50, row_gap=10, bend_height=8)
HOSTILE = "<script>alert(1)</script>&\x1b[2J\u202e\"'"


@pytest.fixture(scope="module")
def story() -> Story:
    """The weather is erased in the end, and a reader is denied for nothing but a purpose full of tricks."""
    story = Story()
    story.world.accept(story.world.network.erase(story.weather, "c", "c.weather", reason="by order"))
    story.world.ask("d", parcels=(story.flights,), purpose=HOSTILE)
    return story


@pytest.fixture(scope="module")
def graph(story: Story) -> Provenance:
    return story.walk()


@pytest.fixture(scope="module")
def genesis(story: Story) -> Genesis:
    return story.world.network.genesis


@pytest.fixture(scope="module")
def torn(story: Story) -> Provenance:
    """What is left when no node proves the weather, nor what was made of the delays."""

    def lie(path: str, body: Body) -> Body:
        if story.weather.hex() in path:
            raise PoolError(ErrorCode.NOT_FOUND, "no such transaction")
        return body | {"parcels": []} if path.endswith(f"{story.delays.hex()}/derived") else body

    return story.walk(story.nodes(lie))


def shown(graph: Provenance, genesis: Genesis) -> str:
    written = io.StringIO()
    SanitizingConsole(width=200, file=written).print(ProvenanceTree(graph, genesis).tree())
    return written.getvalue()


# The tree


def test_the_tree_tells_the_whole_story(story: Story, graph: Provenance, genesis: Genesis) -> None:
    text = shown(graph, genesis)
    for part in (
        "record 0 of a.flights 航班 Flights · 2 records, sealed",
        "record 1 of c.weather 天气 Weather · 2 records, open",
        "PIPL 47 (by order)",
        "asked for it: delays by airline · granted",
        "Flood Control Law · 2023-17 · Li Wei",
        "read it: 1 read report, the last in block",
        "made b.delays 延误 Delays · 1 record, open",
        "made d.report 报告 Report · 1 record, open, from record 0",
        "1 parcel made of other records of this parcel",
        "open data: who reads it leaves no trace on the chain",
        "b 部门b Department b",
        story.request.hex(),
        story.report.hex(),
    ):
        assert part in text, part
    assert story.others.hex() not in text
    assert text.index("c.weather") < text.index("who used it") < text.index("b.delays") < text.index("d.report")
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_the_tree_says_what_could_not_be_verified_or_was_not_followed(
    story: Story, torn: Provenance, genesis: Genesis
) -> None:
    text = shown(torn, genesis)
    assert f"not verifiable: record 1 of parcel {story.weather.hex()}" in text
    assert "not verifiable: what was made of it" in text
    assert "c.weather" not in text
    short = shown(story.walk(bounds=ProvenanceBounds(depth=1)), genesis)
    assert "not followed further: see --depth" in short
    few = shown(story.walk(bounds=ProvenanceBounds(parcels=1, reads=1)), genesis)
    assert "1 more record, not followed" in few
    assert "2 more parcels made of it, not followed" in few
    assert "2 requests and 1 read report name it, too many to list" in few


# JSON


def test_json_has_the_graph_in_full(story: Story, graph: Provenance, torn: Provenance) -> None:
    view: Any = json.loads(json.dumps(provenance_view(graph)))
    flights, weather, *_ = view["parcels"]
    assert (flights["parcel"], flights["derived_from"]) == (story.flights.hex(), [f"{story.weather.hex()}/1"])
    assert flights["uses"]["derived"] == [story.delays.hex(), story.others.hex()]
    first, second = flights["uses"]["reads"]
    assert (first["purpose"], first["status"], len(first["read_reports"])) == ("delays by airline", "granted", 1)
    assert (second["reader"], second["purpose"]) == ("d", HOSTILE)
    assert (weather["erased"]["legal_basis"], weather["uses"], view["gaps"]) == ("PIPL 47", None, [])
    gaps: Any = provenance_view(torn)["gaps"]
    assert [(gap["parcel"], gap["what"], gap["code"]) for gap in gaps] == [
        (story.weather.hex(), "parcel", "not_found"),
        (story.delays.hex(), "derived", "bad_proof"),
    ]


# The picture


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314  (it was made here)


def texts(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def cards(root: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    groups = root.findall(f"{SVG}g/{SVG}g")
    return [group for group in groups if f"card-{kind}" in (group.find(f"{SVG}rect").get("class") or "")]  # type: ignore[union-attr]


def test_the_picture_shows_every_parcel_and_user_with_titles(graph: Provenance, genesis: Genesis) -> None:
    root = parsed(provenance_svg(graph, genesis))
    assert {kind: len(cards(root, kind)) for kind in ("record", "parcel", "erased", "use", "gap", "more")} == {
        "record": 1,
        "parcel": 2,
        "erased": 1,
        "use": 3,
        "gap": 0,
        "more": 0,
    }
    written = texts(root)
    for text in ("a.flights", "天气", "Weather", "延误", "Report", "erased 已删除: PIPL 47", "“delays by airline”"):
        assert text in written
    # The record's parcel from the weather, b's and d's reads of it, two uses that made something, the report's second
    # source.
    assert len(root.findall(f"{SVG}g/{SVG}path")) == 7


def test_the_picture_shows_what_could_not_be_verified(torn: Provenance, genesis: Genesis) -> None:
    root = parsed(provenance_svg(torn, genesis))
    assert len(cards(root, "gap")) == 2
    assert texts(root).count("not verifiable 无法验证") == 3  # once more in the legend


def test_the_picture_shows_what_was_not_followed(story: Story, genesis: Genesis) -> None:
    root = parsed(provenance_svg(story.walk(bounds=ProvenanceBounds(parcels=1, reads=1)), genesis))
    assert len(cards(root, "more")) == 3
    for text in ("1 more source, not followed", "2 more parcels made of it", "2 requests, 1 read report"):
        assert text in texts(root)


def test_the_picture_runs_and_fetches_nothing_whatever_members_write(graph: Provenance, genesis: Genesis) -> None:
    svg = provenance_svg(graph, genesis)
    root = parsed(svg)
    allowed = {"svg", "title", "style", "defs", "marker", "path", "rect", "g", "text"}
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == allowed
    names = {name for element in root.iter() for name in element.attrib}
    assert not any(name.startswith("on") or "href" in name for name in names)
    assert "url(http" not in svg
    assert "\u202e" not in svg
    assert any("<script>" in text for text in texts(root)), "shown as text"


nodes = st.integers(min_value=1, max_value=25)


@st.composite
def graphs(draw_: st.DrawFn) -> tuple[dict[str, float], list[Edge], str]:
    """Nodes with their heights in an order without cycles, connected around one of them."""
    count = draw_(nodes)
    keys = [f"n{number}" for number in range(count)]
    heights = {key: float(draw_(st.integers(min_value=20, max_value=120))) for key in keys}
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    edges = {(keys[min(pair)], keys[max(pair)]) for pair in draw_(st.lists(pairs, max_size=40)) if pair[0] != pair[1]}
    return heights, sorted(edges), keys[draw_(st.integers(0, count - 1))]


@given(graphs())
def test_edges_go_to_the_right_and_nothing_overlaps(graph: tuple[dict[str, float], list[Edge], str]) -> None:
    heights, edges, root = graph
    columns = columns_from(root, list(heights), edges)
    assert columns[root] == 0
    assert all(columns[start] < columns[end] for start, end in edges)
    drawing = draw(heights, columns, edges, SPACING)
    for key, (x, y) in drawing.places.items():
        height = heights.get(key, SPACING.bend_height)
        assert 0 <= x <= drawing.width - SPACING.node_width
        assert -1e-6 <= y <= drawing.height - height + 1e-6
        for other, (other_x, other_y) in drawing.places.items():
            if other != key and other_x == x and other_y >= y:
                assert other_y - (y + height) >= SPACING.row_gap - 1e-6, (key, other)
    for (start, end), points in drawing.routes.items():
        assert points[0][0] == drawing.places[start][0] + SPACING.node_width
        assert points[-1][0] == drawing.places[end][0]
        assert all(earlier[0] < later[0] for earlier, later in pairwise(points))


def test_what_can_be_drawn_without_crossings_is() -> None:
    heights = dict.fromkeys(["root", "a", "b", "c", "d"], 20.0)
    edges = [("root", "a"), ("root", "b"), ("a", "d"), ("b", "c")]
    drawing = draw(heights, columns_from("root", list(heights), edges), edges, SPACING)
    above = drawing.places["a"][1] < drawing.places["b"][1]
    assert above == (drawing.places["d"][1] < drawing.places["c"][1])


# W3C PROV


def test_the_prov_package_reads_the_document(story: Story, graph: Provenance, genesis: Genesis) -> None:
    content = json.dumps(prov_document(graph, genesis))
    document = ProvDocument.deserialize(content=content, format="json")
    assert ProvDocument.deserialize(content=document.serialize(format="json"), format="json") == document

    def names(type_: type) -> set[str]:
        return {record.identifier.localpart for record in document.get_records(type_)}

    parcels = (story.flights, story.weather, story.delays, story.others, story.report)
    assert {f"parcel-{id_.hex()}" for id_ in parcels} <= names(ProvEntity)
    assert names(ProvAgent) == {"member-a", "member-b", "member-c", "member-d"}
    assert {f"share-{id_.hex()}" for id_ in parcels} | {f"read-{story.read_report.hex()}"} <= names(ProvActivity)
    derivations = {
        (derivation.args[0].localpart, derivation.args[1].localpart)
        for derivation in document.get_records(ProvDerivation)
    }
    assert derivations == {
        (f"parcel-{made.hex()}", f"record-{source.hex()}-{index}")
        for made, source, index in (
            (story.flights, story.weather, 1),
            (story.delays, story.flights, 0),
            (story.others, story.flights, 1),
            (story.report, story.delays, 0),
            (story.report, story.weather, 0),
        )
    }
    (invalidation,) = document.get_records(ProvInvalidation)
    assert invalidation.args[0].localpart == f"parcel-{story.weather.hex()}"
    used = {(usage.args[0].localpart, usage.args[1].localpart) for usage in document.get_records(ProvUsage)}
    assert (f"read-{story.read_report.hex()}", f"parcel-{story.flights.hex()}") in used
    plans = [association.args for association in document.get_records(ProvAssociation) if association.args[2]]
    assert [(args[1].localpart, args[2].localpart) for args in plans] == [
        ("member-b", f"request-{story.request.hex()}")
    ]


def test_prov_marks_what_could_not_be_verified(story: Story, torn: Provenance, genesis: Genesis) -> None:
    document = ProvDocument.deserialize(content=json.dumps(prov_document(torn, genesis)), format="json")
    (weather,) = document.get_record(f"pool:parcel-{story.weather.hex()}")
    attributes = {name.localpart: value for name, value in weather.attributes}
    assert attributes == {"unverified": "not_found"}


# The command


@pytest.mark.integration
def test_sources_uses_and_products_of_a_sealed_record(
    running_network: RunningNetwork, contract: str, tmp_path: Path
) -> None:
    dataset, _ = share_sealed(running_network, contract, tmp_path, 3)
    with running_network.client("meteorology") as client:
        key: KemPrivateKey = load_kem_key(reader_key_file(running_network, "meteorology"))
        request = client.request(dataset, "flight safety", key)
        reading = client.read(request.id, key)
        record = next(iter(reading)).id
        client.acknowledge(reading)
    product = running_network.new_dataset("meteorology")
    (tmp_path / "made.ndjson").write_text('{"n":1}\n')
    submit = ("submit", tmp_path / "made.ndjson", "--dataset", product, "--derived-from", record)
    made = as_member(running_network, "meteorology", *submit, "--json")
    assert made.code == 0, made.out + made.err
    running_network.network.settle()
    svg, prov = tmp_path / "p.svg", tmp_path / "p.json"
    done = as_member(running_network, "registry", "provenance", record, "--svg", svg, "--prov", prov, "--json")
    assert done.code == 0, done.err
    origin, result = done.json["parcels"]
    assert (origin["dataset"], origin["sealed"], result["dataset"]) == (dataset, True, product)
    (use,) = origin["uses"]["reads"]
    assert (use["reader"], use["is_named"], len(use["read_reports"])) == ("meteorology", False, 1)
    assert f"{result['parcel']}/0" == made.json["first_record"]
    assert product in svg.read_text()
    assert ProvDocument.deserialize(source=str(prov), format="json").get_records(ProvDerivation)
    text = as_member(running_network, "registry", "provenance", made.json["first_record"]).out
    assert "where it came from" in text
    assert f"record 0 of {dataset}" in text
    assert "Within 3 steps nothing is left out." in text
    erase = ("erase", origin["parcel"], "--legal-basis", "PIPL 47", "--yes", "--json")
    assert as_member(running_network, "aviation", *erase).code == 0
    running_network.network.settle()
    erased = as_member(running_network, "registry", "provenance", made.json["first_record"])
    assert erased.code == 0, erased.err
    assert "erased in block" in erased.out
    assert "PIPL 47" in erased.out


@pytest.mark.integration
def test_a_node_that_hides_a_use_is_found_out(running_network: RunningNetwork, tmp_path: Path) -> None:
    source, product = running_network.new_dataset(), running_network.new_dataset()
    with running_network.client() as client:
        record = client.submit([{"n": 1}], source)[0].record_ids[0]
        client.submit([{"n": 2}], product, derived_from=[record])
    running_network.network.settle()
    hide = only("/derived?", lambda _path, status, _body: (status, b'{"parcels":[],"next":null}'))
    with lying_proxy(running_network.network.urls[0], hide) as url:
        done = as_member(running_network, "aviation", "provenance", record, "--node", url, "--json")
        assert done.code == 1
        (gap,) = done.json["gaps"]
        assert (gap["parcel"], gap["what"], gap["code"]) == (record.transaction_id.hex(), "derived", "bad_proof")
        honest = running_network.network.urls[1]
        both = as_member(running_network, "aviation", "provenance", record, "--node", url, "--node", honest, "--json")
    assert (both.code, [parcel["dataset"] for parcel in both.json["parcels"]]) == (0, [source, product])


@pytest.mark.integration
@pytest.mark.parametrize(("record", "code"), [("00" * 32 + "/0", 1), ("nonsense", 2)])
def test_what_is_no_record_is_refused(running_network: RunningNetwork, record: str, code: int) -> None:
    assert as_member(running_network, "aviation", "provenance", record).code == code


def test_corrected_and_erased_records_are_told() -> None:
    story = Story()
    network = story.world.network
    old = RecordId(story.weather, 1)
    (correction,) = story.world.accept(
        network.correction(story.weather, 1, member="c", dataset="c.weather", reason="local time")
    )
    story.world.accept(network.erase(story.weather, "c", "c.weather", records=(0,)))
    graph = story.walk(record=old)
    assert graph.correction is not None
    assert (graph.correction.transaction_id, graph.correction.reason) == (correction, "local time")
    assert graph.erasure is None
    assert (graph.parcel.erased_records.places, graph.parcel.corrected_records.places) == (b"\1", b"\2")
    shown = "".join(str(line) for line in _tree_lines(graph, network.genesis))
    assert f"this record was CORRECTED by {correction.hex()}/0 in block" in shown
    assert "1 record erased: 0" in shown
    assert f"corrects {old}" in shown
    view = provenance_view(graph)
    assert isinstance(view["corrected"], dict)
    assert view["corrected"]["transaction_id"] == correction.hex()
    erased = story.walk(record=RecordId(story.weather, 0))
    assert erased.erasure is not None
    assert "this record was erased in block" in "".join(_tree_lines(erased, network.genesis))
    assert "1 erased 条已删除" in provenance_svg(erased, network.genesis)


def _tree_lines(graph: Provenance, genesis: Genesis) -> list[str]:
    found, trees = list[str](), [ProvenanceTree(graph, genesis).tree()]
    while trees:
        tree = trees.pop()
        found.append(str(tree.label))
        trees += tree.children
    return found
