"""A submission's journal: which records of a file were signed in which parcel, on disk before any is sent.

Whoever submits a file again, grown, after an interruption, with parcels of another size, shares what is new and nothing
twice: the journal says where the earlier parcels were cut, and the chain which of them it has. One folder is one
submission:

- ``parcels.jsonl``: a line for each parcel, with the number of its first record and a digest of all;
- ``NUMBER.parcel``: a sealed parcel until it is committed, for sealing is random: only the very same bytes are the same
  transaction. The file is whole or absent, and on disk before its line is;
- ``LOCK``: held while a submission is under way.

The folder holds nothing that opens a parcel. It does tell whether guessed records are the right ones (the digest), so
it is readable by its owner only.
"""

import os
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from blockpool.signing import SignedTransaction
from chain.errors import ErrorCode, PoolError
from chain.genesis import Genesis
from chain.primitives.crypto import Hash, hash_tagged
from chain.primitives.encoding import encode
from chain.storage.files import replace_file
from chain.storage.lock import FolderLock
from chain.transactions.parcel import ParcelHeader
from chain.transactions.registry import decode_transaction

_INDEX = "parcels.jsonl"


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """First line of the index."""

    run: str
    """Sets a submission that shares the same records once more apart from the one before."""


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A parcel. A later line about the same first record replaces it."""

    first: int
    """Number of its first record in the submission, from 0."""
    count: int
    """Of its records; 0 if the parcel was refused, so that its records are free again."""
    digest: str
    transaction_id: str


_head = msgspec.json.Decoder(_Head)
_line = msgspec.json.Decoder(_Line)


class Journal:
    """The journal in one folder, which is made if it is not there. It is held until it is closed.

    Args:
        folder: for this submission alone.
        genesis: of the network.
        member: who signs.
        dataset: what is shared in.
        kind: how it is sealed, any text; the same for each run.
        is_anew: forget what was shared, to share it once more.

    Raises:
        PoolError: codes ``data_folder_locked`` while another process uses it, ``malformed`` if it is damaged,
            ``disk_full``, ``storage_failed``.
    """

    def __init__(
        self, folder: Path, genesis: Genesis, member: str, dataset: str, kind: str, *, is_anew: bool = False
    ) -> None:
        self._folder = folder
        self._genesis = genesis
        self._member = member
        self._dataset = dataset
        self._kind = kind
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _failed(folder, error) from None
        self._lock = FolderLock(folder)
        self._index = folder / _INDEX
        self._entries: dict[int, _Line] = {}
        self.refusals: Counter[int] = Counter()
        """How often the validators have refused a parcel, by the number of its first record."""
        try:
            if is_anew or not self._index.exists():
                for path in folder.glob("*.parcel"):
                    path.unlink()
                head = msgspec.json.encode(_Head(secrets.token_hex(8) if is_anew else ""))
                replace_file(self._index, head + b"\n", 0o600)
            self.run = self._load()
            self._descriptor = os.open(self._index, os.O_WRONLY | os.O_APPEND)
        except OSError as error:
            self._lock.close()
            raise _failed(self._index, error) from None
        except PoolError:
            self._lock.close()
            raise

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._descriptor)
        self._lock.close()

    @property
    def lengths(self) -> Mapping[int, int]:
        """Records in each parcel that is known, by the number of its first record."""
        return {first: entry.count for first, entry in self._entries.items()}

    def transaction(
        self, first: int, records: Sequence[bytes], sign: Callable[[], SignedTransaction], *, is_kept: bool
    ) -> SignedTransaction:
        """The parcel that begins with record ``first``: the known one, or else one that is signed now, and noted before
        it is given.

        Args:
            is_kept: whether a new one is kept whole, since it could not be made again.

        Returns:
            With empty ``content`` if it is known by its id alone.

        Raises:
            PoolError: code ``bad_request`` if other records were shared in its place, ``malformed`` for a damaged file,
                ``disk_full``, ``storage_failed``; what ``sign`` raises.
        """
        entry, digest = self._entries.get(first), self._digest(first, records).hex()
        if entry is None:
            transaction = sign()
            if is_kept:
                replace_file(self._path(first), transaction.content, 0o600)
            self._note(_Line(first, len(records), digest, transaction.transaction_id.hex()), is_synced=is_kept)
            return transaction
        if entry.digest != digest:
            raise PoolError(
                ErrorCode.BAD_REQUEST,
                f"records {first + 1:,} to {first + entry.count:,} are not those that were shared in their place, or "
                f"are for another dataset or signed by another member ({self._index})",
            )
        return SignedTransaction(bytes.fromhex(entry.transaction_id), self._content(first, entry), entry.count)

    def committed(self, first: int) -> None:
        """The parcel is on the chain for good: from now on its id is enough."""
        self._path(first).unlink(missing_ok=True)

    def refused(self, first: int) -> None:
        """The validators have refused the parcel: the next run signs its records anew."""
        self._note(_Line(first, 0, "", ""))
        self._path(first).unlink(missing_ok=True)

    def _load(self) -> str:
        """Read the index. A last line that was not written to its end was of nothing that was sent, and goes."""
        head, *lines = self._index.read_bytes().split(b"\n")
        torn = lines.pop() if lines else b""
        if torn:
            os.truncate(self._index, self._index.stat().st_size - len(torn))
        try:
            run = _head.decode(head).run
            for line in map(_line.decode, lines):
                bytes.fromhex(line.transaction_id)
                self._take(line)
        except ValueError as error:
            raise PoolError(ErrorCode.MALFORMED, f"{self._index} is damaged: {error}") from None
        return run

    def _note(self, line: _Line, *, is_synced: bool = False) -> None:
        """What is not synced, a failing machine may forget: open parcels are found again by their nonces."""
        try:
            os.write(self._descriptor, msgspec.json.encode(line) + b"\n")
            if is_synced:
                os.fsync(self._descriptor)
        except OSError as error:
            raise _failed(self._index, error) from None
        self._take(line)

    def _take(self, line: _Line) -> None:
        if line.count:
            self._entries[line.first] = line
        else:
            self._entries.pop(line.first, None)
            self.refusals[line.first] += 1

    def _content(self, first: int, entry: _Line) -> bytes:
        path = self._path(first)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise _failed(path, error) from None
        checked = decode_transaction(self._genesis.chain_id, content)
        if not isinstance(checked.header, ParcelHeader) or checked.id.hex() != entry.transaction_id:
            raise PoolError(ErrorCode.MALFORMED, f"{path} is damaged: it is not the parcel that was noted")
        return content

    def _path(self, first: int) -> Path:
        return self._folder / f"{first:012}.parcel"

    def _digest(self, first: int, records: Sequence[bytes]) -> Hash:
        content = encode((self._member, self._dataset, self._kind, first, tuple(records)))
        return hash_tagged("submission-journal", self._genesis.chain_id, content)


def _failed(path: Path, error: OSError) -> PoolError:
    return PoolError(ErrorCode.STORAGE_FAILED, f"the journal {path}: {error.strerror}")
