"""Runs a chain's access contracts in the sandbox: ``chain.access.AccessPolicy`` for nodes and auditors alike."""

from __future__ import annotations

from typing import Protocol

import orjson

from chain.access import AccessCase, AccessDecision
from chain.contract_engine import EngineIdentity
from chain.errors import ErrorCode, PoolError
from chain.members import Member
from chain.state import ContractEntry, RequestEntry
from contracts.decision import Decision
from contracts.engine import ENGINE_IDENTITY
from contracts.facts import (
    ApprovalFacts,
    ContextFacts,
    DatasetFacts,
    GrantFacts,
    MemberFacts,
    RequestFacts,
    SharingFacts,
    UsageFacts,
)


class Session(Protocol):
    """One contract in one block."""

    def decide(self, request: RequestFacts, dataset: DatasetFacts, ctx: ContextFacts) -> Decision:
        """Call the contract."""
        ...

    def close(self) -> None:
        """The block is done."""
        ...


class ContractSandbox(Protocol):
    """``contracts.sandbox.Sandbox``, or ``contracts.worker.SandboxProcess``."""

    def check(self, source: str, parameters: str = "{}") -> int:
        """Check that a contract can be deployed."""
        ...

    def contract(self, source: str, parameters: str = "{}") -> Session:
        """A contract for one block."""
        ...


class SandboxPolicy:
    """Opens the contracts of a block in ``sandbox``."""

    def __init__(self, sandbox: ContractSandbox) -> None:
        self._sandbox = sandbox

    def open_block(self) -> BlockContracts:
        """A runner for one block."""
        return BlockContracts(self._sandbox)


class BlockContracts:
    """One session for each contract of a block, opened at its first call. A contract that is updated within the block
    is another one from then on.
    """

    def __init__(self, sandbox: ContractSandbox) -> None:
        self._sandbox = sandbox
        self._sessions: dict[bytes, Session] = {}

    def check(self, source: str, parameters: str) -> int:
        """As ``Sandbox.check``."""
        return self._sandbox.check(source, parameters)

    def decide(self, contract: ContractEntry, case: AccessCase) -> AccessDecision:
        """Call a contract with what the case says."""
        session = self._sessions.get(contract.hash)
        if session is None:
            session = self._sessions[contract.hash] = self._sandbox.contract(contract.source, contract.parameters)
        try:
            decision = session.decide(*facts_of(case))
        except PoolError as error:
            if error.code is not ErrorCode.TOO_LARGE:
                raise
            return AccessDecision("deny", error.code.value, error.detail, 0, None, (), 0, "", None, 0, b"")
        return _plain(decision)

    def close(self) -> None:
        """Give the guests' memory back."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            session.close()


def verify_engine(required: EngineIdentity | None) -> None:
    """Check that this installation's engine is the one that a network's genesis names.

    Raises:
        PoolError: code ``engine_unavailable``.
    """
    if required is not None and required != ENGINE_IDENTITY:
        raise PoolError(ErrorCode.ENGINE_UNAVAILABLE, f"the genesis file wants {required}; here is {ENGINE_IDENTITY}")


def facts_of(case: AccessCase) -> tuple[RequestFacts, DatasetFacts, ContextFacts]:
    """What a contract is told."""
    entry, dataset = case.request, case.dataset
    request = RequestFacts(
        id=case.request_id.hex(),
        purpose=entry.purpose,
        legal_basis=entry.legal_basis,
        case_number=entry.case_number,
        person=entry.person,
        parcels=tuple(parcel.hex() for parcel in entry.parcels),
        from_height=entry.from_height,
        until_height=entry.until_height,
        until_ms=entry.wanted_until_ms,
    )
    facts = DatasetFacts(
        id=dataset.dataset,
        owner=dataset.owner,
        sharing=dataset.sharing,
        legal_basis=dataset.legal_basis,
        title_zh=dataset.title_zh,
        title_en=dataset.title_en,
        version=dataset.version,
        registered_height=dataset.registered_height,
    )
    sharing = case.sharing
    ctx = ContextFacts(
        reader=_member(case.reader),
        owner=_member(case.owner),
        height=case.height,
        time_ms=case.time_ms,
        approvals=tuple(
            ApprovalFacts(answer.member, answer.answer, answer.height, answer.time_ms, answer.reason)
            for answer in entry.answers
        ),
        grants=tuple(_grant(granted_id.hex(), granted) for granted_id, granted in case.grants),
        usage=UsageFacts(case.reader_grants, case.dataset_grants),
        sharing=SharingFacts(sharing.parcels, sharing.records, sharing.last_height, sharing.last_time_ms),
        state=orjson.loads(case.state),
    )
    return request, facts, ctx


def _member(member: Member) -> MemberFacts:
    return MemberFacts(member.name, member.kind, member.roles)


def _grant(request: str, entry: RequestEntry) -> GrantFacts:
    return GrantFacts(
        request,
        entry.decided_height,
        entry.decided_ms,
        entry.until_ms,
        entry.purpose,
        entry.note,
        entry.first_receipt_ms,
    )


def _plain(decision: Decision) -> AccessDecision:
    return AccessDecision(
        verdict=decision.verdict,
        failure=decision.code.value if decision.code else "",
        reason=decision.reason,
        until_ms=decision.until_ms,
        fields=decision.fields,
        approvers=decision.approvers,
        needed=decision.needed,
        note=decision.note,
        state=decision.state,
        fuel=decision.fuel,
        inputs_hash=decision.inputs_hash,
    )
