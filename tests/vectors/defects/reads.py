"""Reads that are told wrongly: who asked, who answered, what was reported."""

import json

from chain.state.entries import member_key, request_key
from evidence.read import make_read_evidence
from tests.vectors.defects.registry import defect, flipped
from tests.vectors.evidence_world import EvidenceWorld
from tests.vectors.forgery import Json


@defect("read", "bad_evidence", "request")
def no_request(file: Json, world: EvidenceWorld) -> None:
    """the transaction is an answer, not a request"""
    file["request"] = world.committed_part("approval")


@defect("read", "bad_certificate", "request")
def request_not_final(file: Json, world: EvidenceWorld) -> None:
    """the request's block has too few votes"""
    file["request"]["block"]["certificate"]["votes"].pop()


@defect("read", "bad_proof", "request")
def request_in_another_block(file: Json, world: EvidenceWorld) -> None:
    """the request is shown with a block that does not hold it"""
    file["request"]["block"] = world.block_part(2)


@defect("read", "bad_evidence", "state")
def state_before_the_request(file: Json, world: EvidenceWorld) -> None:
    """the state is that of a block before the request's"""
    key = request_key(world.ids["asked"])
    file["state"] = {"block": world.block_part(4), "request": world.entry_part(key, 4)}


@defect("read", "bad_proof", "state")
def entry_of_another_request(file: Json, world: EvidenceWorld) -> None:
    """the entry is that of another request"""
    file["state"]["request"] = world.entry_part(request_key(world.ids["granted"]))


@defect("read", "bad_signature", "reader")
def request_signature_changed(file: Json, world: EvidenceWorld) -> None:
    """a bit of the request's signature is changed"""
    file["request"]["transaction"]["signature"] = flipped(file["request"]["transaction"]["signature"])


@defect("read", "bad_evidence", "reader")
def reader_left_out(file: Json, world: EvidenceWorld) -> None:
    """the reader's entry is not in the file"""
    del file["members"]["university"]


@defect("read", "bad_proof", "reader")
def reader_of_another_name(file: Json, world: EvidenceWorld) -> None:
    """another member's entry stands under the reader's name"""
    file["members"]["university"] = world.entry_part(member_key("meteorology"))


@defect("read", "bad_evidence", "answers")
def answer_left_out(file: Json, world: EvidenceWorld) -> None:
    """the revocation is left out"""
    file["answers"].pop()


@defect("read", "bad_evidence", "answers")
def answers_reordered(file: Json, world: EvidenceWorld) -> None:
    """the answers are not in the chain's order"""
    file["answers"].reverse()


@defect("read", "bad_evidence", "answers")
def report_for_answer(file: Json, world: EvidenceWorld) -> None:
    """a read report stands among the answers"""
    file["answers"][1] = world.committed_part("read_report")


@defect("read", "bad_signature", "answers")
def answer_signature_changed(file: Json, world: EvidenceWorld) -> None:
    """a bit of an answer's signature is changed"""
    answer = file["answers"][0]["transaction"]
    answer["signature"] = flipped(answer["signature"], 63 - 1)


@defect("read", "bad_evidence", "answers")
def approver_left_out(file: Json, world: EvidenceWorld) -> None:
    """the entry of a member that answered is not in the file"""
    del file["members"]["registry"]


@defect("read_refused", "bad_evidence", "answers")
def empty_answers_left_out(file: Json, world: EvidenceWorld) -> None:
    """the list of answers is left out, though there are none"""
    file["answers"] = None


@defect("read", "bad_evidence", "answers")
def answers_left_out(file: Json, world: EvidenceWorld) -> None:
    """the list of answers is left out, though it is not too long"""
    file["answers"] = None


@defect("read_refused", "bad_evidence", "reports")
def empty_reports_left_out(file: Json, world: EvidenceWorld) -> None:
    """the list of read reports is left out, though there are none"""
    file["read_reports"] = None


@defect("read", "bad_evidence", "reports")
def report_left_out(file: Json, world: EvidenceWorld) -> None:
    """the second read report is left out"""
    file["read_reports"].pop()


@defect("read", "bad_evidence", "reports")
def report_twice(file: Json, world: EvidenceWorld) -> None:
    """one read report is listed twice, so that the numbers fit"""
    file["read_reports"][1] = file["read_reports"][0]


@defect("read", "bad_evidence", "reports")
def reports_after_the_state(file: Json, world: EvidenceWorld) -> None:
    """read reports are listed that came after the state's block"""
    earlier = json.loads(make_read_evidence(world.ledger, world.ids["asked"], 7))
    file |= {name: earlier[name] for name in ("state", "answers", "members")}


@defect("read", "bad_evidence", "reports")
def member_for_nothing(file: Json, world: EvidenceWorld) -> None:
    """the file has an entry of a member that signed nothing in it"""
    file["members"]["airports"] = world.entry_part(member_key("airports"))
