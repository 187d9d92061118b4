"""Absences that are none, or that the file does not show."""

from chain.state.entries import dataset_key, member_key, parcel_reads_key, reader_key, reads_key, request_key
from tests.vectors.defects.registry import defect, flipped, to_base64
from tests.vectors.evidence_world import OPEN, SEALED, EvidenceWorld
from tests.vectors.forgery import Json
from tests.vectors.network import READER, parcel_transaction

READER_KEY = reader_key(SEALED, READER)


def shown_before(world: EvidenceWorld, reader: str, height: int) -> Json:
    """What a member had been granted before the block at ``height``."""
    granted = {"university": ["asked"], "meteorology": ["granted"]}[reader] if height > 6 else []
    keys = {world.ids[name].hex(): request_key(world.ids[name]) for name in granted}
    return {
        "block": world.block_part(height),
        "parent": to_base64(world.ledger.block_at(height - 1).header),
        "reader": world.entry_part(reader_key(SEALED, reader), height - 1),
        "requests": {id_: world.entry_part(key, height - 1) for id_, key in keys.items()},
    }


# No grant


@defect("no_grant_later", "not_absent", "absence")
def granted_in_the_range(file: Json, world: EvidenceWorld) -> None:
    """the member was granted access in the range"""
    file |= {"from_height": 5, "before": shown_before(world, READER, 5)}


@defect("no_grant_later", "not_absent", "absence")
def earlier_grants_left_out(file: Json, world: EvidenceWorld) -> None:
    """what was granted before the range is not shown"""
    file["before"] = None


@defect("no_grant_later", "not_absent", "before")
def in_force_when_it_begins(file: Json, world: EvidenceWorld) -> None:
    """a grant from before the range was in force when it began"""
    file |= {"reader": "meteorology", "before": shown_before(world, "meteorology", 8)}
    file["after"]["reader"] = world.entry_part(reader_key(SEALED, "meteorology"))


@defect("no_grant_later", "bad_evidence", "before")
def request_left_out(file: Json, world: EvidenceWorld) -> None:
    """a request that was granted before the range is not shown"""
    file["before"]["requests"] = {}


@defect("no_grant_later", "bad_evidence", "before")
def parent_of_another_block(file: Json, world: EvidenceWorld) -> None:
    """the header is not that of the block before the range"""
    file["before"]["parent"] = to_base64(world.ledger.block_at(6).header)


@defect("no_grant_later", "bad_evidence", "before")
def first_block_of_another_height(file: Json, world: EvidenceWorld) -> None:
    """the first block is not where the range begins"""
    file["from_height"] = 7


@defect("no_grant_later", "bad_evidence", "before")
def grants_in_an_empty_range(file: Json, world: EvidenceWorld) -> None:
    """the range ends before it begins"""
    file["until_height"] = 7


@defect("no_grant_later", "bad_evidence", "after")
def last_block_of_another_height(file: Json, world: EvidenceWorld) -> None:
    """the last block is not where the range ends"""
    file["until_height"] = 9


@defect("no_grant_later", "bad_certificate", "after")
def last_block_not_final(file: Json, world: EvidenceWorld) -> None:
    """the last block has a bad vote"""
    vote = file["after"]["block"]["certificate"]["votes"][1]
    vote["signature"] = flipped(vote["signature"])


@defect("no_grant_later", "bad_proof", "after")
def entry_denied(file: Json, world: EvidenceWorld) -> None:
    """the member's entry is said to be absent, though the proof shows it"""
    file["after"]["reader"]["value"] = None


@defect("no_grant_later", "bad_proof", "after")
def entry_of_another_reader(file: Json, world: EvidenceWorld) -> None:
    """the absence that is proved is another member's"""
    file["after"]["reader"] = world.entry_part(reader_key(SEALED, "airports"))


