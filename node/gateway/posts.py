"""What was posted under which key, so that a post that is repeated is one parcel: after a time-out, a restart too.

A caller names its post by ``Idempotency-Key``; one that does not is known by its bytes. The parcel that was signed for
a post is on disk before it leaves the node, so that the same transaction is sent again until it is committed:

- ``KEYS``: an entry of 96 bytes for each post: its key, a digest of what was posted, its transaction's id. A later
  entry of the same key replaces an earlier one. The newest 100,000 are kept;
- ``ID.parcel``: the transaction until it is committed.
"""

import os
import struct
import threading
from collections import OrderedDict
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from chain.primitives.crypto import HASH_SIZE, Hash
from chain.storage.files import replace_file
from chain.storage.slots import storage_error

POSTS_KEPT = 100_000
_ENTRY = struct.Struct(f"{HASH_SIZE}s" * 3)


class Post(NamedTuple):
    """What is remembered of a post."""

    digest: Hash
    """Of what was posted."""
    transaction_id: Hash


class Posts:
    """See the module. ``note`` may be called in threads.

    Args:
        folder: theirs alone; made if it is not there.

    Raises:
        PoolError: codes ``disk_full``, ``storage_failed``, here and in every method that writes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys = folder / "KEYS"
        self._noting = threading.Lock()
        self._posts: OrderedDict[Hash, Post] = OrderedDict()
        """By key, the oldest first."""
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            content = self._keys.read_bytes() if self._keys.exists() else b""
            torn = len(content) % _ENTRY.size
            for key, digest, id_ in _ENTRY.iter_unpack(content[: len(content) - torn]):
                self._keep(key, Post(digest, id_))
            self._rewrite()
            known = {post.transaction_id for post in self._posts.values()}
            self.pending = {bytes.fromhex(path.stem) for path in folder.glob("*.parcel")}
            """Ids of the transactions that are not known to be committed."""
            for id_ in self.pending - known:
                self.settled(id_)  # a crash came before its entry, so it was never sent
        except OSError as error:
            raise storage_error(folder, error) from None

    def get(self, key: Hash) -> Post | None:
        """What is remembered under a key."""
        return self._posts.get(key)

    def transaction(self, id_: Hash) -> bytes | None:
        """The encoded transaction, while it is not known to be committed."""
        try:
            return self._path(id_).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise storage_error(self._path(id_), error) from None

    def note(self, key: Hash, post: Post, transaction: bytes) -> None:
        """Remember a post and the transaction that was signed for it; durable when this returns."""
        replace_file(self._path(post.transaction_id), transaction, 0o600)
        with self._noting:
            self._note(key, post)

    def _note(self, key: Hash, post: Post) -> None:
        self.pending.add(post.transaction_id)
        try:
            with self._keys.open("ab") as file:
                file.write(key + b"".join(post))
                file.flush()
                os.fsync(file.fileno())
                size_bytes = file.tell()
        except OSError as error:
            raise storage_error(self._keys, error) from None
        self._keep(key, post)
        if size_bytes >= 2 * POSTS_KEPT * _ENTRY.size:
            self._rewrite()

    def settled(self, id_: Hash) -> None:
        """A transaction is committed, or will never be: its id is enough."""
        self.pending.discard(id_)
        try:
            self._path(id_).unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(self._path(id_), error) from None

    def _keep(self, key: Hash, post: Post) -> None:
        self._posts[key] = post
        self._posts.move_to_end(key)

    def _rewrite(self) -> None:
        for key in list(islice(self._posts, max(0, len(self._posts) - POSTS_KEPT))):
            del self._posts[key]
        replace_file(self._keys, b"".join(key + b"".join(post) for key, post in self._posts.items()), 0o600)

    def _path(self, id_: Hash) -> Path:
        return self._folder / f"{id_.hex()}.parcel"
