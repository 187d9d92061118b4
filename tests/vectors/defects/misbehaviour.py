"""Accusations that do not hold: an honest member may have signed both, or did not sign at all."""

import json

from chain.proofs.checkpoints import Checkpoint
from chain.proofs.history import TreeHead
from consensus.messages import Statement
from tests.vectors.defects.registry import defect, flipped, to_base64, unbase64
from tests.vectors.evidence_world import EvidenceWorld
from tests.vectors.forgery import Json
from tests.vectors.network import TIME_MS, VALIDATORS, WITNESS, seed

NAME, OTHER = VALIDATORS[3], VALIDATORS[0]
BLOCK = seed("block")
TIME_S = TIME_MS // 1000


def vote(statement: Statement, kind: str) -> Json:
    """A vote for a block, as files have it."""
    part: Json = {
        "kind": kind,
        "height": statement.height,
        "view": statement.view,
        "block_hash": BLOCK.hex(),
        "prepared_view": None,
        "signature": to_base64(statement.signature),
    }
    return part


# Votes


@defect("misbehaviour_commits", "bad_evidence", "contradiction")
def one_vote_twice(file: Json, world: EvidenceWorld) -> None:
    """both votes are the same"""
    file["votes"]["second"] = file["votes"]["first"]


@defect("misbehaviour_commits", "bad_evidence", "contradiction")
def votes_of_two_views(file: Json, world: EvidenceWorld) -> None:
    """the votes are of two views, in which a validator may commit to two blocks"""
    file["votes"]["second"] = vote(world.commit_vote(NAME, 11, 1, BLOCK), "commit")


@defect("misbehaviour_commits", "bad_evidence", "contradiction")
def votes_of_two_heights(file: Json, world: EvidenceWorld) -> None:
    """the votes are of two heights"""
    file["votes"]["first"] = vote(world.commit_vote(NAME, 12, 0, BLOCK), "commit")


@defect("misbehaviour_commits", "bad_evidence", "contradiction")
def votes_of_two_kinds(file: Json, world: EvidenceWorld) -> None:
    """one vote prepares a block, the other finalises another one: each is half of two contradictions"""
    file["votes"]["first"] = vote(world.prepare_vote(NAME, 11, 0, BLOCK), "prepare")


@defect("misbehaviour_amnesia", "bad_evidence", "contradiction")
def nothing_forgotten(file: Json, world: EvidenceWorld) -> None:
    """the block was finalised in a view that the claim does not speak of"""
    file["votes"]["second"] = vote(world.commit_vote(NAME, 11, 2, BLOCK), "commit")


@defect("misbehaviour_commits", "bad_signature", "second")
def vote_of_another(file: Json, world: EvidenceWorld) -> None:
    """the second vote is another validator's"""
    file["votes"]["second"] = vote(world.commit_vote(OTHER, 11, 0, BLOCK), "commit")


@defect("misbehaviour_commits", "bad_signature", "first")
def vote_of_another_kind(file: Json, world: EvidenceWorld) -> None:
    """a prepare vote is passed off as a commit"""
    file["votes"]["first"] = vote(world.prepare_vote(NAME, 11, 0, BLOCK), "commit")


@defect("misbehaviour_commits", "bad_evidence", "first")
def commit_with_a_claim(file: Json, world: EvidenceWorld) -> None:
    """a commit has a prepared view"""
    file["votes"]["first"]["prepared_view"] = 0


@defect("misbehaviour_claims", "bad_evidence", "second")
def claim_of_half_a_block(file: Json, world: EvidenceWorld) -> None:
    """a claim names a view, and no block"""
    file["votes"]["second"]["prepared_view"] = 1


@defect("misbehaviour_commits", "unknown_member", "accused")
def accused_without_a_vote(file: Json, world: EvidenceWorld) -> None:
    """the accused is no validator"""
    file["member"] = WITNESS


@defect("misbehaviour_commits", "bad_evidence", "accused")
def nothing_held_against_it(file: Json, world: EvidenceWorld) -> None:
    """the file has neither votes nor checkpoints"""
    file["votes"] = None


@defect("misbehaviour_commits", "bad_evidence", "accused")
def votes_and_checkpoints(file: Json, world: EvidenceWorld) -> None:
    """the file has votes and checkpoints"""
    file["checkpoints"] = json.loads(world.good_files["misbehaviour_fork"].content)["checkpoints"]


# Checkpoints


def heads(world: EvidenceWorld, *checkpoints: Checkpoint) -> Json:
    first, second = (world.note(checkpoint) for checkpoint in checkpoints)
    return {"first": first, "second": second}


@defect("misbehaviour_fork", "bad_evidence", "contradiction")
def one_history(file: Json, world: EvidenceWorld) -> None:
    """both checkpoints are of one head"""
    head = world.head(8)
    file["checkpoints"] = heads(
        world, world.cosigned(head, [WITNESS], TIME_S), world.cosigned(head, [WITNESS], TIME_S + 5)
    )


@defect("misbehaviour_cut_off", "bad_evidence", "contradiction")
def grown_since(file: Json, world: EvidenceWorld) -> None:
    """the later checkpoint is of more blocks, as it ought to be"""
    file["checkpoints"] = heads(
        world, world.cosigned(world.head(5), [NAME], TIME_S), world.cosigned(world.head(8), [NAME], TIME_S + 60)
    )


