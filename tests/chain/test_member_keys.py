"""A member changes its own keys: what was signed stays verifiable, and what is retired signs nothing more."""

from collections.abc import Sequence

import msgspec
import pytest

from chain.errors import ErrorCode
from chain.genesis import parse_genesis
from chain.ledger import Ledger
from chain.limits import LIMITS
from chain.primitives.crypto import Ed25519Signer, key_id
from chain.primitives.encoding import encode
from chain.state.entries import Governance, governance_key
from chain.state.members import Member, registered_key, signing_key
from chain.transactions.base import Transaction
from chain.transactions.member import MEMBER, MemberHeader, NewKey
from tests.ledgers import packages_of, take
from tests.networks import TestNetwork, seed
from tests.refusals import refuses

NEW = Ed25519Signer(seed("new"))
NEXT = Ed25519Signer(seed("next successor"))


def id_of(signer: Ed25519Signer) -> bytes:
    return key_id(signer.public_key)


class World:
    """A network whose members have governance keys, and its ledger."""

    def __init__(self) -> None:
        self.network = TestNetwork(has_governance=True)
        self.ledger: Ledger = self.network.ledger()
        self.old = self.network.system["a"]
        self.governance = self.network.governance["a"]
        self.successor = self.network.successors["a"]

    def commit(self, *transactions: Transaction) -> list[str]:
        return [str(outcome.code) for outcome in self.network.commit(self.ledger, transactions).outcomes]

    def signed_by(self, signer: Ed25519Signer, name: str) -> Transaction:
        """Member ``a`` defines a dataset with one of its keys."""
        self.network.system["a"] = signer
        try:
            return self.network.dataset("a", name)
        finally:
            self.network.system["a"] = self.old

    @property
    def member(self) -> Member:
        member = self.ledger.member("a")
        assert member is not None
        return member

    @property
    def entry(self) -> Governance | None:
        return self.ledger.entry(governance_key("a"), Governance)


@pytest.fixture
def world() -> World:
    return World()


def test_s140_a_stolen_system_key_signs_up_to_the_block_that_retires_it_and_never_after(world: World) -> None:
    network = world.network
    early = world.signed_by(world.old, "early")
    assert world.commit(early) == ["ok"]
    change = network.change_keys(new=[NEW], retired=[id_of(world.old)])
    codes = world.commit(change, world.signed_by(world.old, "same-block"), world.signed_by(NEW, "too-early"))
    assert codes == ["ok", "ok", ErrorCode.REVOKED_KEY]
    with refuses(ErrorCode.REVOKED_KEY):
        world.ledger.verify_sender(network.checked(world.signed_by(world.old, "stolen")))
    assert world.commit(world.signed_by(world.old, "stolen"), world.signed_by(NEW, "mine")) == ["revoked_key", "ok"]
    assert signing_key(world.member, "a", id_of(world.old), 1) == world.old.public_key
    assert signing_key(world.member, "a", id_of(world.old), 2) == world.old.public_key
    with refuses(ErrorCode.REVOKED_KEY):
        signing_key(world.member, "a", id_of(world.old), 3)
    with refuses(ErrorCode.REVOKED_KEY):
        signing_key(world.member, "a", id_of(NEW), 2)


def test_s140_whoever_takes_the_blocks_later_comes_to_the_same(world: World) -> None:
    world.commit(world.signed_by(world.old, "early"))
    world.commit(world.network.change_keys(new=[NEW], retired=[id_of(world.old)]))
    world.commit(world.signed_by(world.old, "stolen"), world.signed_by(NEW, "mine"))
    newcomer = world.network.ledger()
    for height in range(1, world.ledger.tip.height + 1):
        take(newcomer, packages_of(world.ledger)[height])
    assert newcomer.tip == world.ledger.tip


def test_s141_a_stolen_governance_key_does_not_take_the_member_from_its_successor(world: World) -> None:
    network, thief = world.network, Ed25519Signer(seed("thief"))
    stolen = network.change_keys(new=[thief], retired=[id_of(world.old)])
    away = network.change_keys(new=[], successor=thief)
    retire = network.change_keys(retired=[id_of(world.successor)])
    assert world.commit(stolen, away, retire) == ["ok", ErrorCode.SUCCESSOR_MISMATCH, ErrorCode.NOT_SYSTEM_KEY]
    back = network.change_keys(new=[NEW], retired=[id_of(thief)], by=world.successor, successor=NEXT)
    assert world.commit(back, network.change_keys(new=[Ed25519Signer(seed("again"))])) == [
        "ok",
        ErrorCode.NOT_GOVERNANCE_KEY,
    ]
    assert world.entry == Governance(id_of(world.successor), id_of(NEXT), 3, 2)
    late = network.change_keys(new=[Ed25519Signer(seed("again"))])
    codes = world.commit(late, world.signed_by(thief, "stolen"), world.signed_by(NEW, "mine"))
    assert codes == [ErrorCode.REVOKED_KEY, ErrorCode.REVOKED_KEY, "ok"]


def test_s142_a_lost_governance_key_is_replaced_by_its_successor_again_and_again(world: World) -> None:
    network, present = world.network, world.successor
    for number in range(3):
        following = Ed25519Signer(seed(f"successor {number}"))
        assert world.commit(network.change_keys(by=present, successor=following)) == ["ok"]
        assert world.entry == Governance(id_of(present), id_of(following), 2 * number + 2, 2 * number + 1)
        system = Ed25519Signer(seed(f"system {number}"))
        assert world.commit(network.change_keys(new=[system], by=present)) == ["ok"]
        present = following
    assert world.commit(network.change_keys(new=[NEW])) == [ErrorCode.REVOKED_KEY]


