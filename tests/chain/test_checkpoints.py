"""Checkpoints: the note's exact form, who may sign it, what makes a quorum, and which two signatures are a lie."""

import base64
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import Ed25519Signer
from chain.proofs import checkpoints
from chain.proofs.history import TreeHead, root_at
from chain.proofs.merkle import EMPTY_ROOT
from tests.networks import TestNetwork, seed
from tests.refusals import refuses

HEAD = TreeHead(64, bytes(range(32)))
TIME_S = 1_700_000_000
WITNESS = Ed25519Signer(seed("witness"))


class World:
    """Four validators ``a`` to ``d``, and ``outsider``, which is a witness."""

    def __init__(self) -> None:
        self.network = TestNetwork(witnesses={"outsider": WITNESS.public_key})
        self.keys = self.network.trust

    def sign(self, member: str, head: TreeHead = HEAD, time_s: int | None = TIME_S) -> checkpoints.Cosignature:
        signer = WITNESS if member == "outsider" else self.network.consensus[member]
        return checkpoints.sign_head(signer, self.network.chain_id, member, head, time_s)

    def note(self, *signatures: checkpoints.Cosignature, head: TreeHead = HEAD) -> bytes:
        return checkpoints.encode_checkpoint(checkpoints.Checkpoint(head, signatures), self.keys)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def refusal(world: World, note: bytes) -> str:
    with refuses(ErrorCode.BAD_CHECKPOINT) as caught:
        checkpoints.trusted_head(note, world.keys)
    return caught.value.detail


