"""The genesis file: what follows from it, and every reason to refuse one."""

import base64
import hashlib
import json
from typing import Any

import msgspec
import pytest

from chain.blocks import decode_header
from chain.errors import ErrorCode, PoolError
from chain.genesis import (
    Genesis,
    MemberObject,
    encode_genesis,
    encode_member_file,
    parse_genesis,
    parse_member_file,
    to_member,
)
from chain.limits import LIMITS
from chain.primitives.crypto import ZERO_HASH, Ed25519Signer
from chain.primitives.encoding import decode, encode
from chain.proofs.merkle import EMPTY_ROOT
from chain.state.entries import dataset_key, dataset_totals_key, member_key
from chain.state.members import Member, MemberKey, signing_key
from chain.state.tree import EMPTY, MemoryNodes, StateTree, hash_of
from tests.networks import TIME_MS, TestNetwork
from tests.refusals import refuses

NETWORK = TestNetwork()
GENESIS = NETWORK.genesis


def content() -> Any:
    return json.loads(GENESIS.content)


def parsed(value: object) -> Genesis:
    return parse_genesis(json.dumps(value).encode())


def refusal(value: object) -> PoolError:
    with refuses(ErrorCode.BAD_GENESIS) as caught:
        parsed(value)
    return caught.value


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_the_chain_id_is_the_hash_of_the_exact_bytes() -> None:
    assert GENESIS.chain_id == hashlib.sha256(GENESIS.content).digest()
    spaced = parse_genesis(GENESIS.content + b" ")
    assert spaced.file == GENESIS.file
    assert spaced.chain_id != GENESIS.chain_id
    assert spaced.block_hash != GENESIS.block_hash


def test_block_0_follows_from_the_file() -> None:
    header = decode_header(GENESIS.header)
    assert (header.height, header.time_ms, header.proposer, header.transaction_count) == (0, TIME_MS, "", 0)
    assert (header.parent_hash, header.tx_root, header.result_root) == (ZERO_HASH, EMPTY_ROOT, EMPTY_ROOT)
    assert header.history_root == EMPTY_ROOT
    assert header.validators_hash == GENESIS.validators.hash(GENESIS.chain_id)
    assert header.next_validators_hash == header.validators_hash
    assert (header.version, header.next_version) == (2, 2)
    entries = {b"member/" + name.encode(): encode(GENESIS.founder(name)) for name in NETWORK.system}
    entries |= {
        b"protocol": encode([2, 0, None, None]),
        b"validators": encode([list(GENESIS.validators.validators), []]),
    }
    tree = StateTree(GENESIS.chain_id, MemoryNodes())
    assert header.state_root == hash_of(tree.update(EMPTY, dict(entries)).root)
    assert GENESIS.entries == entries
    assert GENESIS.block.certificate is None
    assert GENESIS.block.outcomes == ()


def test_members_are_in_the_order_of_their_names_whatever_the_files() -> None:
    value = content()
    value["members"].reverse()
    other = parsed(value)
    assert [member.name for member in other.founders] == sorted(NETWORK.system)
    assert other.founders == GENESIS.founders
    assert GENESIS.validators.names == ("a", "b", "c", "d")
    assert GENESIS.founder("outsider") is not None
    assert GENESIS.founder("nobody") is None


@pytest.mark.parametrize("wrong", [None, "x25519"])
def test_all_kem_keys_are_of_the_suite_that_the_file_names(wrong: str | None) -> None:
    value = json.loads(TestNetwork(has_contracts=True).genesis.content)
    assert value["kem_suite"] == "hybrid"
    value["kem_suite"] = wrong
    with refuses(ErrorCode.BAD_GENESIS, "member a: kem_key is of another suite"):
        parsed(value)


def test_a_member_file_survives() -> None:
    member = GENESIS.file.members[0]
    assert parse_member_file(encode_member_file(member)) == member
    assert decode(Member, encode(to_member(member))) == to_member(member)
    assert encode_genesis("test", TIME_MS, list(reversed(GENESIS.file.members))) == GENESIS.content


