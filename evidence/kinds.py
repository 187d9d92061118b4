"""Evidence files of all kinds: read, verify, and say in a sentence what they prove."""

from collections.abc import Iterator
from pathlib import Path

from chain.errors import ErrorCode, PoolError
from chain.limits import MIB
from chain.proofs.history import TreeHead
from chain.proofs.trust import TrustHistory
from evidence.disclosure import DISCLOSURE_STEPS, DisclosureEvidence, verify_disclosed
from evidence.misbehaviour import MISBEHAVIOUR_STEPS, MisbehaviourEvidence, verify_misbehaviour
from evidence.no_grant import NO_GRANT_STEPS, NoGrantEvidence, verify_no_grant
from evidence.no_read import NO_READ_STEPS, NoReadEvidence, verify_no_read
from evidence.parts import parse_evidence
from evidence.read import READ_STEPS, ReadEvidence, verify_read
from evidence.record import RECORD_STEPS, RecordEvidence, verify_record
from evidence.verification import Step, Verifier, numbered

AnyEvidence = (
    RecordEvidence | DisclosureEvidence | ReadEvidence | NoGrantEvidence | NoReadEvidence | MisbehaviourEvidence
)


EVIDENCE_SIZE_MAX_BYTES = 32 * MIB
"""More than any true evidence: reading JSON takes several times its size in memory."""


def read_evidence_file(path: Path) -> bytes:
    """An evidence file, of which no more than the bound is ever read.

    Raises:
        PoolError: code ``too_large``.
    """
    with path.open("rb") as file:
        content = file.read(EVIDENCE_SIZE_MAX_BYTES + 1)
    verify_size(content)
    return content


def verify_size(content: bytes) -> None:
    """Check that it can be evidence; raises ``too_large``."""
    if len(content) > EVIDENCE_SIZE_MAX_BYTES:
        raise PoolError(ErrorCode.TOO_LARGE, f"no evidence is larger than {EVIDENCE_SIZE_MAX_BYTES} bytes")


def parse_any_evidence(content: bytes) -> AnyEvidence:
    """Read an evidence file of any kind without believing it.

    Raises:
        PoolError: codes ``bad_evidence``, ``too_large``.
    """
    verify_size(content)
    file: AnyEvidence = parse_evidence(AnyEvidence, content)  # type: ignore[arg-type]  # a union is a fine target
    return file


def verify_any_evidence(content: bytes, trust: TrustHistory, tree: TreeHead | None = None) -> Iterator[Step]:
    """Verify an evidence file of any kind, yielding each step as it passes.

    Args:
        content: of the file.
        trust: of the chain, from a genesis file of someone you trust. What the file adds to it is forgotten.
        tree: of a checkpoint that you hold and have verified. Blocks that the file shows to be in its history need no
            signatures; others are verified from genesis.

    Raises:
        PoolError: at the first step that fails, with ``step`` and ``step_title`` in its context.
    """
    try:
        file = parse_any_evidence(content)
    except PoolError as error:
        raise PoolError(error.code, error.detail, step=1, step_title=RECORD_STEPS[0]) from None
    verifier = Verifier(trust.copy(), tree)
    match file:
        case RecordEvidence():
            yield from numbered(RECORD_STEPS, lambda: verify_record(file, verifier))
        case DisclosureEvidence():
            yield from numbered(DISCLOSURE_STEPS, lambda: verify_disclosed(file, verifier))
        case ReadEvidence():
            yield from numbered(READ_STEPS, lambda: verify_read(file, verifier))
        case NoGrantEvidence():
            yield from numbered(NO_GRANT_STEPS, lambda: verify_no_grant(file, verifier))
        case NoReadEvidence():
            yield from numbered(NO_READ_STEPS, lambda: verify_no_read(file, verifier))
        case MisbehaviourEvidence():
            yield from numbered(MISBEHAVIOUR_STEPS, lambda: verify_misbehaviour(file, verifier))
