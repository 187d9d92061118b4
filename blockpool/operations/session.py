"""What the operations of one client share: nodes, genesis, who signs, and the ways to ask that all of them use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from blockpool.answers import HandOversAnswer, ReceiptAnswer, TransactionRejected, VerifiedReceipt
from blockpool.credentials import Credentials, default_credentials
from blockpool.exchange import (
    MSGPACK,
    Emit,
    NodePool,
    NodeRequest,
    Operation,
    Reply,
    RetryPolicy,
    Send,
    Stream,
    UntrueAnswer,
    error_of_reply,
    exchange,
    expect_ok,
    reader,
    untrue_unless,
)
from blockpool.identity import Identity
from blockpool.signing import SignedTransaction
from chain.blocks import BlockHeader, Certificate, block_hash, decode_header
from chain.errors import ErrorCode, PoolError
from chain.genesis import Genesis
from chain.primitives.encoding import decode
from chain.primitives.json_text import json_decoder
from chain.proofs.receipts import Receipt, verify_outcome
from chain.proofs.trust import TrustHistory
from chain.state.entries import DatasetEntry
from chain.state.members import Member

T = TypeVar("T")

COMMIT_TIMEOUT_MS = 15_000
"""How long a node may hold a submission until it is committed; then the client asks again."""
_TIMEOUT_MARGIN_S = 5.0
_DOWNLOAD_TIMEOUT_S = 60.0
_BLOCKS_KEPT = 16

_LEFT_TO_OTHERS = frozenset({ErrorCode.PAYLOAD_NOT_KEPT, ErrorCode.NOT_HERE_YET})
_MAY_MISS_HANDOVERS = frozenset({ErrorCode.UNKNOWN_VALIDATORS, ErrorCode.BAD_CHECKPOINT})


class Page(Protocol):
    """An answer that is one page of a list."""

    @property
    def next(self) -> str | None:
        """Where the next page begins, for ``after``; None on the last one."""
        ...


PageType = TypeVar("PageType", bound=Page)


class KnownMember(NamedTuple):
    """A member's entry that was proven."""

    height: int
    """Of the block after which it stands so."""
    member: Member


class KnownDataset(NamedTuple):
    """How a dataset is shared, proven."""

    since_s: float
    """When it was proven, by the session's clock."""
    entry: DatasetEntry
    kem_keys: Mapping[str, bytes] | None
    """Validators' keys to seal to; None where nothing is sealed."""


