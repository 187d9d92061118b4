"""Blocks, certificates and proofs that do not hold."""

import hashlib
from collections.abc import Callable
from typing import Any

from chain.blocks import BlockHeader, commit_message
from chain.primitives.crypto import Hash
from chain.primitives.encoding import decode, encode
from chain.proofs.validators import Validator, ValidatorSet
from consensus.messages import prepare_message
from evidence.making import PartMaker
from tests.vectors.defects.registry import (
    Refused,
    append,
    change,
    copy,
    drop,
    flip,
    not_shortest,
    put,
    recode,
    reverse,
    to_base64,
    unbase64,
)
from tests.vectors.evidence_world import EvidenceWorld
from tests.vectors.forgery import ForgedBlock, Json, as_json
from tests.vectors.network import READER, VALIDATORS, WITNESS, consensus_signer, seed, system_signer, witness_signer

HEADER, VOTES = "block.header", "block.certificate.votes"
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of Ed25519 (RFC 8032, section 5.1)."""


def votes_of(file: Json) -> list[Json]:
    votes: list[Json] = file["block"]["certificate"]["votes"]
    return votes


def height_of(file: Json) -> int:
    return decode(BlockHeader, unbase64(file["block"]["header"])).height


def message_for(
    file: Json, world: EvidenceWorld, of: Callable[..., bytes] = commit_message, chain_id: Hash | None = None
) -> bytes:
    """What a vote for the file's block signs."""
    certificate = world.ledger.block_at(height_of(file)).certificate
    assert certificate is not None
    return of(chain_id or world.chain_id, height_of(file), 0, certificate.block_hash)


block = Refused("record", "malformed", "block")
block("block_cut_short", "the block's header lacks its last byte", recode(HEADER, lambda header: header[:-1]))
block("block_with_bytes_after_it", "a byte follows the block's header", recode(HEADER, lambda header: header + b"\0"))
Refused("record", "not_canonical", "block")(
    "block_not_canonical", "the block's header is not in its shortest encoding", recode(HEADER, not_shortest)
)


@Refused("record", "unknown_validators", "block").by
def other_validators(file: Json, world: EvidenceWorld) -> None:
    """the block is certified by all of the validators that it names, but genesis names others"""
    signers = {READER: system_signer(READER), WITNESS: witness_signer(WITNESS)}
    others = ValidatorSet(Validator(name, signer.public_key) for name, signer in signers.items())
    forged = ForgedBlock({}, signers=dict(sorted(signers.items())), validators_hash=others.hash(world.chain_id))
    file["block"] = forged.block()


quorum = Refused("record", "bad_certificate", "quorum")
quorum(
    "block_changed",
    "the header names another proposer than the one that was voted for",
    recode(HEADER, lambda header: header.replace(b"\xa8airports", b"\xa8aviation")),
)
quorum("duplicate_signer", "one validator's vote is counted twice", copy(f"{VOTES}.0", f"{VOTES}.1"))
quorum("votes_out_of_order", "the votes are not in the order of the validators' names", reverse(VOTES))
quorum("one_vote_too_few", "two of four validators are no quorum", drop(f"{VOTES}.-1"))
quorum("no_votes", "nobody has voted for the block", put(VOTES, []))
quorum("vote_changed", "a bit of a vote's signature is changed", flip(f"{VOTES}.2.signature", 5))
quorum("other_view", "the votes were given in another view than the certificate says", put("block.certificate.view", 1))


@quorum.by
def vote_of_a_stranger(file: Json, world: EvidenceWorld) -> None:
    """a member without a vote has voted, beside a quorum"""
    signature = system_signer(READER).sign(message_for(file, world))
    votes_of(file).append({"validator": READER, "signature": to_base64(signature)})


@quorum.by
def votes_swapped(file: Json, world: EvidenceWorld) -> None:
    """two validators' signatures stand under each other's names"""
    first, second = votes_of(file)[:2]
    first["signature"], second["signature"] = second["signature"], first["signature"]


@quorum.by
def votes_for_another_height(file: Json, world: EvidenceWorld) -> None:
    """the votes are for the block before"""
    file["block"]["certificate"] = world.block_part(height_of(file) - 1)["certificate"]


def sign_again(file: Json, message: bytes) -> None:
    for vote in votes_of(file):
        vote["signature"] = to_base64(consensus_signer(vote["validator"]).sign(message))


