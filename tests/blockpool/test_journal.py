"""A submission's journal: what was shared is known again, for the same records only, whatever happened in between."""

import stat
from pathlib import Path

import pytest

from blockpool import ErrorCode, Identity, SignedTransaction, sign_parcel, sign_sealed_parcel
from blockpool.journal import Journal
from tests.networks import TestNetwork
from tests.refusals import refuses

NETWORK = TestNetwork(has_contracts=True)
IDENTITY = Identity("a", NETWORK.system["a"])
RECORDS = [b"1", b"2"]


def journal(
    folder: Path, dataset: str = "a.flights", kind: str = "sealed whole", member: str = "a", *, is_anew: bool = False
) -> Journal:
    return Journal(folder, NETWORK.genesis, member, dataset, kind, is_anew=is_anew)


def note(folder: Path, first: int = 0, *, is_kept: bool = True) -> SignedTransaction:
    """What one run signs and notes, before it ends."""
    made = journal(folder)
    transaction = made.transaction(first, RECORDS, seal, is_kept=is_kept)
    made.close()
    return transaction


def known(folder: Path, first: int = 0) -> SignedTransaction:
    """What the next run knows."""
    again = journal(folder)
    try:
        return again.transaction(first, RECORDS, never, is_kept=True)
    finally:
        again.close()


def seal() -> SignedTransaction:
    return sign_sealed_parcel(NETWORK.genesis, IDENTITY, "a.flights", RECORDS, NETWORK.kem_keys)


def never() -> SignedTransaction:
    raise AssertionError("signed again")


def test_what_was_noted_is_given_again(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "journal"
    first, second = note(folder), note(folder, 2)
    assert first != second
    assert (known(folder), known(folder, 2)) == (first, second)


def test_a_parcel_that_can_be_made_again_is_known_by_its_id(tmp_path: Path) -> None:
    transaction = note(tmp_path, is_kept=False)
    assert known(tmp_path) == SignedTransaction(transaction.transaction_id, b"", 2)


def test_what_is_committed_keeps_its_id_alone(tmp_path: Path) -> None:
    transaction = note(tmp_path)
    made = journal(tmp_path)
    made.committed(0)
    made.close()
    assert known(tmp_path) == SignedTransaction(transaction.transaction_id, b"", 2)
    assert not list(tmp_path.glob("*.parcel"))


def test_what_was_refused_is_signed_anew_and_counted(tmp_path: Path) -> None:
    before = note(tmp_path)
    made = journal(tmp_path)
    made.refused(0)
    made.close()
    again = journal(tmp_path)
    assert (dict(again.lengths), again.refusals[0]) == ({}, 1)
    again.close()
    after = note(tmp_path)
    assert after != before
    assert known(tmp_path) == after


def test_where_parcels_were_cut_is_known(tmp_path: Path) -> None:
    note(tmp_path)
    note(tmp_path, 7)
    again = journal(tmp_path)
    assert again.lengths == {0: 2, 7: 2}
    again.close()


def test_anew_it_knows_nothing_and_is_another_run(tmp_path: Path) -> None:
    note(tmp_path)
    first = journal(tmp_path)
    first.close()
    anew = journal(tmp_path, is_anew=True)
    assert (dict(anew.lengths), list(tmp_path.glob("*.parcel"))) == ({}, [])
    assert anew.run != first.run == ""
    anew.close()
    again = journal(tmp_path)
    assert again.run == anew.run
    again.close()


def test_it_is_readable_by_its_owner_only_and_holds_no_plaintext(tmp_path: Path) -> None:
    secret = [b"a very secret record"]
    made = journal(tmp_path / "j")
    made.transaction(
        0,
        secret,
        lambda: sign_sealed_parcel(NETWORK.genesis, IDENTITY, "a.flights", secret, NETWORK.kem_keys),
        is_kept=True,
    )
    made.close()
    assert stat.S_IMODE((tmp_path / "j").stat().st_mode) == 0o700
    for name in ("parcels.jsonl", "000000000000.parcel"):
        assert stat.S_IMODE((tmp_path / "j" / name).stat().st_mode) == 0o600
        assert secret[0] not in (tmp_path / "j" / name).read_bytes()


@pytest.mark.parametrize(
    ("records", "dataset", "kind", "member"),
    [
        ([b"1", b"3"], "a.flights", "sealed whole", "a"),
        ([b"1"], "a.flights", "sealed whole", "a"),
        (RECORDS, "a.other", "sealed whole", "a"),
        (RECORDS, "a.flights", "sealed fields", "a"),
        (RECORDS, "a.flights", "sealed whole", "b"),
    ],
)
def test_another_submission_is_refused(
    tmp_path: Path, records: list[bytes], dataset: str, kind: str, member: str
) -> None:
    note(tmp_path)
    other = journal(tmp_path, dataset, kind, member)
    with refuses(ErrorCode.BAD_REQUEST, "records 1 to 2"):
        other.transaction(0, records, never, is_kept=True)
    other.close()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    made = journal(tmp_path)
    with refuses(ErrorCode.DATA_FOLDER_LOCKED, "in use by process"):
        journal(tmp_path)
    made.close()
    journal(tmp_path).close()


def test_a_line_that_was_not_written_to_its_end_was_of_nothing_that_was_sent(tmp_path: Path) -> None:
    note(tmp_path)
    with (tmp_path / "parcels.jsonl").open("ab") as file:
        file.write(b'{"first":2,"cou')
    transaction = note(tmp_path, 2)
    assert known(tmp_path, 2) == transaction


@pytest.mark.parametrize(
    "text", [b"", b"{}\n", b'{"run":""}\nx\n', b'{"run":""}\n{"first":0,"count":1,"digest":"","transaction_id":"x"}\n']
)
def test_a_damaged_index_is_said(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "parcels.jsonl").write_bytes(text)
    for _ in range(2):  # and the lock is let go of
        with refuses(ErrorCode.MALFORMED, "parcels.jsonl"):
            journal(tmp_path)


def test_another_parcel_in_the_place_of_a_kept_one_is_said(tmp_path: Path) -> None:
    note(tmp_path)
    other = sign_parcel(NETWORK.genesis, IDENTITY, "a.flights", RECORDS)
    (tmp_path / "000000000000.parcel").write_bytes(other.content)
    with refuses(ErrorCode.MALFORMED, "not the parcel that was noted"):
        known(tmp_path)


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with refuses(ErrorCode.STORAGE_FAILED):
        journal(tmp_path / "file")
