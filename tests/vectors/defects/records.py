"""Records, members, signatures, datasets and contracts that are not what a file says."""

from collections.abc import Mapping
from typing import Any

import msgspec

from chain.primitives.crypto import Ed25519Signer
from chain.primitives.encoding import decode, encode
from chain.proofs.merkle import node_hash
from chain.state.entries import (
    ContractEntry,
    DatasetEntry,
    contract_key,
    dataset_key,
    derived_key,
    erasure_key,
    member_key,
    parcel_reads_key,
)
from chain.state.members import Member, MemberKey
from chain.transactions.base import Transaction, signing_message
from chain.transactions.parcel import record_leaves
from tests.vectors.defects.registry import defect, flipped, not_shortest, to_base64, unbase64
from tests.vectors.evidence_world import OPEN, SEALED, EvidenceWorld
from tests.vectors.forgery import HEIGHT, ForgedBlock, Json, accepted
from tests.vectors.network import RECORDS, SCHEMA, parcel_transaction, seed, system_signer

MEMBER, DATASET, CONTRACT = member_key("aviation"), dataset_key(OPEN), contract_key("aviation.rule")


def forge(
    file: Json,
    world: EvidenceWorld,
    changes: Mapping[bytes, Any] | None = None,
    records: tuple[bytes, ...] = RECORDS,
    transaction: Transaction | None = None,
    height: int = HEIGHT,
) -> None:
    """Put the file's parcel into a block that a quorum made up, on a state with these changes; None takes an entry
    away. The rest of the file fits it.
    """
    entries = {key: world.value(key) for key in (MEMBER, DATASET, CONTRACT)}
    for key, value in (changes or {}).items():
        entries.pop(key, None)
        if value is not None:
            entries[key] = encode(value)
    parcel = transaction or parcel_transaction(records, 0xA0, dataset=OPEN)
    signed, outcome = accepted(parcel)
    forged = ForgedBlock(entries, [(signed, outcome)], height=height)
    id_ = outcome.transaction_id
    leaves = [leaf.hex() for leaf in record_leaves(world.chain_id, records)]
    file["block"], file["parcel"] = forged.block(), forged.transaction()
    file["member"], file["dataset"] = forged.entry(MEMBER), forged.entry(DATASET)
    file["contract"] = None
    file["record"] |= {"transaction_id": id_.hex(), "body": to_base64(records[1])}
    file["record"]["proof"] = [leaves[0], leaves[2]]
    file["uses"] |= {"block": forged.block(), "read_transactions": [], "derived_transactions": []}
    file["uses"]["erasure"] = forged.entry(erasure_key(id_))
    file["uses"]["reads"] = forged.entry(parcel_reads_key(OPEN, id_))
    file["uses"]["derived"] = forged.entry(derived_key(id_))


def member_with(world: EvidenceWorld, *keys: MemberKey) -> Member:
    return msgspec.structs.replace(decode(Member, world.value(MEMBER)), keys=keys)


def dataset_with(world: EvidenceWorld, **changes: Any) -> DatasetEntry:
    return msgspec.structs.replace(decode(DatasetEntry, world.value(DATASET)), **changes)


# 3. and 4. Quorum and order, with blocks that are made up


@defect("record_at_checkpoint", "bad_proof", "quorum", needs_checkpoint=True)
def block_of_another_history(file: Json, world: EvidenceWorld) -> None:
    """a quorum has certified a second block of this height: only a checkpoint that the auditor holds tells"""
    inclusion = file["block"]["inclusion"]
    forge(file, world, height=2)
    file["block"]["inclusion"] = inclusion


@defect("record", "wrong_chain", "order")
def parcel_of_another_chain(file: Json, world: EvidenceWorld) -> None:
    """a quorum has put a parcel into its block that is signed for another chain"""
    forge(file, world, transaction=parcel_transaction(RECORDS, 0xA1, dataset=OPEN, chain_id=bytes(32)))


@defect("record", "not_canonical", "order")
def parcel_not_canonical(file: Json, world: EvidenceWorld) -> None:
    """a quorum has put a parcel into its block whose header is not in its shortest encoding"""
    header = not_shortest(parcel_transaction(RECORDS, 0xA2, dataset=OPEN).header)
    signature = system_signer("aviation").sign(signing_message(world.chain_id, header))
    forge(file, world, transaction=Transaction(header, signature, b""))


@defect("record", "malformed", "order")
def parcel_of_no_type(file: Json, world: EvidenceWorld) -> None:
    """a quorum has put a transaction into its block that has no type"""
    header = bytearray(parcel_transaction(RECORDS, 0xA3, dataset=OPEN).header)
    header[1] = 0x63
    signature = system_signer("aviation").sign(signing_message(world.chain_id, bytes(header)))
    forge(file, world, transaction=Transaction(bytes(header), signature, b""))


# 5. The record


@defect("record", "bad_evidence", "record")
def no_parcel(file: Json, world: EvidenceWorld) -> None:
    """the transaction is an erasure, not a parcel"""
    committed = world.committed_part("erasure")
    file["block"], file["parcel"] = committed["block"], committed["transaction"]