def test_a_successor_that_took_over_changes_system_keys(world: World) -> None:
    network = world.network
    assert world.commit(network.change_keys(by=world.successor, successor=NEXT)) == ["ok"]
    assert world.commit(network.change_keys(new=[NEW], by=world.successor)) == ["ok"]
    assert world.commit(network.change_keys(retired=[id_of(NEW)], by=NEXT)) == [ErrorCode.SUCCESSOR_MISMATCH]


def test_s143_a_key_that_was_ever_registered_does_not_come_back(world: World) -> None:
    network = world.network
    world.commit(network.change_keys(new=[NEW], retired=[id_of(world.old)]))
    again = network.change_keys(retired=[id_of(world.old)])
    codes = world.commit(network.change_keys(new=[world.old]), network.change_keys(new=[NEW]), again)
    assert codes == [ErrorCode.KEY_KNOWN, ErrorCode.KEY_KNOWN, ErrorCode.REVOKED_KEY]
    assert world.entry is not None
    assert world.entry.changes == 1


def test_s144_a_thief_cannot_use_up_the_places_that_the_successor_needs(world: World) -> None:
    network = world.network
    count, codes = len(world.member.keys), []
    for block in range(LIMITS.member_keys // LIMITS.member_change_keys + 1):
        keys = [Ed25519Signer(seed(f"{block} {n}")) for n in range(LIMITS.member_change_keys)]
        codes += world.commit(network.change_keys(new=keys))
    taken = (LIMITS.member_keys_in_service - count) // LIMITS.member_change_keys
    assert codes == ["ok"] * taken + [ErrorCode.TOO_MANY_KEYS] * (len(codes) - taken)
    assert world.commit(network.change_keys(retired=[id_of(world.old)])) == ["ok"], "retiring takes no place"
    back = network.change_keys(new=[NEW], by=world.successor, successor=NEXT)
    assert world.commit(back) == ["ok"]
    assert world.commit(world.signed_by(NEW, "mine")) == ["ok"]


@pytest.mark.parametrize("signer", ["system", "stranger", "none"])
def test_only_the_governance_keys_change_keys(world: World, signer: str) -> None:
    network = world.network if signer != "none" else TestNetwork()
    by = {"system": world.old, "stranger": Ed25519Signer(seed("stranger")), "none": network.system["a"]}[signer]
    ledger = network.ledger()
    executed = network.commit(ledger, [network.change_keys(new=[NEW], by=by)])
    expected = ErrorCode.UNKNOWN_KEY if signer == "stranger" else ErrorCode.NOT_GOVERNANCE_KEY
    assert [outcome.code for outcome in executed.outcomes] == [expected]


def test_another_member_s_governance_key_is_not_known_here(world: World) -> None:
    assert world.commit(world.network.change_keys(new=[NEW], by=world.network.governance["b"])) == ["unknown_key"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"new_keys": ()}, ErrorCode.BAD_REQUEST),
        ({"retired_keys": (bytes(16), bytes(16))}, ErrorCode.BAD_REQUEST),
        ({"new_keys": (NewKey(NEW.public_key, bytes(64)),)}, ErrorCode.BAD_SIGNATURE),
        ({"new_keys": (NewKey(bytes(32), bytes(64)),)}, ErrorCode.BAD_KEY),
    ],
)
def test_what_is_wrong_by_itself_is_never_ordered(world: World, fields: dict[str, object], code: ErrorCode) -> None:
    header = MEMBER.of(world.network.checked(world.network.change_keys(new=[NEW])).header)
    assert header is not None
    with refuses(code):
        MEMBER.check(msgspec.structs.replace(header, **fields))


def test_a_proof_is_for_one_member_of_one_chain(world: World) -> None:
    header = MEMBER.of(world.network.checked(world.network.change_keys(new=[NEW])).header)
    assert header is not None
    changes: Sequence[dict[str, object]] = ({"member": "b"}, {"chain_id": bytes(32)})
    for change in changes:
        with refuses(ErrorCode.BAD_SIGNATURE):
            MEMBER.check(msgspec.structs.replace(header, **change))


def test_the_largest_change_fits_a_header(world: World) -> None:
    key = NewKey(NEW.public_key, bytes(64))
    header = MemberHeader(
        world.network.chain_id, "a" * 32, bytes(16), bytes(16), 2**62, (key,) * 8, (bytes(16),) * 8, key, "人" * 2000,
        "由" * 300,
    )  # fmt: skip
    assert len(encode(header)) < LIMITS.header_size_bytes


def test_a_genesis_file_names_two_different_lasting_keys(world: World) -> None:
    content = world.network.genesis.content
    entry = world.network.genesis.file.members[0]
    assert entry.governance is not msgspec.UNSET
    file = msgspec.json.decode(content)
    assert parse_genesis(content).chain_id == world.network.chain_id
    governance = file["members"][0]["governance"]
    for wrong in ({"successor_id": governance["key_id"]}, {"key_id": "AAAAAAAAAAAAAAAAAAAAAA=="}):
        file["members"][0]["governance"] = governance | wrong
        with refuses(ErrorCode.BAD_GENESIS):
            parse_genesis(msgspec.json.encode(file))


def test_keys_stay_registered_for_ever(world: World) -> None:
    world.commit(world.network.change_keys(new=[NEW], retired=[id_of(world.old)]))
    world.commit(world.network.change_keys(by=world.successor, successor=NEXT))
    for signer in (world.old, NEW, world.governance, world.successor, NEXT):
        assert registered_key(world.member, "a", id_of(signer)).public_key == signer.public_key
