"""Files that are none: refused before anything in them is looked at."""

import json
from collections.abc import Callable

from tests.vectors.defects.registry import Refused, Spoil, change, drop, other_unused_bits, put

no_file = Refused("record", "bad_evidence", "chain")


def respell(how: Callable[[str], str]) -> Spoil:
    """The file's text becomes what a function makes of it."""
    return lambda file, world: how(json.dumps(file, indent=1, ensure_ascii=False)).encode()


no_file("cut_short", "the file ends in the middle", respell(lambda text: text[: 2 * len(text) // 3]))
no_file("two_values", "something follows the object", respell(lambda text: text + "{}"))
no_file("byte_order_mark", "a byte order mark stands before the object", respell(lambda text: "\ufeff" + text))
no_file(
    "key_twice",
    "a key appears twice: one reader would take the first value, another the last",
    respell(lambda text: text.replace('"index": 1,', '"index": 1, "index": 1,')),
)
no_file("unknown_key", "an object has a member that no table names", put("record.note", "trust me"))
no_file("missing_key", "an object lacks a member", drop("record.leaf"))
no_file("fraction_for_integer", "an integer is written as a fraction", put("record.index", 1.0))
no_file("string_for_integer", "an integer is written as a string", put("parcel.index", "0"))
no_file("negative_index", "an index is negative", put("record.index", -1))
no_file(
    "base64_not_canonical",
    "base64 with other unused bits spells the same signature",
    change("parcel.signature", other_unused_bits),
)
no_file("base64_without_padding", "base64 lacks its padding", change("parcel.signature", lambda text: text.rstrip("=")))
no_file("hash_in_capitals", "a hash is written in capital letters", change("record.transaction_id", str.upper))
no_file("hash_too_short", "a hash of a proof lacks a byte", change("record.proof.0", lambda text: text[:62]))
no_file("signature_too_short", "a signature has 63 bytes", change("parcel.signature", lambda text: text[:84]))
no_file("earlier_format", "the format is another version's", put("format", "blockpool-evidence/1"))
no_file("unknown_kind", "there is no such kind of evidence", put("kind", "rumour"))
Refused("record", "wrong_chain", "chain")(
    "other_chain", "the file is evidence of another chain", put("chain_id", "00" * 32)
)
Refused("disclosure_fields", "bad_evidence", "chain")(
    "form_of_the_other",
    "a disclosure of fields says that it is one of a whole record",
    put("disclosure.format", "blockpool-record-disclosure/1"),
)
