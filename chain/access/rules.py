"""Deciding on requests to read, and the history of reads: what requests, answers and read reports have in common.

A denial is not a rejection: the request took effect, and what it led to is on the chain, with the facts that say why.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain.access.policy import (
    STATUS_OF_VERDICT,
    AccessCase,
    AccessDecision,
    grant_end_ms,
)
from chain.blocks import Verdict, VerdictName
from chain.errors import ErrorCode, Refusal
from chain.facts import pack
from chain.limits import LIMITS
from chain.primitives.crypto import Hash
from chain.state.entries import (
    ContractEntry,
    ContractState,
    DatasetEntry,
    DatasetReads,
    MemberSharing,
    ParcelReads,
    ReaderEntry,
    RequestEntry,
    RequestStatus,
    contract_key,
    contract_state_key,
    member_key,
    parcel_reads_key,
    reader_key,
    reads_key,
    request_key,
    sharing_key,
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
        asked = self.reader(dataset.dataset, entry.reader)
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
            asked = self.reader(dataset, decided.reader)
            others = tuple(granted for granted in asked.granted if granted != request_id)
            newest = (request_id, *others)[: LIMITS.contract_grants]
            self.write_reader(dataset, decided.reader, replace(asked, grants=asked.grants + 1, granted=newest))
        elif decided.status == "denied":
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
        if entry is None or entry.dataset != dataset:
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


def _undisputed(verdict: VerdictName, **facts: str) -> AccessDecision:
    """A decision for which no contract is called."""
    return AccessDecision(verdict, "", pack(facts), 0, None, (), 0, "", None, 0, b"")
