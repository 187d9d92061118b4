"""Evidence of a read: who asked for what and why, what was decided, who approved, and what the reader says it fetched;
complete up to a height.

The state names every answer to the request and counts its read reports, so none can be left out. The transactions
themselves are there too, with the signatures of those who gave them.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Annotated, Any

from msgspec import Meta

from chain.blocks import BlockHeader
from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.primitives.crypto import Hash
from chain.primitives.types import Name
from chain.state.entries import RequestEntry, RequestTotals, member_key, request_key, totals_key
from chain.storage.blocks import Location
from chain.transactions.approval import APPROVAL
from chain.transactions.base import TransactionType
from chain.transactions.read_report import READ_REPORT
from chain.transactions.request import REQUEST, RequestHeader, request_terms
from evidence.making import PartMaker
from evidence.parts import LISTED_MAX, BlockPart, CommittedPart, EntryPart, EvidenceFile, Part, encode_evidence
from evidence.times import utc
from evidence.verification import CommittedTransaction, Verifier, bad_evidence

READ_STEPS = ("chain", "request", "state", "reader", "decision", "answers", "reports")
"""Titles of the verification's steps in their order."""

SEARCHED_MAX = 10_000
"""Transactions about a dataset's reads that are looked through for a request's read reports."""
_PAGE = 256

CommittedList = Annotated[tuple[CommittedPart, ...], Meta(max_length=LISTED_MAX)] | None
"""All of them in chain order; None if there are too many to list, or too many reads to look for them among."""


class RequestStatePart(Part, frozen=True):
    """Where a request stood after a block."""

    block: BlockPart
    """The block as of which all of this holds; not before the request's."""
    request: EntryPart
    """``request/ID``: the decision that held then, and all answers."""
    totals: EntryPart
    """``request-totals/ID``: the number of read reports, and of the records read; no entry if there are none."""


class ReadEvidence(EvidenceFile, frozen=True, tag_field="kind", tag="read"):
    """A read's evidence."""

    request: CommittedPart
    state: RequestStatePart
    answers: CommittedList
    """Approvals, refusals and revocations."""
    read_reports: CommittedList
    """Read reports of the reader."""
    members: dict[Name, EntryPart]
    """``member/NAME`` after the state's block, of everybody who signed something above, and of nobody else."""


# Making


def make_read_evidence(ledger: Ledger, request_id: Hash, tree_size: int | None = None) -> bytes:
    """The evidence file of the read that a request has led to.

    Args:
        ledger: where it is taken from.
        request_id: transaction id of the request.
        tree_size: of the checkpoint that the auditor holds; see ``PartMaker``.

    Raises:
        PoolError: code ``not_found`` if there is no such request up to the checkpoint, or it was rejected.
    """
    maker = PartMaker(ledger, tree_size)
    location = maker.location(request_id)
    if REQUEST.of(maker.header(location)) is None:
        raise PoolError(ErrorCode.NOT_FOUND, f"transaction {request_id.hex()} is no request")
    request = maker.committed(location)
    key, key_of_totals = request_key(request_id), totals_key(request_id)
    entry = maker.present_value(key, maker.height, RequestEntry)
    totals = maker.value(key_of_totals, maker.height, RequestTotals) or RequestTotals()
    signers = {entry.terms.reader}
    answers: CommittedList = None
    if len(entry.answers) <= LISTED_MAX:
        signers |= {answer.member for answer in entry.answers}
        answers = tuple(maker.committed(place) for place in _answers(maker, request_id, entry))
    read_reports = _read_reports(maker, request_id, entry.terms.dataset, totals.read_reports, location)
    file = ReadEvidence(
        *maker.head,
        request=request,
        state=RequestStatePart(
            maker.block(maker.height), maker.entry(key, maker.height), maker.entry(key_of_totals, maker.height)
        ),
        answers=answers,
        read_reports=None if read_reports is None else tuple(maker.committed(place) for place in read_reports),
        members={name: maker.entry(member_key(name), maker.height) for name in sorted(signers)},
    )
    return encode_evidence(file)


