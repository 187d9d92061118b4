"""Readers, approvers and strangers who want more than they were given (scenarios 23, 49, 51 and 53): what the chain
answers, and what a grant is worth to a validator that is asked for key shares.
"""

import pytest
from msgspec.structs import replace

from chain.access.policy import verify_covered, verify_grant
from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import Hash
from chain.primitives.encoding import decode, encode
from chain.primitives.types import Answer
from chain.state.entries import ReaderEntry, reader_key
from chain.transactions.base import Transaction
from chain.transactions.parcel import ParcelHeader
from chain.transactions.request import RequestHeader
from tests.attacks.world import ALLOW, World, codes, contract, verdicts
from tests.networks import TIME_MS
from tests.refusals import refuses

HOUR_MS = 3_600_000
TWO_OF_THREE = contract(
    "yes = {answer.member for answer in ctx.approvals if answer.verdict == 'approve'}\n"
    "no = {answer.member for answer in ctx.approvals if answer.verdict != 'approve'}\n"
    "if len(yes - no) >= 2:\n    return allow(until=ctx.time_ms + 3_600_000)\n"
    "return deny('two of three said no') if len(no) >= 2 else ask(['a', 'c', 'd'], needed=2)"
)


def state_of(world: World, request: Hash, now_ms: int = TIME_MS) -> str:
    """What a validator says to whoever asks for key shares under the request: ``ok``, or why not."""
    try:
        verify_grant(world.request(request).decision, now_ms)
    except PoolError as error:
        return error.code.value
    return "ok"


def ask(world: World, member: str = "b", **changes: object) -> Hash:
    """A committed request's id."""
    request = world.network.request(member, **changes)  # type: ignore[arg-type]
    world.accept(request)
    return world.network.id_of(request)


def answer(world: World, request: Hash, says: Answer, *members: str) -> list[str]:
    """Outcome codes of these members' answers, in one block."""
    return codes(world.commit(*(world.network.approval(request, says, member) for member in members)))


@pytest.fixture
def approving(world: World) -> World:
    """``a.flights`` is read with the approval of two of a, c and d."""
    world.accept(*world.share(TWO_OF_THREE))
    return world


# Without a grant


def test_s53_a_denied_request_opens_nothing(world: World) -> None:
    world.accept(*world.share(contract("return deny('no')")))
    assert state_of(world, ask(world)) == "access_denied"


@pytest.mark.parametrize("member", ["b", "outsider"])
def test_s53_whoever_is_not_asked_cannot_approve(approving: World, member: str) -> None:
    """The reader itself, and a member that no contract named."""
    request = ask(approving)
    assert answer(approving, request, "approve", member) == ["not_an_approver"]
    assert answer(approving, request, "approve", "a") == ["ok"]
    assert state_of(approving, request) == "approval_pending"
    assert [item.member for item in approving.request(request).answers] == ["a"]


def test_s53_one_approver_is_not_two(approving: World) -> None:
    request = ask(approving)
    assert answer(approving, request, "approve", "c", "c", "c") == ["ok"] * 3
    assert state_of(approving, request) == "approval_pending"


def test_s53_a_stranger_cannot_sign_an_approval_for_an_approver(approving: World) -> None:
    """The header says ``c``; the signature is the reader's."""
    network = approving.network
    honest = network.approval(ask(approving), "approve", "c")
    forged = Transaction(honest.header, network.system["b"].sign(honest.header), b"")
    assert approving.code_of_sender(honest) == "ok"
    assert approving.code_of_sender(forged) == "bad_signature"


# With one that is over


def test_s53_an_expired_grant_opens_nothing(world: World) -> None:
    world.accept(*world.share(contract(f"return allow(until=ctx.time_ms + {HOUR_MS})")))
    end_ms = world.time_ms + HOUR_MS
    request = ask(world)
    assert state_of(world, request, end_ms - 1) == "ok"
    assert [state_of(world, request, now_ms) for now_ms in (end_ms, end_ms + 1)] == ["grant_expired"] * 2


@pytest.mark.parametrize("by", ["a", "b"])
def test_s53_a_revoked_grant_opens_nothing_and_stays_revoked(approving: World, by: str) -> None:
    """By the owner, or withdrawn by the reader; nobody's approval brings it back."""
    request = ask(approving)
    answer(approving, request, "approve", "c", "d")
    assert state_of(approving, request) == "ok"
    assert answer(approving, request, "revoke", by) == ["ok"]
    assert state_of(approving, request) == "grant_revoked"
    assert answer(approving, request, "approve", "a", "c", "d") == ["request_settled"] * 3
    assert answer(approving, request, "revoke", "c") == ["request_settled"]
    assert state_of(approving, request) == "grant_revoked"


@pytest.mark.parametrize(("by", "state"), [("a", "grant_revoked"), ("b", "grant_revoked"), ("c", "approval_pending")])
def test_s53_a_flood_of_answers_keeps_nobody_from_revoking(world: World, by: str, state: str) -> None:
    """An approver in league with the reader answers as often as it likes, the last one a grant."""
    source = contract(
        "latest = {answer.member: answer.verdict for answer in ctx.approvals}\n"
        "return allow() if latest.get('c') == 'approve' else ask(['c', 'd'])"
    )
    world.accept(*world.share(source))
    request = ask(world)
    assert answer(world, request, "approve", "d") == ["ok"]
    for _ in range(5):
        assert answer(world, request, "approve", "c") == ["ok"]
        assert answer(world, request, "revoke", "c") == ["ok"]
    assert answer(world, request, "approve", "c") == ["ok"]
    assert state_of(world, request) == "ok"
    assert answer(world, request, "revoke", by) == ["ok"]
    assert state_of(world, request) == state


