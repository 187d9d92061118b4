"""What unit tests and traces share: fast signatures, validator sets, tiny blocks.

Signatures are keyed hashes behind the core's verifier port: unforgeable for everyone who goes through the port, and a
hundred times faster than Ed25519, so that tests of many messages are quick.
"""

from hashlib import blake2b
from typing import TypeVar

import msgspec

from chain.blocks import BlockHeader, Certificate, Proposal, block_hash
from chain.primitives.crypto import ZERO_HASH, Hash, Signer, sha256
from chain.primitives.encoding import encode
from chain.proofs.merkle import root
from chain.proofs.validators import Validator, ValidatorSet
from consensus import messages
from consensus.replica import Tip

CHAIN_ID = sha256(b"the chain of the consensus tests")
GENESIS_HASH = sha256(b"the genesis of the consensus tests")
S = TypeVar("S", bound=messages.Statement)
NAMES = tuple("abcdefghijklmnopqrstuvwxyz")


class FakeSigner:
    """Signs with a keyed hash; the public key is the key."""

    def __init__(self, name: str) -> None:
        self.public_key = sha256(name.encode())

    def sign(self, message: bytes) -> bytes:
        return blake2b(message, key=self.public_key).digest()


def signers(name: str) -> dict[bytes, Signer]:
    """What a replica votes with."""
    signer = FakeSigner(name)
    return {signer.public_key: signer}


def fake_verifier(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """The check that belongs to ``FakeSigner``."""
    return blake2b(message, key=public_key).digest() == signature


def validator_set(size: int) -> ValidatorSet:
    """Validators a, b, c ... with the keys of their ``FakeSigner``."""
    return ValidatorSet(Validator(name, FakeSigner(name).public_key) for name in NAMES[:size])


def genesis_tip(size: int) -> Tip:
    """The tip of an empty chain."""
    return Tip(0, GENESIS_HASH, None, validator_set(size))


def transaction_id(label: str) -> Hash:
    """An id that a label stands for."""
    return sha256(label.encode())


def make_proposal(height: int, parent: Hash, proposer: str, ids: tuple[Hash, ...], time_ms: int = 0) -> Proposal:
    """A well-formed block; everything that only execution checks is zero."""
    header = BlockHeader(2, height, parent, time_ms, proposer, len(ids), root(ids), *([ZERO_HASH] * 5), 2)
    return Proposal(encode(header), ids)


def hash_of(proposal: Proposal) -> Hash:
    """The block hash of a proposal."""
    return block_hash(CHAIN_ID, proposal.header)


def signed(statement: S) -> S:
    """The statement with a genuine signature of its validator."""
    signature = FakeSigner(statement.validator).sign(messages.signed_message(CHAIN_ID, statement))
    return msgspec.structs.replace(statement, signature=signature)


def prepare(validator: str, height: int, view: int, hash_: Hash) -> messages.Prepare:
    """A genuine prepare."""
    return signed(messages.Prepare(height, view, hash_, validator, bytes(64)))


def commit(validator: str, height: int, view: int, hash_: Hash) -> messages.Commit:
    """A genuine commit."""
    return signed(messages.Commit(height, view, hash_, validator, bytes(64)))


def view_change_vote(
    validator: str, height: int, view: int, prepared_view: int | None = None, prepared_hash: Hash | None = None
) -> messages.ViewChangeVote:
    """A genuine view-change vote."""
    return signed(messages.ViewChangeVote(height, view, prepared_view, prepared_hash, validator, bytes(64)))


def block(label: str, proposer: str = "a", height: int = 1, parent: Hash = GENESIS_HASH) -> Proposal:
    """A well-formed block of one transaction."""
    return make_proposal(height, parent, proposer, (transaction_id(label),))


def pre_prepare(proposal: Proposal, by: str = "a", view: int = 0, height: int = 1) -> messages.PrePrepare:
    """A primary's proposal."""
    return messages.PrePrepare(prepare(by, height, view, hash_of(proposal)), proposal)


def prepared_certificate(proposal: Proposal, view: int, voters: str) -> messages.PreparedCertificate:
    """Proof that the voters prepared a block."""
    hash_ = hash_of(proposal)
    return messages.PreparedCertificate(
        1, view, hash_, tuple((name, prepare(name, 1, view, hash_).signature) for name in voters)
    )


def certificate(proposal: Proposal, view: int, voters: str, height: int = 1) -> Certificate:
    """The commits of the voters."""
    hash_ = hash_of(proposal)
    return Certificate(
        height, view, hash_, tuple((name, commit(name, height, view, hash_).signature) for name in voters)
    )


def prepared_view_change(
    by: str, view: int, proposal: Proposal, prepared_view: int, voters: str
) -> messages.ViewChange:
    """A view change that claims and proves a prepared block."""
    vote = view_change_vote(by, 1, view, prepared_view, hash_of(proposal))
    return messages.ViewChange(vote, prepared_certificate(proposal, prepared_view, voters), proposal)


def empty_view_change(by: str, view: int) -> messages.ViewChange:
    """A view change that claims nothing."""
    return messages.ViewChange(view_change_vote(by, 1, view), None, None)


def new_view(
    view: int, changes: list[messages.ViewChange], prepared: messages.PreparedCertificate | None
) -> messages.NewView:
    """A new view of the votes of these view changes."""
    return messages.NewView(1, view, tuple(change.vote for change in changes), prepared)