def test_key_ids_are_those_of_the_public_checksum_database_of_go() -> None:
    """Its published key, ``sum.golang.org+033de0ae+Ac4z...``, was made by other software."""
    key = base64.b64decode("Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
    assert key[0] == checkpoints.SignatureType.PLAIN
    assert checkpoints.note_key_id("sum.golang.org", checkpoints.SignatureType.PLAIN, key[1:]).hex() == "033de0ae"


def test_the_note_is_text_that_people_and_other_tools_read(world: World) -> None:
    lines = world.note(world.sign("a"), world.sign("outsider")).decode().split("\n")
    origin = f"blockpool/{world.network.chain_id.hex()}"
    assert lines[:4] == [origin, "64", base64.b64encode(HEAD.root).decode(), ""]
    assert [line.split(" ")[:2] for line in lines[4:6]] == [["—", f"{origin}/a"], ["—", f"{origin}/outsider"]]
    payload = base64.b64decode(lines[4].split(" ")[2])
    assert payload[4:12] == TIME_S.to_bytes(8, "big")
    assert len(payload) == 4 + 8 + 64
    assert lines[6:] == [""]


def test_a_cosignature_covers_its_name_its_time_and_the_text(world: World) -> None:
    text = b"cosignature/v1\ntime 1700000000\n" + checkpoints.checkpoint_text(world.network.chain_id, HEAD)
    assert world.sign("a").signature == world.network.consensus["a"].sign(text)
    plain = world.sign("a", time_s=None)
    assert plain.signature == world.network.consensus["a"].sign(
        checkpoints.checkpoint_text(world.network.chain_id, HEAD)
    )


def test_a_quorum_of_validators_makes_a_head_trusted(world: World) -> None:
    note = world.note(*map(world.sign, "abc"))
    assert checkpoints.trusted_head(note, world.keys) == HEAD
    assert checkpoints.parse_checkpoint(note, world.keys).cosigners("abcd") == ("a", "b", "c")


def test_neither_witnesses_nor_plain_signatures_count_for_the_quorum(world: World) -> None:
    few = (world.sign("a"), world.sign("b"), world.sign("outsider"), world.sign("c", time_s=None))
    assert "2 validators have cosigned it; 3 of 4 are needed" in refusal(world, world.note(*few))
    assert checkpoints.parse_checkpoint(world.note(*few), world.keys).cosigners(["outsider"]) == ("outsider",)


def test_a_member_may_sign_in_both_ways_and_counts_once(world: World) -> None:
    both = (world.sign("a"), world.sign("a", time_s=None), world.sign("b"), world.sign("c"))
    assert checkpoints.parse_checkpoint(world.note(*both), world.keys).signatures == both
    assert checkpoints.trusted_head(world.note(*both), world.keys) == HEAD


def test_lines_of_unknown_keys_are_passed_over(world: World) -> None:
    note = world.note(*map(world.sign, "abc"))
    stranger = f"— example.org/w {base64.b64encode(bytes(76)).decode()}\n"
    same_name = f"— {checkpoints.key_name(world.network.chain_id, 'a')} {base64.b64encode(bytes(76)).decode()}\n"
    assert checkpoints.trusted_head(note + (stranger + same_name).encode(), world.keys) == HEAD
    assert "nobody" in refusal(world, note[: note.index("—".encode())] + stranger.encode())


def test_a_validator_signs_with_its_consensus_key_alone() -> None:
    network = TestNetwork(witnesses={"a": Ed25519Signer(seed("witness a")).public_key, "outsider": WITNESS.public_key})
    keys = checkpoints.CheckpointKeys(network.trust, 1)
    assert set(keys.witnesses) == {"outsider"}
    assert keys.key_of("a") == network.consensus["a"].public_key


SPOILED: dict[str, Callable[[bytes], bytes]] = {
    "no UTF-8": lambda note: note + b"\xff",
    "a control character": lambda note: note.replace(b"\n64\n", b"\n64\r\n"),
    "no empty line": lambda note: note.replace(b"\n\n", b"\n"),
    "no last line feed": lambda note: note[:-1],
    "an extension line": lambda note: note.replace(b"\n\n", b"\nmore\n\n"),
    "too few lines": lambda note: note.replace(b"\n64\n", b"\n"),
    "another origin": lambda note: note.replace(b"blockpool/", b"blockpool/0", 1),
    "upper case": lambda note: note.replace(b"blockpool", b"Blockpool", 1),
    "a leading zero": lambda note: note.replace(b"\n64\n", b"\n064\n"),
    "a sign": lambda note: note.replace(b"\n64\n", b"\n+64\n"),
    "no blocks": lambda note: note.replace(b"\n64\n", b"\n0\n"),
    "too many blocks": lambda note: note.replace(b"\n64\n", b"\n9223372036854775808\n"),
    "other digits": lambda note: note.replace(b"\n64\n", "\n６４\n".encode()),
    "another size": lambda note: note.replace(b"\n64\n", b"\n65\n"),
    "another root": lambda note: note.replace(b"\nAAEC", b"\nAAED"),
    "a short root": lambda note: note.replace(b"\nAAEC", b"\n"),
    "an unpadded root": lambda note: note.replace(b"8=\n", b"8\n"),
    "loose bits in the root": lambda note: note.replace(b"Hh8=\n", b"Hh9=\n"),
    "a hyphen": lambda note: note.replace("— ".encode(), b"- ", 1),
    "two spaces": lambda note: note.replace("— ".encode(), "—  ".encode(), 1),
    "an empty signature line": lambda note: note + b"\n",
    "the same line twice": lambda note: note + note[note.index("—".encode()) :],
    "too large": lambda note: note + b"x" * 2**18,
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED.keys())
def test_no_other_form_is_a_checkpoint(world: World, spoil: Callable[[bytes], bytes]) -> None:
    note = world.note(*map(world.sign, "abc"))
    assert spoil(note) != note
    assert refusal(world, spoil(note))


def test_a_known_key_s_bad_signature_condemns_the_note(world: World) -> None:
    lie = replace(world.sign("d"), time_s=TIME_S + 1)
    detail = refusal(world, world.note(*map(world.sign, "abc"), lie))
    assert detail == "the signature of d does not verify"


def test_a_signature_of_another_length_is_refused(world: World) -> None:
    note = world.note(*map(world.sign, "abc")).decode()
    last = note.rstrip("\n").rpartition(" ")[2]
    shorter = base64.b64encode(base64.b64decode(last)[:-1]).decode()
    assert refusal(world, note.replace(last, shorter).encode()) == "the signature of c has another length"


def test_a_note_without_signature_or_of_a_stranger_is_not_written(world: World) -> None:
    for signatures in ((), (replace(world.sign("a"), member="e"),)):
        with refuses(ErrorCode.BAD_CHECKPOINT):
            world.note(*signatures)


def test_a_stranger_s_signature_and_another_s_do_not_verify(world: World) -> None:
    for wrong in (replace(world.sign("a"), member="e"), replace(world.sign("a"), member="b")):
        with pytest.raises(PoolError):
            checkpoints.verify_cosignature(wrong, world.keys)
    checkpoints.verify_cosignature(world.sign("a"), world.keys)


def test_a_member_counts_once_for_the_quorum(world: World) -> None:
    once = checkpoints.Checkpoint(HEAD, tuple(world.sign("a", time_s=TIME_S + index) for index in range(3)))
    with pytest.raises(PoolError):
        checkpoints.verify_quorum(once, world.keys)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((64, 1, TIME_S), (64, 2, TIME_S), True),
        ((64, 1, TIME_S), (64, 2, None), True),
        ((64, 1, None), (64, 2, None), True),
        ((64, 1, TIME_S), (64, 1, TIME_S + 9), False),
        ((128, 1, TIME_S), (64, 2, TIME_S + 1), True),
        ((128, 1, TIME_S), (64, 2, TIME_S), False),
        ((128, 1, TIME_S + 1), (64, 2, TIME_S), False),
        ((128, 1, TIME_S), (64, 2, None), False),
        ((128, 1, None), (64, 2, TIME_S + 1), False),
    ],
)
def test_which_two_signatures_no_honest_member_gives(
    world: World, first: tuple[int, int, int | None], second: tuple[int, int, int | None], expected: bool
) -> None:
    """Another root at one size; or a smaller size at a later time, where both say which was the largest."""
    one, two = (world.sign("a", TreeHead(size, bytes([root]) * 32), time_s) for size, root, time_s in (first, second))
    assert checkpoints.is_contradiction(one, two) is expected
    assert checkpoints.is_contradiction(two, one) is expected
    assert not checkpoints.is_contradiction(one, replace(two, member="b"))


def test_the_head_of_a_ledger_is_the_history_root_of_its_next_block(world: World) -> None:
    network = TestNetwork()
    ledger = network.ledger()
    for _ in range(5):
        network.commit(ledger, [network.dataset(name=f"n{network.nonce}")])
    for height in range(6):
        head = TreeHead(height, ledger.header_at(height).history_root)
        assert root_at(head.size, ledger.blocks.history_node) == head.root
    assert ledger.header_at(0).history_root == EMPTY_ROOT
