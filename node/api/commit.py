"""Handing a transaction to the node and answering with what came of it: the same for every way in."""

from typing import NamedTuple

import orjson

from chain.blocks import Outcome
from chain.errors import ErrorCode, PoolError, Refusal
from chain.primitives.crypto import Hash
from chain.primitives.encoding import decode, encode
from chain.proofs.receipts import Receipt
from node.api.bodies import JSON, MSGPACK
from node.api.problems import MEDIA_TYPE, problem_body
from node.api.views import receipt_view
from node.intake import OWN_API
from node.service import NodeService


class ApiAnswer(NamedTuple):
    """What a transaction is answered with."""

    status: int
    """Of HTTP."""
    media_type: str
    body: bytes


async def commit(
    service: NodeService, data: bytes, timeout_s: float | None, accept: str, source: str = OWN_API
) -> ApiAnswer:
    """Take a transaction in, and wait until it is committed.

    Args:
        service: of the node.
        data: the encoded transaction.
        timeout_s: how long to wait; None not to.
        accept: media types of a receipt.
        source: as in ``Intake.submit``.

    Raises:
        PoolError: why it is refused, or ``timeout``.
    """
    id_, location = await service.dissemination.submit(data, source)
    if location is not None:
        return committed_answer(id_, service.pool.receipt(location), accept)
    if timeout_s is None:
        return ApiAnswer(202, JSON, orjson.dumps({"transaction_id": id_.hex(), "status": "pending"}))
    return committed_answer(id_, await wait_for_receipt(service, id_, timeout_s), accept)


async def wait_for_receipt(service: NodeService, id_: Hash, timeout_s: float) -> Receipt:
    """The receipt of a transaction that was taken in, once it is committed.

    Raises:
        PoolError: as ``Pool.wait_for_receipt``; ``timeout`` says whom it waits for.
    """
    try:
        return await service.pool.wait_for_receipt(id_, timeout_s)
    except PoolError as error:
        if error.code is not ErrorCode.TIMEOUT:
            raise
        raise PoolError(error.code, f"{error.detail}: {service.readiness.waits_for}", **error.context) from None


def committed_answer(id_: Hash, receipt: Receipt, accept: str) -> ApiAnswer:
    """The answer for a committed transaction: its receipt, or a problem document with it."""
    outcome = decode(Outcome, receipt.outcome)
    if not outcome.is_ok:
        error = Refusal.of(ErrorCode(outcome.code), outcome.facts)
        extra: dict[str, object] = {"transaction_id": id_.hex(), "receipt": receipt_view(receipt)}
        return ApiAnswer(error.code.info.http_status, MEDIA_TYPE, problem_body(error, extra))
    if MSGPACK in accept:
        return ApiAnswer(200, MSGPACK, encode(receipt))
    answer = {"transaction_id": id_.hex(), "status": "committed", "receipt": receipt_view(receipt)}
    return ApiAnswer(200, JSON, orjson.dumps(answer))


def refused_answer(service: NodeService, error: PoolError) -> ApiAnswer:
    """The answer for a transaction that was not taken in. A failing disk stops the node."""
    service.metrics.refused_transactions.labels(error.code.value).inc()
    if error.code.is_storage:
        service.fail(error)
    return ApiAnswer(error.code.info.http_status, MEDIA_TYPE, problem_body(error))
