"""What is checked from the genesis file alone, without any node."""

from __future__ import annotations

from pathlib import Path

from chain.errors import ErrorCode, PoolError
from chain.evidence import Step
from chain.genesis import Genesis, parse_genesis
from contracts.disclosures import verify_any_evidence


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


def verify_evidence(content: bytes, genesis: Genesis) -> list[Step]:
    """Verify an evidence file, a record's or a disclosure's, offline.

    Returns:
        The steps that passed: all there are.

    Raises:
        PoolError: the first step that failed, with its number as ``step`` in ``context``.
    """
    return list(verify_any_evidence(content, genesis))
