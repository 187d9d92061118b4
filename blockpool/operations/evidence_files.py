"""Evidence files from a node, verified before they are handed on, and answers to what was asked."""

from collections.abc import Callable
from typing import TypeVar

from blockpool.exchange import Operation
from blockpool.operations.session import Session
from blockpool.signing import RecordId
from chain.errors import ErrorCode, PoolError
from chain.proofs.history import TreeHead
from chain.transactions.base import transaction_id
from evidence.kinds import verify_any_evidence
from evidence.no_grant import NoGrantEvidence
from evidence.no_read import NoReadEvidence
from evidence.parts import EvidenceFile, parse_evidence
from evidence.read import ReadEvidence
from evidence.record import RecordEvidence

File = TypeVar("File", bound=EvidenceFile)


def record_evidence(session: Session, id_: RecordId, tree: TreeHead | None = None) -> Operation[bytes]:
    """Evidence of a record. With ``tree``, the head of a checkpoint, as of that checkpoint; so for all below."""

    def is_answer(file: RecordEvidence) -> bool:
        return (file.record.transaction_id, file.record.index) == (id_.transaction_id.hex(), id_.index)

    return _file(session, f"/v1/records/{id_}/evidence", {}, tree, RecordEvidence, is_answer)


def read_evidence(session: Session, request_id: bytes, tree: TreeHead | None = None) -> Operation[bytes]:
    """Evidence of the read that a request has led to."""

    def is_answer(file: ReadEvidence) -> bool:
        return transaction_id(session.trust.chain_id, file.request.transaction.header) == request_id

    return _file(session, f"/v1/requests/{request_id.hex()}/evidence", {}, tree, ReadEvidence, is_answer)


def no_grant_evidence(
    session: Session,
    dataset: str,
    reader: str,
    from_height: int = 1,
    until_height: int | None = None,
    tree: TreeHead | None = None,
) -> Operation[bytes]:
    """Evidence that a member had no grant on a dataset from one height to another, by default the newest."""

    def is_answer(file: NoGrantEvidence) -> bool:
        heights = _is_range(file.from_height, file.until_height, from_height, until_height)
        return heights and (file.dataset, file.reader) == (dataset, reader)

    asked = _range(from_height, until_height) | {"dataset": dataset, "reader": reader}
    return _file(session, "/v1/absence/grant", asked, tree, NoGrantEvidence, is_answer)


def no_read_evidence(
    session: Session,
    parcel_id: bytes,
    from_height: int = 1,
    until_height: int | None = None,
    tree: TreeHead | None = None,
) -> Operation[bytes]:
    """Evidence that no receipt for a sealed parcel was committed from one height to another, by default the newest."""

    def is_answer(file: NoReadEvidence) -> bool:
        heights = _is_range(file.from_height, file.until_height, from_height, until_height)
        return heights and transaction_id(session.trust.chain_id, file.parcel) == parcel_id

    asked = _range(from_height, until_height) | {"parcel": parcel_id.hex()}
    return _file(session, "/v1/absence/read", asked, tree, NoReadEvidence, is_answer)


def _file(
    session: Session,
    path: str,
    asked: dict[str, str | int],
    tree: TreeHead | None,
    type_: type[File],
    is_answer: Callable[[File], bool],
) -> Operation[bytes]:
    """A file that holds; another node is asked if one does not, or is about something else."""
    trust = session.trust

    def read(content: bytes) -> bytes:
        for _ in verify_any_evidence(content, trust, tree):
            pass
        if not is_answer(parse_evidence(type_, content)):
            raise PoolError(ErrorCode.BAD_EVIDENCE, "it is about something else than what was asked")
        return content

    return session.download(path, read, **(asked if tree is None else asked | {"tree_size": tree.size}))


def _range(from_height: int, until_height: int | None) -> dict[str, str | int]:
    asked: dict[str, str | int] = {"from": from_height}
    return asked if until_height is None else asked | {"until": until_height}


def _is_range(found_from: int, found_until: int, from_height: int, until_height: int | None) -> bool:
    return found_from == from_height and until_height in (None, found_until)
