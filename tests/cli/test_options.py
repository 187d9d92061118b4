"""What options are turned into."""

import datetime
from pathlib import Path

import click
import pytest

from blockpool import ErrorCode, PoolError
from cli.homes import READER_KEY
from cli.options import EndOfTime, TransactionIdType, load_reader_key
from sealing import KemPrivateKey


def ms(text: str) -> int:
    return int(datetime.datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=datetime.UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2098-12-31", ms("2098-12-31 16:00:00")),
        ("2028-02-28", ms("2028-02-28 16:00:00")),
        ("9999-12-31", ms("9999-12-31 16:00:00")),
        ("2098-12-31T12:00Z", ms("2098-12-31 12:00:00")),
        ("2098-12-31T12:00:30+08:00", ms("2098-12-31 04:00:30")),
    ],
)
def test_an_end_is_a_whole_day_in_china_or_a_time_with_its_zone(text: str, expected: int) -> None:
    assert EndOfTime().convert(text, None, None) == expected


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-02-30", "2099-12-31T12:00", "12345"])
def test_other_ends_are_wrong_usage(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"time|date"):
        EndOfTime().convert(text, None, None)


@pytest.mark.parametrize("text", ["1970-01-01", "1970-01-01T00:00Z", "1969-12-31", "2026-01-01", "0001-01-01"])
def test_an_end_that_is_over_is_refused(text: str) -> None:
    """Milliseconds of 0 mean that there is no end."""
    with pytest.raises(click.BadParameter, match="over already"):
        EndOfTime(is_to_come=True).convert(text, None, None)


def test_a_transaction_id_has_64_digits() -> None:
    assert TransactionIdType().convert("ab" * 32, None, None) == bytes([0xAB]) * 32
    with pytest.raises(click.BadParameter, match="64 hexadecimal digits"):
        TransactionIdType().convert("ab" * 31, None, None)


def test_the_reader_key_is_the_one_beside_the_signing_key(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="--reader-key") as raised:
        load_reader_key(None, tmp_path / "system.pem")
    assert raised.value.code is ErrorCode.BAD_KEY
    assert str(tmp_path / READER_KEY) in raised.value.detail
    beside, other = KemPrivateKey.generate(), KemPrivateKey.generate()
    beside.save(tmp_path / READER_KEY)
    other.save(tmp_path / "other.pem")
    assert load_reader_key(None, tmp_path / "system.pem").public_key.encoded == beside.public_key.encoded
    assert (
        load_reader_key(tmp_path / "other.pem", tmp_path / "system.pem").public_key.encoded == other.public_key.encoded
    )
