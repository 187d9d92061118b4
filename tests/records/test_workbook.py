"""Workbooks of every writer: what Excel itself writes, damage, and what openpyxl reads of the same file."""

import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.styles import Font

from chain.errors import ErrorCode, PoolError
from records.excel import ExcelWriter
from records.workbook import Sheet, Unreadable
from tests.refusals import refuses

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
STRICT = 'xmlns="http://purl.oclc.org/ooxml/spreadsheetml/main"'
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"


def book(
    path: Path,
    sheet: str,
    strings: str = "",
    styles: str = "",
    *,
    space: str = MAIN,
    properties: str = "",
    prefix: str = "",
) -> Path:
    """A workbook of one sheet out of the XML between its tags."""
    x = prefix and prefix + ":"
    space = space.replace("xmlns", f"xmlns:{prefix}") if prefix else space
    names = {"worksheet": "worksheets/sheet1.xml", "sharedStrings": "/xl/sharedStrings.xml", "styles": "styles.xml"}
    related = "".join(
        f'<Relationship Id="r{n}" Type="{OFFICE}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(names.items())
        if kind != "sharedStrings" or strings
    )
    parts = {
        "_rels/.rels": f'<Relationships xmlns="{RELATIONS}"><Relationship Id="r" Type="{OFFICE}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{RELATIONS}">{related}</Relationships>',
        "xl/workbook.xml": f'<{x}workbook {space} xmlns:r="{OFFICE}">{properties}<{x}sheets>'
        f'<{x}sheet name="一" sheetId="1" r:id="r0"/></{x}sheets></{x}workbook>',
        "xl/worksheets/sheet1.xml": f"<{x}worksheet {space}><{x}sheetData>{sheet}</{x}sheetData></{x}worksheet>",
        "xl/styles.xml": f"<{x}styleSheet {space}>{styles}</{x}styleSheet>",
    }
    if strings:
        parts["xl/sharedStrings.xml"] = f"<{x}sst {space}>{strings}</{x}sst>"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return path


def rows(path: Path) -> list[tuple[int, list[str]]]:
    return [(line, [repr(c) if isinstance(c, Unreadable) else c for c in cells]) for line, cells in Sheet(path, None)]


def test_texts_that_cells_share_are_read_without_how_they_are_pronounced(tmp_path: Path) -> None:
    strings = (
        "<si><t>姓名</t><rPh sb='0' eb='1'><t>xing ming</t></rPh></si>"
        "<si><r><t>bold</t></r><r><rPr/><t xml:space='preserve'> and not</t></r></si><si><t/></si><si/>"
        "<si><t>a_x000D_b_x005F_x0041_</t></si>"
    )
    cells = "".join(f"<c r='{letter}1' t='s'><v>{index}</v></c>" for index, letter in enumerate("ABCDE"))
    path = book(tmp_path / "f.xlsx", f"<row r='1'>{cells}</row>", strings)
    assert rows(path) == [(1, ["姓名", "bold and not", "", "", "a\rb_x0041_"])]


def test_every_type_of_cell_is_read_as_it_is_shown(tmp_path: Path) -> None:
    sheet = (
        "<row r='2'><c r='B2' t='b'><v>1</v></c><c r='D2' t='str'><f>A1</f><v></v></c>"
        "<c r='E2' t='str'><f>x</f><v>so</v></c><c r='F2' t='e'><v>#REF!</v></c><c r='G2'><f>1</f></c>"
        "<c r='H2' t='d'><v>2026-03-01</v></c><c r='I2'><v>INF</v></c></row>"
        "<row><c><v>1.50</v></c><c><v>1E2</v></c></row><row r='9'/>"
    )
    path = book(tmp_path / "f.xlsx", sheet)
    assert rows(path) == [
        (2, ["", "true", "", "", "so", *map(repr, [
            Unreadable("the cell holds the error #REF!"),
            Unreadable("the formula has no result: open the file in Excel and save it"),
        ]), "2026-03-01", repr(Unreadable("'INF' is no number"))]),
        (3, ["1.5", "100"]),
    ]  # fmt: skip


def test_dates_in_excel_s_chinese_formats_are_dates(tmp_path: Path) -> None:
    """A file names them by number alone: read as numbers, 2026-03-01 would be 46082."""
    ids = [14, 27, 31, 57, 58, 32, 33, 36]
    styles = (
        "<numFmts><numFmt numFmtId='200' formatCode='yyyy&quot;年&quot;m&quot;月&quot;d&quot;日&quot;;@'/></numFmts>"
        "<cellStyleXfs><xf numFmtId='14'/></cellStyleXfs><cellXfs>"
        + "".join(f"<xf numFmtId='{n}'/>" for n in [0, *ids, 200])
        + "</cellXfs>"
    )
    cells = "".join(f"<c s='{n}'><v>46082.5</v></c>" for n in range(1, len(ids) + 1))
    path = book(
        tmp_path / "f.xlsx", f"<row>{cells}<c s='9'><v>46082</v></c><c s='0'><v>46082</v></c></row>", styles=styles
    )
    assert rows(path) == [(1, ["2026-03-01T12:00:00"] * len(ids) + ["2026-03-01", "46082"])]


