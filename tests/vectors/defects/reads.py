"""Reads that are told wrongly: who asked, who answered, what was reported."""

import json

from chain.state.entries import member_key, request_key, totals_key
from evidence.read import make_read_evidence
from tests.vectors.defects.registry import Refused, copy, drop, entry, flip, put, reverse
from tests.vectors.evidence_world import EvidenceWorld
from tests.vectors.forgery import Json

answers = Refused("read", "bad_evidence", "answers")
reports = Refused("read", "bad_evidence", "reports")

Refused("read", "bad_evidence", "request")(
    "no_request",
    "the transaction is an answer, not a request",
    put("request", lambda world: world.committed_part("approval")),
)
Refused("read", "bad_certificate", "request")(
    "request_not_final", "the request's block has too few votes", drop("request.block.certificate.votes.-1")
)
Refused("read", "bad_proof", "request")(
    "request_in_another_block",
    "the request is shown with a block that does not hold it",
    put("request.block", lambda world: world.block_part(2)),
)
Refused("read", "bad_evidence", "state")(
    "state_before_the_request",
    "the state is that of a block before the request's",
    put("state.block", lambda world: world.block_part(4)),
    entry("state.request", lambda world: request_key(world.ids["asked"]), 4),
    entry("state.totals", lambda world: totals_key(world.ids["asked"]), 4),
)
Refused("read", "bad_proof", "state")(
    "entry_of_another_request",
    "the entry is that of another request",
    entry("state.request", lambda world: request_key(world.ids["granted"])),
)
Refused("read", "bad_proof", "state")(
    "totals_of_another_request",
    "the totals are those of a request under which nothing was read",
    entry("state.totals", lambda world: totals_key(world.ids["granted"])),
)
Refused("read", "bad_signature", "reader")(
    "request_signature_changed", "a bit of the request's signature is changed", flip("request.transaction.signature")
)
Refused("read", "bad_evidence", "reader")(
    "reader_left_out", "the reader's entry is not in the file", drop("members.university")
)
Refused("read", "bad_proof", "reader")(
    "reader_of_another_name",
    "another member's entry stands under the reader's name",
    entry("members.university", member_key("meteorology")),
)

answers("answer_left_out", "the revocation is left out", drop("answers.-1"))
answers("answers_reordered", "the answers are not in the chain's order", reverse("answers"))
answers(
    "report_for_answer",
    "a read report stands among the answers",
    put("answers.1", lambda world: world.committed_part("read_report")),
)
answers("approver_left_out", "the entry of a member that answered is not in the file", drop("members.registry"))
answers("answers_left_out", "the list of answers is left out, though it is not too long", put("answers", None))
Refused("read", "bad_signature", "answers")(
    "answer_signature_changed", "a bit of an answer's signature is changed", flip("answers.0.transaction.signature", 62)
)
Refused("read_refused", "bad_evidence", "answers")(
    "empty_answers_left_out", "the list of answers is left out, though there are none", put("answers", None)
)

Refused("read_refused", "bad_evidence", "reports")(
    "empty_reports_left_out", "the list of read reports is left out, though there are none", put("read_reports", None)
)
reports("report_left_out", "the second read report is left out", drop("read_reports.-1"))
reports(
    "report_twice", "one read report is listed twice, so that the numbers fit", copy("read_reports.0", "read_reports.1")
)


@reports.by
def reports_after_the_state(file: Json, world: EvidenceWorld) -> None:
    """read reports are listed that came after the state's block"""
    earlier = json.loads(make_read_evidence(world.ledger, world.ids["asked"], 7))
    file |= {name: earlier[name] for name in ("state", "answers", "members")}


reports(
    "member_for_nothing",
    "the file has an entry of a member that signed nothing in it",
    entry("members.airports", member_key("airports")),
)