@defect("record", "bad_evidence", "record")
def id_of_another_parcel(file: Json, world: EvidenceWorld) -> None:
    """the record's id names another parcel than the one that is proved"""
    file["record"]["transaction_id"] = world.ids["secret"].hex()


@defect("record", "bad_proof", "record")
def swapped_leaf(file: Json, world: EvidenceWorld) -> None:
    """the body is that of another record of the parcel"""
    file["record"]["body"] = to_base64(RECORDS[2])


@defect("record", "bad_proof", "record")
def body_changed(file: Json, world: EvidenceWorld) -> None:
    """a byte of the record's body is changed"""
    file["record"]["body"] = flipped(file["record"]["body"], 10)


@defect("record", "bad_proof", "record")
def record_moved(file: Json, world: EvidenceWorld) -> None:
    """the record is said to stand elsewhere in its parcel"""
    file["record"]["index"] = 0


@defect("record", "bad_proof", "record")
def record_beyond_the_parcel(file: Json, world: EvidenceWorld) -> None:
    """the record is said to stand where the parcel has none"""
    file["record"]["index"] = 3


@defect("record", "bad_proof", "record")
def record_path_reordered(file: Json, world: EvidenceWorld) -> None:
    """the path from the record to the parcel's root is in another order"""
    file["record"]["proof"].reverse()


@defect("record", "bad_evidence", "record")
def body_and_leaf(file: Json, world: EvidenceWorld) -> None:
    """the file has the body of the record and a leaf"""
    file["record"]["leaf"] = file["record"]["proof"][0]


@defect("record_erased", "bad_evidence", "record")
def neither_body_nor_leaf(file: Json, world: EvidenceWorld) -> None:
    """the file has nothing of the record"""
    file["record"]["leaf"] = None


@defect("record", "bad_proof", "record")
def node_for_leaf(file: Json, world: EvidenceWorld) -> None:
    """a node of the records' tree is passed off as a leaf"""
    leaves = record_leaves(world.chain_id, RECORDS)
    file["record"] |= {"index": 0, "body": None, "leaf": node_hash(leaves[0], leaves[1]).hex()}
    file["record"]["proof"] = [leaves[2].hex()]


@defect("record_sealed", "bad_sealing", "record")
def sealed_too_short(file: Json, world: EvidenceWorld) -> None:
    """the sealed body is shorter than any"""
    file["record"]["body"] = to_base64(unbase64(file["record"]["body"])[:47])


@defect("record_sealed", "bad_proof", "record")
def commitment_changed(file: Json, world: EvidenceWorld) -> None:
    """a bit of the sealed record's commitment is changed"""
    file["record"]["body"] = flipped(file["record"]["body"], 31)


# 6. The member


@defect("record", "bad_proof", "member")
def another_member(file: Json, world: EvidenceWorld) -> None:
    """the entry is that of another member"""
    file["member"] = world.entry_part(member_key("registry"), 2)


@defect("record", "bad_proof", "member")
def member_changed(file: Json, world: EvidenceWorld) -> None:
    """the member's entry has another key than the state"""
    key = Ed25519Signer(seed("another key")).public_key
    file["member"]["value"] = to_base64(encode(member_with(world, MemberKey(key))))


@defect("record", "bad_proof", "member")
def member_of_another_block(file: Json, world: EvidenceWorld) -> None:
    """the entry is proved under the state of another block"""
    file["member"] = world.entry_part(MEMBER, 5)


@defect("record", "bad_proof", "member")
def state_path_reordered(file: Json, world: EvidenceWorld) -> None:
    """the path of the entry's proof is in another order"""
    siblings, leaf_path, value_hash = msgspec.msgpack.decode(unbase64(file["member"]["proof"]))
    file["member"]["proof"] = to_base64(encode([siblings[::-1], leaf_path, value_hash]))


@defect("record", "malformed", "member")
def state_path_of_another_shape(file: Json, world: EvidenceWorld) -> None:
    """the proof's value hash has another length than its path"""
    siblings, _, value_hash = msgspec.msgpack.decode(unbase64(file["member"]["proof"]))
    file["member"] |= {"value": None, "proof": to_base64(encode([siblings, b"", value_hash]))}


@defect("record", "not_canonical", "member")
def state_proof_not_canonical(file: Json, world: EvidenceWorld) -> None:
    """the entry's proof is not in its shortest encoding"""
    file["member"]["proof"] = to_base64(not_shortest(unbase64(file["member"]["proof"])))


@defect("record", "malformed", "member")
def state_proof_with_bytes_after_it(file: Json, world: EvidenceWorld) -> None:
    """a byte follows the entry's proof"""
    file["member"]["proof"] = to_base64(unbase64(file["member"]["proof"]) + b"\0")


@defect("record", "bad_proof", "member")
def member_denied(file: Json, world: EvidenceWorld) -> None:
    """the member is said to be absent, though the proof shows its entry"""
    file["member"]["value"] = None


