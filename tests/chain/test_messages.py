"""Facts and messages: an outcome is the same bytes on every interpreter; people read it in two languages."""

import unicodedata
from typing import get_args

import pytest

from chain.blocks import Outcome
from chain.errors import ErrorCode, Refusal
from chain.facts import BY_NAME, TABLE, Fact, Facts, FactValue, pack, unpack, verify
from chain.messages import Language, advice, denial, placeholders, sentence, title
from chain.messages.chinese import CHINESE
from chain.messages.english import ENGLISH
from chain.primitives.encoding import EncodingError, decode, encode
from chain.primitives.json_reader import Fault
from sealing import split_fields
from tests.networks import TestNetwork

NEW_IN_UNICODE_15_1 = "\U0001fae8"
"""A character that CPython 3.11 does not know and 3.12 does."""
LANGUAGES: tuple[Language, ...] = get_args(Language)
HOSTILE = "\x1b[2J\u202e\u2066\u0000\n" * 100


def largest(fact: Fact) -> FactValue:
    if fact.type is int:
        return fact.bound
    return bytes(fact.bound) if fact.type is bytes else HOSTILE[: fact.bound]


EVERYTHING = {fact.name: largest(fact) for fact in TABLE}


def test_numbers_and_names_are_each_once() -> None:
    assert [fact.number for fact in TABLE] == list(range(1, len(TABLE) + 1))
    assert len(BY_NAME) == len(TABLE)


@pytest.mark.parametrize(
    ("changes", "code", "facts"),
    [
        ({"dataset": NEW_IN_UNICODE_15_1 + ".x"}, "bad_name", "90"),
        ({"name": "x", "schema": f'{{"{NEW_IN_UNICODE_15_1}":1}}'}, "schema_keyword", "919202a52ff09faba8"),
        (
            {"name": "x", "schema": '{"properties":{"?/~":{"type":"?"}}}'.replace("?", NEW_IN_UNICODE_15_1)},
            "schema_argument",
            "919202b92f70726f706572746965732ff09faba87e317e302f74797065",
        ),
    ],
)
def test_hostile_texts_give_the_same_bytes_on_every_interpreter(changes: dict[str, str], code: str, facts: str) -> None:
    network = TestNetwork()
    block = network.commit(network.ledger(), [network.dataset(**changes)])
    (outcome,) = block.outcomes
    assert (outcome.code, encode(outcome.facts).hex()) == (code, facts)


@pytest.mark.parametrize(
    "facts",
    [
        ((0, 1),),
        ((len(TABLE) + 1, 1),),
        ((5, 1), (4, 1)),
        ((4, 1), (4, 1)),
        ((4, -1),),
        ((4, 2**63),),
        ((4, True),),
        ((4, "1"),),
        ((4, None),),
        ((1, 4096),),
        ((12, "a" * 33),),
        ((14, bytes(15)),),
        ((24, b"text"),),
    ],
)
def test_facts_that_are_none_are_malformed(facts: Facts) -> None:
    good = encode(Outcome(bytes(32), "expired", (), 0))
    bad = good.replace(b"\xa7expired\x90", b"\xa7expired" + encode(facts))
    assert bad != good
    with pytest.raises(EncodingError) as caught:
        decode(Outcome, bad)
    assert caught.value.code is ErrorCode.MALFORMED


def test_texts_are_cut_by_code_points_and_the_largest_outcome_fits_a_receipt() -> None:
    facts = pack({name: "\U0001f000" * 1000 if isinstance(value, str) else value for name, value in EVERYTHING.items()})
    verify(facts)
    assert all(len(value) == BY_NAME[name].bound for name, value in unpack(facts).items() if isinstance(value, str))
    assert len(encode(facts)) < 4_096


def test_every_code_has_its_messages_in_both_languages() -> None:
    assert list(ENGLISH) == list(CHINESE) == [code.value for code in ErrorCode]


@pytest.mark.parametrize("code", ErrorCode)
def test_the_sentences_of_a_code_say_the_same_facts_in_both_languages(code: ErrorCode) -> None:
    assert all(ENGLISH[code][:2] + CHINESE[code][:2])
    english, chinese = ([placeholders(template) for template in texts[code][2:]] for texts in (ENGLISH, CHINESE))
    assert english == chinese
    for names in english:
        assert names <= BY_NAME.keys()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", ErrorCode)
def test_sentences_are_bounded_and_show_nothing_that_acts(code: ErrorCode, language: Language) -> None:
    for text in (sentence(code, EVERYTHING, language), title(code, language), advice(code, language)):
        assert 0 < len(text) < 8_000
        assert not [char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co")]


def test_a_refusal_says_what_its_facts_say() -> None:
    refusal = Refusal(ErrorCode.SCHEMA_VIOLATION, record_index=2, pointer="/delay", keyword="maximum")
    assert refusal.detail == "record 2: /delay breaks maximum"
    assert refusal.context == {"record_index": 2, "pointer": "/delay", "keyword": "maximum"}
    assert sentence(refusal.code, unpack(refusal.facts), "zh") == "第 2 条记录：/delay 处违反 maximum"
    assert str(refusal) == "A record breaks the dataset's schema: record 2: /delay breaks maximum"


@pytest.mark.parametrize("fault", Fault)
def test_what_a_json_text_breaks_is_said_in_words(fault: Fault) -> None:
    facts = {"record_index": 0, "pointer": "/n", "keyword": fault.value}
    for language in LANGUAGES:
        assert fault.value not in sentence("schema_violation", facts, language).removeprefix("record 0: ").split()


def test_a_denial_is_told_in_the_readers_language() -> None:
    facts = pack({"denial": "grant_revoked", "member": "a", "text": "case closed"})
    assert denial(facts) == "withdrawn by a: case closed"
    assert denial(facts, "zh") == "由 a 撤回：case closed"
    settled = {"status": "revoked"}
    assert sentence("request_settled", settled) == "the request is revoked"
    assert sentence("request_settled", settled, "zh") == "申请现为已撤回"


def test_a_code_of_a_later_version_stands_for_itself() -> None:
    assert sentence("not\x1byet", {}) == r"not\x1byet"


@pytest.mark.parametrize(
    ("record", "english", "chinese"),
    [
        (
            b"[",
            "record 3 cannot be committed to by fields: the top level breaks the grammar of JSON",
            "顶层 处违反 JSON 语法",
        ),
        (b"[1]", "record 3 cannot be committed to by fields: no JSON object", "不是 JSON 对象"),
        (b'{"a": 1}', "record 3 cannot be committed to by fields: no compact JSON", "不是紧凑的 JSON"),
    ],
)
def test_why_a_record_has_no_fields_to_commit_to(record: bytes, english: str, chinese: str) -> None:
    with pytest.raises(Refusal) as caught:
        split_fields(record, 3)
    assert (caught.value.code, caught.value.detail) == ("bad_sealing", english)
    said = sentence("bad_sealing", unpack(caught.value.facts), "zh")
    assert said == f"第 3 条记录不能按字段承诺：{chinese}"
