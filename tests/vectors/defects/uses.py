"""What came of a parcel, told wrongly: left out, reordered, hidden."""

from chain.primitives.crypto import Hash
from chain.primitives.encoding import encode
from chain.state.entries import (
    EMPTY_HISTORY,
    DerivedParcels,
    OwnerAct,
    ParcelReads,
    correction_key,
    derived_key,
    erasure_key,
    parcel_reads_key,
    record_erasure_key,
)
from tests.vectors.defects.records import MEMBER
from tests.vectors.defects.registry import Refused, drop, flip, put, reverse, to_base64
from tests.vectors.evidence_world import OPEN, SEALED, EvidenceWorld
from tests.vectors.forgery import ForgedBlock, Json
from tests.vectors.network import RECORDS


def use_state(file: Json, entries: dict[bytes, bytes], dataset: str, parcel_id: Hash) -> None:
    """What came of the file's parcel, in a block that a quorum made up."""
    forged = ForgedBlock(entries)
    uses = file["uses"]
    uses["block"] = forged.block()
    uses["erasure"] = forged.entry(erasure_key(parcel_id))
    uses["record_erasure"] = forged.entry(record_erasure_key(parcel_id, file["record"]["index"]))
    uses["correction"] = forged.entry(correction_key(parcel_id, file["record"]["index"]))
    uses["reads"] = forged.entry(parcel_reads_key(dataset, parcel_id))
    uses["derived"] = forged.entry(derived_key(parcel_id))


def show_after(file: Json, world: EvidenceWorld, parcel_id: Hash, height: int) -> None:
    """What came of the file's parcel, told as of another block."""
    uses = file["uses"]
    uses["block"] = world.block_part(height)
    uses["erasure"] = world.entry_part(erasure_key(parcel_id), height)
    uses["record_erasure"] = world.entry_part(record_erasure_key(parcel_id, file["record"]["index"]), height)
    uses["correction"] = world.entry_part(correction_key(parcel_id, file["record"]["index"]), height)
    uses["reads"] = world.entry_part(parcel_reads_key(OPEN, parcel_id), height)
    uses["derived"] = world.entry_part(derived_key(parcel_id), height)


evidence = Refused("record", "bad_evidence", "uses")
proof = Refused("record", "bad_proof", "uses")
history = Refused("record_sealed", "bad_proof", "uses")


@evidence.by
def uses_before_the_parcel(file: Json, world: EvidenceWorld) -> None:
    """the uses are told as of a block before the parcel's"""
    show_after(file, world, world.ids["open"], 1)
    file["uses"]["derived_transactions"] = []


Refused("record", "bad_certificate", "uses")(
    "uses_not_final", "the block of the uses has a bad vote", flip("uses.block.certificate.votes.0.signature")
)
proof(
    "uses_of_another_block",
    "the entries are those after another block than the one that is shown",
    put("uses.block", lambda world: world.block_part(9)),
)
Refused("record_erased", "bad_evidence", "uses")(
    "erasure_left_out",
    "the record is left out as if erased, told as of a block when it was not",
    lambda file, world: show_after(file, world, world.ids["secret"], 3),
)
Refused("record_erased", "parcel_erased", "uses")(
    "erased_shown",
    "the record's body is shown, though its parcel was erased",
    put("record.body", to_base64(b'{"flight":7}')),
    put("record.leaf", None),
)
Refused("record_erased", "bad_proof", "uses")(
    "erasure_denied", "the erasure is said to be absent, though the proof shows it", put("uses.erasure.value", None)
)


Refused("record_alone_erased", "bad_proof", "uses")(
    "record_erasure_denied",
    "the erasure of the record is said to be absent, though the proof shows it",
    put("uses.record_erasure.value", None),
)
Refused("record_beside_erased", "bad_proof", "uses")(
    "record_erasure_of_another",
    "the erasure of the record beside it is shown as its own",
    put("uses.record_erasure", lambda world: world.entry_part(record_erasure_key(world.ids["partly"], 0))),
)
Refused("record_alone_erased", "parcel_erased", "uses")(
    "erased_record_shown",
    "the record's body is shown, though it was erased",
    put("record.body", to_base64(RECORDS[0])),
    put("record.leaf", None),
)


@Refused("record_alone_erased", "bad_evidence", "uses").by
def record_erasure_in_another_dataset(file: Json, world: EvidenceWorld) -> None:
    """the erasure of the record is of another dataset in the block, which a quorum made up"""
    id_ = world.ids["partly"]
    erasure = OwnerAct(SEALED, "aviation", "law", "", 4, 0, world.ids["record erasure"])
    use_state(file, {MEMBER: world.value(MEMBER), record_erasure_key(id_, 0): encode(erasure)}, OPEN, id_)
    file["uses"]["derived_transactions"] = []


