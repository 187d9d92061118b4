"""Getting the keys of sealed parcels: shares from the validators, each checked before it is used.

One question to one node brings as many shares as open a parcel. If one of them is wrong or missing, all that can be had
are asked for, of one node after the other. A share that does not fit what the owner committed to on chain names the
validator that it is said to come from. Releases are not signed, so the node that passed it on (``through``) may have
changed it; either way it is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from blockpool.exchange import MSGPACK, NodeRequest, Operation, Reply, UntrueAnswer, error_of_reply, untrue_unless
from blockpool.operations.parcels import Parcel
from blockpool.operations.session import Session
from chain.errors import ErrorCode, PoolError
from chain.granularity import Part
from chain.limits import LIMITS
from chain.primitives.encoding import EncodingError, decode, encode
from chain.transactions.sealed import Envelope, decode_envelope
from sealing import KemPrivateKey, ParcelCipher, ParcelContext, Release, ShareRelease, open_release, part_cipher
from sealing.exchange import ShareAnswer, ShareQuery

OnCulprit = Callable[[str, PoolError], None]
"""Told the member's name and what was wrong with what it gave."""

_TIMEOUT_S = 30.0


class ShareCollector:
    """Collects key shares under one request.

    Args:
        session: whom to ask.
        request_id: the granted request.
        reader_key: the key that it names.
        on_culprit: told of every wrong share, once a member and parcel.
    """

    def __init__(
        self, session: Session, request_id: bytes, reader_key: KemPrivateKey, on_culprit: OnCulprit | None = None
    ) -> None:
        self._session = session
        self._request_id = request_id
        self._reader_key = reader_key
        self._on_culprit = on_culprit
        self.culprits: list[tuple[str, PoolError]] = []
        """Members that gave wrong shares, and what was wrong."""

    def ciphers(self, parcels: Sequence[tuple[Parcel, Part]]) -> Operation[list[ParcelCipher]]:
        """What opens parts of sealed parcels, at most ``LIMITS.share_parcels``, in their order.

        Raises:
            PoolError: code ``not_enough_shares``, naming who did not give; ``bad_sealing`` with the owner as
                ``culprit``; the validators' refusal (``access_denied``, ``grant_expired`` and others).
        """
        found: list[ParcelCipher] = []
        for wanted in _batches(_Shares(parcel, part) for parcel, part in parcels):
            yield from self._collect(wanted)
            found.extend(shares.cipher() for shares in wanted)
        return found

    def _collect(self, wanted: Sequence[_Shares]) -> Operation[None]:
        query = ShareQuery(self._request_id, tuple(shares.parcel.id for shares in wanted))
        refused: set[str] = set()

        def read(reply: Reply) -> bool:
            if reply.status != 200:
                raise self._refusal(reply, refused)
            for shares, releases in zip(wanted, _decode_answer(reply.body, len(wanted)), strict=True):
                self._open(shares, releases, reply.url)
            return all(shares.is_complete for shares in wanted)

        def read_to_the_end(reply: Reply) -> bool:
            read(reply)
            for shares in wanted:
                shares.verify_complete()
            return True

        if not (yield from self._session.exchange(_request(query, "all"), read)):
            yield from self._session.exchange(_request(query, "every"), read_to_the_end)

    def _refusal(self, reply: Reply, refused: set[str]) -> PoolError:
        """A single node's refusal does not end a read whose grant is proven; that of all that can be reached does: a
        node is asked twice only after all others.
        """
        error = error_of_reply(reply)
        if reply.url in refused or len(self._session.nodes) == 1:
            return error
        refused.add(reply.url)
        return UntrueAnswer(error.code, error.detail, **error.context)

    def _open(self, shares: _Shares, releases: Iterable[bytes], url: str) -> None:
        """Take as many shares as are needed, those of validators that were wrong before last."""
        suspects = {member for member, _ in self.culprits}
        from_validators = sorted(_by_validator(releases), key=lambda item: item[0] in suspects)
        release = Release(self._session.genesis.chain_id, self._request_id, shares.parcel.id)
        for validator, data in from_validators:
            if shares.is_complete:
                return
            if validator in shares.opened or shares.envelope.index_of(validator) is None:
                continue
            try:
                share = shares.open(data, validator, release, self._reader_key)
            except PoolError as error:
                if validator not in shares.wrong:
                    shares.wrong.add(validator)
                    self._blame(validator, PoolError(error.code, error.detail, **error.context, through=url))
            else:
                shares.opened[validator] = share

    def _blame(self, member: str, error: PoolError) -> None:
        self.culprits.append((member, error))
        if self._on_culprit is not None:
            self._on_culprit(member, error)


