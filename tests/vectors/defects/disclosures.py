"""Disclosures that do not open what the parcel commits to."""

from tests.vectors.defects.registry import defect, flipped, to_base64
from tests.vectors.evidence_world import EvidenceWorld
from tests.vectors.forgery import Json


@defect("disclosure_fields", "bad_disclosure", "disclosure")
def value_changed(file: Json, world: EvidenceWorld) -> None:
    """a disclosed value is another one"""
    file["disclosure"]["fields"][0]["value"] = "1142"


@defect("disclosure_fields", "bad_disclosure", "disclosure")
def value_no_json(file: Json, world: EvidenceWorld) -> None:
    """a disclosed value is no JSON text"""
    file["disclosure"]["fields"][0]["value"] = "eleven"


@defect("disclosure_fields", "bad_disclosure", "disclosure")
def field_renamed(file: Json, world: EvidenceWorld) -> None:
    """a disclosed field has another name"""
    file["disclosure"]["fields"][0]["name"] = "delay"


@defect("disclosure_fields", "bad_disclosure", "disclosure")
def salt_changed(file: Json, world: EvidenceWorld) -> None:
    """a field's salt is another one"""
    file["disclosure"]["fields"][0]["salt"] = flipped(file["disclosure"]["fields"][0]["salt"])


@defect("disclosure_fields", "bad_disclosure", "disclosure")
def fields_out_of_order(file: Json, world: EvidenceWorld) -> None:
    """the fields are not in the order of their positions"""
    file["disclosure"]["fields"].reverse()


@defect("disclosure_fields", "bad_disclosure", "disclosure")
def field_twice(file: Json, world: EvidenceWorld) -> None:
    """a field is disclosed twice"""
    file["disclosure"]["fields"].append(file["disclosure"]["fields"][-1])


@defect("disclosure_fields", "bad_disclosure", "disclosure")
def field_count_changed(file: Json, world: EvidenceWorld) -> None:
    """fewer fields are said to be withheld than there are"""
    file["disclosure"]["fields"].pop()
    file["disclosure"]["fields"][0]["proof"] = []
    file["disclosure"]["field_count"] = 1


@defect("disclosure_fields", "bad_disclosure", "disclosure")
def disclosure_of_another_record(file: Json, world: EvidenceWorld) -> None:
    """the disclosed record is said to stand elsewhere in the parcel"""
    file["disclosure"]["place"]["index"] = 1


@defect("disclosure_fields", "bad_disclosure", "disclosure")
def disclosure_of_another_parcel(file: Json, world: EvidenceWorld) -> None:
    """the disclosure is of another parcel than the one that is proved"""
    file["disclosure"]["place"]["parcel_id"] = to_base64(world.ids["whole"])


@defect("disclosure_fields", "bad_disclosure", "disclosure")
def disclosure_of_an_open_parcel(file: Json, world: EvidenceWorld) -> None:
    """the parcel that is proved is not sealed"""
    file["parcel"] = world.transaction_part("open")


@defect("disclosure_whole", "bad_disclosure", "disclosure")
def whole_changed(file: Json, world: EvidenceWorld) -> None:
    """a byte of the disclosed record is changed"""
    file["disclosure"]["record"] = flipped(file["disclosure"]["record"], 12)


@defect("disclosure_whole", "bad_disclosure", "disclosure")
def ciphertext_changed(file: Json, world: EvidenceWorld) -> None:
    """the ciphertext's hash is another one"""
    file["disclosure"]["place"]["body_hash"] = flipped(file["disclosure"]["place"]["body_hash"])
