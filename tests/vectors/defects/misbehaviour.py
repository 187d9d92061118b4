"""Accusations that do not hold: an honest member may have signed both, or did not sign at all."""

import json
from collections.abc import Sequence
from typing import Any

from chain.proofs.history import TreeHead
from tests.vectors.defects.registry import Refused, Spoil, copy, flipped, other_unused_bits, put, to_base64, unbase64
from tests.vectors.evidence_world import EvidenceWorld
from tests.vectors.forgery import Json
from tests.vectors.network import TIME_MS, VALIDATORS, WITNESS, seed

NAME, OTHER = VALIDATORS[3], VALIDATORS[0]
BLOCK = seed("block")
TIME_S = TIME_MS // 1000


# Votes


def cast(place: str, kind: str, height: int, view: int, *, name: str = NAME, called: str | None = None) -> Spoil:
    """The vote in a place becomes another for ``BLOCK``; ``called`` is what the file says its kind is."""

    def vote(world: EvidenceWorld) -> Json:
        make = world.commit_vote if kind == "commit" else world.prepare_vote
        signature = to_base64(make(name, height, view, BLOCK).signature)
        where = {"height": height, "view": view, "block_hash": BLOCK.hex(), "prepared_view": None}
        return {"kind": called or kind, **where, "signature": signature}

    return put(f"votes.{place}", vote)


votes = Refused("misbehaviour_commits", "bad_evidence", "contradiction")
accused = Refused("misbehaviour_commits", "bad_evidence", "accused")

votes("one_vote_twice", "both votes are the same", copy("votes.first", "votes.second"))
votes(
    "votes_of_two_views",
    "the votes are of two views, in which a validator may commit to two blocks",
    cast("second", "commit", 11, 1),
)
votes("votes_of_two_heights", "the votes are of two heights", cast("first", "commit", 12, 0))
votes(
    "votes_of_two_kinds",
    "one vote prepares a block, the other finalises another one: each is half of two contradictions",
    cast("first", "prepare", 11, 0),
)
Refused("misbehaviour_amnesia", "bad_evidence", "contradiction")(
    "nothing_forgotten",
    "the block was finalised in a view that the claim does not speak of",
    cast("second", "commit", 11, 2),
)
Refused("misbehaviour_commits", "bad_signature", "second")(
    "vote_of_another", "the second vote is another validator's", cast("second", "commit", 11, 0, name=OTHER)
)
Refused("misbehaviour_commits", "bad_signature", "first")(
    "vote_of_another_kind", "a prepare vote is passed off as a commit", cast("first", "prepare", 11, 0, called="commit")
)
Refused("misbehaviour_commits", "bad_evidence", "first")(
    "commit_with_a_claim", "a commit has a prepared view", put("votes.first.prepared_view", 0)
)
Refused("misbehaviour_claims", "bad_evidence", "second")(
    "claim_of_half_a_block", "a claim names a view, and no block", put("votes.second.prepared_view", 1)
)
Refused("misbehaviour_commits", "unknown_member", "accused")(
    "accused_without_a_vote", "the accused is no validator", put("member", WITNESS)
)
accused("nothing_held_against_it", "the file has neither votes nor checkpoints", put("votes", None))
accused(
    "votes_and_checkpoints",
    "the file has votes and checkpoints",
    put("checkpoints", lambda world: json.loads(world.good_files["misbehaviour_fork"].content)["checkpoints"]),
)


# Checkpoints

FORK = TreeHead(8, seed("another history"))


def signed(place: str, head: int | TreeHead, members: Sequence[str], time_s: int | None) -> Spoil:
    """The checkpoint in a place becomes one of this head, or of the history at this size; a plain one has no time."""

    def note(world: EvidenceWorld) -> str:
        found = world.head(head) if isinstance(head, int) else head
        return world.note(world.cosigned(found, members, time_s))

    return put(f"checkpoints.{place}", note)


cut_off = Refused("misbehaviour_cut_off", "bad_evidence", "contradiction")
overruled = Refused("misbehaviour_overruled", "bad_evidence", "first")

