"""State that is proven: a block header that a quorum has signed, and an entry under its state root."""

from __future__ import annotations

from typing import TypeVar

from blockpool.answers import BlockAnswer, StateAnswer
from blockpool.exchange import Operation, Reply, Request, UntrueAnswer, reader, untrue_unless
from blockpool.operations.session import Session
from chain.blocks import BlockHeader, Certificate, block_hash, decode_header
from chain.errors import ErrorCode, PoolError
from chain.genesis import Genesis
from chain.primitives.encoding import Wire, decode
from chain.proofs.validators import verify_certificate
from chain.state.tree import StateProof, verify_state_proof
from evidence.parts import CertificatePart

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

    return session.exchange(Request("GET", "/v1/blocks/latest"), read)


def header_at(session: Session, height: int) -> Operation[BlockHeader]:
    """Header of the block at ``height``, verified."""

    def read(reply: Reply) -> BlockHeader:
        header = _read_header(session, reply)
        if header.height != height:
            raise UntrueAnswer(ErrorCode.BAD_PROOF, f"it gave block {header.height} for {height}")
        return header

    return session.exchange(Request("GET", f"/v1/blocks/{height}"), read)


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

    return session.exchange(Request("GET", f"/v1/state/{key.decode()}", {"height": header.height}), read)


def _read_header(session: Session, reply: Reply) -> BlockHeader:
    """The header in a block answer, once its certificate holds. Another network's node is found out at once."""
    answer = reader(BlockAnswer)(reply)
    genesis = session.genesis
    header = untrue_unless(lambda: decode_header(answer.header))
    if header.validators_hash != genesis.validators.hash(genesis.chain_id):
        raise PoolError(ErrorCode.WRONG_CHAIN, f"{reply.url} is a node of another network than the genesis file's")
    untrue_unless(lambda: _verify_header(genesis, header, answer))
    return header


def _verify_header(genesis: Genesis, header: BlockHeader, answer: BlockAnswer) -> None:
    if header.height == 0:
        if answer.header != genesis.header:
            raise PoolError(ErrorCode.BAD_BLOCK, "its first block is not the genesis file's")
        return
    hash_ = block_hash(genesis.chain_id, answer.header)
    certificate = _certificate(header.height, hash_, answer.certificate)
    verify_certificate(genesis.chain_id, certificate, genesis.validators, header.height, hash_)


def _certificate(height: int, hash_: bytes, answer: CertificatePart | None) -> Certificate:
    if answer is None:
        raise PoolError(ErrorCode.BAD_CERTIFICATE, f"block {height} came without a certificate")
    return answer.certificate(height, hash_)
