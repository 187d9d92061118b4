"""Committed transactions without their payloads: what was signed, by whom, and what came of it."""

from __future__ import annotations

from blockpool.answers import TransactionAnswer, VerifiedReceipt
from blockpool.exchange import Operation, Reply, Request, reader, untrue_unless
from blockpool.operations.session import Session
from chain.errors import ErrorCode, PoolError
from chain.genesis import Genesis
from chain.primitives.crypto import verify_signature
from chain.state.members import signing_key
from chain.transactions.base import Header, signing_message, transaction_id
from chain.transactions.registry import decode_transaction_header


def committed_header(session: Session, id_: bytes) -> Operation[tuple[VerifiedReceipt, Header]]:
    """The header of a committed transaction with its receipt: ordered by a quorum, signed by its member. An erased
    parcel has them still.

    Raises:
        PoolError: code ``not_found``; what does not verify.
    """
    receipt = yield from session.receipt(id_)
    genesis = session.genesis

    def read(reply: Reply) -> Header:
        answer = reader(TransactionAnswer)(reply)
        return untrue_unless(lambda: _verified(genesis, receipt, answer))

    header = yield from session.exchange(Request("GET", f"/v1/transactions/{id_.hex()}"), read)
    return receipt, header


def _verified(genesis: Genesis, receipt: VerifiedReceipt, answer: TransactionAnswer) -> Header:
    if transaction_id(genesis.chain_id, answer.header) != receipt.transaction_id:
        raise PoolError(ErrorCode.BAD_PROOF, "the node gave another transaction than it was asked for")
    header = decode_transaction_header(genesis.chain_id, answer.header)
    key = signing_key(genesis.member(header.member), header.member, header.key_id, receipt.height)
    if not verify_signature(key, signing_message(genesis.chain_id, answer.header), answer.signature):
        raise PoolError(ErrorCode.BAD_SIGNATURE, f"the signature of {header.member} does not verify")
    return header