Refused("misbehaviour_fork", "bad_evidence", "contradiction")(
    "one_history",
    "both checkpoints are of one head",
    signed("first", 8, [WITNESS], TIME_S),
    signed("second", 8, [WITNESS], TIME_S + 5),
)
cut_off(
    "grown_since",
    "the later checkpoint is of more blocks, as it ought to be",
    signed("first", 5, [NAME], TIME_S),
    signed("second", 8, [NAME], TIME_S + 60),
)
cut_off(
    "cut_off_at_one_time",
    "the two are of one second, so that nobody can say which came first",
    signed("first", 8, [NAME], TIME_S),
    signed("second", 5, [NAME], TIME_S),
)
cut_off(
    "older_head_without_a_time",
    "the smaller head is signed plainly, which says nothing about what is newest",
    signed("first", 8, [NAME], TIME_S),
    signed("second", 5, [NAME], None),
)
overruled(
    "overruled_by_too_few",
    "the first checkpoint has neither a quorum nor the accused",
    signed("first", 8, VALIDATORS[:2], TIME_S),
    signed("second", FORK, [NAME], TIME_S),
)
overruled(
    "overruled_plainly",
    "the quorum's signatures are plain ones, which do not count as cosignatures",
    signed("first", 8, VALIDATORS[:3], None),
    signed("second", FORK, [NAME], TIME_S),
)
Refused("misbehaviour_overruled", "bad_evidence", "second")(
    "signed_by_another",
    "the second checkpoint is signed by another member than the accused",
    signed("second", FORK, [WITNESS], TIME_S),
)
Refused("misbehaviour_fork", "unknown_member", "accused")(
    "accused_signs_nothing", "the accused is neither validator nor witness", put("member", "university")
)


# Their text


def respell(old: Any, new: Any) -> Spoil:
    """In the first checkpoint a text becomes another; functions find them, in the note and in what was found."""

    def spoil(file: Json, world: EvidenceWorld) -> None:
        note = file["checkpoints"]["first"]
        found = old(note) if callable(old) else old
        file["checkpoints"]["first"] = note.replace(found, new(found) if callable(new) else new, 1)

    return spoil


def signature_of(note: str) -> str:
    return note.rstrip("\n").rpartition(" ")[2]


def a_second_later(spelled: str) -> str:
    payload = unbase64(spelled)
    return to_base64(payload[:4] + (TIME_S + 1).to_bytes(8, "big") + payload[12:])


note = Refused("misbehaviour_fork", "bad_checkpoint", "first")

note(
    "note_signature_changed",
    "a bit of a checkpoint's signature is changed",
    respell(signature_of, lambda spelled: flipped(spelled, 40)),
)
note(
    "note_time_changed",
    "the cosignature's time is another than the one that was signed",
    respell(signature_of, a_second_later),
)
note("note_of_another_size", "the checkpoint's size is another than the one that was signed", respell("\n8\n", "\n9\n"))
note("note_with_a_leading_zero", "the checkpoint's size has a leading zero", respell("\n8\n", "\n08\n"))


@note.by
def note_of_another_chain(file: Json, world: EvidenceWorld) -> None:
    """the checkpoint is another chain's"""
    respell(world.chain_id.hex(), "00" * 32)(file, world)


note(
    "note_with_another_line",
    "the checkpoint's text has a line that it does not have",
    respell("\n\n", "\nextension\n\n"),
)
note("note_with_carriage_returns", "the checkpoint's lines end with carriage returns", respell("\n8\n", "\r\n8\r\n"))
note(
    "note_signed_twice",
    "one member cosigns the checkpoint twice",
    respell(lambda text: text, lambda text: text + text.partition("\n\n")[2]),
)
note(
    "note_signed_by_nobody",
    "no key that is known here has signed the checkpoint",
    respell(f"/{WITNESS} ", "/university "),
)
note(
    "note_base64_not_canonical",
    "the checkpoint's root is spelled with other unused bits",
    respell(lambda text: text.split("\n")[2], other_unused_bits),
)
