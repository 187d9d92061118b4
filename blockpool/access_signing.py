"""Transactions of contracts, requests, answers and read reports: checked as far as possible, then signed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blockpool.identity import Identity
from blockpool.signing import RecordId, SignedTransaction, signed
from chain.errors import ErrorCode, PoolError
from chain.genesis import Genesis
from chain.limits import LIMITS
from chain.primitives.crypto import HASH_SIZE
from chain.primitives.typed import typed
from chain.primitives.types import Answer, verify_dataset_id
from chain.record_keys import KEY_SIZE
from chain.transactions.approval import APPROVAL
from chain.transactions.contract import CONTRACT
from chain.transactions.read_report import READ_REPORT
from chain.transactions.request import REQUEST
from contracts.library import expand_parts
from sealing import KemPrivateKey, KemPublicKey

ReaderKey = KemPrivateKey | KemPublicKey
"""The reader's key pair, or its public half where nothing is read."""

_HEIGHT_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class AccessTerms:
    """What is asked for in a request to read."""

    dataset: str
    """``owner.name``."""
    purpose: str
    """1 to 200 characters; what contracts bind reading to."""
    parcels: Sequence[bytes] = ()
    """Transaction ids of the parcels wanted, at most 256; none for all in the range of heights."""
    from_height: int = 0
    """First block whose parcels are wanted."""
    until_height: int = 0
    """Last such block; 0 for no end, parcels to come included."""
    until_ms: int = 0
    """How long access is wanted, milliseconds since 1970; 0 for as long as it is given."""
    legal_basis: str = ""
    case_number: str = ""
    person: str = ""
    """Who answers for it on the reader's side."""
    keys: Sequence[bytes] = ()
    """Keys of the records wanted, 24 bytes each, at most 256; with ``records``, none for all records."""
    records: Sequence[RecordId] = ()
    """Records wanted, at most 256."""
    fields: Sequence[str] = ()
    """Fields wanted: all of each column that is; none for all fields."""

    @property
    def named_parcels(self) -> tuple[bytes, ...]:
        """The parcels wanted, those of the records included."""
        return tuple(dict.fromkeys([*self.parcels, *(record.transaction_id for record in self.records)]))

    def verify(self, now_ms: int) -> None:
        """Check all that can be checked without the chain.

        Raises:
            PoolError: codes ``bad_name``, ``bad_request``, ``too_large``, ``expired``.
        """
        verify_dataset_id(self.dataset)
        if not typed(self.purpose):
            raise _bad("a request states its purpose")
        for name in ("legal_basis", "case_number", "person"):
            if (text := getattr(self, name)) and not typed(text):
                raise _bad(f"{name} is given, and there is nothing in it to see")
        _verify_length("purpose", self.purpose, LIMITS.title_length)
        _verify_length("legal_basis", self.legal_basis, LIMITS.text_length)
        _verify_length("case_number", self.case_number, LIMITS.title_length)
        _verify_length("person", self.person, LIMITS.title_length)
        for name, value in (("from_height", self.from_height), ("until_height", self.until_height)):
            if not 0 <= value <= _HEIGHT_MAX:
                raise _bad(f"{name} is {value}: heights count from 0")
        if self.until_height and self.until_height < self.from_height:
            raise _bad(f"until_height {self.until_height} is below from_height {self.from_height}")
        if self.until_ms < 0 or self.until_ms > _HEIGHT_MAX:
            raise _bad(f"until_ms is {self.until_ms}: milliseconds since 1970, or 0")
        if self.until_ms and self.until_ms <= now_ms:
            raise PoolError(ErrorCode.EXPIRED, f"access is wanted until {self.until_ms} ms, it is {now_ms} ms")
        verify_parcel_ids(self.parcels, LIMITS.request_parcels)
        verify_parcel_ids(self.named_parcels, LIMITS.request_parcels)
        for what, items, limit in (
            ("keys", self.keys, LIMITS.request_records),
            ("records", self.records, LIMITS.request_records),
            ("fields", self.fields, LIMITS.request_fields),
        ):
            if len(items) > limit:
                raise PoolError(ErrorCode.TOO_LARGE, f"{len(items)} {what}; at most {limit}")
        if any(len(key) != KEY_SIZE for key in self.keys):
            raise _bad(f"a key of a record has {KEY_SIZE} bytes")


def verify_parcel_ids(parcels: Sequence[bytes], count_max: int) -> None:
    """Check a list of parcels' transaction ids: 32 bytes each, none twice, at most ``count_max``.

    Raises:
        PoolError: codes ``bad_request``, ``too_large``.
    """
    if len(parcels) > count_max:
        raise PoolError(ErrorCode.TOO_LARGE, f"{len(parcels)} parcels; at most {count_max}")
    if any(len(parcel) != HASH_SIZE for parcel in parcels):
        raise _bad(f"a parcel is named by its transaction id: {HASH_SIZE} bytes")
    if len(set(parcels)) != len(parcels):
        raise _bad("a parcel is named twice")