class Session:
    """The state of one client.

    Args:
        nodes: whom to ask.
        policy: how long and how often.
        trust: what is known of the chain, from a pinned genesis file on; needed by all that verifies or signs. It
            learns of hand-overs when a node's answer needs them.
        identity: needed by what signs.
        credentials: shown to nodes that ask who asks; ``default_credentials`` if there are none.
    """

    def __init__(
        self,
        nodes: NodePool,
        policy: RetryPolicy,
        trust: TrustHistory | None = None,
        identity: Identity | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self.nodes = nodes
        self.policy = policy
        self.height_seen = 0
        """Highest block that was verified: a node that is behind it is not asked about the present."""
        self.members: dict[str, KnownMember] = {}
        """Entries that were proven, by name."""
        self.datasets: dict[str, KnownDataset] = {}
        """Entries that were proven, by id, as long as no answer contradicts them."""
        self._blocks: dict[tuple[bytes, Certificate], BlockHeader] = {}
        """The last blocks that were verified."""
        self._trust = trust
        self._identity = identity
        self._credentials = credentials or default_credentials(identity, nodes.urls)
        self._learning = Lock()

    @property
    def trust(self) -> TrustHistory:
        """What is known of the chain; raises ``bad_genesis`` if the client was made without a genesis file."""
        if self._trust is None:
            raise PoolError(
                ErrorCode.BAD_GENESIS, "this is verified against the network's genesis file: none was given"
            )
        return self._trust

    @property
    def genesis(self) -> Genesis:
        """The pinned genesis; raises as ``trust``."""
        return self.trust.genesis

    @property
    def identity(self) -> Identity:
        """Who signs; raises ``bad_key`` if the client was made without a key."""
        if self._identity is None:
            raise PoolError(ErrorCode.BAD_KEY, "this is signed with a member's key: none was given")
        return self._identity

    def saw(self, height: int) -> None:
        """Note a block that was verified."""
        self.height_seen = max(self.height_seen, height)

    def exchange(
        self, request: NodeRequest, read: Callable[[Reply], T], check: Callable[[T], Operation[None]] | None = None
    ) -> Operation[T]:
        """An answer to ``request`` that ``read`` and ``check`` accept: see ``exchange``. One that names validators that
        are not known yet is read again once its node has shown the hand-overs to them. A node that leaves to others
        what it is asked for is followed to those.
        """
        results: list[T] = []

        def check_reply(reply: Reply) -> Operation[None]:
            try:
                result = read(reply)
            except PoolError as error:
                if error.code not in _MAY_MISS_HANDOVERS:
                    raise
                if not (yield from self.learn_handovers(reply.url)):
                    raise _of_strangers(error) from None
                result = read(reply)
            if check is not None:
                yield from check(result)
            results[:] = [result]

        asked = ""

        def note_url(reply: Reply) -> Reply:
            nonlocal asked
            asked = reply.url
            return reply

        try:
            yield from exchange(self.nodes, self.policy, request, note_url, check_reply, self._show)
        except PoolError as error:
            if error.code not in _LEFT_TO_OTHERS:
                raise
            yield from self._ask_others(request, check_reply, error, asked)
        return results[0]

    def _ask_others(
        self, request: NodeRequest, check: Callable[[Reply], Operation[None]], error: PoolError, asked: str
    ) -> Operation[None]:
        """Have an answer from one of those who have what the node at ``asked`` has not, each asked once: the other
        nodes that are known, and those of the members that it names, where the pinned genesis file has them.
        """
        named = set(str(error.context.get("holders", "")).split())
        founders = self._trust.genesis.founders if self._trust is not None else ()
        holders = [member.node.api_url.rstrip("/") for member in founders if member.node and member.name in named]
        for url in dict.fromkeys([*self.nodes.urls, *holders]):
            if url in (asked, ""):
                continue
            answer = yield Send(url, self._show(url, request, False))
            if isinstance(answer, Reply) and answer.status == 401:
                answer = yield Send(url, self._show(url, request, True))
            if not isinstance(answer, Reply):
                continue
            with suppress(PoolError):  # it has not got it either, or what it gives does not hold
                yield from check(replace(answer, url=url))
                return
        raise error

    def _show(self, url: str, request: NodeRequest, is_asked: bool) -> NodeRequest:
        """The request with who asks, once some node has asked for that."""
        credentials = self._credentials
        credentials.are_wanted |= is_asked
        if not credentials.are_wanted or request.method != "GET":
            return request
        shown = credentials.authorization(lambda: self.genesis.chain_id, url, request.method, request.target)
        return request if shown is None else replace(request, headers={**request.headers, "authorization": shown})

    def learn_handovers(self, url: str) -> Operation[bool]:
        """Ask a node for the hand-overs that are not known yet; says whether it has shown any."""
        trust = self.trust
        answer = yield Send(url, NodeRequest("GET", "/v1/handovers", {"since": trust.since_height}))
        if not isinstance(answer, Reply) or answer.status != 200:
            return False
        handovers = reader(HandOversAnswer)(answer).handovers
        with self._learning:
            for part in handovers:
                untrue_unless(partial(trust.extend, part.handover(trust.chain_id)))
        return bool(handovers)

    def get(self, path: str, type_: type[T], **parameters: str | int) -> Operation[T]:
        """What a node answers, as a value of this type; not verified."""
        return self.exchange(NodeRequest("GET", path, parameters), reader(type_))

    def download(self, path: str, read: Callable[[bytes], T], **parameters: str | int) -> Operation[T]:
        """Get bytes that ``read`` turns into something verified; another node is asked if it does not hold."""

        def read_reply(reply: Reply) -> T:
            body = expect_ok(reply)
            return untrue_unless(lambda: read(body))

        return self.exchange(download_request(path, **parameters), read_reply)

    def each(
        self, path: str, type_: type[PageType], items: Callable[[PageType], Iterable[T]], **parameters: str | int
    ) -> Stream[T]:
        """Emit the items of a list that comes in pages; not verified."""
        asked = dict(parameters)
        while True:
            page = yield from self.get(path, type_, **asked)
            for item in items(page):
                yield Emit(item)
            if page.next is None:
                return
            asked["after"] = page.next

    def all(
        self, path: str, type_: type[PageType], items: Callable[[PageType], Iterable[T]], **parameters: str | int
    ) -> Operation[tuple[T, ...]]:
        """All items of a list that comes in pages; not verified."""
        found, asked = list[T](), dict(parameters)
        while True:
            page = yield from self.get(path, type_, **asked)
            found += items(page)
            if page.next is None:
                return tuple(found)
            asked["after"] = page.next

    def commit(self, transaction: SignedTransaction) -> Operation[VerifiedReceipt]:
        """Send a transaction until it is final; raises ``TransactionRejected`` if the validators refuse it. Every error
        names the ``transaction_id``: after some of them it may still commit.
        """
        request = NodeRequest(
            "POST",
            "/v1/transactions",
            {"wait": "commit", "timeout_ms": COMMIT_TIMEOUT_MS},
            {"content-type": MSGPACK, "accept": MSGPACK},
            transaction.content,
            COMMIT_TIMEOUT_MS / 1000 + _TIMEOUT_MARGIN_S,
            is_transaction=True,
        )
        try:
            return (yield from self.exchange(request, lambda reply: self._read_commit(transaction, reply)))
        except PoolError as error:
            error.context.setdefault("transaction_id", transaction.transaction_id.hex())
            raise

    def receipt(self, id_: bytes, record_count: int = 0) -> Operation[VerifiedReceipt]:
        """The receipt of a committed transaction, whatever its outcome; raises ``not_found`` if it is not committed."""
        return self.download(
            f"/v1/transactions/{id_.hex()}/receipt",
            lambda body: self._verified(id_, decode(Receipt, body), record_count),
        )

    def _read_commit(self, transaction: SignedTransaction, reply: Reply) -> VerifiedReceipt:
        if reply.status != 200:
            receipt = _receipt_of_problem(self.genesis.chain_id, reply)
            verified = self._verified(transaction.transaction_id, receipt)
            if verified.outcome.is_ok:
                raise UntrueAnswer(ErrorCode.BAD_RECEIPT, "the node says rejected, its receipt says accepted")
            raise TransactionRejected(verified)
        receipt = untrue_unless(lambda: decode(Receipt, reply.body))
        verified = self._verified(transaction.transaction_id, receipt, transaction.record_count)
        if not verified.outcome.is_ok:
            raise TransactionRejected(verified)
        return verified

    def _verified(self, id_: bytes, receipt: Receipt, record_count: int = 0) -> VerifiedReceipt:
        header = untrue_unless(lambda: self._block(receipt))
        outcome = untrue_unless(lambda: verify_outcome(header, id_, receipt))
        self.saw(header.height)
        return VerifiedReceipt(id_, header, outcome, receipt, record_count)

    def _block(self, receipt: Receipt) -> BlockHeader:
        """The verified header of a receipt's block. Many receipts of one block come at a time: its signatures are
        checked once, as long as its bytes are the same.
        """
        block = receipt.header, receipt.certificate
        header = self._blocks.get(block)
        if header is None:
            header = self.trust.verify_header(*block)
            self._blocks = {**dict(list(self._blocks.items())[1 - _BLOCKS_KEPT :]), block: header}
        return header


def download_request(path: str, **parameters: str | int) -> NodeRequest:
    """A request for bytes, of which there may be many."""
    return NodeRequest("GET", path, parameters, {"accept": MSGPACK}, timeout_s=_DOWNLOAD_TIMEOUT_S)


def _of_strangers(error: PoolError) -> PoolError:
    """What an answer is whose validators follow from nothing that its node can show."""
    if error.code is not ErrorCode.UNKNOWN_VALIDATORS:
        return error
    return UntrueAnswer(
        ErrorCode.WRONG_CHAIN, "its blocks are not made by the validators of the genesis file, nor by their successors"
    )


class _Rejection(msgspec.Struct, frozen=True):
    """What matters of a rejection's problem document."""

    receipt: ReceiptAnswer


def _receipt_of_problem(chain_id: bytes, reply: Reply) -> Receipt:
    """The receipt in a rejection's problem document. Without one the node has refused to take the transaction."""
    try:
        answer = json_decoder(_Rejection).decode(reply.body).receipt
        proof = tuple(bytes.fromhex(item) for item in answer.proof)
    except (msgspec.MsgspecError, ValueError):
        raise error_of_reply(reply) from None
    header = untrue_unless(lambda: decode_header(answer.header))
    certificate = answer.certificate.certificate(header.height, block_hash(chain_id, answer.header))
    return Receipt(answer.header, certificate, answer.outcome, answer.index, proof)
