"""Formats of strings that departments share, defined here and in the protocol, with ASCII digits and capitals only.

Sources: RFC 3339 (date, date-time); GB 11643-1999 (公民身份号码); GB 32100-2015 (统一社会信用代码). Tables that change,
such as those of administrative divisions, are no part of them: a verdict holds for ever.
"""

from collections.abc import Callable
from operator import mul

_DAYS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ZERO = ord("0")
_IDENTITY_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_IDENTITY_CHECKS = "10X98765432"
_CREDIT_VALUES = {character: value for value, character in enumerate("0123456789ABCDEFGHJKLMNPQRTUWXY")}
_CREDIT_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_FRACTION_MAX = 9


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _is_day(year: str, month: str, day: str) -> bool:
    """Whether there is such a day in the Gregorian calendar; digits only."""
    if not _is_digits(year + month + day) or not 1 <= int(month) <= 12 or year == "0000":
        return False
    if month == "02" and day == "29":
        return int(year) % 4 == 0 and (int(year) % 100 != 0 or int(year) % 400 == 0)
    return 1 <= int(day) <= _DAYS[int(month)]


def is_date(text: str) -> bool:
    """``2026-03-01``: a day of the years 0001 to 9999."""
    return len(text) == 10 and text[4] == text[7] == "-" and _is_day(text[:4], text[5:7], text[8:])


def is_date_time(text: str) -> bool:
    """``2026-03-01T08:00:00+08:00``: seconds from 00 to 59, up to nine decimals of them, and ``Z`` or an offset."""
    if text.endswith("Z"):
        clock = text[11:-1]
    else:
        clock = text[11:-6]
        sign, zone = text[-6:-5], text[-5:]
        if sign not in ("+", "-") or not _is_hour_and_minute(zone):
            return False
    seconds, point, fraction = clock[6:].partition(".")
    return (
        is_date(text[:10])
        and text[10:11] == "T"
        and _is_hour_and_minute(clock[:5])
        and clock[5:6] == ":"
        and len(seconds) == 2
        and _is_digits(seconds)
        and seconds < "60"
        and (not point or (_is_digits(fraction) and len(fraction) <= _FRACTION_MAX))
    )


def _is_hour_and_minute(text: str) -> bool:
    return len(text) == 5 and text[2] == ":" and _is_digits(text[:2] + text[3:]) and text[:2] < "24" and text[3:] < "60"


def is_identity_number(text: str) -> bool:
    """身份证号 (GB 11643): 18 characters; the first is not 0, the seventh to 14th are a day of the years 1800 to 2199,
    the last is the check digit, ``X`` for ten."""
    if len(text) != 18 or not text[0] > "0" or not _is_digits(text[:17]):
        return False
    if not "1800" <= text[6:10] <= "2199" or not _is_day(text[6:10], text[10:12], text[12:14]):
        return False
    total = sum(map(mul, text.encode(), _IDENTITY_WEIGHTS)) - _ZERO * sum(_IDENTITY_WEIGHTS)
    return text[17] == _IDENTITY_CHECKS[total % 11]


def is_credit_code(text: str) -> bool:
    """统一社会信用代码 (GB 32100): 18 of the 31 characters 0 to 9 and A to Z without I, O, S, V, Z; the third to eighth
    are digits, the last is the check character."""
    if len(text) != 18 or not _is_digits(text[2:8]):
        return False
    values = [_CREDIT_VALUES.get(character, -1) for character in text]
    return min(values) >= 0 and (sum(map(mul, values, _CREDIT_WEIGHTS)) + values[17]) % 31 == 0


def is_phone(text: str) -> bool:
    """A number of mainland China or an international one: ``13800138000``; ``010-12345678``, also with ``-`` and an
    extension of one to six digits; ``+8613800138000``, with 7 to 15 digits."""
    if text.startswith("+"):
        return 8 <= len(text) <= 16 and text[1] != "0" and _is_digits(text[1:])
    if "-" not in text:
        return len(text) == 11 and text[0] == "1" and text[1] > "2" and _is_digits(text)
    area, *numbers = text.split("-", 3)
    if not _is_digits(area) or not 3 <= len(area) <= 4 or area[0] != "0" or area[1] == "0":
        return False
    if not 7 <= len(numbers[0]) <= 8 or numbers[0][0] < "2" or not _is_digits(numbers[0]):
        return False
    return len(numbers) == 1 or (len(numbers) == 2 and _is_digits(numbers[1]) and len(numbers[1]) <= 6)


FORMATS: dict[str, Callable[[str], bool]] = {
    "date": is_date,
    "date-time": is_date_time,
    "cn-identity-number": is_identity_number,
    "cn-credit-code": is_credit_code,
    "phone": is_phone,
}
"""By the name that a schema gives, whether a string has the format."""
