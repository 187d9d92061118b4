"""A submission's journal: the signed transactions of its parcels, on disk before they are sent.

A sealed parcel is random, so signing it again makes another transaction, and an interrupted submission that is
repeated would share its records twice. With a journal the very same bytes are sent again. One folder is one
submission, one file a parcel; a file is written whole or not at all, whatever crashes.

The folder holds nothing that opens a parcel. It does tell whether guessed records are the right ones (``digest``), so
files are readable by their owner only.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from blockpool.signing import SignedTransaction
from chain.errors import ErrorCode, PoolError
from chain.genesis import Genesis
from chain.primitives.crypto import Hash, hash_tagged
from chain.primitives.encoding import EncodingError, Wire, decode, encode
from chain.primitives.types import Hash32
from chain.transactions.parcel import ParcelHeader
from chain.transactions.registry import decode_transaction


class _Entry(Wire, frozen=True, tag=1):
    """One file."""

    digest: Hash32
    """Of dataset, way of sealing, position and plaintexts."""
    content: bytes
    """The encoded transaction."""


class Journal:
    """The journal in one folder, which is made if it is not there.

    Args:
        folder: for this submission alone.
        genesis: of the network.
        member: who signs.
        dataset: what is shared in.
        kind: how it is sealed, any text; the same for each run.
    """

    def __init__(self, folder: Path, genesis: Genesis, member: str, dataset: str, kind: str) -> None:
        self._folder = folder
        self._genesis = genesis
        self._member = member
        self._dataset = dataset
        self._kind = kind
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _failed(folder, error) from None

    def transaction(
        self, position: int, records: Sequence[bytes], sign: Callable[[], SignedTransaction]
    ) -> SignedTransaction:
        """The parcel at ``position`` (from 0): from the journal, or else signed now and written down for good before
        it is given.

        Raises:
            PoolError: code ``bad_request`` if the journal has a parcel of other records there, ``malformed`` if the
                file is damaged, ``storage_failed``; what ``sign`` raises.
        """
        path = self._folder / f"{position:08}.parcel"
        digest = self._digest(position, records)
        try:
            found = path.read_bytes()
        except FileNotFoundError:
            transaction = sign()
            self._write(path, encode(_Entry(digest, transaction.content)))
            return transaction
        except OSError as error:
            raise _failed(path, error) from None
        return self._read(path, found, digest)

    def _read(self, path: Path, found: bytes, digest: Hash) -> SignedTransaction:
        try:
            entry = decode(_Entry, found)
        except EncodingError as error:
            raise PoolError(ErrorCode.MALFORMED, f"{path} is damaged: {error.detail}") from None
        if entry.digest != digest:
            raise PoolError(
                ErrorCode.BAD_REQUEST,
                f"{path} was made of other records, or for another dataset: a journal is for one submission only",
            )
        checked = decode_transaction(self._genesis.chain_id, entry.content)
        header = checked.header
        if not isinstance(header, ParcelHeader) or (header.member, header.dataset) != (self._member, self._dataset):
            raise PoolError(ErrorCode.BAD_REQUEST, f"{path} holds no parcel of {self._member} for {self._dataset}")
        return SignedTransaction(checked.id, entry.content, header.record_count)

    def _write(self, path: Path, content: bytes) -> None:
        """Content, then name: after a crash at any point the file is whole or absent, and nothing was sent before."""
        part = path.with_suffix(".part")
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.rename(path)
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise _failed(path, error) from None

    def _digest(self, position: int, records: Sequence[bytes]) -> Hash:
        content = encode((self._dataset, self._kind, position, tuple(records)))
        return hash_tagged("submission-journal", self._genesis.chain_id, content)


def _failed(path: Path, error: OSError) -> PoolError:
    return PoolError(ErrorCode.STORAGE_FAILED, f"the journal {path}: {error.strerror}")
