"""Records, members, signatures, datasets and contracts that are not what a file says."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from chain.primitives.crypto import Ed25519Signer
from chain.primitives.encoding import decode, encode
from chain.proofs.merkle import node_hash
from chain.state.entries import (
    ContractEntry,
    DatasetEntry,
    contract_key,
    correction_key,
    dataset_key,
    derived_key,
    erasure_key,
    member_key,
    parcel_reads_key,
    record_erasure_key,
)
from chain.state.members import Member, MemberKey
from chain.transactions.base import Transaction, signing_message
from chain.transactions.parcel import record_leaves
from tests.vectors.defects.registry import (
    Refused,
    Spoil,
    copy,
    entry,
    flip,
    not_shortest,
    put,
    recode,
    reverse,
    to_base64,
    unbase64,
)
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
    file["uses"]["record_erasure"] = forged.entry(record_erasure_key(id_, 1))
    file["uses"]["correction"] = forged.entry(correction_key(id_, 1))
    file["uses"]["reads"] = forged.entry(parcel_reads_key(OPEN, id_))
    file["uses"]["derived"] = forged.entry(derived_key(id_))


def member_with(world: EvidenceWorld, public_key: bytes, *heights: int) -> Member:
    return msgspec.structs.replace(decode(Member, world.value(MEMBER)), keys=(MemberKey(public_key, *heights),))


def dataset_with(world: EvidenceWorld, **changes: Any) -> DatasetEntry:
    return msgspec.structs.replace(decode(DatasetEntry, world.value(DATASET)), **changes)


OWN_KEY, OTHER_KEY = system_signer("aviation").public_key, Ed25519Signer(seed("another key")).public_key


# 3. and 4. Quorum and order, with blocks that are made up


@Refused("record_at_checkpoint", "bad_proof", "quorum", needs_checkpoint=True).by
def block_of_another_history(file: Json, world: EvidenceWorld) -> None:
    """a quorum has certified a second block of this height: only a checkpoint that the auditor holds tells"""
    inclusion = file["block"]["inclusion"]
    forge(file, world, height=2)
    file["block"]["inclusion"] = inclusion


def forge_signed(file: Json, world: EvidenceWorld, header: bytes) -> None:
    signature = system_signer("aviation").sign(signing_message(world.chain_id, header))
    forge(file, world, transaction=Transaction(header, signature, b""))


Refused("record", "wrong_chain", "order")(
    "parcel_of_another_chain",
    "a quorum has put a parcel into its block that is signed for another chain",
    lambda file, world: forge(
        file, world, transaction=parcel_transaction(RECORDS, 0xA1, dataset=OPEN, chain_id=bytes(32))
    ),
)
Refused("record", "not_canonical", "order")(
    "parcel_not_canonical",
    "a quorum has put a parcel into its block whose header is not in its shortest encoding",
    lambda file, world: forge_signed(file, world, not_shortest(parcel_transaction(RECORDS, 0xA2, dataset=OPEN).header)),
)


@Refused("record", "malformed", "order").by
def parcel_of_no_type(file: Json, world: EvidenceWorld) -> None:
    """a quorum has put a transaction into its block that has no type"""
    header = parcel_transaction(RECORDS, 0xA3, dataset=OPEN).header
    forge_signed(file, world, header[:1] + b"\x63" + header[2:])


# 5. The record

no_parcel = Refused("record", "bad_evidence", "record")
record = Refused("record", "bad_proof", "record")

no_parcel(
    "no_parcel",
    "the transaction is an erasure, not a parcel",
    put("block", lambda world: world.committed_part("erasure")["block"]),
    put("parcel", lambda world: world.transaction_part("erasure")),
)
no_parcel(
    "id_of_another_parcel",
    "the record's id names another parcel than the one that is proved",
    put("record.transaction_id", lambda world: world.ids["secret"].hex()),
)
record("swapped_leaf", "the body is that of another record of the parcel", put("record.body", to_base64(RECORDS[2])))
record("body_changed", "a byte of the record's body is changed", flip("record.body", 10))
record("record_moved", "the record is said to stand elsewhere in its parcel", put("record.index", 0))
record("record_beyond_the_parcel", "the record is said to stand where the parcel has none", put("record.index", 3))
record(
    "record_path_reordered",
    "the path from the record to the parcel's root is in another order",
    reverse("record.proof"),
)
no_parcel("body_and_leaf", "the file has the body of the record and a leaf", copy("record.proof.0", "record.leaf"))
Refused("record_erased", "bad_evidence", "record")(
    "neither_body_nor_leaf", "the file has nothing of the record", put("record.leaf", None)
)


@record.by
def node_for_leaf(file: Json, world: EvidenceWorld) -> None:
    """a node of the records' tree is passed off as a leaf"""
    leaves = record_leaves(world.chain_id, RECORDS)
    file["record"] |= {"index": 0, "body": None, "leaf": node_hash(leaves[0], leaves[1]).hex()}
    file["record"]["proof"] = [leaves[2].hex()]


Refused("record_sealed", "bad_sealing", "record")(
    "sealed_too_short", "the sealed body is shorter than any", recode("record.body", lambda body: body[:47])
)
Refused("record_sealed", "bad_proof", "record")(
    "commitment_changed", "a bit of the sealed record's commitment is changed", flip("record.body", 31)
)


# 6. The member

member = Refused("record", "bad_proof", "member")
revoked = Refused("record", "revoked_key", "member")