class _Shares:
    """The shares of one parcel so far."""

    def __init__(self, parcel: Parcel, part: Part) -> None:
        header = parcel.header
        self.parcel = parcel
        self.part = part
        self.envelope: Envelope = decode_envelope(header.envelope)
        self.context = ParcelContext(header.chain_id, header.dataset, header.records_root)
        self.opened: dict[str, bytes] = {}
        """Right ones by validator."""
        self.wrong: set[str] = set()

    @property
    def cells(self) -> int:
        """Shares that each validator gives."""
        return 1 if self.part.is_all else self.part.size

    def open(self, data: bytes, validator: str, release: Release, key: KemPrivateKey) -> bytes:
        """What a validator gave; raises ``bad_share``."""
        count = len(self.parcel.bodies)
        return open_release(data, validator, release, self.envelope, self.context, key, count, self.part)

    def cipher(self) -> ParcelCipher:
        """What opens the part, from a threshold of shares; raises ``bad_sealing``."""
        return part_cipher(self.envelope, self.context, self.opened, self.parcel.bodies, self.part)

    @property
    def is_complete(self) -> bool:
        """Whether there are enough."""
        return len(self.opened) >= self.envelope.threshold

    def verify_complete(self) -> None:
        """Raises ``not_enough_shares`` as an answer that another node may better."""
        if self.is_complete:
            return
        absent = [
            entry.validator for entry in self.envelope.shares if entry.validator not in {*self.opened, *self.wrong}
        ]
        wrong = sorted(self.wrong - self.opened.keys())
        faults = [
            f"{what} {', '.join(names)}" for what, names in (("none from", absent), ("wrong ones from", wrong)) if names
        ]
        raise UntrueAnswer(
            ErrorCode.NOT_ENOUGH_SHARES,
            f"parcel {self.parcel.id.hex()[:16]}: {len(self.opened)} right shares of {self.envelope.threshold} needed; "
            + ", ".join(faults),
            shares=len(self.opened),
            threshold=self.envelope.threshold,
        )


def _batches(wanted: Iterable[_Shares]) -> Iterator[list[_Shares]]:
    """Cut up so that each question is for no more cells than a node answers at once."""
    batch: list[_Shares] = []
    cells = 0
    for shares in wanted:
        if batch and cells + shares.cells > LIMITS.share_cells:
            yield batch
            batch, cells = [], 0
        batch.append(shares)
        cells += shares.cells
    if batch:
        yield batch


def _request(query: ShareQuery, scope: str) -> NodeRequest:
    """``all`` brings as many releases as are needed, ``every`` all that can be had."""
    headers = {"content-type": MSGPACK, "accept": MSGPACK}
    return NodeRequest("POST", "/v1/shares", {"scope": scope}, headers, encode(query), _TIMEOUT_S)


def _decode_answer(body: bytes, parcels: int) -> ShareAnswer:
    answer: ShareAnswer = untrue_unless(lambda: decode(ShareAnswer, body))
    if len(answer) != parcels:
        raise UntrueAnswer(ErrorCode.MALFORMED, f"shares of {len(answer)} parcels came, {parcels} were asked for")
    return answer


def _by_validator(releases: Iterable[bytes]) -> list[tuple[str, bytes]]:
    """Releases with the validator that each names; what is none names nobody and is left out."""
    found = []
    for data in releases:
        try:
            found.append((decode(ShareRelease, data).validator, data))
        except EncodingError:
            continue
    return found