def _answers(maker: PartMaker, request_id: Hash, entry: RequestEntry) -> Iterator[Location]:
    """Where the answers to a request stand that its entry keeps."""
    for height in dict.fromkeys(answer.height for answer in entry.answers):
        places = _read_transactions(maker, entry.terms.dataset, Location(height - 1, 2**32 - 1), height)
        newest: dict[str, Location] = {}
        for place in _accepted(maker, APPROVAL, request_id, places):
            member = maker.header(place).member
            newest.pop(member, None)
            newest[member] = place
        kept = {answer.member for answer in entry.answers if answer.height == height}
        yield from (place for member, place in newest.items() if member in kept)


def _read_reports(
    maker: PartMaker, request_id: Hash, dataset: str, count: int, location: Location
) -> list[Location] | None:
    """Where the read reports of a request stand; None if they are too many to list or to look for."""
    if count > LISTED_MAX:
        return None
    places = islice(_read_transactions(maker, dataset, location, maker.height), SEARCHED_MAX)
    found = list(islice(_accepted(maker, READ_REPORT, request_id, places), count))
    return found if len(found) == count else None


def _accepted(
    maker: PartMaker, type_: TransactionType[Any], request_id: Hash, places: Iterable[Location]
) -> Iterator[Location]:
    """Which of the places hold a transaction of a type about a request that took effect."""
    for place in places:
        header = type_.of(maker.header(place))
        if header and header.request == request_id and maker.took_effect(place):
            yield place


def _read_transactions(maker: PartMaker, dataset: str, after: Location, until_height: int) -> Iterator[Location]:
    """Requests, approvals and read reports about a dataset, beginning after ``after``."""
    while True:
        page = maker.ledger.blocks.read_transactions(dataset, after, _PAGE)
        for place in page:
            if place.height > until_height:
                return
            yield place
        if len(page) < _PAGE:
            return
        after = page[-1]


# Verifying


def verify_read(file: ReadEvidence, verifier: Verifier) -> Iterator[str]:
    """Verify a read's evidence: what each of ``READ_STEPS`` has found, as it passes."""
    # 1. The file speaks of this chain.
    yield verifier.verify_chain(file)

    # 2. A final block holds the request, with the outcome that it took effect.
    request = verifier.committed(file.request)
    header = REQUEST.of(request.header)
    if header is None:
        raise bad_evidence("the transaction is no request")
    yield (
        f"height {request.block.height}, {utc(request.block.time_ms)}: {header.member} asks for {header.dataset}, "
        f"{_asked_for(header)}purpose: {header.purpose}; legal basis: {header.legal_basis or 'none named'}"
    )

    # 3. The state after a final block, not an earlier one, says where that request stands.
    block = verifier.block(file.state.block)
    root = block.state_root
    entry = verifier.present_entry(root, request_key(request.id), file.state.request, RequestEntry)
    totals = verifier.entry(root, totals_key(request.id), file.state.totals, RequestTotals) or RequestTotals()
    if block.height < request.block.height:
        raise bad_evidence(f"it says where the request stands at height {block.height}, before it was made")
    if entry.terms != request_terms(header, request.block.height, request.block.time_ms):
        raise bad_evidence("the state's entry is not of this request")
    yield f"as of height {block.height}, {utc(block.time_ms)}"

    # 4. The reader's key signed the request.
    signers = _Signers(file, verifier, root)
    signers.verify(request, file.request)
    yield f"{header.member} (in charge: {header.person or 'not named'}) signed it, key {header.key_id.hex()[:16]}"

    # 5. What was decided: at once, and as it holds now.
    yield _decision(request, entry)

    # 6. and 7. Every answer and every read report, signed by those who gave them.
    yield _verify_answers(file.answers, verifier, signers, request, entry, block)
    found = _verify_read_reports(file.read_reports, verifier, signers, request, totals, block)
    signers.verify_no_more()
    yield found


def _asked_for(header: RequestHeader) -> str:
    """What of the parcels is asked for, where that is not all."""
    records = len(header.records) + len(header.keys)
    parts = [f"records: {records}"] if records else []
    parts += [f"fields: {', '.join(header.fields)}"] if header.fields else []
    return "".join(f"{part}; " for part in parts)