@defect("no_grant", "unknown_member", "after")
def reader_unknown(file: Json, world: EvidenceWorld) -> None:
    """the pool has no such member, so its absence says nothing"""
    file["reader"] = "nobody"
    file["after"]["reader"] = world.entry_part(reader_key(SEALED, "nobody"))
    file["after"]["member"] = world.entry_part(member_key("nobody"))


@defect("no_grant", "access_not_needed", "after")
def dataset_open(file: Json, world: EvidenceWorld) -> None:
    """the dataset is open: who reads it needs no grant"""
    file["dataset"] = OPEN
    file["after"]["dataset"] = world.entry_part(dataset_key(OPEN))
    file["after"]["reader"] = world.entry_part(reader_key(OPEN, "airports"))


@defect("no_grant", "access_not_needed", "after")
def dataset_of_its_own(file: Json, world: EvidenceWorld) -> None:
    """the member owns the dataset"""
    file["reader"] = "aviation"
    file["after"]["reader"] = world.entry_part(reader_key(SEALED, "aviation"))
    file["after"]["member"] = world.entry_part(member_key("aviation"))


@defect("no_grant", "bad_evidence", "after")
def dataset_of_nobody(file: Json, world: EvidenceWorld) -> None:
    """there is no such dataset"""
    file["dataset"] = "aviation.nothing"
    file["after"]["dataset"] = world.entry_part(dataset_key("aviation.nothing"))
    file["after"]["reader"] = world.entry_part(reader_key("aviation.nothing", "airports"))


# No read


@defect("no_read_later", "not_absent", "absence")
def read_in_the_range(file: Json, world: EvidenceWorld) -> None:
    """a read report that names the parcel came in the range"""
    reads = parcel_reads_key(SEALED, world.ids["sealed"])
    file |= {"from_height": 7, "before": {"block": world.block_part(6), "reads": world.entry_part(reads, 6)}}


@defect("no_read_later", "not_absent", "absence")
def earlier_reads_left_out(file: Json, world: EvidenceWorld) -> None:
    """what was reported before the range is not shown"""
    file["before"] = None


@defect("no_read", "access_not_needed", "parcel")
def parcel_open(file: Json, world: EvidenceWorld) -> None:
    """the parcel is open: who reads it leaves no trace"""
    file["parcel"] = world.transaction_part("open")["header"]


@defect("no_read", "bad_evidence", "parcel")
def parcel_of_another_type(file: Json, world: EvidenceWorld) -> None:
    """the transaction is a request, not a parcel"""
    file["parcel"] = world.transaction_part("asked")["header"]


@defect("no_read", "wrong_chain", "parcel")
def parcel_signed_for_another_chain(file: Json, world: EvidenceWorld) -> None:
    """the parcel is one of another chain"""
    file["parcel"] = to_base64(parcel_transaction((b"{}",), 0xA9, chain_id=bytes(32)).header)


@defect("no_read_later", "bad_evidence", "before")
def counters_of_another_height(file: Json, world: EvidenceWorld) -> None:
    """the counters before the range are those of another height"""
    file["from_height"] = 9


@defect("no_read_later", "bad_evidence", "before")
def reads_in_an_empty_range(file: Json, world: EvidenceWorld) -> None:
    """the range ends before it begins"""
    file["until_height"] = 6


@defect("no_read_later", "bad_proof", "before")
def counters_of_another_parcel(file: Json, world: EvidenceWorld) -> None:
    """the counters before the range are another parcel's"""
    file["before"]["reads"] = world.entry_part(parcel_reads_key(SEALED, world.ids["whole"]), 7)


@defect("no_read_later", "bad_evidence", "after")
def reads_until_another_height(file: Json, world: EvidenceWorld) -> None:
    """the last block is not where the range ends"""
    file["until_height"] = 9


@defect("no_read_later", "bad_proof", "after")
def grants_of_another_dataset(file: Json, world: EvidenceWorld) -> None:
    """the grants beside it are another dataset's"""
    file["after"]["dataset_reads"] = world.entry_part(reads_key(OPEN))
