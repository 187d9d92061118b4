"""Who a program signs as."""

from dataclasses import dataclass
from pathlib import Path

from chain.errors import ErrorCode, PoolError
from chain.genesis import Genesis
from chain.primitives.crypto import Signer, key_id
from chain.primitives.keys import load_signer
from chain.transactions.base import Sender


@dataclass(frozen=True, slots=True)
class Identity:
    """A member and one of its keys. ``signer`` may stand for a key in memory, an HSM or a remote service."""

    member: str
    """The member's name."""
    signer: Signer

    @property
    def key_id(self) -> bytes:
        """Which of the member's keys this is: 16 bytes."""
        return key_id(self.signer.public_key)

    def sender(self, genesis: Genesis) -> Sender:
        """As the builders of transactions want it."""
        return Sender(genesis.chain_id, self.member, self.signer)

    @classmethod
    def load(
        cls, path: Path | str, genesis: Genesis, *, member: str | None = None, passphrase: str | None = None
    ) -> "Identity":
        """Read a private key file (PKCS#8 PEM, mode 0600) and find whose it is.

        Args:
            path: the key file.
            genesis: where to look up the key.
            member: the member's name, needed only for a key that the genesis file does not list.
            passphrase: opens an encrypted key.

        Raises:
            PoolError: codes ``bad_key``, ``key_permissions``, ``wrong_passphrase``; ``unknown_key`` if the genesis file
                lists the key for nobody and no ``member`` is given.
        """
        signer = load_signer(Path(path), passphrase)
        return cls(member or find_member(genesis, key_id(signer.public_key)), signer)


def find_member(genesis: Genesis, id_: bytes) -> str:
    """Name of the founding member with the transaction key ``id_`` (16 bytes).

    Raises:
        PoolError: code ``unknown_key``.
    """
    for member in genesis.founders:
        if member.key_by_id(id_) is not None:
            return member.name
    raise PoolError(ErrorCode.UNKNOWN_KEY, f"the genesis file lists key {id_.hex()} for no member")
