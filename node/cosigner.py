"""What this node's member has cosigned: never two heads that contradict each other, a crash in between included.

What survives a crash: a cosignature is on disk before it leaves. So a node that starts again signs no head that is
smaller than its last one, and none that does not continue it: where the database has been exchanged for another
history, it refuses. Times never go back either, whatever the clock does (``is_contradiction``).
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import Hash, Signer
from chain.primitives.encoding import decode, encode
from chain.proofs.checkpoints import CheckpointKeys, Cosignature, sign_head, verify_cosignature
from chain.proofs.history import TreeHead
from chain.proofs.trust import TrustHistory
from chain.storage.slots import SlotFile

_SLOT_SIZE_BYTES = 512


class Cosigner:
    """Signs checkpoints for one member.

    Args:
        path: of the file that holds the last cosignature; made if it is not there.
        signers: the member's consensus or witness keys, by public key; may grow.
        member: its name.
        trust: knows all who sign checkpoints.

    Attributes:
        last: the last cosignature; None if there was none, or none is remembered.

    Raises:
        PoolError: codes ``disk_full``, ``storage_failed``.
    """

    def __init__(self, path: Path, signers: Mapping[bytes, Signer], member: str, trust: TrustHistory) -> None:
        self._signers = signers
        self._member = member
        self._trust = trust
        self._slots = SlotFile(path, _SLOT_SIZE_BYTES, copies=2)
        slot = self._slots.read()
        self._sequence = slot.sequence if slot is not None else 0
        self.last = self._remembered(slot.content) if slot is not None else None

    def cosign(self, head: TreeHead, time_s: int, root_at: Callable[[int], Hash]) -> Cosignature:
        """Cosign ``head``, which must not be smaller than the last one.

        Args:
            head: newest in this node's history.
            time_s: the clock's, seconds since 1970.
            root_at: gives the root at an earlier size of that history.

        Raises:
            PoolError: code ``history_conflict`` if ``head`` does not continue what has been cosigned; ``not_found`` if
                the member signs no checkpoints of that size (see ``may_sign``); ``disk_full``, ``storage_failed``: the
                process must stop.
        """
        last = self.last
        if last is not None:
            if head.size < last.size or root_at(last.size) != last.root:
                raise PoolError(
                    ErrorCode.HISTORY_CONFLICT,
                    f"the history of {head.size} blocks does not continue the {last.size} that were cosigned",
                )
            time_s = max(time_s, last.time_s or 0)
        cosignature = sign_head(self._signer_of(head.size), self._trust.chain_id, self._member, head, time_s)
        self._sequence += 1
        self._slots.write(self._sequence, encode(cosignature))
        self.last = cosignature
        return cosignature

    def sign(self, head: TreeHead) -> Cosignature:
        """Sign, without a time, that this node's history had this head.

        Raises:
            PoolError: code ``not_found`` if the member signs no checkpoints of that size.
        """
        return sign_head(self._signer_of(head.size), self._trust.chain_id, self._member, head)

    def may_sign(self, size: int) -> bool:
        """Whether the member signs checkpoints of that size, with a key that is here."""
        return self._key_of(size) in self._signers

    def close(self) -> None:
        """Release the file."""
        self._slots.close()

    def _key_of(self, size: int) -> bytes | None:
        return CheckpointKeys(self._trust, size).key_of(self._member)

    def _signer_of(self, size: int) -> Signer:
        signer = self._signers.get(self._key_of(size) or b"")
        if signer is None:
            raise PoolError(ErrorCode.NOT_FOUND, f"{self._member} signs no checkpoints of {size} blocks here")
        return signer

    def _remembered(self, content: bytes) -> Cosignature | None:
        """The cosignature in the file, if it is one of this member with its key at that size."""
        try:
            cosignature = decode(Cosignature, content)
            verify_cosignature(cosignature, self._trust)
        except PoolError:
            return None
        return cosignature if cosignature.member == self._member and cosignature.time_s is not None else None
