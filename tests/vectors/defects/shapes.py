"""Files that are none: refused before anything in them is looked at."""

import json

from tests.vectors.defects.registry import defect
from tests.vectors.evidence_world import EvidenceWorld
from tests.vectors.forgery import Json


def text_of(file: Json) -> str:
    return json.dumps(file, indent=1, ensure_ascii=False)


@defect("record", "bad_evidence", "chain")
def cut_short(file: Json, world: EvidenceWorld) -> bytes:
    """the file ends in the middle"""
    return text_of(file)[: 2 * len(text_of(file)) // 3].encode()


@defect("record", "bad_evidence", "chain")
def two_values(file: Json, world: EvidenceWorld) -> bytes:
    """something follows the object"""
    return text_of(file).encode() + b"{}"


@defect("record", "bad_evidence", "chain")
def byte_order_mark(file: Json, world: EvidenceWorld) -> bytes:
    """a byte order mark stands before the object"""
    return b"\xef\xbb\xbf" + text_of(file).encode()


@defect("record", "bad_evidence", "chain")
def key_twice(file: Json, world: EvidenceWorld) -> bytes:
    """a key appears twice: one reader would take the first value, another the last"""
    return text_of(file).replace('"index": 1,', '"index": 1, "index": 1,').encode()


@defect("record", "bad_evidence", "chain")
def unknown_key(file: Json, world: EvidenceWorld) -> None:
    """an object has a member that no table names"""
    file["record"]["note"] = "trust me"


@defect("record", "bad_evidence", "chain")
def missing_key(file: Json, world: EvidenceWorld) -> None:
    """an object lacks a member"""
    del file["record"]["leaf"]


@defect("record", "bad_evidence", "chain")
def fraction_for_integer(file: Json, world: EvidenceWorld) -> None:
    """an integer is written as a fraction"""
    file["record"]["index"] = 1.0


@defect("record", "bad_evidence", "chain")
def string_for_integer(file: Json, world: EvidenceWorld) -> None:
    """an integer is written as a string"""
    file["parcel"]["index"] = "0"


@defect("record", "bad_evidence", "chain")
def negative_index(file: Json, world: EvidenceWorld) -> None:
    """an index is negative"""
    file["record"]["index"] = -1


@defect("record", "bad_evidence", "chain")
def base64_not_canonical(file: Json, world: EvidenceWorld) -> None:
    """base64 with other unused bits spells the same signature"""
    spelled: str = file["parcel"]["signature"]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = alphabet[alphabet.index(spelled[-3]) ^ 1]
    file["parcel"]["signature"] = spelled[:-3] + last + "=="


@defect("record", "bad_evidence", "chain")
def base64_without_padding(file: Json, world: EvidenceWorld) -> None:
    """base64 lacks its padding"""
    file["parcel"]["signature"] = file["parcel"]["signature"].rstrip("=")


@defect("record", "bad_evidence", "chain")
def hash_in_capitals(file: Json, world: EvidenceWorld) -> None:
    """a hash is written in capital letters"""
    file["record"]["transaction_id"] = file["record"]["transaction_id"].upper()


@defect("record", "bad_evidence", "chain")
def hash_too_short(file: Json, world: EvidenceWorld) -> None:
    """a hash of a proof lacks a byte"""
    file["record"]["proof"][0] = file["record"]["proof"][0][:62]


@defect("record", "bad_evidence", "chain")
def signature_too_short(file: Json, world: EvidenceWorld) -> None:
    """a signature has 63 bytes"""
    file["parcel"]["signature"] = file["parcel"]["signature"][:84]


@defect("record", "bad_evidence", "chain")
def earlier_format(file: Json, world: EvidenceWorld) -> None:
    """the format is another version's"""
    file["format"] = "blockpool-evidence/1"


@defect("record", "bad_evidence", "chain")
def unknown_kind(file: Json, world: EvidenceWorld) -> None:
    """there is no such kind of evidence"""
    file["kind"] = "rumour"


@defect("record", "wrong_chain", "chain")
def other_chain(file: Json, world: EvidenceWorld) -> None:
    """the file is evidence of another chain"""
    file["chain_id"] = "00" * 32


@defect("disclosure_fields", "bad_evidence", "chain")
def form_of_the_other(file: Json, world: EvidenceWorld) -> None:
    """a disclosure of fields says that it is one of a whole record"""
    file["disclosure"]["format"] = "blockpool-record-disclosure/1"
