"""Disclosures that do not open what the parcel commits to."""

from chain.state.entries import correction_key
from tests.vectors.defects.registry import Refused, drop, flip, put, reverse, to_base64
from tests.vectors.evidence_world import EvidenceWorld
from tests.vectors.forgery import Json

FIRST = "disclosure.fields.0"
PLACE = "disclosure.place"
fields = Refused("disclosure_fields", "bad_disclosure", "disclosure")
whole = Refused("disclosure_whole", "bad_disclosure", "disclosure")

fields("value_changed", "a disclosed value is another one", put(f"{FIRST}.value", "1142"))
fields("value_no_json", "a disclosed value is no JSON text", put(f"{FIRST}.value", "eleven"))
fields("field_renamed", "a disclosed field has another name", put(f"{FIRST}.name", "delay"))
fields("salt_changed", "a field's salt is another one", flip(f"{FIRST}.salt"))
fields("fields_out_of_order", "the fields are not in the order of their positions", reverse("disclosure.fields"))


@fields.by
def field_twice(file: Json, world: EvidenceWorld) -> None:
    """a field is disclosed twice"""
    file["disclosure"]["fields"].append(file["disclosure"]["fields"][-1])


fields(
    "field_count_changed",
    "fewer fields are said to be withheld than there are",
    drop("disclosure.fields.-1"),
    put(f"{FIRST}.proof", []),
    put("disclosure.field_count", 1),
)
fields(
    "disclosure_of_another_record",
    "the disclosed record is said to stand elsewhere in the parcel",
    put(f"{PLACE}.index", 1),
)
fields(
    "disclosure_of_another_parcel",
    "the disclosure is of another parcel than the one that is proved",
    put(f"{PLACE}.parcel_id", lambda world: to_base64(world.ids["whole"])),
)
fields(
    "disclosure_of_an_open_parcel",
    "the parcel that is proved is not sealed",
    put("parcel", lambda world: world.transaction_part("open")),
)
whole("whole_changed", "a byte of the disclosed record is changed", flip("disclosure.record", 12))
whole("ciphertext_changed", "the ciphertext's hash is another one", flip(f"{PLACE}.body_hash"))

Refused("disclosure_fields", "bad_certificate", "since")(
    "since_not_final",
    "the block as of which it still stands has a bad vote",
    flip("since.block.certificate.votes.0.signature"),
)
Refused("disclosure_fields", "bad_proof", "since")(
    "correction_of_another_record",
    "that it was not corrected is shown by the proof of another record",
    put("since.correction", lambda world: world.entry_part(correction_key(world.ids["open"], 0))),
)
