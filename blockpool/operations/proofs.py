"""State that is proven: a block header that a quorum has signed, and an entry under its state root."""

from __future__ import annotations

from typing import TypeVar

from blockpool.answers import BlockAnswer, StateAnswer
from blockpool.exchange import NodeRequest, Operation, Reply, UntrueAnswer, reader, untrue_unless
from blockpool.operations.session import Session
from chain.blocks import BlockHeader, block_hash, decode_header
from chain.errors import ErrorCode
from chain.primitives.encoding import Wire, decode
from chain.state.tree import StateProof, verify_state_proof

Entry = TypeVar("Entry", bound=Wire)


def newest_header(session: Session) -> Operation[BlockHeader]:
    """Header of a node's newest block, verified. A node that is behind what this client has already seen is passed
    over; how much further the network may be, nobody can prove.
    """

    def read(reply: Reply) -> BlockHeader:
        header = _read_header(session, reply)
        if header.height < session.height_seen:
            raise UntrueAnswer(ErrorCode.NOT_READY, f"it is at block {header.height}, behind {session.height_seen}")
        session.saw(header.height)
        return header

    return session.exchange(NodeRequest("GET", "/v1/blocks/latest"), read)


def header_at(session: Session, height: int) -> Operation[BlockHeader]:
    """Header of the block at ``height``, verified."""

    def read(reply: Reply) -> BlockHeader:
        header = _read_header(session, reply)
        if header.height != height:
            raise UntrueAnswer(ErrorCode.BAD_PROOF, f"it gave block {header.height} for {height}")
        return header

    return session.exchange(NodeRequest("GET", f"/v1/blocks/{height}"), read)


def state_entry(session: Session, key: bytes, type_: type[Entry], header: BlockHeader) -> Operation[Entry | None]:
    """The state's entry at ``key`` after a verified block, or None if it is proven that there is none."""
    chain_id = session.genesis.chain_id

    def read(reply: Reply) -> Entry | None:
        answer = reader(StateAnswer)(reply)

        def verified() -> Entry | None:
            proof = decode(StateProof, answer.proof)
            verify_state_proof(chain_id, header.state_root, key, answer.value, proof)
            return None if answer.value is None else decode(type_, answer.value)

        return untrue_unless(verified)

    return session.exchange(NodeRequest("GET", f"/v1/state/{key.decode()}", {"height": header.height}), read)


def _read_header(session: Session, reply: Reply) -> BlockHeader:
    """The header in a block answer, once its certificate holds."""
    answer = reader(BlockAnswer)(reply)
    trust = session.trust

    def verified() -> BlockHeader:
        hash_, part = block_hash(trust.chain_id, answer.header), answer.certificate
        certificate = None if part is None else part.certificate(decode_header(answer.header).height, hash_)
        return trust.verify_header(answer.header, certificate)

    return untrue_unless(verified)
