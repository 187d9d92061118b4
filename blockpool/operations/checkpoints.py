"""Checkpoints of a node, proofs between them, and the evidence of misbehaviour that it holds."""

from collections import deque
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from blockpool.exchange import NodeRequest, Operation, Reply, UntrueAnswer, expect_ok, reader, untrue_unless
from blockpool.operations.session import Session
from chain.errors import ErrorCode
from chain.primitives.types import Name, Unsigned
from chain.proofs.checkpoints import Checkpoint, parse_checkpoint, verify_quorum
from chain.proofs.history import TreeHead
from chain.proofs.merkle import verify_consistency
from evidence.kinds import parse_any_evidence, verify_any_evidence
from evidence.misbehaviour import MisbehaviourEvidence


class ConsistencyAnswer(msgspec.Struct, frozen=True):
    """A proof between two sizes of the history."""

    proof: Annotated[tuple[Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")], ...], Meta(max_length=66)]


class MisbehaviourEntry(msgspec.Struct, frozen=True):
    """A file of evidence that a node says it holds."""

    name: Annotated[str, Meta(pattern=r"\A[a-z0-9.-]{1,80}\Z")]
    member: Name
    """The accused."""
    kind: Literal["votes", "checkpoints"]
    place: Unsigned
    """Height of the votes; size of the second checkpoint."""

    @property
    def file_name(self) -> str:
        """What to call it, made of what it is about: a node does not choose where anything is written."""
        return f"{self.member}.{self.kind}.{self.place}.json"


class MisbehaviourList(msgspec.Struct, frozen=True):
    """All of them."""

    misbehaviour: tuple[MisbehaviourEntry, ...]


def checkpoint(session: Session, witnesses: int) -> Operation[Checkpoint]:
    """A node's newest checkpoint that a quorum of validators, and as many witnesses, have cosigned; verified."""
    trust = session.trust

    def read(reply: Reply) -> Checkpoint:
        found = untrue_unless(lambda: parse_checkpoint(expect_ok(reply), trust))
        untrue_unless(lambda: verify_quorum(found, trust))
        if len(found.cosigners(trust.signers_of(found.head.size).witnesses)) < witnesses:
            raise UntrueAnswer(ErrorCode.BAD_CHECKPOINT, f"fewer than {witnesses} witnesses have cosigned it")
        return found

    return session.exchange(NodeRequest("GET", "/v1/checkpoint", {"witnesses": witnesses}), read)


def own_checkpoint(session: Session, size: int) -> Operation[Checkpoint]:
    """What a node says, with its member's signature, that its history was at ``size``; the signature verified."""
    trust = session.trust

    def read(reply: Reply) -> Checkpoint:
        found = untrue_unless(lambda: parse_checkpoint(expect_ok(reply), trust))
        if found.head.size != size:
            raise UntrueAnswer(ErrorCode.BAD_CHECKPOINT, f"it gave {found.head.size} blocks for {size}")
        return found

    return session.exchange(NodeRequest("GET", "/v1/checkpoint", {"size": size}), read)


def verify_continues(session: Session, old: TreeHead, new: TreeHead) -> Operation[None]:
    """Have a node prove that the history of ``new`` begins with that of ``old``."""

    def read(reply: Reply) -> None:
        proof = [bytes.fromhex(item) for item in reader(ConsistencyAnswer)(reply).proof]
        untrue_unless(lambda: verify_consistency(old.size, new.size, old.root, new.root, proof))

    return session.exchange(NodeRequest("GET", "/v1/history/consistency", {"from": old.size, "to": new.size}), read)


def misbehaviour(session: Session) -> Operation[tuple[MisbehaviourEntry, ...]]:
    """Which evidence of misbehaviour a node holds, as it says."""
    return (yield from session.get("/v1/misbehaviour", MisbehaviourList)).misbehaviour


def misbehaviour_file(session: Session, entry: MisbehaviourEntry) -> Operation[bytes]:
    """The file that an entry names; it is verified, and convicts the member that the entry names."""

    def verify(content: bytes) -> None:
        deque(verify_any_evidence(content, session.trust), maxlen=0)
        file = parse_any_evidence(content)
        if not isinstance(file, MisbehaviourEvidence) or file.member != entry.member:
            raise UntrueAnswer(ErrorCode.BAD_EVIDENCE, f"it is no evidence against {entry.member}")

    def read(reply: Reply) -> bytes:
        content = expect_ok(reply)
        untrue_unless(lambda: verify(content))
        return content

    return session.exchange(NodeRequest("GET", f"/v1/misbehaviour/{entry.name}"), read)
