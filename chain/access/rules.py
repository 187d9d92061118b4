"""What contracts, requests, answers and read reports do to the state: the part of execution that decides who may read.

As everywhere in execution, each handler checks everything, then changes. A denial is not a rejection: the request took
effect, and what it led to is on the chain, with the facts that say why.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from chain.access.policy import (
    STATUS_OF_VERDICT,
    AccessCase,
    AccessDecision,
    ContractRunner,
    contract_hash,
    grant_end_ms,
)
from chain.blocks import Verdict, VerdictName
from chain.errors import ErrorCode, Refusal
from chain.facts import Facts, pack
from chain.limits import LIMITS
from chain.primitives.crypto import Hash
from chain.primitives.kem import KemSuite, verify_kem_key, verify_suite
from chain.primitives.types import verify_contract_owner, verify_version
from chain.state.entries import (
    ContractEntry,
    ContractState,
    DatasetEntry,
    DatasetReads,
    MemberSharing,
    ParcelReads,
    ReaderEntry,
    RequestAnswer,
    RequestEntry,
    RequestStatus,
    contract_key,
    contract_state_key,
    dataset_key,
    member_key,
    parcel_reads_key,
    reader_key,
    reads_key,
    request_key,
    sharing_key,
)
from chain.state.members import Member
from chain.state.working import WorkingState
from chain.transactions.approval import ApprovalHeader
from chain.transactions.contract import ContractHeader
from chain.transactions.read_report import ReadReportHeader
from chain.transactions.request import RequestHeader


class Effect(NamedTuple):
    """What a transaction that took effect leaves in its outcome."""

    fuel: int = 0
    facts: Facts = ()
    verdict: Verdict | None = None


class AccessRules:
    """The rules at one height.

    Args:
        chain_id: of the chain.
        entries: the state to read and change.
        contracts: runs the block's contracts.
        height: of the block.
        time_ms: of the block.
        kem_suite: of the network.
    """

    def __init__(
        self,
        chain_id: bytes,
        entries: WorkingState,
        contracts: ContractRunner,
        height: int,
        time_ms: int,
        kem_suite: KemSuite | None,
    ) -> None:
        self._chain_id = chain_id
        self._state = entries
        self._contracts = contracts
        self._height = height
        self._time_ms = time_ms
        self._kem_suite = kem_suite

    def deploy(self, id_: Hash, header: ContractHeader) -> Effect:
        """Deploy or update a contract."""
        verify_contract_owner(header.contract, header.member)
        key = contract_key(header.contract)
        present = self._state.read(key, ContractEntry)
        verify_version(header.version, present.version if present else 0)
        fuel = self._contracts.check(header.source, header.parameters)
        entry = ContractEntry(
            contract=header.contract,
            owner=header.member,
            version=header.version,
            source=header.source,
            parameters=header.parameters,
            hash=contract_hash(self._chain_id, header.source, header.parameters),
            deployed_height=present.deployed_height if present else self._height,
            updated_height=self._height,
            transaction_id=id_,
        )
        self._state.write(key, entry)
        return Effect(fuel)

    def request(self, id_: Hash, header: RequestHeader) -> Effect:
        """Decide on a new request."""
        dataset = self._dataset(header.dataset)
        if dataset.sharing == "open":
            raise Refusal(ErrorCode.ACCESS_NOT_NEEDED, dataset=header.dataset)
        verify_suite(verify_kem_key(header.kem_key), self._kem_suite)
        if header.until_ms and header.until_ms <= self._time_ms:
            raise Refusal(ErrorCode.REQUEST_OVER, until_ms=header.until_ms, time_ms=self._time_ms)
        entry = _new_entry(header, self._height, self._time_ms)
        self._list(header.dataset, id_, requests=1)
        asked = self._reader(header.dataset, header.member)
        self._write_reader(header.dataset, header.member, replace(asked, requests=asked.requests + 1))
        for parcel_id in header.parcels:
            self._list_parcel(header.dataset, parcel_id, id_, requests=1)
        return self._decide(id_, entry, dataset)

    def answer(self, id_: Hash, header: ApprovalHeader) -> Effect:
        """Take an answer to a request, and decide anew."""
        entry = self._request(header.request, header.dataset)
        dataset = self._dataset(header.dataset)
        answer = RequestAnswer(header.member, header.answer, header.reason, self._height, self._time_ms)
        may_end = header.answer == "revoke" and header.member in (dataset.owner, entry.reader)
        open_for: tuple[RequestStatus, ...] = ("asked", "granted") if header.answer == "revoke" else ("asked",)
        if not may_end and header.member not in entry.approvers:
            raise Refusal(ErrorCode.NOT_AN_APPROVER, member=header.member, request=header.request)
        if entry.status not in open_for:
            raise Refusal(ErrorCode.REQUEST_SETTLED, request=header.request, status=entry.status)
        # Nobody may fill the answers up so that a grant can no longer be taken back: a revocation is always heard.
        is_full = len(entry.answers) >= LIMITS.request_answers
        if is_full and header.answer != "revoke":
            raise Refusal(ErrorCode.ANSWERS_FULL, request=header.request, limit=LIMITS.request_answers)
        self._list(header.dataset, id_)
        entry = replace(entry, answers=(*entry.answers, answer))
        if not may_end and not is_full:
            return self._decide(header.request, entry, dataset)
        words = {"text": header.reason} if header.reason else {}
        entry = replace(
            entry,
            status="revoked",
            facts=pack({"denial": ErrorCode.GRANT_REVOKED.value, "member": header.member, **words}),
            decided_height=self._height,
            decided_ms=self._time_ms,
        )
        self._state.write(request_key(header.request), entry)
        return Effect(0, entry.facts, Verdict("deny", "", 0, "", 0, b"", b""))

    def read_report(self, id_: Hash, header: ReadReportHeader) -> Effect:
        """Note what a reader says that it has read."""
        entry = self._request(header.request, header.dataset)
        if entry.reader != header.member:
            raise Refusal(ErrorCode.NOT_READER, request=header.request, owner=entry.reader)
        if entry.status not in ("granted", "revoked"):
            raise Refusal(ErrorCode.NOTHING_TO_READ, request=header.request, status=entry.status)
        for parcel_id in header.parcels if entry.parcels else ():
            if parcel_id not in entry.parcels:
                raise Refusal(ErrorCode.PARCEL_NOT_REQUESTED, parcel=parcel_id, request=header.request)
        self._list(header.dataset, id_, read_reports=1, records_read=header.record_count)
        for parcel_id in header.parcels:
            self._list_parcel(header.dataset, parcel_id, id_, read_reports=1)
        entry = replace(
            entry,
            read_reports=entry.read_reports + 1,
            records_read=entry.records_read + header.record_count,
            first_report_ms=entry.first_report_ms or self._time_ms,
        )
        self._state.write(request_key(header.request), entry)
        return Effect()

    # Deciding

    def _decide(self, request_id: Hash, entry: RequestEntry, dataset: DatasetEntry) -> Effect:
        """Decide on a request as it stands, and keep what was decided."""
        contract, decision = self._decision(request_id, entry, dataset)
        status = STATUS_OF_VERDICT[decision.verdict]
        verdict = Verdict(
            decision.verdict,
            decision.failure,
            grant_end_ms(decision, entry),
            contract.contract if contract else "",
            contract.version if contract else 0,
            contract.hash if contract else b"",
            decision.inputs_hash,
        )
        is_ask = status == "asked"
        decided = replace(
            entry,
            status=status,
            facts=decision.facts,
            failure=decision.failure,
            until_ms=verdict.until_ms if status == "granted" else entry.until_ms,
            fields=decision.fields,
            approvers=decision.approvers if is_ask else entry.approvers,
            needed=decision.needed if is_ask else entry.needed,
            note=decision.note,
            contract=verdict.contract,
            contract_version=verdict.contract_version,
            contract_hash=verdict.contract_hash,
            inputs_hash=verdict.inputs_hash,
            fuel=decision.fuel,
            decided_height=self._height,
            decided_ms=self._time_ms,
        )
        self._state.write(request_key(request_id), decided)
        self._count_decision(request_id, entry.status, decided)
        return Effect(decision.fuel, decision.facts, verdict)

    def _decision(
        self, request_id: Hash, entry: RequestEntry, dataset: DatasetEntry
    ) -> tuple[ContractEntry | None, AccessDecision]:
        """Who decides: nobody is asked about the owner's own data, nor where nothing is shared or everything is."""
        if entry.reader == dataset.owner or dataset.sharing == "open":
            return None, _undisputed("allow")
        if dataset.sharing == "closed":
            return None, _undisputed("deny", denial=ErrorCode.NOT_SHARED.value, dataset=dataset.dataset)
        contract = self._state.read(contract_key(dataset.contract), ContractEntry)
        reader = self._state.read(member_key(entry.reader), Member)
        owner = self._state.read(member_key(dataset.owner), Member)
        if contract is None or reader is None or owner is None:
            denial = ErrorCode.NO_DECIDING_CONTRACT.value
            return None, _undisputed("deny", denial=denial, dataset=dataset.dataset)
        state_key = contract_state_key(dataset.dataset, contract.contract)
        kept = self._state.read(state_key, ContractState)
        asked = self._reader(dataset.dataset, entry.reader)
        case = AccessCase(
            request_id=request_id,
            request=entry,
            dataset=dataset,
            reader=reader,
            owner=owner,
            height=self._height,
            time_ms=self._time_ms,
            grants=self._grants(asked, request_id),
            reader_grants=asked.grants,
            dataset_grants=self._reads(dataset.dataset).grants,
            sharing=self._state.read(sharing_key(entry.reader), MemberSharing) or MemberSharing(),
            state=kept.state if kept else b"{}",
        )
        decision = self._contracts.decide(contract, case)
        if decision.state is not None and decision.state != case.state:
            self._state.write(state_key, ContractState(decision.state))
        return contract, decision

    def _grants(self, asked: ReaderEntry, request_id: Hash) -> tuple[tuple[Hash, RequestEntry], ...]:
        found = []
        for granted_id in asked.granted:
            entry = self._state.read(request_key(granted_id), RequestEntry)
            if entry is not None and granted_id != request_id:
                found.append((granted_id, entry))
        return tuple(found)

    # Counters

    def _count_decision(self, request_id: Hash, before: RequestStatus, decided: RequestEntry) -> None:
        """Count what has changed with a decision; ``before`` is "denied" for a new request."""
        dataset, is_granted = decided.dataset, decided.status == "granted"
        if is_granted and before != "granted":
            reads = self._reads(dataset)
            self._state.write(reads_key(dataset), replace(reads, grants=reads.grants + 1))
            asked = self._reader(dataset, decided.reader)
            others = tuple(granted for granted in asked.granted if granted != request_id)
            newest = (request_id, *others)[: LIMITS.contract_grants]
            self._write_reader(dataset, decided.reader, replace(asked, grants=asked.grants + 1, granted=newest))
        elif decided.status == "denied":
            reads = self._reads(dataset)
            self._state.write(reads_key(dataset), replace(reads, denials=reads.denials + 1))

    def _list(
        self, dataset: str, transaction_id: Hash, *, requests: int = 0, read_reports: int = 0, records_read: int = 0
    ) -> None:
        """Add a transaction to the dataset's read history."""
        reads = self._reads(dataset)
        self._state.write(
            reads_key(dataset),
            replace(
                reads,
                requests=reads.requests + requests,
                read_reports=reads.read_reports + read_reports,
                records_read=reads.records_read + records_read,
                last_height=self._height,
                history=reads.history.extended(self._chain_id, transaction_id),
            ),
        )

    def _list_parcel(
        self, dataset: str, parcel_id: Hash, transaction_id: Hash, *, requests: int = 0, read_reports: int = 0
    ) -> None:
        """Add a transaction to a parcel's read history."""
        key = parcel_reads_key(dataset, parcel_id)
        reads = self._state.read(key, ParcelReads) or ParcelReads()
        history = reads.history.extended(self._chain_id, transaction_id)
        self._state.write(key, ParcelReads(reads.requests + requests, reads.read_reports + read_reports, history))

    # Entries

    def _dataset(self, dataset: str) -> DatasetEntry:
        entry = self._state.read(dataset_key(dataset), DatasetEntry)
        if entry is None:
            raise Refusal(ErrorCode.UNKNOWN_DATASET, dataset=dataset)
        return entry

    def _request(self, request_id: Hash, dataset: str) -> RequestEntry:
        entry = self._state.read(request_key(request_id), RequestEntry)
        if entry is None or entry.dataset != dataset:
            raise Refusal(ErrorCode.UNKNOWN_REQUEST, request=request_id, dataset=dataset)
        return entry

    def _reads(self, dataset: str) -> DatasetReads:
        return self._state.read(reads_key(dataset), DatasetReads) or DatasetReads()

    def _reader(self, dataset: str, member: str) -> ReaderEntry:
        return self._state.read(reader_key(dataset, member), ReaderEntry) or ReaderEntry()

    def _write_reader(self, dataset: str, member: str, entry: ReaderEntry) -> None:
        self._state.write(reader_key(dataset, member), entry)


def _undisputed(verdict: VerdictName, **facts: str) -> AccessDecision:
    """A decision for which no contract is called."""
    return AccessDecision(verdict, "", pack(facts), 0, None, (), 0, "", None, 0, b"")


def _new_entry(header: RequestHeader, height: int, time_ms: int) -> RequestEntry:
    """A request on which nothing has been decided yet."""
    return RequestEntry(
        reader=header.member,
        dataset=header.dataset,
        parcels=header.parcels,
        from_height=header.from_height,
        until_height=header.until_height,
        wanted_until_ms=header.until_ms,
        purpose=header.purpose,
        legal_basis=header.legal_basis,
        case_number=header.case_number,
        person=header.person,
        kem_key=header.kem_key,
        height=height,
        time_ms=time_ms,
        status="denied",
        facts=(),
        failure="",
        until_ms=0,
        fields=None,
        approvers=(),
        needed=0,
        note="",
        contract="",
        contract_version=0,
        contract_hash=b"",
        inputs_hash=b"",
        fuel=0,
        decided_height=height,
        decided_ms=time_ms,
        answers=(),
        read_reports=0,
        records_read=0,
        first_report_ms=0,
    )