@pytest.mark.parametrize(("space", "prefix"), [(STRICT, ""), (MAIN, "x"), (STRICT, "x")])
def test_strict_files_and_prefixes_are_read(tmp_path: Path, space: str, prefix: str) -> None:
    x = prefix and prefix + ":"
    path = book(tmp_path / "f.xlsx", f"<{x}row><{x}c><{x}v>7</{x}v></{x}c></{x}row>", space=space, prefix=prefix)
    assert rows(path) == [(1, ["7"])]


def test_days_are_counted_from_1904_where_the_file_says_so(tmp_path: Path) -> None:
    styles = "<cellXfs><xf numFmtId='14'/></cellXfs>"
    sheet = "<row><c><v>0</v></c><c><v>1</v></c></row>"
    path = book(tmp_path / "f.xlsx", sheet, styles=styles, properties='<workbookPr date1904="1"/>')
    assert rows(path)[0][1][1] == "1904-01-02"


@pytest.mark.parametrize(
    ("sheet", "strings", "reason"),
    [
        ("<row r='2'><c><v>1</v></c></row><row r='2'><c><v>1</v></c></row>", "", "row 2 after row 2"),
        ("<row r='1048577'><c><v>1</v></c></row>", "", "row 1048577"),
        ("<row><c r='XFE1'><v>1</v></c></row>", "", "no column 'XFE'"),
        ("<row><c r='11'><v>1</v></c></row>", "", "no column ''"),
        ("<row><c r='B1'><v>1</v></c><c r='A1'><v>1</v></c></row>", "", "out of order"),
        ("<row><c t='s'><v>1</v></c></row>", "<si><t>a</t></si>", "no shared text 1"),
        ("<row><c t='s'><v>-1</v></c></row>", "<si><t>a</t></si>", "no shared text -1"),
        ("<row><c s='3'><v>1</v></c></row>", "", "index out of range"),
        ("<row><c><v>1</v></c>", "", "mismatched tag"),
        ("<row><c t='str'><v>" + "x" * 300_000 + "</v></c></row>", "", "too long"),
        ("<row><c s='" + "1" * 5_000_000 + "'><v>1</v></c></row>", "", "too large"),
    ],
)
def test_damage_is_said_with_its_line(tmp_path: Path, sheet: str, strings: str, reason: str) -> None:
    with refuses(ErrorCode.MALFORMED, reason):
        rows(book(tmp_path / "f.xlsx", sheet, strings))


def test_entities_do_not_grow(tmp_path: Path) -> None:
    path = book(tmp_path / "f.xlsx", "<row><c><v>1</v></c></row>")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("xl/worksheets/sheet1.xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    with refuses(ErrorCode.MALFORMED, "document type"):
        rows(path)


def test_any_flipped_byte_is_read_rightly_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.xlsx"
    right = [(1, ["a", "b"]), *[(line, [f"t{line}", str(line)]) for line in range(2, 40)]]
    workbook = openpyxl.Workbook()
    assert workbook.active is not None
    for _, cells in right:
        workbook.active.append(cells[:1] + [int(cell) if cell.isdigit() else cell for cell in cells[1:]])
    workbook.save(path)
    whole = path.read_bytes()
    outcomes = set()
    for place in range(0, len(whole), 23):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            outcomes.add("right" if rows(path) == right else f"wrong at {place}")
        except PoolError as error:
            outcomes.add(error.code.value)
    assert outcomes <= {"right", "malformed", "bad_request"}
    assert {"right", "malformed"} <= outcomes


@pytest.mark.parametrize("text", ["_x0041_", "a\r\nb", "\r", "_x005F_", " x ", "=1", "\t"])
def test_every_text_comes_back(tmp_path: Path, text: str) -> None:
    with (tmp_path / "f.xlsx").open("wb") as file:
        writer = ExcelWriter(file)
        writer.write(["head", text])
        writer.close()
    assert rows(tmp_path / "f.xlsx") == [(1, ["head", text])]


VALUES = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=0xD7FF), min_size=1, max_size=20).filter(
        lambda text: "_x" not in text and not text.startswith("=")
    ),
    st.integers(-(10**14), 10**14),
    st.floats(-1e9, 1e9),
    st.booleans(),
    st.none(),
)


@given(st.lists(st.lists(VALUES, min_size=1, max_size=5), min_size=1, max_size=5))
def test_it_reads_what_another_reader_reads(tmp_path_factory: pytest.TempPathFactory, table: list[list[Any]]) -> None:
    path = tmp_path_factory.mktemp("books") / "f.xlsx"
    workbook = openpyxl.Workbook()
    assert workbook.active is not None
    workbook.active.append(["head"])
    for row in table:
        workbook.active.append(row)
    workbook.active["A1"].font = Font(bold=True)
    workbook.save(path)
    expected: dict[int, list[str]] = {}
    for line, cells in enumerate(openpyxl.load_workbook(path).worksheets[0].iter_rows(values_only=True), start=1):
        texts = [shown(cell) for cell in cells]
        while texts and not texts[-1]:
            texts.pop()
        if texts:
            expected[line] = texts
    assert dict(rows(path)) == expected


def shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else repr(value)
