"""A submission's journal: the same bytes again, for the same records only, whatever happened in between."""

import stat
from pathlib import Path

import pytest

from blockpool import ErrorCode, Identity, PoolError, SignedTransaction, sign_parcel, sign_sealed_parcel
from blockpool.journal import Journal
from tests.networks import TestNetwork
from tests.refusals import refuses

NETWORK = TestNetwork(has_contracts=True)
IDENTITY = Identity("a", NETWORK.system["a"])
RECORDS = [b"1", b"2"]


def journal(folder: Path, dataset: str = "a.flights", kind: str = "sealed whole", member: str = "a") -> Journal:
    return Journal(folder, NETWORK.genesis, member, dataset, kind)


def seal() -> SignedTransaction:
    return sign_sealed_parcel(NETWORK.genesis, IDENTITY, "a.flights", RECORDS, NETWORK.kem_keys)


def never() -> SignedTransaction:
    raise AssertionError("signed again")


def test_what_was_written_down_is_given_again(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "journal"
    first = journal(folder).transaction(0, RECORDS, seal)
    assert journal(folder).transaction(0, RECORDS, never) == first
    assert journal(folder).transaction(1, RECORDS, seal) != first
    assert sorted(path.name for path in folder.iterdir()) == ["00000000.parcel", "00000001.parcel"]


def test_it_is_readable_by_its_owner_only_and_holds_no_plaintext(tmp_path: Path) -> None:
    secret = [b"a very secret record"]
    journal(tmp_path / "j").transaction(
        0, secret, lambda: sign_sealed_parcel(NETWORK.genesis, IDENTITY, "a.flights", secret, NETWORK.kem_keys)
    )
    path = tmp_path / "j" / "00000000.parcel"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert secret[0] not in path.read_bytes()


@pytest.mark.parametrize(
    ("records", "dataset", "kind"),
    [
        ([b"1", b"3"], "a.flights", "sealed whole"),
        ([b"1"], "a.flights", "sealed whole"),
        (RECORDS, "a.other", "sealed whole"),
        (RECORDS, "a.flights", "sealed fields"),
    ],
)
def test_another_submission_is_refused(tmp_path: Path, records: list[bytes], dataset: str, kind: str) -> None:
    journal(tmp_path).transaction(0, RECORDS, seal)
    with refuses(ErrorCode.BAD_REQUEST):
        journal(tmp_path, dataset, kind).transaction(0, records, never)


def test_another_members_parcel_is_refused(tmp_path: Path) -> None:
    other = Identity("b", NETWORK.system["b"])
    journal(tmp_path).transaction(0, RECORDS, lambda: sign_parcel(NETWORK.genesis, other, "a.flights", RECORDS))
    with refuses(ErrorCode.BAD_REQUEST):
        journal(tmp_path).transaction(0, RECORDS, never)


def test_a_file_that_a_crash_left_half_written_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "00000000.part").write_bytes(b"half")
    parcel = journal(tmp_path).transaction(0, RECORDS, seal)
    assert journal(tmp_path).transaction(0, RECORDS, never) == parcel


@pytest.mark.parametrize("cut", [0, 1, 50, -1])
def test_a_damaged_file_is_noticed(tmp_path: Path, cut: int) -> None:
    journal(tmp_path).transaction(0, RECORDS, seal)
    path = tmp_path / "00000000.parcel"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(PoolError) as raised:
        journal(tmp_path).transaction(0, RECORDS, never)
    assert raised.value.code in (ErrorCode.MALFORMED, ErrorCode.NOT_CANONICAL)
    assert str(path) in raised.value.detail


def test_nothing_is_given_that_could_not_be_written_down(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with refuses(ErrorCode.STORAGE_FAILED):
        journal(tmp_path / "file")
    made = journal(tmp_path / "j")
    (tmp_path / "j").rmdir()
    with refuses(ErrorCode.STORAGE_FAILED):
        made.transaction(0, RECORDS, seal)
