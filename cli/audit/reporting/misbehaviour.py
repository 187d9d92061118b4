"""What a node knows of misbehaviour, verified before it is told: a node may accuse whom it likes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from blockpool import ErrorCode, Genesis, PoolError, RetryPolicy
from blockpool.exchange import NodePool, Request, expect_ok
from blockpool.operations.session import Session
from blockpool.runner import Runner
from chain.primitives.crypto import Hash, sha256
from cli.audit.reporting.html import Words
from evidence.misbehaviour import MISBEHAVIOUR_STEPS, MisbehaviourEvidence, verify_misbehaviour
from evidence.parts import parse_evidence
from evidence.verification import Verifier, numbered

_FILES_MAX = 512
"""As many as an honest node keeps."""
_PATIENCE = RetryPolicy(attempts_max=4, total_max_s=15)


@dataclass(frozen=True, slots=True)
class ProvenMisbehaviour:
    """A file of evidence that was verified."""

    member: str
    """Who is convicted."""
    charge: Words
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

_CHARGES = {
    True: Words("签署了两张互相矛盾的票", "has signed two votes that contradict each other"),
    False: Words("签署了互相矛盾的检查点", "has signed a checkpoint that contradicts another one"),
}
"""By whether it is about votes."""


class _Name(msgspec.Struct, frozen=True):
    name: str


class _Names(msgspec.Struct, frozen=True):
    """The node's list of its files."""

    misbehaviour: tuple[_Name, ...]


def ask_for_misbehaviour(url: str, genesis: Genesis) -> MisbehaviourFindings:
    """Ask a node for the evidence that it holds, and verify each file. A node that gives none fails no audit."""
    proven: dict[Hash, ProvenMisbehaviour] = {}
    refused = 0
    try:
        for content in _files(url):
            try:
                found = verify_file(content, genesis)
            except PoolError:
                refused += 1
            else:
                proven[found.file_sha256] = found
    except PoolError as error:
        return MisbehaviourFindings(True, tuple(proven.values()), refused, error)
    return MisbehaviourFindings(True, tuple(proven.values()), refused)


def verify_file(content: bytes, genesis: Genesis) -> ProvenMisbehaviour:
    """What a file of evidence proves, from the genesis file alone.

    Raises:
        PoolError: what does not hold.
    """
    file = parse_evidence(MisbehaviourEvidence, content)
    steps = list(numbered(MISBEHAVIOUR_STEPS, lambda: verify_misbehaviour(file, Verifier(genesis))))
    details = tuple(step.detail for step in steps if step.title in ("first", "second", "contradiction"))
    return ProvenMisbehaviour(file.member, _CHARGES[file.votes is not None], details, sha256(content))


def _files(url: str) -> Iterator[bytes]:
    session = Session(NodePool([url], time.monotonic), _PATIENCE)
    with closing(Runner([url])) as runner:
        names = runner.run(session.get("/v1/misbehaviour", _Names)).misbehaviour
        if len(names) > _FILES_MAX:
            raise PoolError(ErrorCode.BAD_EVIDENCE, f"{len(names):,} files; a node keeps {_FILES_MAX} at most")
        for file in names:
            request = Request("GET", f"/v1/misbehaviour/{quote(file.name, safe='')}")
            yield runner.run(session.exchange(request, expect_ok))