@defect("misbehaviour_cut_off", "bad_evidence", "contradiction")
def cut_off_at_one_time(file: Json, world: EvidenceWorld) -> None:
    """the two are of one second, so that nobody can say which came first"""
    file["checkpoints"] = heads(
        world, world.cosigned(world.head(8), [NAME], TIME_S), world.cosigned(world.head(5), [NAME], TIME_S)
    )


@defect("misbehaviour_cut_off", "bad_evidence", "contradiction")
def older_head_without_a_time(file: Json, world: EvidenceWorld) -> None:
    """the smaller head is signed plainly, which says nothing about what is newest"""
    file["checkpoints"] = heads(
        world, world.cosigned(world.head(8), [NAME], TIME_S), world.cosigned(world.head(5), [NAME])
    )


@defect("misbehaviour_overruled", "bad_evidence", "first")
def overruled_by_too_few(file: Json, world: EvidenceWorld) -> None:
    """the first checkpoint has neither a quorum nor the accused"""
    fork = TreeHead(8, seed("another history"))
    file["checkpoints"] = heads(
        world, world.cosigned(world.head(8), VALIDATORS[:2], TIME_S), world.cosigned(fork, [NAME], TIME_S)
    )


@defect("misbehaviour_overruled", "bad_evidence", "first")
def overruled_plainly(file: Json, world: EvidenceWorld) -> None:
    """the quorum's signatures are plain ones, which do not count as cosignatures"""
    fork = TreeHead(8, seed("another history"))
    file["checkpoints"] = heads(
        world, world.cosigned(world.head(8), VALIDATORS[:3]), world.cosigned(fork, [NAME], TIME_S)
    )


@defect("misbehaviour_overruled", "bad_evidence", "second")
def signed_by_another(file: Json, world: EvidenceWorld) -> None:
    """the second checkpoint is signed by another member than the accused"""
    fork = TreeHead(8, seed("another history"))
    file["checkpoints"]["second"] = world.note(world.cosigned(fork, [WITNESS], TIME_S))


@defect("misbehaviour_fork", "unknown_member", "accused")
def accused_signs_nothing(file: Json, world: EvidenceWorld) -> None:
    """the accused is neither validator nor witness"""
    file["member"] = "university"


def respelled(file: Json, old: str, new: str) -> None:
    file["checkpoints"]["first"] = file["checkpoints"]["first"].replace(old, new, 1)


@defect("misbehaviour_fork", "bad_checkpoint", "first")
def note_signature_changed(file: Json, world: EvidenceWorld) -> None:
    """a bit of a checkpoint's signature is changed"""
    spelled = file["checkpoints"]["first"].rstrip("\n").rpartition(" ")[2]
    respelled(file, spelled, flipped(spelled, 40))


@defect("misbehaviour_fork", "bad_checkpoint", "first")
def note_time_changed(file: Json, world: EvidenceWorld) -> None:
    """the cosignature's time is another than the one that was signed"""
    spelled = file["checkpoints"]["first"].rstrip("\n").rpartition(" ")[2]
    payload = unbase64(spelled)
    respelled(file, spelled, to_base64(payload[:4] + (TIME_S + 1).to_bytes(8, "big") + payload[12:]))


@defect("misbehaviour_fork", "bad_checkpoint", "first")
def note_of_another_size(file: Json, world: EvidenceWorld) -> None:
    """the checkpoint's size is another than the one that was signed"""
    respelled(file, "\n8\n", "\n9\n")


@defect("misbehaviour_fork", "bad_checkpoint", "first")
def note_with_a_leading_zero(file: Json, world: EvidenceWorld) -> None:
    """the checkpoint's size has a leading zero"""
    respelled(file, "\n8\n", "\n08\n")


@defect("misbehaviour_fork", "bad_checkpoint", "first")
def note_of_another_chain(file: Json, world: EvidenceWorld) -> None:
    """the checkpoint is another chain's"""
    respelled(file, world.chain_id.hex(), "00" * 32)


@defect("misbehaviour_fork", "bad_checkpoint", "first")
def note_with_another_line(file: Json, world: EvidenceWorld) -> None:
    """the checkpoint's text has a line that it does not have"""
    respelled(file, "\n\n", "\nextension\n\n")


@defect("misbehaviour_fork", "bad_checkpoint", "first")
def note_with_carriage_returns(file: Json, world: EvidenceWorld) -> None:
    """the checkpoint's lines end with carriage returns"""
    respelled(file, "\n8\n", "\r\n8\r\n")


@defect("misbehaviour_fork", "bad_checkpoint", "first")
def note_signed_twice(file: Json, world: EvidenceWorld) -> None:
    """one member cosigns the checkpoint twice"""
    file["checkpoints"]["first"] += file["checkpoints"]["first"].partition("\n\n")[2]


@defect("misbehaviour_fork", "bad_checkpoint", "first")
def note_signed_by_nobody(file: Json, world: EvidenceWorld) -> None:
    """no key that is known here has signed the checkpoint"""
    respelled(file, f"/{WITNESS} ", "/university ")


@defect("misbehaviour_fork", "bad_checkpoint", "first")
def note_base64_not_canonical(file: Json, world: EvidenceWorld) -> None:
    """the checkpoint's root is spelled with other unused bits"""
    root = file["checkpoints"]["first"].split("\n")[2]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    respelled(file, root, root[:-2] + alphabet[alphabet.index(root[-2]) ^ 1] + "=")
