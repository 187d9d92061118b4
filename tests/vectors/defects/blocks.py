"""Blocks, certificates and proofs that do not hold."""

import hashlib
from typing import Any

from chain.blocks import BlockHeader, commit_message
from chain.primitives.crypto import Hash
from chain.primitives.encoding import decode, encode
from chain.proofs.validators import Validator, ValidatorSet
from consensus.messages import prepare_message
from evidence.making import PartMaker
from tests.vectors.defects.registry import defect, flipped, not_shortest, to_base64, unbase64
from tests.vectors.evidence_world import EvidenceWorld
from tests.vectors.forgery import ForgedBlock, Json, as_json
from tests.vectors.network import READER, VALIDATORS, WITNESS, consensus_signer, seed, system_signer, witness_signer

GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of Ed25519 (RFC 8032, section 5.1)."""


def votes_of(file: Json) -> list[Json]:
    votes: list[Json] = file["block"]["certificate"]["votes"]
    return votes


def place_of(file: Json, world: EvidenceWorld) -> tuple[int, Hash]:
    """Height and hash of the file's block."""
    header = decode(BlockHeader, unbase64(file["block"]["header"]))
    certificate = world.ledger.block_at(header.height).certificate
    assert certificate is not None
    return header.height, certificate.block_hash


@defect("record", "malformed", "block")
def block_cut_short(file: Json, world: EvidenceWorld) -> None:
    """the block's header lacks its last byte"""
    file["block"]["header"] = to_base64(unbase64(file["block"]["header"])[:-1])


@defect("record", "malformed", "block")
def block_with_bytes_after_it(file: Json, world: EvidenceWorld) -> None:
    """a byte follows the block's header"""
    file["block"]["header"] = to_base64(unbase64(file["block"]["header"]) + b"\0")


@defect("record", "not_canonical", "block")
def block_not_canonical(file: Json, world: EvidenceWorld) -> None:
    """the block's header is not in its shortest encoding"""
    file["block"]["header"] = to_base64(not_shortest(unbase64(file["block"]["header"])))


@defect("record", "unknown_validators", "block")
def other_validators(file: Json, world: EvidenceWorld) -> None:
    """the block is certified by all of the validators that it names, but genesis names others"""
    signers = {READER: system_signer(READER), WITNESS: witness_signer(WITNESS)}
    others = ValidatorSet(Validator(name, signer.public_key) for name, signer in signers.items())
    forged = ForgedBlock({}, signers=dict(sorted(signers.items())), validators_hash=others.hash(world.chain_id))
    file["block"] = forged.block()


@defect("record", "bad_certificate", "quorum")
def block_changed(file: Json, world: EvidenceWorld) -> None:
    """the header names another proposer than the one that was voted for"""
    header = unbase64(file["block"]["header"])
    file["block"]["header"] = to_base64(header.replace(b"\xa8airports", b"\xa8aviation"))


@defect("record", "bad_certificate", "quorum")
def duplicate_signer(file: Json, world: EvidenceWorld) -> None:
    """one validator's vote is counted twice"""
    votes_of(file)[1] = votes_of(file)[0]


@defect("record", "bad_certificate", "quorum")
def votes_out_of_order(file: Json, world: EvidenceWorld) -> None:
    """the votes are not in the order of the validators' names"""
    votes_of(file).reverse()


@defect("record", "bad_certificate", "quorum")
def one_vote_too_few(file: Json, world: EvidenceWorld) -> None:
    """two of four validators are no quorum"""
    votes_of(file).pop()


@defect("record", "bad_certificate", "quorum")
def no_votes(file: Json, world: EvidenceWorld) -> None:
    """nobody has voted for the block"""
    votes_of(file).clear()


@defect("record", "bad_certificate", "quorum")
def vote_of_a_stranger(file: Json, world: EvidenceWorld) -> None:
    """a member without a vote has voted, beside a quorum"""
    message = commit_message(world.chain_id, place_of(file, world)[0], 0, place_of(file, world)[1])
    votes_of(file).append({"validator": READER, "signature": to_base64(system_signer(READER).sign(message))})


@defect("record", "bad_certificate", "quorum")
def vote_changed(file: Json, world: EvidenceWorld) -> None:
    """a bit of a vote's signature is changed"""
    votes_of(file)[2]["signature"] = flipped(votes_of(file)[2]["signature"], 5)


@defect("record", "bad_certificate", "quorum")
def votes_swapped(file: Json, world: EvidenceWorld) -> None:
    """two validators' signatures stand under each other's names"""
    first, second = votes_of(file)[:2]
    first["signature"], second["signature"] = second["signature"], first["signature"]


@defect("record", "bad_certificate", "quorum")
def other_view(file: Json, world: EvidenceWorld) -> None:
    """the votes were given in another view than the certificate says"""
    file["block"]["certificate"]["view"] = 1


@defect("record", "bad_certificate", "quorum")
def votes_for_another_height(file: Json, world: EvidenceWorld) -> None:
    """the votes are for the block before"""
    height, _ = place_of(file, world)
    file["block"]["certificate"] = as_json(PartMaker(world.ledger, None).block(height - 1))["certificate"]


@defect("record", "bad_certificate", "quorum")
def prepares_for_commits(file: Json, world: EvidenceWorld) -> None:
    """the votes prepare the block, which does not make it final"""
    message = prepare_message(world.chain_id, place_of(file, world)[0], 0, place_of(file, world)[1])
    for vote in votes_of(file):
        vote["signature"] = to_base64(consensus_signer(vote["validator"]).sign(message))