@defect("record", "bad_evidence", "member")
def member_absent(file: Json, world: EvidenceWorld) -> None:
    """the member is not in the state of the block, which a quorum made up"""
    forge(file, world, {MEMBER: None})


@defect("record", "unknown_key", "member")
def key_of_nobody(file: Json, world: EvidenceWorld) -> None:
    """the member has no such key in the state of the block, which a quorum made up"""
    forge(file, world, {MEMBER: member_with(world, MemberKey(Ed25519Signer(seed("another key")).public_key))})


@defect("record", "revoked_key", "member")
def key_ended(file: Json, world: EvidenceWorld) -> None:
    """the key had ended before the block, which a quorum made up"""
    key = MemberKey(system_signer("aviation").public_key, 0, 10)
    forge(file, world, {MEMBER: member_with(world, key)})


@defect("record", "revoked_key", "member")
def key_not_yet(file: Json, world: EvidenceWorld) -> None:
    """the key is valid only after the block, which a quorum made up"""
    key = MemberKey(system_signer("aviation").public_key, 12, 0)
    forge(file, world, {MEMBER: member_with(world, key)})


# 7. The signature


@defect("record", "bad_signature", "signature")
def signature_changed(file: Json, world: EvidenceWorld) -> None:
    """a bit of the parcel's signature is changed"""
    file["parcel"]["signature"] = flipped(file["parcel"]["signature"], 40)


@defect("record", "bad_signature", "signature")
def signature_of_another_member(file: Json, world: EvidenceWorld) -> None:
    """another member has signed the parcel"""
    header = unbase64(file["parcel"]["header"])
    signature = system_signer("registry").sign(signing_message(world.chain_id, header))
    file["parcel"]["signature"] = to_base64(signature)


@defect("record", "bad_signature", "signature")
def signature_without_domain(file: Json, world: EvidenceWorld) -> None:
    """the header is signed without saying for what, and for which chain"""
    file["parcel"]["signature"] = to_base64(system_signer("aviation").sign(unbase64(file["parcel"]["header"])))


@defect("record", "bad_signature", "signature")
def signature_for_another_chain(file: Json, world: EvidenceWorld) -> None:
    """the header is signed for another chain"""
    header = unbase64(file["parcel"]["header"])
    file["parcel"]["signature"] = to_base64(system_signer("aviation").sign(signing_message(bytes(32), header)))


# 8. Dataset and contract


@defect("record", "bad_proof", "dataset")
def another_dataset(file: Json, world: EvidenceWorld) -> None:
    """the entry is that of another dataset"""
    file["dataset"] = world.entry_part(dataset_key(SEALED), 2)


@defect("record", "not_owner", "dataset")
def dataset_of_another(file: Json, world: EvidenceWorld) -> None:
    """the dataset belongs to another member in the block, which a quorum made up"""
    forge(file, world, {DATASET: dataset_with(world, owner="registry")})


@defect("record", "schema_violation", "dataset")
def schema_broken(file: Json, world: EvidenceWorld) -> None:
    """the record breaks the dataset's schema, and a quorum let it pass"""
    forge(file, world, records=(RECORDS[0], b'{"flight":0}', RECORDS[2]))


@defect("record", "schema_violation", "dataset")
def record_no_strict_json(file: Json, world: EvidenceWorld) -> None:
    """a key appears twice in the record, and a quorum let it pass"""
    forge(file, world, records=(RECORDS[0], b'{"flight":1,"flight":2}', RECORDS[2]))


@defect("record_sealed", "bad_evidence", "dataset")
def contract_left_out(file: Json, world: EvidenceWorld) -> None:
    """the contract that the dataset names is not in the file"""
    file["contract"] = None


@defect("record", "bad_evidence", "dataset")
def contract_of_nobody(file: Json, world: EvidenceWorld) -> None:
    """the file has a contract, and the dataset names none"""
    file["contract"] = world.entry_part(CONTRACT, 2)


@defect("record_sealed", "bad_proof", "dataset")
def contract_changed(file: Json, world: EvidenceWorld) -> None:
    """the contract's source is not that in the state"""
    changed = unbase64(file["contract"]["value"]).replace(b"marketing", b"marketlng")
    file["contract"]["value"] = to_base64(changed)


@defect("record", "bad_evidence", "dataset")
def contract_of_another_hash(file: Json, world: EvidenceWorld) -> None:
    """the contract's hash is not that of its source in the block, which a quorum made up"""
    contract = msgspec.structs.replace(decode(ContractEntry, world.value(CONTRACT)), source="def can_read(): ...")
    dataset = dataset_with(world, contract="aviation.rule", schema=SCHEMA)
    forge(file, world, {DATASET: dataset, CONTRACT: contract})
    entries = {MEMBER: world.value(MEMBER), DATASET: encode(dataset), CONTRACT: encode(contract)}
    file["contract"] = ForgedBlock(entries).entry(CONTRACT)
