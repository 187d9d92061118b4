"""What nodes say, as they say it: to look around, not to rely on."""

from blockpool.answers import (
    BlockAnswer,
    CatalogueEntry,
    ContractAnswer,
    ContractList,
    DatasetList,
    NodeStatus,
    ReadPage,
    ReadSummary,
    RecordAnswer,
    RequestPage,
    RequestState,
    TransactionAnswer,
)
from blockpool.exchange import Emit, NodeRequest, Operation, Stream, reader
from blockpool.operations.session import Session
from blockpool.signing import RecordId
from chain.access.decision import RequestStatus
from chain.packages import BlockPackage, Packages
from chain.primitives.encoding import decode

_PAGE_ITEMS = 100
_PACKAGES_AT_ONCE = 256
_WAIT_MAX_S = 20.0
"""How long one request may be held; longer waits are asked in parts, so that a dead node is noticed."""
_TIMEOUT_MARGIN_S = 5.0


def status(session: Session) -> Operation[NodeStatus]:
    """What a node says about itself."""
    return session.get("/v1/status", NodeStatus)


def datasets(session: Session) -> Operation[tuple[CatalogueEntry, ...]]:
    """The catalogue."""
    return session.all("/v1/datasets", DatasetList, lambda page: page.datasets, limit=_PAGE_ITEMS)


def dataset(session: Session, dataset: str) -> Operation[CatalogueEntry]:
    """One catalogue entry."""
    return session.get(f"/v1/datasets/{dataset}", CatalogueEntry)


def contracts(session: Session) -> Operation[tuple[ContractAnswer, ...]]:
    """The deployed contracts, without their sources."""
    return session.all("/v1/contracts", ContractList, lambda page: page.contracts, limit=_PAGE_ITEMS)


def contract(session: Session, contract: str) -> Operation[ContractAnswer]:
    """One contract with its source."""
    return session.get(f"/v1/contracts/{contract}", ContractAnswer)


def block(session: Session, height: int | None) -> Operation[BlockAnswer]:
    """The block at ``height``, the newest for None."""
    return session.get(f"/v1/blocks/{'latest' if height is None else height}", BlockAnswer)


def transaction(session: Session, id_: bytes) -> Operation[TransactionAnswer]:
    """Where a transaction stands."""
    return session.get(f"/v1/transactions/{id_.hex()}", TransactionAnswer)


def record(session: Session, id_: RecordId) -> Operation[RecordAnswer]:
    """A record."""
    return session.get(f"/v1/records/{id_}", RecordAnswer)


def requests(
    session: Session, dataset: str | None, reader: str | None, status: RequestStatus | None, approver: str | None
) -> Stream[RequestState]:
    """Emit the requests that fit, in chain order."""
    wanted = {"dataset": dataset, "reader": reader, "status": status, "approver": approver}
    parameters = {name: value for name, value in wanted.items() if value is not None}
    return session.each("/v1/requests", RequestPage, lambda page: page.requests, limit=_PAGE_ITEMS, **parameters)


def request_view(session: Session, id_: bytes, wait_s: float) -> Operation[RequestState]:
    """A request as it stands, once it is no longer being asked about or ``wait_s`` seconds have passed."""
    ends_s = session.nodes.clock() + wait_s
    while True:
        held_s = min(max(0.0, ends_s - session.nodes.clock()), _WAIT_MAX_S)
        parameters = {"wait_ms": int(held_s * 1000)} if held_s else {}
        request = NodeRequest("GET", f"/v1/requests/{id_.hex()}", parameters, timeout_s=held_s + _TIMEOUT_MARGIN_S)
        view = yield from session.exchange(request, reader(RequestState))
        if view.status != "asked" or session.nodes.clock() >= ends_s:
            return view


def reads(session: Session, dataset: str) -> Stream[ReadSummary]:
    """Emit every request, approval and read report of a dataset in chain order, rejected ones too."""
    return session.each(f"/v1/datasets/{dataset}/reads", ReadPage, lambda page: page.reads, limit=_PAGE_ITEMS)


def chain(session: Session, first_height: int) -> Stream[BlockPackage]:
    """Emit a ``BlockPackage`` for every block from ``first_height`` on: for ``ChainAudit``."""
    height = first_height
    while True:
        packages = yield from session.download(
            "/v1/chain", _decode_packages, **{"from": height, "limit": _PACKAGES_AT_ONCE}
        )
        for package in packages:
            yield Emit(package)
        if not packages:
            return
        height += len(packages)


def _decode_packages(body: bytes) -> tuple[BlockPackage, ...]:
    return decode(Packages, body)
