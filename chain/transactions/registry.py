"""The types of transactions by their tags, and how bytes become a checked transaction of one of them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.primitives.encoding import decode, encode
from chain.transactions.approval import APPROVAL
from chain.transactions.base import (
    CheckedTransaction,
    Header,
    Transaction,
    TransactionType,
    transaction_id,
    verify_payload,
)
from chain.transactions.contract import CONTRACT
from chain.transactions.correction import CORRECTION
from chain.transactions.dataset import DATASET
from chain.transactions.erase import ERASE
from chain.transactions.keyed import KEYED_PARCEL
from chain.transactions.member import MEMBER
from chain.transactions.parcel import PARCEL
from chain.transactions.read_report import READ_REPORT
from chain.transactions.request import REQUEST

TransactionTypes = Mapping[int, TransactionType[Any]]
"""By tag."""

TRANSACTION_TYPES: TransactionTypes = MappingProxyType(
    {
        type_.tag: type_
        for type_ in (
            *(DATASET, PARCEL, CONTRACT, REQUEST, APPROVAL, READ_REPORT, ERASE, CORRECTION, KEYED_PARCEL),
            MEMBER,
        )
    }
)
"""Every type that this program knows. Which of them may be ordered at a height is a rule of the protocol's version."""

_BY_HEADER: Mapping[type[Header], TransactionType[Any]] = MappingProxyType(
    {type_.header: type_ for type_ in TRANSACTION_TYPES.values()}
)


def type_of(header: Header) -> TransactionType[Any]:
    """The type of a decoded header."""
    return _BY_HEADER[type(header)]


def type_named_by(data: bytes) -> TransactionType[Any]:
    """The type that an encoded header names: the first element of an array of at most 15, or of more elements.

    Raises:
        PoolError: code ``malformed``.
    """
    tag = data[1:2] if data[:1] and 0x90 < data[0] <= 0x9F else data[3:4] if data[:1] == b"\xdc" else b""
    type_ = TRANSACTION_TYPES.get(tag[0]) if tag else None
    if type_ is None:
        raise PoolError(ErrorCode.MALFORMED, "the header names no known type of transaction")
    return type_


def decode_transaction(chain_id: bytes, data: bytes) -> CheckedTransaction:
    """Decode a transaction and check everything about it that needs neither state nor its signer's key, payload last.

    Raises:
        PoolError: those of ``decode_transaction_header``.
    """
    if len(data) > LIMITS.transaction_size_bytes:
        raise PoolError(
            ErrorCode.TOO_LARGE, f"{len(data)} bytes; a transaction has at most {LIMITS.transaction_size_bytes}"
        )
    transaction = decode(Transaction, data)
    return _checked(chain_id, transaction, len(data))


def decode_transaction_header(chain_id: bytes, data: bytes) -> Header:
    """Decode a transaction's header, and check that it is meant for this chain and what its type checks.

    Raises:
        PoolError: codes ``too_large``, ``malformed``, ``not_canonical``, ``wrong_chain``, ``bad_request``.
    """
    if len(data) > LIMITS.header_size_bytes:
        raise PoolError(ErrorCode.TOO_LARGE, f"a header of {len(data)} bytes; at most {LIMITS.header_size_bytes}")
    type_ = type_named_by(data)
    header: Header = decode(type_.header, data)
    if header.chain_id != chain_id:
        raise PoolError(
            ErrorCode.WRONG_CHAIN, f"signed for chain {header.chain_id.hex()[:16]}, this is {chain_id.hex()[:16]}"
        )
    type_.check(header)
    return header


def check_stored(chain_id: bytes, transaction: Transaction) -> CheckedTransaction:
    """Decode a transaction from its parts and check its payload, for one whose signature was checked before it was
    stored.

    Raises:
        PoolError: codes as in ``decode_transaction`` and ``verify_payload``.
    """
    checked = decode_stored(chain_id, transaction)
    verify_payload(checked)
    return checked


def decode_stored(chain_id: bytes, transaction: Transaction) -> CheckedTransaction:
    """Decode a transaction from its parts; its payload is not looked at.

    Raises:
        PoolError: codes as in ``decode_transaction``.
    """
    return _checked(chain_id, transaction, len(encode(transaction)))


def _checked(chain_id: bytes, transaction: Transaction, size_bytes: int) -> CheckedTransaction:
    header = decode_transaction_header(chain_id, transaction.header)
    id_ = transaction_id(chain_id, transaction.header)
    return CheckedTransaction(id_, type_of(header), header, transaction, size_bytes)
