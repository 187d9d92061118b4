"""Says in JSON what a contract is told about a case on the chain."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from chain.access.policy import AccessCase, EarlierGrant
from chain.primitives.crypto import Hash
from chain.state.entries import DatasetEntry, MemberTotals, RequestAnswer, RequestEntry, RequestTerms, RequestTotals
from chain.state.members import Member
from contracts.facts import (
    ApprovalFacts,
    CallParts,
    DatasetFacts,
    Facts,
    GrantCountFacts,
    GrantFacts,
    MemberFacts,
    ReaderTotalsFacts,
    RequestFacts,
    encode_part,
    encode_parts,
)

ENCODED_ENTRIES = 8192
"""Entries of the state whose JSON is kept while a block executes."""

Entry = TypeVar("Entry")


class CallEncoder:
    """Encodes the calls of one block. Many calls are told of the same dataset, members and earlier grants: an entry of
    the state is encoded once for as long as it stays the same object.
    """

    def __init__(self) -> None:
        self._encoded: dict[int | tuple[int, int], msgspec.Raw] = {}
        """By the identities of what was encoded."""
        self._kept: list[object] = []
        """Keeps that alive, so that its identity stays its own."""

    def encode(self, case: AccessCase) -> bytes:
        """What the contract is called with.

        Raises:
            PoolError: code ``too_large``.
        """
        parts = CallParts(
            request=encode_part(_request(case.request_id, case.request.terms)),
            dataset=self._part(case.dataset, _dataset),
            height=case.height,
            time_ms=case.time_ms,
            reader=self._part(case.reader, _member),
            owner=self._part(case.owner, _member),
            approvals=[encode_part(_approval(answer)) for answer in case.request.answers],
            grants=self._grants(case.grants),
            grant_counts=encode_part(GrantCountFacts(case.reader_grants, case.dataset_grants)),
            reader_totals=encode_part(_reader_totals(case.reader_totals)),
            state=msgspec.Raw(case.state),
        )
        return encode_parts(parts)

    def _grants(self, grants: Sequence[EarlierGrant]) -> list[msgspec.Raw]:
        known, keep = self._encoded.get, self._keep
        return [
            known(id(entry) if totals is None else (id(entry), id(totals)))
            or keep(_grant(request_id, entry, totals), entry, totals)
            for request_id, entry, totals in grants
        ]

    def _part(self, entry: Entry, describe: Callable[[Entry], Facts]) -> msgspec.Raw:
        return self._encoded.get(id(entry)) or self._keep(describe(entry), entry)

    def _keep(self, facts: Facts, entry: object, totals: object = None) -> msgspec.Raw:
        if len(self._kept) >= ENCODED_ENTRIES:
            self._encoded.clear()
            self._kept.clear()
        part = encode_part(facts)
        self._kept.append((entry, totals))
        self._encoded[id(entry) if totals is None else (id(entry), id(totals))] = part
        return part


def _request(request_id: Hash, terms: RequestTerms) -> RequestFacts:
    return RequestFacts(
        id=request_id.hex(),
        purpose=terms.purpose,
        legal_basis=terms.legal_basis,
        case_number=terms.case_number,
        person=terms.person,
        parcels=tuple(parcel.hex() for parcel in terms.parcels),
        from_height=terms.from_height,
        until_height=terms.until_height,
        until_ms=terms.wanted_until_ms,
        fields=terms.wanted_fields,
        keys=tuple(key.hex() for key in terms.keys),
        records=tuple(f"{parcel.hex()}/{index}" for parcel, index in terms.records),
    )


def _dataset(entry: DatasetEntry) -> DatasetFacts:
    return DatasetFacts(
        id=entry.dataset,
        owner=entry.owner,
        sharing=entry.sharing,
        legal_basis=entry.legal_basis,
        title_zh=entry.title_zh,
        title_en=entry.title_en,
        version=entry.version,
        registered_height=entry.registered_height,
    )


def _member(member: Member) -> MemberFacts:
    return MemberFacts(member.name, member.kind, member.roles)


def _approval(answer: RequestAnswer) -> ApprovalFacts:
    return ApprovalFacts(answer.member, answer.answer, answer.height, answer.time_ms, answer.reason)


def _grant(request_id: Hash, entry: RequestEntry, totals: RequestTotals | None) -> GrantFacts:
    return GrantFacts(
        request_id.hex(),
        entry.decided_height,
        entry.decided_ms,
        entry.decision.until_ms,
        entry.terms.purpose,
        entry.decision.note,
        totals.first_report_ms if totals else 0,
    )


def _reader_totals(totals: MemberTotals) -> ReaderTotalsFacts:
    return ReaderTotalsFacts(totals.parcels, totals.records, totals.last_height, totals.last_time_ms)