@Refused("record_erased", "bad_evidence", "uses").by
def erasure_of_another_dataset(file: Json, world: EvidenceWorld) -> None:
    """the erasure is of another dataset in the block, which a quorum made up"""
    id_ = world.ids["secret"]
    erasure = OwnerAct(SEALED, "aviation", "law", "", 4, 0, world.ids["erasure"])
    use_state(file, {MEMBER: world.value(MEMBER), erasure_key(id_): encode(erasure)}, OPEN, id_)
    file["uses"]["derived_transactions"] = []


Refused("record_corrected", "bad_proof", "uses")(
    "correction_denied",
    "the correction is said to be absent, though the proof shows it",
    put("uses.correction.value", None),
)
Refused("record_corrected", "bad_proof", "uses")(
    "correction_of_another_record",
    "the record is said not to be corrected by the proof of another one of its parcel",
    put("uses.correction", lambda world: world.entry_part(correction_key(world.ids["open"], 1))),
)


@Refused("record_corrected", "bad_evidence", "uses").by
def correction_in_another_dataset(file: Json, world: EvidenceWorld) -> None:
    """the correction is of another dataset in the block, which a quorum made up"""
    id_ = world.ids["open"]
    correction = OwnerAct(SEALED, "aviation", "law", "wrong", 4, 0, world.ids["correction"])
    use_state(file, {MEMBER: world.value(MEMBER), correction_key(id_, 2): encode(correction)}, OPEN, id_)
    file["uses"]["derived_transactions"] = []


Refused("record_followed", "bad_evidence", "uses")(
    "present_record_left_out", "whether it is the present record of its key is left out", put("uses.present", None)
)
Refused("record_followed", "bad_proof", "uses")(
    "present_record_of_another_key",
    "the present record of another key is shown in the place of its own",
    put("uses.present", lambda world: world.entry_part(world.key_of("keyed", 1))),
)
Refused("record_followed", "bad_proof", "uses")(
    "present_record_of_an_old_block",
    "the record that was present before is shown as the present one",
    put("uses.present", lambda world: world.entry_part(world.key_of("keyed", 0), 2)),
)
evidence(
    "present_record_without_a_key",
    "a present record is shown for a record that has no key",
    put("uses.present", lambda world: world.entry_part(world.key_of("keyed", 0))),
)
history(
    "truncated_history", "the last transaction that names the parcel is left out", drop("uses.read_transactions.-1")
)
history(
    "history_reordered", "the transactions that name the parcel are in another order", reverse("uses.read_transactions")
)


@history.by
def history_with_one_more(file: Json, world: EvidenceWorld) -> None:
    """a transaction is listed twice among those that name the parcel"""
    listed = file["uses"]["read_transactions"]
    listed.append(listed[0])


evidence(
    "empty_history_left_out",
    "the list of reads is left out, though there are none",
    put("uses.read_transactions", None),
)
proof(
    "derived_parcel_left_out", "a parcel that was made from this one is left out", drop("uses.derived_transactions.0")
)
evidence(
    "derived_left_out",
    "the list of parcels made from this one is left out, though it is not too long",
    put("uses.derived_transactions", None),
)


@Refused("record_sealed", "bad_evidence", "uses").by
def reads_counted_wrongly(file: Json, world: EvidenceWorld) -> None:
    """requests and read reports are as many as listed, and counted as others in the block, which a quorum made up"""
    id_, history = world.ids["sealed"], EMPTY_HISTORY
    for name in ("asked", "granted", "read_report", "second read report"):
        history = history.extended(world.chain_id, world.ids[name])
    reads = {parcel_reads_key(SEALED, id_): encode(ParcelReads(3, 1, history))}
    use_state(file, {MEMBER: world.value(MEMBER)} | reads, SEALED, id_)


@evidence.by
def reads_of_another_dataset(file: Json, world: EvidenceWorld) -> None:
    """a request is listed that does not name the parcel, in a block that a quorum made up"""
    id_, request = world.ids["open"], world.transaction_part("granted")["header"]
    history = EMPTY_HISTORY.extended(world.chain_id, world.ids["granted"])
    reads = {parcel_reads_key(OPEN, id_): encode(ParcelReads(1, 0, history))}
    use_state(file, {MEMBER: world.value(MEMBER)} | reads, OPEN, id_)
    file["uses"] |= {"read_transactions": [request], "derived_transactions": []}


@evidence.by
def derived_from_elsewhere(file: Json, world: EvidenceWorld) -> None:
    """a parcel is listed that was not made from this one, in a block that a quorum made up"""
    id_, other = world.ids["open"], world.transaction_part("quiet 0")["header"]
    history = EMPTY_HISTORY.extended(world.chain_id, world.ids["quiet 0"])
    derived = {derived_key(id_): encode(DerivedParcels(history))}
    use_state(file, {MEMBER: world.value(MEMBER)} | derived, OPEN, id_)
    file["uses"] |= {"read_transactions": [], "derived_transactions": [other]}
