"""What is checked from the genesis file alone, without any node."""

from pathlib import Path

from chain.errors import ErrorCode, PoolError
from chain.genesis import Genesis, parse_genesis
from chain.proofs.history import TreeHead
from chain.proofs.trust import TrustHistory
from evidence.disclosure import DisclosureEvidence, disclosed_content
from evidence.kinds import parse_any_evidence, verify_any_evidence
from evidence.verification import Step


def load_genesis(path: Path | str) -> Genesis:
    """Read and check a network's genesis file. Everything else is believed because of it: get it from someone you
    trust.

    Raises:
        PoolError: code ``bad_genesis``, also for a file that cannot be read.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise PoolError(ErrorCode.BAD_GENESIS, f"cannot read {path}: {error.strerror}") from None
    return parse_genesis(content)


def verify_evidence(content: bytes, genesis: Genesis, tree: TreeHead | None = None) -> list[Step]:
    """Verify an evidence file of any kind, offline.

    Args:
        content: of the file.
        genesis: of the chain.
        tree: of a checkpoint that you hold and have verified; it saves the signatures of blocks in its history.

    Returns:
        The steps that passed: all there are.

    Raises:
        PoolError: the first step that failed, with its number as ``step`` in ``context``.
    """
    return list(verify_any_evidence(content, TrustHistory(genesis), tree))


def verify_disclosure(content: bytes, genesis: Genesis) -> dict[str, str] | bytes:
    """Verify a disclosure's evidence file, offline.

    Returns:
        What it proves: the fields shown, each with its value as JSON text exactly as the owner committed to it; or the
        whole record, if its parcel commits to whole ones.

    Raises:
        PoolError: as ``verify_evidence``; code ``bad_evidence`` for a file that discloses nothing.
    """
    verify_evidence(content, genesis)
    file = parse_any_evidence(content)
    if not isinstance(file, DisclosureEvidence):
        raise PoolError(ErrorCode.BAD_EVIDENCE, "it discloses nothing")
    shown = disclosed_content(file)
    return shown if isinstance(shown, bytes) else {field.name: field.value.decode() for field in shown}
