"""Formats: good and bad examples of each, against the standards' own arithmetic done another way."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.schema_formats import FORMATS

GOOD = {
    "date": ["2026-03-01", "0001-01-01", "9999-12-31", "2024-02-29", "2000-02-29"],
    "date-time": [
        "2026-03-01T08:00:00Z",
        "2026-03-01T08:00:00+08:00",
        "2026-03-01T23:59:59.123456789-11:30",
        "2026-03-01T00:00:00.0Z",
    ],
    "cn-identity-number": ["11010519491231002X", "440524188001010014", "110105194912310038"],
    "cn-credit-code": ["91350100M000100Y43", "91110000600037341L", "9144030071526726XG", "91330100799655058B"],
    "phone": [
        "13800138000",
        "19900000000",
        "010-62345678",
        "0755-26123456",
        "0591-8712345-801",
        "+8613800138000",
        "+1234567",
    ],
}
BAD = {
    "date": [
        "", "2026-3-1", "2026-03-32", "2026-02-29", "1900-02-29", "0000-01-01", "2026-13-01", "2026-00-01",
        "2026-01-00", "2026/03/01", "２０２６-03-01", "2026-03-01 ", "2026-03-0١", "+026-03-01", "2026-04-31",
        "20260301", "2026-03-1_",
    ],
    "date-time": [
        "2026-03-01", "2026-03-01T08:00:00", "2026-03-01T08:00Z", "2026-03-01 08:00:00Z", "2026-03-01T24:00:00Z",
        "2026-03-01T08:60:00Z", "2026-03-01T08:00:60Z", "2026-03-01T08:00:00z", "2026-03-01t08:00:00Z",
        "2026-03-01T08:00:00.Z", "2026-03-01T08:00:00.1234567890Z", "2026-03-01T08:00:00+24:00",
        "2026-03-01T08:00:00+08:60", "2026-03-01T08:00:00+0800", "2026-02-30T08:00:00Z",
        "2026-03-01T08:00:00.1.1Z", "2026-03-01T8:00:00Z", "Z", "", "T", "2026-03-01T08:00:0٣Z",
    ],
    "cn-identity-number": [
        "110105194912310021", "11010520230229001X", "11010519491231002x", "1101051949123100", "110105491231002",
        "11010517991231002X", "010105194912310021", "1101051949123100２X", "", "11010519491231002XX",
        "X10105194912310021",
    ],
    "cn-credit-code": [
        "91350100M000100Y44", "91350100M000100Y4", "91350100M000100Y433", "9135010OM000100Y43",
        "91350I00M000100Y43", "91350100m000100y43", "", "913501A0M000100Y43", "９1350100M000100Y43",
        "110101199003078515",
    ],
    "phone": [
        "12345678901", "1380013800", "138001380000", "23800138000", "62345678", "010-123456", "010-12345678",
        "0000-62345678", "10-62345678", "010-62345678-", "010-62345678-1234567", "010-62345678-1-1", "+0123456789",
        "+123456", "+1234567890123456", "+86 13800138000", "", "-", "--", "0-", "１３800138000", "010-", "+",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in GOOD.items() for text in texts])
def test_good(name: str, text: str) -> None:
    assert FORMATS[name](text)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts])
def test_bad(name: str, text: str) -> None:
    assert not FORMATS[name](text)


def test_every_format_is_tried() -> None:
    assert GOOD.keys() == BAD.keys() == FORMATS.keys()


@given(st.dates())
def test_every_day_is_a_date(day: datetime.date) -> None:
    assert FORMATS["date"](day.isoformat())


def identity_check(text: str) -> str:
    """ISO 7064, MOD 11-2, as the standard defines it: the sum of a_i * 2^(i-1) is 1 modulo 11."""
    total = sum(int(digit) * 2**power for power, digit in zip(range(17, 0, -1), text, strict=True))
    return next("0123456789X"[check] for check in range(11) if (total + check) % 11 == 1)


@given(
    st.integers(100000, 999999), st.dates(datetime.date(1800, 1, 1), datetime.date(2199, 12, 31)), st.integers(0, 999)
)
def test_identity_numbers_have_exactly_one_check_digit(area: int, born: datetime.date, serial: int) -> None:
    text = f"{area}{born:%Y%m%d}{serial:03}"
    right = [check for check in "0123456789X" if FORMATS["cn-identity-number"](text + check)]
    assert right == [identity_check(text)]


@given(st.text("0123456789ABCDEFGHJKLMNPQRTUWXY", min_size=11, max_size=11), st.integers(0, 999_999))
def test_credit_codes_have_exactly_one_check_character(text: str, area: int) -> None:
    body = f"{text[:2]}{area:06}{text[2:]}"
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    total = sum(alphabet.index(character) * 3**power for power, character in enumerate(body))
    right = [check for check in alphabet if FORMATS["cn-credit-code"](body + check)]
    assert right == [alphabet[-total % 31]]


@given(st.text(max_size=20), st.sampled_from(sorted(FORMATS)))
def test_any_text_has_a_verdict(text: str, name: str) -> None:
    assert FORMATS[name](text) in (True, False)


@given(st.text("0123456789-:.TZX+ ", max_size=26), st.sampled_from(sorted(FORMATS)))
def test_so_has_what_looks_like_one(text: str, name: str) -> None:
    assert FORMATS[name](text) in (True, False)
