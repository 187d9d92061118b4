"""Absences that are none, or that the file does not show."""

from collections.abc import Callable

from chain.state.entries import dataset_key, member_key, parcel_reads_key, reader_key, reads_key, request_key
from tests.vectors.defects.registry import Refused, entry, flip, put, to_base64
from tests.vectors.evidence_world import OPEN, SEALED, EvidenceWorld
from tests.vectors.forgery import Json
from tests.vectors.network import READER, parcel_transaction


def shown_before(reader: str, height: int) -> Callable[[EvidenceWorld], Json]:
    """What a member had been granted before the block at ``height``."""
    granted = {"university": ["asked"], "meteorology": ["granted"]}[reader] if height > 6 else []
    return lambda world: {
        "block": world.block_part(height),
        "parent": to_base64(world.ledger.block_at(height - 1).header),
        "reader": world.entry_part(reader_key(SEALED, reader), height - 1),
        "requests": {
            world.ids[name].hex(): world.entry_part(request_key(world.ids[name]), height - 1) for name in granted
        },
    }


# No grant

before = Refused("no_grant_later", "bad_evidence", "before")
not_needed = Refused("no_grant", "access_not_needed", "after")

Refused("no_grant_later", "not_absent", "absence")(
    "granted_in_the_range",
    "the member was granted access in the range",
    put("from_height", 5),
    put("before", shown_before(READER, 5)),
)
Refused("no_grant_later", "not_absent", "absence")(
    "earlier_grants_left_out", "what was granted before the range is not shown", put("before", None)
)
Refused("no_grant_later", "not_absent", "before")(
    "in_force_when_it_begins",
    "a grant from before the range was in force when it began",
    put("reader", "meteorology"),
    put("before", shown_before("meteorology", 8)),
    entry("after.reader", reader_key(SEALED, "meteorology")),
)
before("request_left_out", "a request that was granted before the range is not shown", put("before.requests", {}))
before(
    "parent_of_another_block",
    "the header is not that of the block before the range",
    put("before.parent", lambda world: to_base64(world.ledger.block_at(6).header)),
)
before("first_block_of_another_height", "the first block is not where the range begins", put("from_height", 7))
before("grants_in_an_empty_range", "the range ends before it begins", put("until_height", 7))
Refused("no_grant_later", "bad_evidence", "after")(
    "last_block_of_another_height", "the last block is not where the range ends", put("until_height", 9)
)
Refused("no_grant_later", "bad_certificate", "after")(
    "last_block_not_final", "the last block has a bad vote", flip("after.block.certificate.votes.1.signature")
)
Refused("no_grant_later", "bad_proof", "after")(
    "entry_denied",
    "the member's entry is said to be absent, though the proof shows it",
    put("after.reader.value", None),
)
Refused("no_grant_later", "bad_proof", "after")(
    "entry_of_another_reader",
    "the absence that is proved is another member's",
    entry("after.reader", reader_key(SEALED, "airports")),
)
Refused("no_grant", "unknown_member", "after")(
    "reader_unknown",
    "the pool has no such member, so its absence says nothing",
    put("reader", "nobody"),
    entry("after.reader", reader_key(SEALED, "nobody")),
    entry("after.member", member_key("nobody")),
)
not_needed(
    "dataset_open",
    "the dataset is open: who reads it needs no grant",
    put("dataset", OPEN),
    entry("after.dataset", dataset_key(OPEN)),
    entry("after.reader", reader_key(OPEN, "airports")),
)
not_needed(
    "dataset_of_its_own",
    "the member owns the dataset",
    put("reader", "aviation"),
    entry("after.reader", reader_key(SEALED, "aviation")),
    entry("after.member", member_key("aviation")),
)
Refused("no_grant", "bad_evidence", "after")(
    "dataset_of_nobody",
    "there is no such dataset",
    put("dataset", "aviation.nothing"),
    entry("after.dataset", dataset_key("aviation.nothing")),
    entry("after.reader", reader_key("aviation.nothing", "airports")),
)

# No read

counters = Refused("no_read_later", "bad_evidence", "before")

Refused("no_read_later", "not_absent", "absence")(
    "read_in_the_range",
    "a read report that names the parcel came in the range",
    put("from_height", 7),
    put("before.block", lambda world: world.block_part(6)),
    entry("before.reads", lambda world: parcel_reads_key(SEALED, world.ids["sealed"]), 6),
)
Refused("no_read_later", "not_absent", "absence")(
    "earlier_reads_left_out", "what was reported before the range is not shown", put("before", None)
)
Refused("no_read", "access_not_needed", "parcel")(
    "parcel_open",
    "the parcel is open: who reads it leaves no trace",
    put("parcel", lambda world: world.transaction_part("open")["header"]),
)
Refused("no_read", "bad_evidence", "parcel")(
    "parcel_of_another_type",
    "the transaction is a request, not a parcel",
    put("parcel", lambda world: world.transaction_part("asked")["header"]),
)
Refused("no_read", "wrong_chain", "parcel")(
    "parcel_signed_for_another_chain",
    "the parcel is one of another chain",
    put("parcel", lambda world: to_base64(parcel_transaction((b"{}",), 0xA9, chain_id=bytes(32)).header)),
)
counters(
    "counters_of_another_height", "the counters before the range are those of another height", put("from_height", 9)
)
counters("reads_in_an_empty_range", "the range ends before it begins", put("until_height", 6))
Refused("no_read_later", "bad_proof", "before")(
    "counters_of_another_parcel",
    "the counters before the range are another parcel's",
    entry("before.reads", lambda world: parcel_reads_key(SEALED, world.ids["whole"]), 7),
)
Refused("no_read_later", "bad_evidence", "after")(
    "reads_until_another_height", "the last block is not where the range ends", put("until_height", 9)
)
Refused("no_read_later", "bad_proof", "after")(
    "grants_of_another_dataset",
    "the grants beside it are another dataset's",
    entry("after.dataset_reads", reads_key(OPEN)),
)