member("another_member", "the entry is that of another member", entry("member", member_key("registry"), 2))
member(
    "member_changed",
    "the member's entry has another key than the state",
    put("member.value", lambda world: to_base64(encode(member_with(world, OTHER_KEY)))),
)
member("member_of_another_block", "the entry is proved under the state of another block", entry("member", MEMBER, 5))


@member.by
def state_path_reordered(file: Json, world: EvidenceWorld) -> None:
    """the path of the entry's proof is in another order"""
    siblings, leaf_path, value_hash = msgspec.msgpack.decode(unbase64(file["member"]["proof"]))
    file["member"]["proof"] = to_base64(encode([siblings[::-1], leaf_path, value_hash]))


@Refused("record", "malformed", "member").by
def state_path_of_another_shape(file: Json, world: EvidenceWorld) -> None:
    """the proof's value hash has another length than its path"""
    siblings, _, value_hash = msgspec.msgpack.decode(unbase64(file["member"]["proof"]))
    file["member"] |= {"value": None, "proof": to_base64(encode([siblings, b"", value_hash]))}


Refused("record", "not_canonical", "member")(
    "state_proof_not_canonical",
    "the entry's proof is not in its shortest encoding",
    recode("member.proof", not_shortest),
)
Refused("record", "malformed", "member")(
    "state_proof_with_bytes_after_it",
    "a byte follows the entry's proof",
    recode("member.proof", lambda proof: proof + b"\0"),
)
member("member_denied", "the member is said to be absent, though the proof shows its entry", put("member.value", None))
Refused("record", "bad_evidence", "member")(
    "member_absent",
    "the member is not in the state of the block, which a quorum made up",
    lambda file, world: forge(file, world, {MEMBER: None}),
)
Refused("record", "unknown_key", "member")(
    "key_of_nobody",
    "the member has no such key in the state of the block, which a quorum made up",
    lambda file, world: forge(file, world, {MEMBER: member_with(world, OTHER_KEY)}),
)
revoked(
    "key_ended",
    "the key had ended before the block, which a quorum made up",
    lambda file, world: forge(file, world, {MEMBER: member_with(world, OWN_KEY, 0, 10)}),
)
revoked(
    "key_not_yet",
    "the key is valid only after the block, which a quorum made up",
    lambda file, world: forge(file, world, {MEMBER: member_with(world, OWN_KEY, 12, 0)}),
)


# 7. The signature


def sign(message: Callable[[EvidenceWorld, bytes], bytes], name: str = "aviation") -> Spoil:
    """The parcel's signature becomes that of a message made from its header."""

    def spoil(file: Json, world: EvidenceWorld) -> None:
        signed = system_signer(name).sign(message(world, unbase64(file["parcel"]["header"])))
        file["parcel"]["signature"] = to_base64(signed)

    return spoil


signature = Refused("record", "bad_signature", "signature")

signature("signature_changed", "a bit of the parcel's signature is changed", flip("parcel.signature", 40))
signature(
    "signature_of_another_member",
    "another member has signed the parcel",
    sign(lambda world, header: signing_message(world.chain_id, header), "registry"),
)
signature(
    "signature_without_domain",
    "the header is signed without saying for what, and for which chain",
    sign(lambda world, header: header),
)
signature(
    "signature_for_another_chain",
    "the header is signed for another chain",
    sign(lambda world, header: signing_message(bytes(32), header)),
)


# 8. Dataset and contract

schema = Refused("record", "schema_violation", "dataset")

Refused("record", "bad_proof", "dataset")(
    "another_dataset", "the entry is that of another dataset", entry("dataset", dataset_key(SEALED), 2)
)
Refused("record", "not_owner", "dataset")(
    "dataset_of_another",
    "the dataset belongs to another member in the block, which a quorum made up",
    lambda file, world: forge(file, world, {DATASET: dataset_with(world, owner="registry")}),
)
schema(
    "schema_broken",
    "the record breaks the dataset's schema, and a quorum let it pass",
    lambda file, world: forge(file, world, records=(RECORDS[0], b'{"flight":0}', RECORDS[2])),
)
schema(
    "record_no_strict_json",
    "a key appears twice in the record, and a quorum let it pass",
    lambda file, world: forge(file, world, records=(RECORDS[0], b'{"flight":1,"flight":2}', RECORDS[2])),
)
Refused("record_sealed", "bad_evidence", "dataset")(
    "contract_left_out", "the contract that the dataset names is not in the file", put("contract", None)
)
Refused("record", "bad_evidence", "dataset")(
    "contract_of_nobody", "the file has a contract, and the dataset names none", entry("contract", CONTRACT, 2)
)
Refused("record_sealed", "bad_proof", "dataset")(
    "contract_changed",
    "the contract's source is not that in the state",
    recode("contract.value", lambda value: value.replace(b"marketing", b"marketlng")),
)


@Refused("record", "bad_evidence", "dataset").by
def contract_of_another_hash(file: Json, world: EvidenceWorld) -> None:
    """the contract's hash is not that of its source in the block, which a quorum made up"""
    contract = msgspec.structs.replace(decode(ContractEntry, world.value(CONTRACT)), source="def can_read(): ...")
    dataset = dataset_with(world, contract="aviation.rule", schema=SCHEMA)
    forge(file, world, {DATASET: dataset, CONTRACT: contract})
    entries = {MEMBER: world.value(MEMBER), DATASET: encode(dataset), CONTRACT: encode(contract)}
    file["contract"] = ForgedBlock(entries).entry(CONTRACT)
