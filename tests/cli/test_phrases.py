"""Everything that commands and readers of files say has its Chinese: sentences, heads of tables, names of facts."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chain.messages import placeholders
from chain.messages.languages import LANGUAGE
from chain.messages.phrases import phrase, table_word
from chain.messages.phrases_chinese import PHRASES, TABLE_WORDS
from records.sources import CsvSource, Problem, SourceOptions
from tests.cli.commands import run

ROOT = Path(__file__).resolve().parents[2]
BILINGUAL = ("cli/demo/", "cli/audit/reporting/", "cli/help_chinese.py")
"""Tells a story in English, or says both."""
SAYS = {"PoolError": 1, "malformed": 1, "Problem": 3, "_BadCell": 1, "_unfit": 1} | dict.fromkeys(
    ["UsageError", "BadParameter", "fail", "add_task", "Unreadable", "_Refused", "ValueError"], 0
)
"""Calls that say something, and which argument it is."""
FACTS = {"facts", "rows", "shown", "counts"}
"""Dictionaries whose keys people read."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    for package in ("cli", "records"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if not name.startswith(BILINGUAL):
                yield name, ast.parse(path.read_text(encoding="utf-8"))


def called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def is_english(node: ast.expr) -> bool:
    """Whether it is a text with words in it, written where it is said."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return any(re.search("[A-Za-z]{2}", re.sub(r"\[[^\]]*\]", "", text)) for text in texts)  # without markup


def said(node: ast.AST) -> Iterator[ast.expr]:
    """What a call says to people."""
    if not isinstance(node, ast.Call):
        return
    name = called(node)
    if name in SAYS and len(node.args) > SAYS[name]:
        yield node.args[SAYS[name]]
    if name == "print" and isinstance(node.func, ast.Attribute) and node.args:
        first = node.args[0]
        yield first.args[0] if isinstance(first, ast.Call) and called(first) == "Text" else first


def test_what_is_said_goes_through_the_catalogue() -> None:
    bare = [
        f"{name}:{node.lineno}"
        for name, tree in modules()
        for node in ast.walk(tree)
        for text in said(node)
        if is_english(text) and not (name.startswith("cli") and called(node) == "ValueError")
    ]
    assert bare == []


def test_every_phrase_has_its_chinese_with_the_same_values() -> None:
    constants, missing = set(), set()
    for _, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                constants.add(node.value)
            if isinstance(node, ast.Call) and called(node) == "phrase" and isinstance(node.args[0], ast.Constant):
                template = node.args[0].value
                if template not in PHRASES:
                    missing.add(template)
                given = {keyword.arg for keyword in node.keywords}
                assert None in given or given == placeholders(template), template
    assert missing == set()
    assert PHRASES.keys() - constants - {"integer", "number", "boolean", "string"} == set(), "what nobody says"
    for english, chinese in PHRASES.items():
        assert placeholders(english) == placeholders(chinese), english
        assert re.search("[\u4e00-\u9fff]", chinese), english


def heads() -> Iterator[tuple[str, str]]:
    for name, tree in modules():
        if not name.startswith("cli"):
            continue
        for node in ast.walk(tree):
            values: list[ast.expr | None] = []
            if isinstance(node, ast.Call) and called(node) == "grid":
                values = list(node.args)
            elif isinstance(node, ast.Call) and called(node) == "facts":
                values = [key for part in ast.walk(node) if isinstance(part, ast.Dict) for key in part.keys]
            elif isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if {target.id for target in targets if isinstance(target, ast.Name)} & FACTS:
                    values = list(node.value.keys)
            for value in values:
                if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value.strip():
                    yield name, value.value


def test_every_head_of_a_table_and_name_of_a_fact_has_its_chinese() -> None:
    found = set(heads())
    assert ("cli/submit.py", "took") in found
    assert ("cli/requests.py", "purpose") in found
    assert {(name, word) for name, word in found if word.strip() not in TABLE_WORDS} == set()


@pytest.fixture
def _chinese() -> Iterator[None]:
    token = LANGUAGE.set("zh")
    yield
    LANGUAGE.reset(token)


@pytest.mark.usefixtures("_chinese")
def test_a_file_s_problems_are_told_in_chinese(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("n,b\n007,true\n1,x\n1\n")
    schema = '{"properties":{"n":{"type":"integer"},"b":{"type":"boolean"}}}'
    source = CsvSource(tmp_path / "f.csv", schema, SourceOptions())
    assert source.description == "CSV，UTF-8，以逗号分隔"
    assert [problem.error().detail for problem in source if isinstance(problem, Problem)] == [
        "第 2 行，n 列：'007' 不是 整数：会丢失前导零",
        "第 3 行，b 列：'x' 不是 布尔值",
        "第 4 行：有 1 个单元格，而首行有 2 列",
    ]
    assert (table_word("dataset"), table_word("unknown")) == ("数据集", "unknown")
    assert phrase("not in the catalogue {x}", x=1) == "not in the catalogue 1"


def test_a_command_speaks_the_language_that_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("编号,n\n001,2\n")
    chinese = run("--lang", "zh", "dataset", "infer", tmp_path / "f.csv")
    assert "共 1 条记录" in chinese.err
    assert "1 records" in run("dataset", "infer", tmp_path / "f.csv").err
    wrong = run("--lang", "zh", "dataset", "infer", tmp_path / "f.csv", "--encoding", "no-such")
    assert "没有编码 'no-such'" in wrong.err
