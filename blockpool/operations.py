"""Everything a client can ask of the pool, as operations without I/O (see ``exchange``).

No node is trusted with an answer that can be checked: receipts, parcels and evidence are verified here against the
pinned genesis file before they are handed on, and a node that gives a false one is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

import msgspec

from blockpool.answers import (
    BlockAnswer,
    Dataset,
    DatasetList,
    NodeStatus,
    ParcelPage,
    ReceiptAnswer,
    Record,
    RecordAnswer,
    TransactionAnswer,
    TransactionRejected,
    VerifiedReceipt,
)
from blockpool.exchange import (
    MSGPACK,
    Emit,
    NodePool,
    Operation,
    Reply,
    Request,
    RetryPolicy,
    UntrueAnswer,
    error_of_reply,
    exchange,
    expect_ok,
    reader,
)
from blockpool.identity import Identity
from blockpool.signing import (
    DatasetDefinition,
    RecordBody,
    RecordId,
    SignedTransaction,
    encode_record,
    group_records,
    repeatable_nonce,
    sign_dataset,
    sign_parcel,
)
from chain.blocks import Certificate
from chain.encoding import decode
from chain.errors import ErrorCode, PoolError
from chain.evidence import parse_evidence, verify_evidence
from chain.genesis import Genesis
from chain.members import signing_key
from chain.packages import BlockPackage, Packages
from chain.receipts import Receipt, verify_receipt
from chain.transactions import CheckedTransaction, ParcelHeader, decode_transaction, verify_payload, verify_signed_by

T = TypeVar("T")

COMMIT_TIMEOUT_MS = 15_000
"""How long a node may hold a submission until it is committed; then the client asks again."""
_TIMEOUT_MARGIN_S = 5.0
_PAGE_PARCELS = 100
_PACKAGES_AT_ONCE = 256
_DOWNLOAD_TIMEOUT_S = 60.0


class ResumeProbe:
    """Decides whether a repeatable submission asks for a parcel before it sends it.

    It asks until it has met as many unknown parcels in a row as can have been in flight when an earlier run stopped:
    what comes after those was never sent. Asking only saves the upload; sending a committed parcel again is harmless.
    """

    def __init__(self, in_flight: int) -> None:
        self._misses_left = self._in_flight = in_flight

    @property
    def is_active(self) -> bool:
        """Whether to ask."""
        return self._misses_left > 0

    def saw(self, *, known: bool) -> None:
        """Note an answer."""
        self._misses_left = self._in_flight if known else self._misses_left - 1


class Operations:
    """The operations of one client. ``genesis`` is needed by all that verify or sign, ``identity`` by those that
    sign.
    """

    def __init__(
        self, nodes: NodePool, policy: RetryPolicy, genesis: Genesis | None = None, identity: Identity | None = None
    ) -> None:
        self.nodes = nodes
        self.policy = policy
        self._genesis = genesis
        self._identity = identity

    @property
    def genesis(self) -> Genesis:
        """The pinned genesis; raises ``bad_genesis`` if the client was made without one."""
        if self._genesis is None:
            raise PoolError(
                ErrorCode.BAD_GENESIS, "this is verified against the network's genesis file: none was given"
            )
        return self._genesis

    @property
    def identity(self) -> Identity:
        """Who signs; raises ``bad_key`` if the client was made without a key."""
        if self._identity is None:
            raise PoolError(ErrorCode.BAD_KEY, "this is signed with a member's key: none was given")
        return self._identity

    # What a node says

    def status(self) -> Operation[NodeStatus]:
        """What a node says about itself."""
        return self._get("/v1/status", NodeStatus)

    def datasets(self) -> Operation[tuple[Dataset, ...]]:
        """The catalogue."""
        return (yield from self._get("/v1/datasets", DatasetList)).datasets

    def dataset(self, dataset: str) -> Operation[Dataset]:
        """One catalogue entry."""
        return self._get(f"/v1/datasets/{dataset}", Dataset)

    def block(self, height: int | None) -> Operation[BlockAnswer]:
        """The block at ``height``, the newest for None."""
        return self._get(f"/v1/blocks/{'latest' if height is None else height}", BlockAnswer)

    def transaction(self, id_: bytes) -> Operation[TransactionAnswer]:
        """Where a transaction stands."""
        return self._get(f"/v1/transactions/{id_.hex()}", TransactionAnswer)

    def record(self, id_: RecordId) -> Operation[RecordAnswer]:
        """A record."""
        return self._get(f"/v1/records/{id_}", RecordAnswer)

    def _get(self, path: str, type_: type[T]) -> Operation[T]:
        return exchange(self.nodes, self.policy, Request("GET", path), reader(type_))

    def _download(self, path: str, read: Callable[[bytes], T], **parameters: int) -> Operation[T]:
        """Get bytes that ``read`` turns into something verified; another node is asked if it does not hold."""

        def read_reply(reply: Reply) -> T:
            body = expect_ok(reply)
            return _untrue_unless(lambda: read(body))

        request = Request("GET", path, parameters, {"accept": MSGPACK}, timeout_s=_DOWNLOAD_TIMEOUT_S)
        return exchange(self.nodes, self.policy, request, read_reply)

    # Submitting

    def commit(self, transaction: SignedTransaction) -> Operation[VerifiedReceipt]:
        """Send a transaction until it is final; raises ``TransactionRejected`` if the validators refuse it."""
        request = Request(
            "POST",
            "/v1/transactions",
            {"wait": "commit", "timeout_ms": COMMIT_TIMEOUT_MS},
            {"content-type": MSGPACK, "accept": MSGPACK},
            transaction.content,
            COMMIT_TIMEOUT_MS / 1000 + _TIMEOUT_MARGIN_S,
        )
        return exchange(self.nodes, self.policy, request, lambda reply: self._read_commit(transaction, reply))

    def _read_commit(self, transaction: SignedTransaction, reply: Reply) -> VerifiedReceipt:
        if reply.status != 200:
            receipt = _receipt_of_problem(reply)
            verified = self._verified(transaction.transaction_id, receipt)
            if verified.outcome.is_ok:
                raise UntrueAnswer(ErrorCode.BAD_RECEIPT, "the node says rejected, its receipt says accepted")
            raise TransactionRejected(verified)
        receipt = _untrue_unless(lambda: decode(Receipt, reply.body))
        verified = self._verified(transaction.transaction_id, receipt, transaction.record_count)
        if not verified.outcome.is_ok:
            raise TransactionRejected(verified)
        return verified

    def _verified(self, id_: bytes, receipt: Receipt, record_count: int = 0) -> VerifiedReceipt:
        genesis = self.genesis
        header, outcome = _untrue_unless(lambda: verify_receipt(genesis.chain_id, genesis.validators, id_, receipt))
        return VerifiedReceipt(id_, header, outcome, receipt, record_count)

    def receipt(self, id_: bytes, record_count: int = 0) -> Operation[VerifiedReceipt]:
        """The receipt of a committed transaction, whatever its outcome; raises ``not_found`` if it is not committed."""
        return self._download(
            f"/v1/transactions/{id_.hex()}/receipt",
            lambda body: self._verified(id_, decode(Receipt, body), record_count),
        )

    def define(self, definition: DatasetDefinition) -> Operation[VerifiedReceipt | None]:
        """Register a dataset, or update its entry to the next version; None if the catalogue says the same already."""
        version = 1
        try:
            present = yield from self.dataset(definition.dataset)
        except PoolError as error:
            if error.code is not ErrorCode.NOT_FOUND:
                raise
        else:
            names = definition.__dataclass_fields__
            if all(getattr(present, name) == getattr(definition, name) for name in names):
                return None
            version = present.version + 1
        return (yield from self.commit(sign_dataset(self.genesis, self.identity, definition, version)))

    def signed_parcels(
        self, records: Iterable[RecordBody], dataset: str, parcel_records: int, idempotency_key: str | None
    ) -> Iterator[SignedTransaction]:
        """Cut records into parcels and sign them, one at a time as they are asked for."""
        for position, group in enumerate(group_records(map(encode_record, records), parcel_records)):
            nonce = None
            if idempotency_key is not None:
                nonce = repeatable_nonce(self.genesis, f"{dataset} {idempotency_key}", position, group)
            yield sign_parcel(self.genesis, self.identity, dataset, group, nonce=nonce)

    def commit_parcel(self, parcel: SignedTransaction, probe: ResumeProbe | None) -> Operation[VerifiedReceipt]:
        """Commit a parcel; with a ``probe``, ask first whether an earlier run has done so."""
        if probe is not None and probe.is_active:
            try:
                found = yield from self.receipt(parcel.transaction_id, parcel.record_count)
            except PoolError as error:
                if error.code is not ErrorCode.NOT_FOUND:
                    raise
                probe.saw(known=False)
            else:
                probe.saw(known=True)
                if not found.outcome.is_ok:
                    raise TransactionRejected(found)
                return replace(found, is_earlier=True)
        return (yield from self.commit(parcel))

    # Reading what can be proven

    def evidence(self, id_: RecordId) -> Operation[bytes]:
        """A record's evidence file, verified."""
        genesis = self.genesis

        def read(content: bytes) -> bytes:
            for _ in verify_evidence(content, genesis):
                pass
            part = parse_evidence(content).record
            if (part.transaction_id, part.index) != (id_.transaction_id.hex(), id_.index):
                raise PoolError(ErrorCode.BAD_EVIDENCE, "it is another record's")
            return content

        return self._download(f"/v1/records/{id_}/evidence", read)

    def records(self, dataset: str) -> Operation[None]:
        """Emit a ``Record`` for every record of a dataset in chain order, each from a verified parcel."""
        parameters: dict[str, str | int] = {"limit": _PAGE_PARCELS}
        while True:
            request = Request("GET", f"/v1/datasets/{dataset}/parcels", dict(parameters))
            page = yield from exchange(self.nodes, self.policy, request, reader(ParcelPage))
            for summary in page.parcels:
                if summary.code == "ok":
                    for record in (yield from self._parcel(dataset, bytes.fromhex(summary.transaction_id))):
                        yield Emit(record)
            if page.next is None:
                return
            parameters["after"] = page.next

    def _parcel(self, dataset: str, id_: bytes) -> Operation[list[Record]]:
        receipt = yield from self.receipt(id_)
        if not receipt.outcome.is_ok:
            return []
        path = f"/v1/transactions/{id_.hex()}/raw"
        checked = yield from self._download(path, lambda body: self._read_parcel(body, id_, dataset, receipt.height))
        member = checked.header.member
        return [
            Record(RecordId(id_, index), dataset, member, receipt.height, body)
            for index, body in enumerate(checked.records)
        ]

    def _read_parcel(self, body: bytes, id_: bytes, dataset: str, height: int) -> CheckedTransaction:
        checked = decode_transaction(self.genesis.chain_id, body)
        header = checked.header
        if checked.id != id_ or not isinstance(header, ParcelHeader) or header.dataset != dataset:
            raise PoolError(ErrorCode.BAD_PROOF, "the node gave another transaction than it was asked for")
        verify_signed_by(checked, signing_key(self.genesis.member(header.member), header.member, header.key_id, height))
        verify_payload(checked)
        return checked

    def chain(self, first_height: int) -> Operation[None]:
        """Emit a ``BlockPackage`` for every block from ``first_height`` on, as the node gives it: for
        ``ChainAudit``.
        """
        height = first_height
        while True:
            packages = yield from self._download(
                "/v1/chain", _decode_packages, **{"from": height, "limit": _PACKAGES_AT_ONCE}
            )
            for package in packages:
                yield Emit(package)
            if not packages:
                return
            height += len(packages)


class _Rejection(msgspec.Struct, frozen=True):
    """What matters of a rejection's problem document."""

    receipt: ReceiptAnswer


def _decode_packages(body: bytes) -> tuple[BlockPackage, ...]:
    return decode(Packages, body)


def _receipt_of_problem(reply: Reply) -> Receipt:
    """The receipt in a rejection's problem document. Without one the node has refused to take the transaction."""
    try:
        answer = msgspec.json.decode(reply.body, type=_Rejection).receipt
        proof = tuple(bytes.fromhex(item) for item in answer.proof)
    except (msgspec.MsgspecError, ValueError):
        raise error_of_reply(reply) from None
    certificate = _untrue_unless(lambda: decode(Certificate, answer.certificate))
    return Receipt(answer.header, certificate, answer.outcome, answer.index, proof)


def _untrue_unless(check: Callable[[], T]) -> T:
    """The result of ``check``; what it raises says that the node's answer is not true."""
    try:
        return check()
    except UntrueAnswer:
        raise
    except PoolError as error:
        raise UntrueAnswer(error.code, error.detail, **error.context) from None