def test_defaults_may_be_left_out() -> None:
    value = content()
    outsider = next(member for member in value["members"] if member["name"] == "outsider")
    del (
        outsider["consensus_key"],
        outsider["node"],
        outsider["keys"][0]["from_height"],
        outsider["keys"][0]["until_height"],
    )
    assert parsed(value).founders == GENESIS.founders


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("format",), "blockpool-genesis/1", "format"),
        (("network",), "n" * 201, "network"),
        (("time_ms",), -1, "time_ms"),
        (("time_ms",), 1.5, "time_ms"),
        (("time_ms",), "1", "time_ms"),
        (("extra",), 1, "extra"),
        (("members",), [], "members"),
        (("members", 0, "name"), "A", "name"),
        (("members", 0, "name"), "", "name"),
        (("members", 0, "name"), "b", "member b appears twice"),
        (("members", 0, "kind"), "army", "kind"),
        (("members", 0, "title_zh"), "题" * 201, "title_zh"),
        (("members", 0, "roles"), ["Not a role"], "roles"),
        (("members", 0, "keys"), [], "keys"),
        (("members", 0, "keys", 0, "public_key"), b64(bytes(31)), "public_key"),
        (("members", 0, "keys", 0, "public_key"), "%%%", "public_key"),
        (("members", 0, "keys", 0, "public_key"), b64(b"\x01" + bytes(31)), "member a: not a canonical point"),
        (("members", 0, "keys", 0, "from_height"), -1, "from_height"),
        (("members", 0, "keys", 0, "extra"), 1, "extra"),
        (("members", 0, "consensus_key"), b64(bytes(32)), "member a: not a canonical point"),
        (("members", 0, "consensus_key"), b64(NETWORK.consensus["b"].public_key), "a and b share a key"),
        (("members", 0, "consensus_key"), b64(NETWORK.system["a"].public_key), "a and a share a key"),
        (("members", 0, "keys", 0, "public_key"), b64(NETWORK.system["b"].public_key), "a and b share a key"),
        (("members", 0, "node"), None, "member a votes, so it needs a node"),
        (("members", 0, "node", "extra"), 1, "extra"),
        (("members", 0, "node", "address"), "h" * 256, "address"),
        (("members", 0, "node", "tls_certificate"), b64(bytes(4097)), "tls_certificate"),
    ],
)
def test_a_wrong_field_is_named(place: tuple[str | int, ...], value: object, words: str) -> None:
    whole = content()
    target = whole
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value
    assert words in refusal(whole).detail


@pytest.mark.parametrize("field", ["format", "network", "time_ms", "members"])
def test_every_field_is_needed(field: str) -> None:
    value = content()
    del value[field]
    assert field in refusal(value).detail


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, GENESIS.content[:-10]])
def test_other_files_are_refused(data: bytes) -> None:
    for parse in (parse_genesis, parse_member_file):
        with refuses(ErrorCode.BAD_GENESIS):
            parse(data)


def test_a_network_without_validators_is_refused() -> None:
    value = content()
    value["members"] = [member for member in value["members"] if member["name"] == "outsider"]
    assert "at least one" in refusal(value).detail


def test_too_many_validators_are_refused() -> None:
    template = GENESIS.file.members[0]
    members: list[MemberObject] = []
    for number in range(LIMITS.validators + 1):
        keys = [Ed25519Signer(hashlib.sha256(f"{kind} {number}".encode()).digest()).public_key for kind in "sc"]
        system = msgspec.structs.replace(template.keys[0], public_key=keys[0])
        members.append(msgspec.structs.replace(template, name=f"m{number}", keys=(system,), consensus_key=keys[1]))
    parse_genesis(encode_genesis("large", TIME_MS, members[:-1]))
    with refuses(ErrorCode.BAD_GENESIS):
        parse_genesis(encode_genesis("large", TIME_MS, members))


def test_a_bad_member_file_is_refused() -> None:
    value = json.loads(encode_member_file(GENESIS.file.members[0]))
    value["node"] = None
    with pytest.raises(PoolError, match="needs a node"):
        parse_member_file(json.dumps(value).encode())


class TestKeysOfMembers:
    KEY = NETWORK.system["a"].public_key

    @pytest.mark.parametrize(
        ("from_height", "until_height", "height", "valid"),
        [(0, 0, 0, True), (0, 0, 2**62, True), (5, 0, 4, False), (5, 0, 5, True), (5, 9, 9, True), (5, 9, 10, False)],
    )
    def test_s50_a_key_signs_at_its_heights_only(
        self, from_height: int, until_height: int, height: int, valid: bool
    ) -> None:
        key = MemberKey(self.KEY, from_height, until_height)
        assert key.is_valid_at(height) == valid
        member = msgspec.structs.replace(GENESIS.founders[0], keys=(key,))
        id_ = hashlib.sha256(b"blockpool/2\x00key\x00" + self.KEY).digest()[:16]
        if valid:
            assert signing_key(member, "a", id_, height) == self.KEY
            return
        with refuses(ErrorCode.REVOKED_KEY):
            signing_key(member, "a", id_, height)

    def test_unknown_members_and_keys_are_told_apart(self) -> None:
        for member, code in ((None, ErrorCode.UNKNOWN_MEMBER), (GENESIS.founders[0], ErrorCode.UNKNOWN_KEY)):
            with refuses(code):
                signing_key(member, "a", bytes(16), 1)


def test_state_keys() -> None:
    assert member_key("a") == b"member/a"
    assert dataset_key("a.b") == b"dataset/a.b"
    assert dataset_totals_key("a.b") == b"dataset-totals/a.b"
