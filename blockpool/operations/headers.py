"""Committed transactions without their payloads: what was signed, by whom, and what came of it."""

from __future__ import annotations

from blockpool.answers import TransactionAnswer, VerifiedReceipt
from blockpool.exchange import NodeRequest, Operation, Reply, UntrueAnswer, reader, untrue_unless
from blockpool.operations.members import member_at
from blockpool.operations.session import Session
from chain.errors import ErrorCode
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
    chain_id = session.trust.chain_id

    def read(reply: Reply) -> tuple[Header, TransactionAnswer]:
        answer = reader(TransactionAnswer)(reply)
        if transaction_id(chain_id, answer.header) != id_:
            raise UntrueAnswer(ErrorCode.BAD_PROOF, "the node gave another transaction than it was asked for")
        return untrue_unless(lambda: decode_transaction_header(chain_id, answer.header)), answer

    def check(found: tuple[Header, TransactionAnswer]) -> Operation[None]:
        header, answer = found
        member = yield from member_at(session, header.member, receipt.height)
        key = untrue_unless(lambda: signing_key(member, header.member, header.key_id, receipt.height))
        if not verify_signature(key, signing_message(chain_id, answer.header), answer.signature):
            raise UntrueAnswer(ErrorCode.BAD_SIGNATURE, f"the signature of {header.member} does not verify")

    header, _ = yield from session.exchange(NodeRequest("GET", f"/v1/transactions/{id_.hex()}"), read, check)
    return receipt, header