class _Signers:
    """Checks signatures with the members' entries of a file, and that it has none for nothing."""

    def __init__(self, file: ReadEvidence, verifier: Verifier, state_root: Hash) -> None:
        self._members = file.members
        self._verifier = verifier
        self._state_root = state_root
        self._used: set[str] = set()

    def verify(self, committed: CommittedTransaction, part: CommittedPart) -> None:
        """Check who signed a transaction; raises as ``Verifier.public_key`` and ``verify_signature``."""
        name = committed.header.member
        if name not in self._members:
            raise bad_evidence(f"the entry of {name}, who signed, is not in the file")
        self._used.add(name)
        member = self._verifier.member(self._state_root, name, self._members[name])
        public_key = self._verifier.public_key(committed, member)
        self._verifier.verify_signature(part.transaction, name, public_key)

    def verify_no_more(self) -> None:
        """Check that every entry was of use: nothing in a file goes unlooked at."""
        if unused := set(self._members) - self._used:
            raise bad_evidence(f"there is an entry of {min(unused)}, who signed nothing here")


def _decision(request: CommittedTransaction, entry: RequestEntry) -> str:
    if request.outcome.verdict is None:
        raise bad_evidence("the request's outcome has no verdict")
    held, first = entry.decision, request.outcome.verdict.verdict
    until = f" until {utc(held.until_ms)}" if held.status == "granted" and held.until_ms else ""
    reason = f": {held.sentence}" if held.facts else ""
    by = f"by {entry.contract} version {entry.contract_version}" if entry.contract else "without a contract"
    return f"{first} at once; since height {entry.decided_height} {held.status}{until}{reason}, {by}"


def _verify_answers(
    parts: CommittedList,
    verifier: Verifier,
    signers: _Signers,
    request: CommittedTransaction,
    entry: RequestEntry,
    block: BlockHeader,
) -> str:
    given = [f"{answer.member}: {answer.answer}" for answer in entry.answers]
    if parts is None:
        if len(given) <= LISTED_MAX:
            raise bad_evidence(f"a list of {len(given)} answers is left out, which is not too many")
        return f"{len(given)}, too many to list"
    found = _committed(parts, verifier, signers, block)
    said = []
    for answer in found:
        header = APPROVAL.of(answer.header)
        if header is None or header.request != request.id:
            raise bad_evidence("what is listed among the answers is none to this request")
        said.append((header.member, header.answer, header.reason, answer.block.height, answer.block.time_ms))
    kept = [(item.member, item.answer, item.reason, item.height, item.time_ms) for item in entry.answers]
    if said != kept:
        raise bad_evidence(f"the {len(said)} answers listed are not the {len(kept)} of the state")
    return ", ".join(given) or "none"


def _verify_read_reports(
    parts: CommittedList,
    verifier: Verifier,
    signers: _Signers,
    request: CommittedTransaction,
    totals: RequestTotals,
    block: BlockHeader,
) -> str:
    total = f"{totals.read_reports} for {totals.records_read} records"
    if parts is None:
        if not totals.read_reports:
            raise bad_evidence("an empty list is left out")
        return f"{total}, too many to list"
    records = 0
    for report in (found := _committed(parts, verifier, signers, block)):
        header = READ_REPORT.of(report.header)
        if header is None or header.request != request.id:
            raise bad_evidence("what is listed among the read reports is none of this request")
        records += header.record_count
    if (len(found), records) != (totals.read_reports, totals.records_read):
        raise bad_evidence(
            f"{len(found)} read reports for {records} records are listed, the state counts {totals.read_reports} for "
            f"{totals.records_read}"
        )
    return total if found else "none"


def _committed(
    parts: Sequence[CommittedPart], verifier: Verifier, signers: _Signers, block: BlockHeader
) -> list[CommittedTransaction]:
    """Transactions in chain order up to ``block``, each once, signed by those who gave them."""
    found = []
    for part in parts:
        committed = verifier.committed(part)
        signers.verify(committed, part)
        found.append(committed)
    places = [committed.place for committed in found]
    if any(earlier >= later for earlier, later in pairwise(places)):
        raise bad_evidence("a transaction is listed twice, or not in the chain's order")
    if places and places[-1][0] > block.height:
        raise bad_evidence(f"a transaction of height {places[-1][0]} is listed, later than the state's block")
    return found