quorum(
    "prepares_for_commits",
    "the votes prepare the block, which does not make it final",
    lambda file, world: sign_again(file, message_for(file, world, prepare_message)),
)
quorum(
    "votes_on_another_chain",
    "the votes are for a block of this hash on another chain",
    lambda file, world: sign_again(file, message_for(file, world, chain_id=bytes(32))),
)


@quorum.by
def vote_with_the_wrong_key(file: Json, world: EvidenceWorld) -> None:
    """a validator's vote is signed with the key that signs its transactions"""
    votes_of(file)[0]["signature"] = to_base64(system_signer(VALIDATORS[0]).sign(message_for(file, world)))


def with_large_scalar(signature: bytes) -> bytes:
    return signature[:32] + (int.from_bytes(signature[32:], "little") + GROUP_ORDER).to_bytes(32, "little")


quorum(
    "vote_with_a_large_scalar",
    "a vote's S is not below the group order: another signature made from a good one",
    recode(f"{VOTES}.0.signature", with_large_scalar),
)


@quorum.by
def vote_of_small_order(file: Json, world: EvidenceWorld) -> None:
    """a vote's R is the neutral element, which OpenSSL takes and the nodes do not"""
    name = VALIDATORS[0]
    public_key = consensus_signer(name).public_key
    clamped = int.from_bytes(hashlib.sha512(seed(f"consensus {name}")).digest()[:32], "little")
    secret = (clamped & (2**254 - 8)) | 2**254
    neutral = (1).to_bytes(32, "little")
    digest = hashlib.sha512(neutral + public_key + message_for(file, world)).digest()
    scalar = int.from_bytes(digest, "little") * secret % GROUP_ORDER
    votes_of(file)[0]["signature"] = to_base64(neutral + scalar.to_bytes(32, "little"))


# With the checkpoint

INCLUSION = "block.inclusion"
inclusion = Refused("record_at_checkpoint", "bad_proof", "quorum", needs_checkpoint=True)
inclusion(
    "inclusion_reordered",
    "the path from the block to the checkpoint's root is in another order, though the votes are good",
    reverse(f"{INCLUSION}.proof"),
)


@inclusion.by
def inclusion_of_another_block(file: Json, world: EvidenceWorld) -> None:
    """the path is that of the next block"""
    parts = PartMaker(world.ledger, file["block"]["inclusion"]["tree_size"])
    file["block"]["inclusion"] = as_json(parts.block(height_of(file) + 1))["inclusion"]


inclusion(
    "inclusion_too_long", "the path has a hash more than the tree is high", append(f"{INCLUSION}.proof", "00" * 32)
)
Refused("record_at_checkpoint", "bad_certificate", "quorum")(
    "inclusion_in_another_tree",
    "the path is to a head that the auditor does not hold, and the votes do not verify",
    change(f"{INCLUSION}.tree_size", lambda size: size - 1),
    flip(f"{VOTES}.0.signature"),
)


# The transaction in its block


def rejected(world: EvidenceWorld) -> Any:
    return world.transaction_part("rejected")


@Refused("record", "bad_evidence", "order").by
def outcome_of_another_transaction(file: Json, world: EvidenceWorld) -> None:
    """the outcome is in the block, and is another transaction's"""
    other = world.transaction_part("sealed")
    file["parcel"] |= {name: other[name] for name in ("outcome", "index", "proof")}


Refused("record", "bad_evidence", "order")(
    "rejected", "the parcel stands in the block, which rejected it", put("parcel", rejected)
)

order = Refused("record", "bad_proof", "order")
order(
    "outcome_changed",
    "the outcome of a rejected parcel is written over as accepted",
    put("parcel", rejected),
    put("parcel.outcome", lambda world: to_base64(encode([world.ids["rejected"], "ok", "", 0, None]))),
)
order("outcome_moved", "the outcome stands elsewhere in the block", change("parcel.index", lambda index: index + 1))
order("outcome_beyond_the_block", "the outcome stands where the block has none", put("parcel.index", 5))
order(
    "outcome_path_reordered",
    "the path from the outcome to the block's root is in another order",
    reverse("parcel.proof"),
)
order("outcome_path_too_short", "the path from the outcome lacks a hash", drop("parcel.proof.-1"))
order("outcome_path_too_long", "the path from the outcome has a hash too many", append("parcel.proof", "00" * 32))
order(
    "outcome_without_verdict",
    "the outcome lacks its last element",
    recode("parcel.outcome", lambda outcome: bytes([outcome[0] - 1]) + outcome[1:-1]),
)