@defect("record", "bad_certificate", "quorum")
def votes_on_another_chain(file: Json, world: EvidenceWorld) -> None:
    """the votes are for a block of this hash on another chain"""
    message = commit_message(bytes(32), place_of(file, world)[0], 0, place_of(file, world)[1])
    for vote in votes_of(file):
        vote["signature"] = to_base64(consensus_signer(vote["validator"]).sign(message))


@defect("record", "bad_certificate", "quorum")
def vote_with_the_wrong_key(file: Json, world: EvidenceWorld) -> None:
    """a validator's vote is signed with the key that signs its transactions"""
    message = commit_message(world.chain_id, place_of(file, world)[0], 0, place_of(file, world)[1])
    votes_of(file)[0]["signature"] = to_base64(system_signer(VALIDATORS[0]).sign(message))


@defect("record", "bad_certificate", "quorum")
def vote_with_a_large_scalar(file: Json, world: EvidenceWorld) -> None:
    """a vote's S is not below the group order: another signature made from a good one"""
    signature = unbase64(votes_of(file)[0]["signature"])
    scalar = int.from_bytes(signature[32:], "little") + GROUP_ORDER
    votes_of(file)[0]["signature"] = to_base64(signature[:32] + scalar.to_bytes(32, "little"))


@defect("record", "bad_certificate", "quorum")
def vote_of_small_order(file: Json, world: EvidenceWorld) -> None:
    """a vote's R is the neutral element, which OpenSSL takes and the nodes do not"""
    name = VALIDATORS[0]
    public_key = consensus_signer(name).public_key
    message = commit_message(world.chain_id, place_of(file, world)[0], 0, place_of(file, world)[1])
    clamped = int.from_bytes(hashlib.sha512(seed(f"consensus {name}")).digest()[:32], "little")
    secret = (clamped & (2**254 - 8)) | 2**254
    neutral = (1).to_bytes(32, "little")
    challenge = int.from_bytes(hashlib.sha512(neutral + public_key + message).digest(), "little")
    votes_of(file)[0]["signature"] = to_base64(neutral + (challenge * secret % GROUP_ORDER).to_bytes(32, "little"))


# With the checkpoint


def inclusion_of(file: Json) -> Any:
    return file["block"]["inclusion"]


@defect("record_at_checkpoint", "bad_proof", "quorum", needs_checkpoint=True)
def inclusion_reordered(file: Json, world: EvidenceWorld) -> None:
    """the path from the block to the checkpoint's root is in another order, though the votes are good"""
    inclusion_of(file)["proof"].reverse()


@defect("record_at_checkpoint", "bad_proof", "quorum", needs_checkpoint=True)
def inclusion_of_another_block(file: Json, world: EvidenceWorld) -> None:
    """the path is that of the next block"""
    height, _ = place_of(file, world)
    other = as_json(PartMaker(world.ledger, inclusion_of(file)["tree_size"]).block(height + 1))
    file["block"]["inclusion"] = other["inclusion"]


@defect("record_at_checkpoint", "bad_proof", "quorum", needs_checkpoint=True)
def inclusion_too_long(file: Json, world: EvidenceWorld) -> None:
    """the path has a hash more than the tree is high"""
    inclusion_of(file)["proof"].append("00" * 32)


@defect("record_at_checkpoint", "bad_certificate", "quorum")
def inclusion_in_another_tree(file: Json, world: EvidenceWorld) -> None:
    """the path is to a head that the auditor does not hold, and the votes do not verify"""
    inclusion_of(file)["tree_size"] -= 1
    votes_of(file)[0]["signature"] = flipped(votes_of(file)[0]["signature"])


# The transaction in its block


@defect("record", "bad_evidence", "order")
def outcome_of_another_transaction(file: Json, world: EvidenceWorld) -> None:
    """the outcome is in the block, and is another transaction's"""
    other = world.transaction_part("sealed")
    file["parcel"] |= {name: other[name] for name in ("outcome", "index", "proof")}


@defect("record", "bad_evidence", "order")
def rejected(file: Json, world: EvidenceWorld) -> None:
    """the parcel stands in the block, which rejected it"""
    file["parcel"] = world.transaction_part("rejected")


@defect("record", "bad_proof", "order")
def outcome_changed(file: Json, world: EvidenceWorld) -> None:
    """the outcome of a rejected parcel is written over as accepted"""
    file["parcel"] = world.transaction_part("rejected")
    accepted = [world.ids["rejected"], "ok", "", 0, None]
    file["parcel"]["outcome"] = to_base64(encode(accepted))


@defect("record", "bad_proof", "order")
def outcome_moved(file: Json, world: EvidenceWorld) -> None:
    """the outcome stands elsewhere in the block"""
    file["parcel"]["index"] += 1


@defect("record", "bad_proof", "order")
def outcome_beyond_the_block(file: Json, world: EvidenceWorld) -> None:
    """the outcome stands where the block has none"""
    file["parcel"]["index"] = 5


@defect("record", "bad_proof", "order")
def outcome_path_reordered(file: Json, world: EvidenceWorld) -> None:
    """the path from the outcome to the block's root is in another order"""
    file["parcel"]["proof"].reverse()


@defect("record", "bad_proof", "order")
def outcome_path_too_short(file: Json, world: EvidenceWorld) -> None:
    """the path from the outcome lacks a hash"""
    file["parcel"]["proof"].pop()


@defect("record", "bad_proof", "order")
def outcome_path_too_long(file: Json, world: EvidenceWorld) -> None:
    """the path from the outcome has a hash too many"""
    file["parcel"]["proof"].append("00" * 32)


@defect("record", "bad_proof", "order")
def outcome_without_verdict(file: Json, world: EvidenceWorld) -> None:
    """the outcome lacks its last element"""
    outcome = unbase64(file["parcel"]["outcome"])
    file["parcel"]["outcome"] = to_base64(bytes([outcome[0] - 1]) + outcome[1:-1])
