"""How a request's history looks, for programs and for people."""

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from chain.access.history import AnswerNote, DecisionNote, Note, ReportNote, RequestHistory, Signed
from chain.messages import printable, time_text
from chain.transactions.request import RequestHeader

_NAMED = 20
"""Records that are named to people; programs get all."""
_STYLES = {"granted": "bold green", "denied": "bold red", "asked": "bold yellow", "revoked": "bold red"}


def describe_read(read: RequestHistory) -> dict[str, Any]:
    """A request's history for programs: hashes in hexadecimal, times in milliseconds."""
    header = read.header
    return {
        "request": read.by.transaction_id.hex(),
        "reader": read.by.member,
        "dataset": header.dataset,
        "parcels": [parcel.hex() for parcel in header.parcels],
        "from_height": header.from_height,
        "until_height": header.until_height,
        "keys": [key.hex() for key in header.keys],
        "records": [f"{parcel.hex()}/{index}" for parcel, index in header.records],
        "fields": list(header.fields),
        "wanted_until_ms": header.until_ms,
        "purpose": header.purpose,
        "legal_basis": header.legal_basis,
        "case_number": header.case_number,
        "person": header.person,
        "height": read.by.height,
        "time_ms": read.by.time_ms,
        "status": read.status,
        "records_read": read.records_read,
        "decisions": [_describe_decision(note) for note in read.decisions],
        "answers": [_signed(note.by) | {"answer": note.answer, "reason": note.reason} for note in read.answers],
        "read_reports": [
            _signed(note.by)
            | {
                "parcels": [parcel.hex() for parcel in note.parcels],
                "record_count": note.record_count,
                "digest": note.digest.hex(),
                "fields": list(note.fields),
            }
            for note in read.read_reports
        ],
    }


def _describe_decision(note: DecisionNote) -> dict[str, Any]:
    verdict = note.verdict
    return _signed(note.by) | {
        "verdict": verdict.verdict,
        "status": note.status,
        "reason": note.sentence,
        "failure": note.failure,
        "until_ms": verdict.until_ms,
        "contract": verdict.contract,
        "contract_version": verdict.contract_version,
        "contract_hash": verdict.contract_hash.hex(),
        "inputs_hash": verdict.inputs_hash.hex(),
        "fuel": note.fuel,
    }


def _signed(by: Signed) -> dict[str, Any]:
    return {"transaction_id": by.transaction_id.hex(), "member": by.member, "height": by.height, "time_ms": by.time_ms}


def read_lines(read: RequestHistory) -> Iterator[Text]:
    """A request's history for people: what was asked, then everything that came of it in the chain's order."""
    header = read.header
    yield Text.assemble(
        (read.status, _STYLES[read.status]), "  ", (read.by.member, "bold"), " asked for ", (_target(read), "bold")
    )
    yield Text(f"  request   {read.by.transaction_id.hex()}")
    yield Text(f"  purpose   {printable(header.purpose)}")
    grounds = {"legal basis": header.legal_basis, "case": header.case_number, "by": header.person}
    if said := ", ".join(f"{name} {text}" for name, text in grounds.items() if text):
        yield Text(f"  grounds   {printable(said)}")
    if header.fields:
        yield Text(f"  fields    {printable(', '.join(header.fields))}")
    if header.records or header.keys:
        ids = [f"{parcel.hex()[:16]}/{index}" for parcel, index in header.records]
        keys = [f"key {key.hex()}" for key in header.keys]
        yield Text(f"  records   {', '.join([*ids, *keys][:_NAMED])}{', ...' if len(ids) + len(keys) > _NAMED else ''}")
    yield _line(read.by, "asked" + (f", until {time_text(header.until_ms)}" if header.until_ms else ""))
    for note in read.notes:
        yield _note_line(note)


def _note_line(note: Note) -> Text:
    match note:
        case DecisionNote():
            return _line(note.by, _decision(note))
        case AnswerNote():
            return _line(note.by, f"{note.by.member}: {note.answer}" + (f", {note.reason!r}" if note.reason else ""))
        case ReportNote():
            parcels = f"{len(note.parcels):,} parcel" + ("s" if len(note.parcels) != 1 else "")
            fields = f", fields {', '.join(map(printable, note.fields))}" if note.fields else ""
            digest = f", digest {note.digest.hex()[:16]}"
            return _line(note.by, f"read {note.record_count:,} records of {parcels}{fields}{digest}")


def _decision(note: DecisionNote) -> str:
    verdict = note.verdict
    text: str = "revoked" if note.status == "revoked" else verdict.verdict
    if verdict.contract:
        text += f" by {verdict.contract} version {verdict.contract_version} ({verdict.contract_hash.hex()[:16]})"
    if note.facts:
        text += f": {note.sentence}"
    if note.failure:
        text += f" [{note.failure}]"
    if verdict.until_ms:
        text += f", until {time_text(verdict.until_ms)}"
    return text + (f", {note.fuel:,} fuel" if note.fuel else "")


def _target(read: RequestHistory) -> str:
    header = read.header
    fields = f"{len(header.fields)} fields of " if header.fields else ""
    if records := len(header.records) + len(header.keys):
        return f"{fields}{records} records of {header.dataset}"
    return fields + _parcels(header)


def _parcels(header: RequestHeader) -> str:
    if header.parcels:
        return f"{len(header.parcels)} of the parcels of {header.dataset}"
    if header.from_height or header.until_height:
        return f"{header.dataset}, heights {header.from_height} to {header.until_height or 'any'}"
    return f"all of {header.dataset}"


def _line(by: Signed, text: str) -> Text:
    return Text.assemble(f"  {by.height:>9,}  ", (time_text(by.time_ms), "dim"), f"  {text}")
