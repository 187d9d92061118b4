"""What a node says of misbehaviour, verified before it is told: a node may accuse whom it likes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from chain.errors import PoolError
from chain.genesis import Genesis
from chain.primitives.crypto import Hash, sha256
from chain.proofs.trust import TrustHistory
from evidence.misbehaviour import MISBEHAVIOUR_STEPS, MisbehaviourEvidence, verify_misbehaviour
from evidence.parts import parse_evidence
from evidence.verification import Verifier, numbered

Contradiction = Literal["votes", "checkpoints"]
"""What a member has signed two of that contradict each other."""


@dataclass(frozen=True, slots=True)
class ProvenMisbehaviour:
    """A file of evidence that was verified."""

    member: str
    """Who is convicted."""
    contradiction: Contradiction
    details: tuple[str, ...]
    """The two things that were signed, and how they contradict each other."""
    file_sha256: Hash


@dataclass(frozen=True, slots=True)
class MisbehaviourFindings:
    """What came of asking a node."""

    is_asked: bool
    """False for a stopped home: there is nobody to ask."""
    proven: tuple[ProvenMisbehaviour, ...] = ()
    refused: int = 0
    """Files that the node gave and that did not verify."""
    failure: PoolError | None = None
    """Why the node did not give them all."""

    @property
    def needs_attention(self) -> bool:
        """Whether there is anything that a reader must look at."""
        return bool(self.proven or self.refused)


NOT_ASKED = MisbehaviourFindings(is_asked=False)


def verify_files(files: Iterable[bytes], genesis: Genesis) -> MisbehaviourFindings:
    """Verify each file of evidence that a node gives. One that gives none fails no audit."""
    proven: dict[Hash, ProvenMisbehaviour] = {}
    refused, failure = 0, None
    try:
        for content in files:
            try:
                found = verify_file(content, genesis)
            except PoolError:
                refused += 1
            else:
                proven[found.file_sha256] = found
    except PoolError as error:
        failure = error
    return MisbehaviourFindings(True, tuple(proven.values()), refused, failure)


def verify_file(content: bytes, genesis: Genesis) -> ProvenMisbehaviour:
    """What a file of evidence proves, from the genesis file alone.

    Raises:
        PoolError: what does not hold.
    """
    file = parse_evidence(MisbehaviourEvidence, content)
    steps = list(numbered(MISBEHAVIOUR_STEPS, lambda: verify_misbehaviour(file, Verifier(TrustHistory(genesis)))))
    details = tuple(step.detail for step in steps if step.title in ("first", "second", "contradiction"))
    contradiction: Contradiction = "checkpoints" if file.votes is None else "votes"
    return ProvenMisbehaviour(file.member, contradiction, details, sha256(content))
