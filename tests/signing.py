"""Signed transactions of every type, with values for whatever a test does not say."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from chain.catalogue import Description
from chain.granularity import WHOLE, Granularity
from chain.primitives.crypto import Ed25519Signer, key_id
from chain.primitives.types import Answer
from chain.transactions.approval import ApprovalHeader
from chain.transactions.base import Header, Transaction, sign_transaction
from chain.transactions.contract import ContractHeader
from chain.transactions.correction import CorrectionHeader
from chain.transactions.dataset import DatasetHeader
from chain.transactions.erase import EraseHeader
from chain.transactions.keyed import KeyedParcelHeader
from chain.transactions.parcel import ParcelHeader, encode_records, records_root
from chain.transactions.read_report import ReadReportHeader
from chain.transactions.request import RequestHeader
from chain.transactions.sealed import CommitmentKind
from sealing import SealedParcel, SealingContext, seal_parcel

SCHEMA = '{"type":"object","properties":{"n":{"type":"integer","maximum":1000000}},"required":["n"]}'
DESCRIPTION = Description(
    summary="每日航班", scope="气象、应急部门", use="防汛", conditions="涉及国家秘密", impact_assessment="2026-17"
)
"""What every sharing class needs."""
T_co = TypeVar("T_co", covariant=True)


class TransactionMaker(ABC, Generic[T_co]):
    """What members of a network sign. A dataset is the member's own ``flights`` unless another is named; every field
    of a header can be given by its name.
    """

    chain_id: bytes

    @abstractmethod
    def signer_of(self, member: str) -> Ed25519Signer:
        """The key that a member's transactions are signed with."""

    @abstractmethod
    def reader_of(self, member: str) -> bytes:
        """The encoded KEM key that a member reads with."""

    @property
    @abstractmethod
    def kem_keys(self) -> dict[str, bytes]:
        """The validators' encoded KEM keys."""

    @abstractmethod
    def next_nonce(self) -> bytes:
        """What the next transaction is told apart by."""

    @abstractmethod
    def finish(self, transaction: Transaction) -> T_co:
        """A transaction in the form that tests of this network work with."""

    def sign(self, header: Header, member: str, payload: bytes = b"") -> Transaction:
        """A transaction signed with the member's key."""
        return sign_transaction(header, self.signer_of(member), payload)

    def make(self, header_type: type[Header], member: str, payload: bytes = b"", **fields: Any) -> T_co:
        """A transaction of any type; what every header begins with is filled in."""
        common: dict[str, Any] = {
            "chain_id": self.chain_id,
            "member": member,
            "key_id": key_id(self.signer_of(member).public_key),
            "nonce": fields["nonce"] if "nonce" in fields else self.next_nonce(),
            "expiry_ms": 0,
        }
        return self.finish(self.sign(header_type(**(common | fields)), member, payload))

    def dataset(self, member: str = "a", name: str = "flights", **changes: Any) -> T_co:
        """A ``dataset`` transaction."""
        fields = {
            "dataset": f"{member}.{name}",
            "version": 1,
            "title_zh": "航班",
            "title_en": "Flights",
            "schema": SCHEMA,
            "sharing": "open",
            "legal_basis": "",
            "contract": "",
            "description": DESCRIPTION,
        }
        if changes.get("sharing") == "closed":
            fields["legal_basis"] = "保守国家秘密法"
        return self.make(DatasetHeader, member, **(fields | changes))

    def parcel(
        self,
        records: Sequence[bytes] = (b'{"n":1}',),
        member: str = "a",
        dataset: str | None = None,
        sealed_shares: Sequence[bytes] = (),
        **changes: Any,
    ) -> T_co:
        """A ``parcel`` transaction, open unless there is more."""
        fields = {
            "dataset": f"{member}.flights" if dataset is None else dataset,
            "record_count": len(records),
            "records_root": records_root(self.chain_id, records),
            "envelope": b"",
            "derived_from": (),
        }
        return self.make(ParcelHeader, member, encode_records(records, sealed_shares), **(fields | changes))

    def keyed_parcel(self, records: Sequence[bytes], keys: Sequence[bytes], member: str = "a", **changes: Any) -> T_co:
        """A ``keyed_parcel`` transaction, open."""
        fields = {
            "dataset": f"{member}.flights",
            "record_count": len(records),
            "records_root": records_root(self.chain_id, records),
            "envelope": b"",
            "derived_from": (),
            "keys": b"".join(keys),
        }
        return self.make(KeyedParcelHeader, member, encode_records(records), **(fields | changes))

    def correction(
        self, parcel_id: bytes, index: int = 0, record: bytes = b'{"n":1}', member: str = "a", **changes: Any
    ) -> T_co:
        """A ``correction`` transaction: ``record`` takes the place of a record of the parcel with this id."""
        fields = {
            "dataset": f"{member}.flights",
            "record_count": 1,
            "records_root": records_root(self.chain_id, [record]),
            "envelope": b"",
            "derived_from": ((parcel_id, index),),
            "legal_basis": "Statistics Law 25",
            "reason": "the hours were local time",
            "key": b"",
        }
        return self.make(CorrectionHeader, member, encode_records([record]), **(fields | changes))

    def sealed_parcel(
        self,
        records: Sequence[bytes] = (b'{"n":1}',),
        member: str = "a",
        dataset: str | None = None,
        commitments: CommitmentKind = CommitmentKind.WHOLE,
        granularity: Granularity = WHOLE,
    ) -> T_co:
        """A ``parcel`` transaction whose records are sealed for the validators."""
        dataset = f"{member}.flights" if dataset is None else dataset
        context = SealingContext(self.chain_id, dataset)
        made = seal_parcel(records, context, self.kem_keys, commitments, granularity=granularity)
        return self.sealed(made, member, dataset)

    def sealed(self, parcel: SealedParcel, member: str = "a", dataset: str = "a.flights") -> T_co:
        """A ``parcel`` transaction with these contents."""
        root, envelope = parcel.records_root, parcel.envelope
        return self.parcel(parcel.bodies, member, dataset, parcel.sealed_shares, records_root=root, envelope=envelope)

    def erase(self, parcel_id: bytes, member: str = "a", dataset: str = "a.flights", **changes: Any) -> T_co:
        """An ``erase`` transaction."""
        fields = {"dataset": dataset, "parcel": parcel_id, "records": (), "legal_basis": "PIPL 47", "reason": ""}
        return self.make(EraseHeader, member, **(fields | changes))

    def contract(self, source: str = "", member: str = "a", name: str = "rule", **changes: Any) -> T_co:
        """A ``contract`` transaction."""
        fields = {"contract": f"{member}.{name}", "version": 1, "source": source, "parameters": "{}"}
        return self.make(ContractHeader, member, **(fields | changes))

    def request(self, member: str = "b", dataset: str = "a.flights", **changes: Any) -> T_co:
        """A ``request`` transaction for all of a dataset."""
        fields = {
            "dataset": dataset,
            "parcels": (),
            "from_height": 0,
            "until_height": 0,
            "until_ms": 0,
            "purpose": "flood warning",
            "legal_basis": "Flood Control Law",
            "case_number": "2023-17",
            "person": "Li Wei",
            "kem_key": self.reader_of(member),
        }
        return self.make(RequestHeader, member, **(fields | changes))

    def approval(
        self,
        request: bytes,
        answer: Answer = "approve",
        member: str = "a",
        dataset: str = "a.flights",
        reason: str = "",
        **changes: Any,
    ) -> T_co:
        """An ``approval`` transaction: an answer to the request with this transaction id."""
        fields = {"dataset": dataset, "request": request, "answer": answer, "reason": reason}
        return self.make(ApprovalHeader, member, **(fields | changes))

    def read_report(
        self, request: bytes, parcels: Sequence[bytes], member: str = "b", dataset: str = "a.flights", **changes: Any
    ) -> T_co:
        """A ``read_report`` transaction: what ``member`` says that it has read."""
        fields = {
            "dataset": dataset,
            "request": request,
            "parcels": tuple(parcels),
            "record_count": 1,
            "digest": bytes(32),
        }
        return self.make(ReadReportHeader, member, **(fields | changes))
