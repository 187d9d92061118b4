"""Deciding on requests to read, and the history of reads: what requests, answers and read reports have in common.

A denial is not a rejection: the request took effect, and what it led to is on the chain, with the facts that say why.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from chain.access.decision import AccessVerdict, Decision, RequestStatus, denied
from chain.access.policy import AccessCase, EarlierGrant, grant_end_ms
from chain.errors import ErrorCode, Refusal
from chain.limits import LIMITS
from chain.primitives.crypto import Hash
from chain.state.entries import (
    ContractEntry,
    ContractState,
    DatasetEntry,
    DatasetReads,
    MemberTotals,
    ParcelReads,
    ReaderEntry,
    RequestEntry,
    RequestTotals,
    contract_key,
    contract_state_key,
    member_key,
    member_totals_key,
    parcel_reads_key,
    reader_key,
    reads_key,
    request_key,
    totals_key,
)
from chain.state.members import Member
from chain.transactions.context import Effect, ExecutionContext


class AccessRules:
    """The rules in one block. Only for a network with contracts: raises ``no_contracts``.

    Args:
        context: of the block's execution.
    """

    def __init__(self, context: ExecutionContext) -> None:
        self._chain_id = context.chain_id
        self._state = context.state
        self._contracts = context.contracts
        self._height = context.height
        self._time_ms = context.time_ms

    # Deciding

    def decide(self, request_id: Hash, entry: RequestEntry, dataset: DatasetEntry) -> Effect:
        """Decide on a request as it stands, and keep what was decided."""
        contract, decided = self._decision(request_id, entry, dataset)
        before, until_ms = entry.decision, grant_end_ms(decided, entry)
        named = (contract.contract, contract.version, contract.hash) if contract else ("", 0, b"")
        is_ask = decided.verdict == "ask"
        decision = replace(
            decided,
            until_ms=until_ms if decided.verdict == "allow" else before.until_ms,
            approvers=decided.approvers if is_ask else before.approvers,
            needed=decided.needed if is_ask else before.needed,
        )
        after = RequestEntry(entry.terms, decision, *named, self._height, self._time_ms, entry.answers)
        self._state.write(request_key(request_id), after)
        self._count_decision(request_id, before.status, after)
        return Effect(
            decided.fuel, decided.facts, AccessVerdict(decided.verdict, until_ms, *named, decided.inputs_hash)
        )

    def _decision(
        self, request_id: Hash, entry: RequestEntry, dataset: DatasetEntry
    ) -> tuple[ContractEntry | None, Decision]:
        """Who decides: nobody is asked about the owner's own data, nor where nothing is shared or everything is."""
        reader_name = entry.terms.reader
        if reader_name == dataset.owner or dataset.sharing == "open":
            return None, Decision("allow")
        if dataset.sharing == "closed":
            return None, denied(ErrorCode.NOT_SHARED, dataset=dataset.dataset)
        contract = self._state.read(contract_key(dataset.contract), ContractEntry)
        reader = self._state.read(member_key(reader_name), Member)
        owner = self._state.read(member_key(dataset.owner), Member)
        if contract is None or reader is None or owner is None:
            return None, denied(ErrorCode.NO_DECIDING_CONTRACT, dataset=dataset.dataset)
        state_key = contract_state_key(dataset.dataset, contract.contract)
        kept = self._state.read(state_key, ContractState)
        asked = self.reader(dataset.dataset, reader_name)
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
            reader_totals=self._state.read(member_totals_key(reader_name), MemberTotals) or MemberTotals(),
            state=kept.state if kept else b"{}",
        )
        called = self._contracts.decide(contract, case)
        if called.state is not None and called.state != case.state:
            self._state.write(state_key, ContractState(called.state))
        return contract, called.decision

    def _grants(self, asked: ReaderEntry, request_id: Hash) -> tuple[EarlierGrant, ...]:
        ids: Sequence[Hash] = asked.granted
        if request_id in ids:
            ids = [granted_id for granted_id in ids if granted_id != request_id]
        entries = self._state.read_all(map(request_key, ids), RequestEntry)
        totals = self._state.read_all(map(totals_key, ids), RequestTotals)
        return tuple(zip(ids, entries, totals, strict=True))  # type: ignore[arg-type]  # what was granted is there

    # Counters

    def _count_decision(self, request_id: Hash, before: RequestStatus, decided: RequestEntry) -> None:
        """Count what has changed with a decision; ``before`` is "denied" for a new request."""
        dataset, reader, status = decided.terms.dataset, decided.terms.reader, decided.decision.status
        if status == "granted" != before:
            reads = self._reads(dataset)
            self._state.write(reads_key(dataset), replace(reads, grants=reads.grants + 1))
            asked = self.reader(dataset, reader)
            others = [granted for granted in asked.granted if granted != request_id]
            newest = (request_id, *others)[: LIMITS.contract_grants]
            self.write_reader(dataset, reader, replace(asked, grants=asked.grants + 1, granted=newest))
        elif status == "denied":
            reads = self._reads(dataset)
            self._state.write(reads_key(dataset), replace(reads, denials=reads.denials + 1))

    def list_read(
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

    def list_parcel_read(
        self, dataset: str, parcel_id: Hash, transaction_id: Hash, *, requests: int = 0, read_reports: int = 0
    ) -> None:
        """Add a transaction to a parcel's read history."""
        key = parcel_reads_key(dataset, parcel_id)
        reads = self._state.read(key, ParcelReads) or ParcelReads()
        history = reads.history.extended(self._chain_id, transaction_id)
        self._state.write(key, ParcelReads(reads.requests + requests, reads.read_reports + read_reports, history))

    # Entries

    def request(self, request_id: Hash, dataset: str) -> RequestEntry:
        """A request's entry; raises ``unknown_request``."""
        entry = self._state.read(request_key(request_id), RequestEntry)
        if entry is None or entry.terms.dataset != dataset:
            raise Refusal(ErrorCode.UNKNOWN_REQUEST, request=request_id, dataset=dataset)
        return entry

    def _reads(self, dataset: str) -> DatasetReads:
        return self._state.read(reads_key(dataset), DatasetReads) or DatasetReads()

    def reader(self, dataset: str, member: str) -> ReaderEntry:
        """What a member has asked of a dataset."""
        return self._state.read(reader_key(dataset, member), ReaderEntry) or ReaderEntry()

    def write_reader(self, dataset: str, member: str, entry: ReaderEntry) -> None:
        """Change it."""
        self._state.write(reader_key(dataset, member), entry)
