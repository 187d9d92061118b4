"""What a committed grant is worth: until when, for which parcels; and the digest of what was read."""

import hashlib

import pytest
from msgspec.structs import replace

from chain.access.decision import Decision, denied
from chain.access.policy import ReadDigest, contract_hash, verify_covered, verify_grant
from chain.errors import ErrorCode, PoolError
from chain.transactions.parcel import ParcelHeader
from tests.chain.access_world import AccessWorld
from tests.refusals import refuses

WORLD = AccessWorld()
CHAIN_ID = WORLD.network.chain_id
TERMS = WORLD.request(WORLD.ask()[0]).terms
PARCEL = WORLD.network.checked(WORLD.network.sealed_parcel())
assert isinstance(PARCEL.header, ParcelHeader)
HEADER: ParcelHeader = PARCEL.header


@pytest.mark.parametrize(
    ("decision", "status", "code"),
    [
        (denied(ErrorCode.ACCESS_DENIED, text="not for you"), "denied", ErrorCode.ACCESS_DENIED),
        (Decision("ask", approvers=("c",), needed=1), "asked", ErrorCode.APPROVAL_PENDING),
        (denied(ErrorCode.GRANT_REVOKED, member="a"), "revoked", ErrorCode.GRANT_REVOKED),
        (Decision("allow", 1_000), "granted", ErrorCode.GRANT_EXPIRED),
        (Decision("allow", 999), "granted", ErrorCode.GRANT_EXPIRED),
    ],
)
def test_what_gives_no_access(decision: Decision, status: str, code: ErrorCode) -> None:
    assert decision.status == status
    with refuses(code) as caught:
        verify_grant(decision, 1_000)
    assert decision.sentence in caught.value.detail


def test_who_must_still_approve_is_said() -> None:
    with pytest.raises(PoolError, match="2 of c, d must approve"):
        verify_grant(Decision("ask", approvers=("c", "d"), needed=2), 0)


@pytest.mark.parametrize("until_ms", [0, 1_001])
def test_what_gives_access(until_ms: int) -> None:
    verify_grant(Decision("allow", until_ms), 1_000)
    with pytest.raises(PoolError):
        verify_grant(Decision("deny", until_ms), 1_000)


@pytest.mark.parametrize("code", ErrorCode)
def test_a_call_that_failed_is_told_from_a_denial_by_its_code(code: ErrorCode) -> None:
    decided = ("access_denied", "not_shared", "no_deciding_contract", "grant_revoked")
    assert denied(code).failure == ("" if code in decided else code)


@pytest.mark.parametrize(
    ("parcels", "from_height", "until_height"),
    [((), 0, 0), ((), 7, 7), ((), 7, 0), ((), 0, 7), ((PARCEL.id,), 0, 0), ((bytes(32), PARCEL.id), 6, 8)],
)
def test_what_a_request_covers(parcels: tuple[bytes, ...], from_height: int, until_height: int) -> None:
    terms = replace(TERMS, parcels=parcels, from_height=from_height, until_height=until_height)
    verify_covered(terms, PARCEL.id, HEADER.dataset, 7)
    with refuses(ErrorCode.NOT_COVERED):
        verify_covered(terms, PARCEL.id, "a.trains", 7)


@pytest.mark.parametrize(
    ("parcels", "from_height", "until_height"), [((), 8, 0), ((), 0, 6), ((bytes(32),), 0, 0), ((PARCEL.id,), 8, 9)]
)
def test_what_a_request_does_not_cover(parcels: tuple[bytes, ...], from_height: int, until_height: int) -> None:
    terms = replace(TERMS, parcels=parcels, from_height=from_height, until_height=until_height)
    with refuses(ErrorCode.NOT_COVERED):
        verify_covered(terms, PARCEL.id, HEADER.dataset, 7)


def test_the_digest_covers_every_record_with_its_place() -> None:
    one, two = b"\x01" * 32, b"\x02" * 32
    expected = hashlib.sha256(b"blockpool/2\0read\0" + CHAIN_ID)
    expected.update(one + bytes([0, 0, 0, 3, 0, 0, 0, 2]) + b"ab")
    expected.update(two + bytes([0, 0, 0, 0, 0, 0, 0, 0]))
    digest = ReadDigest(CHAIN_ID)
    digest.add(one, 3, b"ab")
    digest.add(two, 0, b"")
    assert digest.digest() == expected.digest()


def digest_of(*records: tuple[bytes, int, bytes], chain_id: bytes = CHAIN_ID) -> bytes:
    digest = ReadDigest(chain_id)
    for record in records:
        digest.add(*record)
    return digest.digest()


def test_no_two_reads_have_one_digest() -> None:
    one, two = b"\x01" * 32, b"\x02" * 32
    reads = [
        digest_of(),
        digest_of(chain_id=bytes(32)),
        digest_of((one, 0, b"ab")),
        digest_of((two, 0, b"ab")),
        digest_of((one, 1, b"ab")),
        digest_of((one, 0, b"abc")),
        digest_of((one, 0, b"a"), (one, 1, b"b")),
        digest_of((one, 1, b"b"), (one, 0, b"a")),
        digest_of((one, 0, b"ab"), (one, 1, b"")),
    ]
    assert len(set(reads)) == len(reads)


def test_a_contracts_hash_covers_source_parameters_and_chain() -> None:
    hashes = [
        contract_hash(CHAIN_ID, "a", "{}"),
        contract_hash(CHAIN_ID, "b", "{}"),
        contract_hash(CHAIN_ID, "a", '{"b":1}'),
        contract_hash(CHAIN_ID, "a{}", ""),
        contract_hash(bytes(32), "a", "{}"),
    ]
    assert len(set(hashes)) == len(hashes)
    assert hashes[0] == contract_hash(CHAIN_ID, "a")