def test_s23_a_grant_and_its_revocation_in_one_block(approving: World) -> None:
    """In whichever order they stand, the revocation is what remains."""
    network = approving.network
    for order in (1, -1):
        request = ask(approving)
        answer(approving, request, "approve", "c")
        both = [network.approval(request, "approve", "d"), network.approval(request, "revoke", "a")][::order]
        approving.commit(*both)
        assert state_of(approving, request) == "grant_revoked"


def test_s23_two_requests_for_the_same_thing_in_one_block(world: World) -> None:
    """A contract that grants once grants one of them, and every node the same one."""
    world.accept(*world.share(contract("return deny('had it') if ctx.grant_counts.reader_grants else allow()")))
    first, second = world.network.request(), world.network.request()
    assert verdicts(world.commit(first, second)) == [("allow", ""), ("deny", "")]
    entry = world.ledger.entry(reader_key("a.flights", "b"), ReaderEntry)
    assert entry == ReaderEntry(2, 1, (world.network.id_of(first),))


# Someone else's


def test_s53_a_grant_covers_the_parcels_it_was_given_for(world: World) -> None:
    network = world.network
    world.accept(*world.share(ALLOW), *world.share(ALLOW, "secrets"))
    parcels = [network.sealed_parcel() for _ in range(2)]
    foreign = network.sealed_parcel(dataset="a.secrets")
    world.accept(*parcels, foreign)
    wanted = network.id_of(parcels[0])
    named = ask(world, parcels=(wanted,))
    early = ask(world, until_height=1)
    everything = ask(world)
    expected = {
        named: ["ok", "not_covered", "not_covered"],
        early: ["not_covered"] * 3,
        everything: ["ok", "ok", "not_covered"],
    }
    for request, codes_expected in expected.items():
        assert [coverage(world, request, parcel) for parcel in (*parcels, foreign)] == codes_expected


def coverage(world: World, request: Hash, parcel: Transaction) -> str:
    """Whether a request is for a parcel that stands in the newest blocks: ``ok``, or why not."""
    id_ = world.network.id_of(parcel)
    location = world.ledger.blocks.location(id_)
    assert location is not None
    header = world.network.checked(parcel).header
    assert isinstance(header, ParcelHeader)
    try:
        verify_covered(world.request(request).terms, id_, header.dataset, location.height)
    except PoolError as error:
        return error.code.value
    return "ok"


def test_s53_naming_a_foreign_parcel_in_a_request_does_not_cover_it(world: World) -> None:
    """A dataset with a permissive contract is no way to another one's parcels."""
    network = world.network
    world.accept(*world.share(contract("return deny('secret')"), "secrets"), *world.share(ALLOW, "bait", "b"))
    secret = network.sealed_parcel(dataset="a.secrets")
    world.accept(secret)
    request = ask(world, "outsider", dataset="b.bait", parcels=(network.id_of(secret),))
    assert state_of(world, request) == "ok"
    assert coverage(world, request, secret) == "not_covered"


# Replayed


def test_s49_a_request_replayed_with_another_nonce_is_not_signed(world: World) -> None:
    world.accept(*world.share(ALLOW))
    honest = world.network.request()
    header = decode(RequestHeader, honest.header)
    for change in ({"nonce": b"another nonce..."}, {"until_ms": 2**62}, {"dataset": "c.tides"}, {"purpose": "other"}):
        forged = Transaction(encode(replace(header, **change)), honest.signature, b"")
        assert world.code_of_sender(forged) == "bad_signature"
    assert world.code_of_sender(honest) == "ok"


def test_s13_a_request_of_another_chain_is_useless(world: World) -> None:
    network = world.network
    header = replace(decode(RequestHeader, network.request().header), chain_id=bytes(32))
    with refuses(ErrorCode.WRONG_CHAIN):
        world.checked(Transaction(encode(header), bytes(64), b""))


# Keys that are none

P25519 = 2**255 - 19
WEAK_COORDINATES = {
    "zero": 0,
    "one": 1,
    "order eight": 325606250916557431795983626356110631294008115727848805560023387167927233504,
    "minus one": P25519 - 1,
    "not canonical": P25519,
    "not canonical, one": P25519 + 1,
}


@pytest.mark.parametrize("name", WEAK_COORDINATES)
@pytest.mark.parametrize("suite", [1, 2])
def test_s51_a_request_with_a_weak_kem_key_is_refused(world: World, name: str, suite: int) -> None:
    """With these, every share sealed to the key could be opened by whoever sees it go by."""
    world.accept(*world.share(ALLOW))
    honest = world.network.readers["b"].public_key.encoded
    weak = WEAK_COORDINATES[name].to_bytes(32, "little")
    key = bytes([1]) + weak if suite == 1 else honest[:-32] + weak
    request = world.network.request(kem_key=key)
    assert codes(world.commit(request)) == ["kem_key_weak"]


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (b"\x03", "kem_suite"),
        (b"\x01", "kem_key_size"),
        (b"\x02" + bytes(31), "kem_key_size"),
        (b"\x02" + b"\xff" * 1216, "kem_key_range"),
        (b"\x00" * 33, "kem_suite"),
    ],
)
def test_s51_a_request_with_no_kem_key_at_all_is_refused(world: World, key: bytes, code: str) -> None:
    world.accept(*world.share(ALLOW))
    assert codes(world.commit(world.network.request(kem_key=key))) == [code]