def contract_parameters(parameters: str | Mapping[str, Any]) -> str:
    """Parameters of a contract as they are deployed: one JSON object, with the sources of library parts in it.

    Raises:
        PoolError: codes ``bad_request`` (not a JSON object), ``not_found`` (no such library contract), ``too_large``.
    """
    if isinstance(parameters, str):
        try:
            parameters = json.loads(parameters)
        except ValueError as error:
            raise _bad(f"the parameters are not JSON: {error}") from None
    if not isinstance(parameters, Mapping):
        raise _bad("the parameters are not a JSON object")
    whole = expand_parts(dict(parameters))
    try:
        text = json.dumps(whole, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise _bad(f"the parameters are not JSON: {error}") from None
    if len(text.encode()) > LIMITS.contract_parameters_size_bytes:
        limit = LIMITS.contract_parameters_size_bytes
        raise PoolError(ErrorCode.TOO_LARGE, f"parameters of {len(text.encode())} bytes; at most {limit}")
    return text


def sign_contract(
    genesis: Genesis, identity: Identity, contract: str, source: str, parameters: str, version: int
) -> SignedTransaction:
    """Sign a contract: version 1 deploys it, the present version plus one updates it.

    Args:
        contract: ``owner.name``.
        source: Python source text.
        parameters: JSON object, from ``contract_parameters``.

    Raises:
        PoolError: codes ``bad_name``, ``too_large``.
    """
    verify_dataset_id(contract)
    if len(source.encode()) > LIMITS.contract_source_size_bytes:
        limit = LIMITS.contract_source_size_bytes
        raise PoolError(ErrorCode.TOO_LARGE, f"a source of {len(source.encode())} bytes; at most {limit}")
    transaction = CONTRACT.sign(
        identity.sender(genesis), contract=contract, version=version, source=source, parameters=parameters
    )
    return signed(genesis, transaction)


def sign_request(
    genesis: Genesis, identity: Identity, terms: AccessTerms, reader_key: ReaderKey, now_ms: int
) -> SignedTransaction:
    """Sign a request to read.

    Args:
        reader_key: key that the key shares shall be sealed to.
        now_ms: present time, milliseconds since 1970.

    Raises:
        PoolError: as ``AccessTerms.verify``.
    """
    terms.verify(now_ms)
    public_key = reader_key.public_key if isinstance(reader_key, KemPrivateKey) else reader_key
    transaction = REQUEST.sign(
        identity.sender(genesis),
        dataset=terms.dataset,
        parcels=terms.named_parcels,
        from_height=terms.from_height,
        until_height=terms.until_height,
        until_ms=terms.until_ms,
        purpose=typed(terms.purpose),
        legal_basis=typed(terms.legal_basis),
        case_number=typed(terms.case_number),
        person=typed(terms.person),
        kem_key=public_key.encoded,
        keys=tuple(terms.keys),
        records=tuple((record.transaction_id, record.index) for record in terms.records),
        fields=tuple(terms.fields),
    )
    return signed(genesis, transaction)


def sign_answer(
    genesis: Genesis, identity: Identity, dataset: str, request_id: bytes, answer: Answer, reason: str = ""
) -> SignedTransaction:
    """Sign an answer to a request: ``approve``, ``refuse`` or ``revoke``.

    Raises:
        PoolError: codes ``bad_name``, ``bad_request``, ``too_large``.
    """
    verify_dataset_id(dataset)
    if answer not in ("approve", "refuse", "revoke"):
        raise _bad(f"{answer!r} is no answer: approve, refuse or revoke")
    reason = typed(reason)
    _verify_length("reason", reason, LIMITS.reason_length)
    verify_parcel_ids([request_id], 1)
    transaction = APPROVAL.sign(
        identity.sender(genesis), dataset=dataset, request=request_id, answer=answer, reason=reason
    )
    return signed(genesis, transaction)


def sign_read_report(
    genesis: Genesis,
    identity: Identity,
    dataset: str,
    request_id: bytes,
    parcels: Sequence[bytes],
    record_count: int,
    digest: bytes,
    fields: Sequence[str] = (),
) -> SignedTransaction:
    """Sign the report of a read.

    Args:
        parcels: transaction ids of the parcels that records were returned of, 1 to 1,024, each once.
        record_count: how many records were returned.
        digest: ``chain.access.policy.ReadDigest`` over them.
        fields: whose columns were opened; none for all.

    Raises:
        PoolError: codes ``bad_request``, ``too_large``.
    """
    verify_parcel_ids(parcels, LIMITS.report_parcels)
    transaction = READ_REPORT.sign(
        identity.sender(genesis),
        dataset=dataset,
        request=request_id,
        parcels=tuple(parcels),
        record_count=record_count,
        digest=digest,
        fields=tuple(fields),
    )
    return signed(genesis, transaction)


def _verify_length(name: str, text: str, length_max: int) -> None:
    if len(text) > length_max:
        raise PoolError(ErrorCode.TOO_LARGE, f"{name} has {len(text)} characters; at most {length_max}")


def _bad(detail: str) -> PoolError:
    return PoolError(ErrorCode.BAD_REQUEST, detail)
