"""Real transactions, blocks, files and messages to spoil: made once, by the code that makes them in earnest."""

from functools import cache

from chain.blocks import Certificate, Proposal
from chain.genesis import Genesis, encode_member_file
from chain.primitives.encoding import encode
from chain.proofs.checkpoints import Checkpoint, encode_checkpoint, sign_head
from chain.proofs.history import TreeHead
from chain.proofs.trust import TrustHistory
from chain.transactions.base import Transaction
from evidence.disclosure import make_disclosure_evidence
from evidence.record import make_record_evidence
from sealing import CommitmentKind, SealedParcel, SealingContext, disclose, disclosure_to_json, seal_parcel
from sealing.context import ParcelContext
from tests.chain.access_world import AccessWorld
from tests.ledgers import packages_of
from tests.networks import TestNetwork

RECORDS = (b'{"flight":1545,"dest":"IAH","delay":null}', '{"flight":1714,"dest":"迈阿密"}'.encode())


class EdgeWorld:
    """A chain with every kind of transaction, and everything that is derived from it."""

    def __init__(self) -> None:
        world = AccessWorld()
        self.network: TestNetwork = world.network
        network, self.ledger = self.network, world.ledger
        self.sealed = {kind: self._sealed(kind) for kind in CommitmentKind}
        self.transactions: tuple[Transaction, ...] = (
            network.dataset(name="weather"),
            network.parcel(dataset="a.weather"),
            network.contract("x = 1", name="other", parameters='{"a":"b"}'),
            network.request(parcels=(b"\x01" * 32,), until_ms=2**62),
            network.approval(b"\x03" * 32, "revoke", reason="错了"),
            network.read_report(b"\x04" * 32, [b"\x05" * 32], record_count=7),
            network.erase(b"\x06" * 32, reason="过期"),
            *(transaction for _, transaction in self.sealed.values()),
        )
        world.accept(self.transactions[0])
        world.accept(*(transaction for _, transaction in self.sealed.values()))

    def _sealed(self, kind: CommitmentKind) -> tuple[SealedParcel, Transaction]:
        network = self.network
        keys = {name: key.public_key.encoded for name, key in network.kem.items()}
        parcel = seal_parcel(RECORDS, SealingContext(network.chain_id, "a.flights"), keys, kind)
        signed = network.sealed(parcel)
        return parcel, signed

    @property
    def genesis(self) -> Genesis:
        return self.network.genesis

    @property
    def certificate(self) -> Certificate:
        """Of the newest block."""
        certificate = self.ledger.block_at(self.ledger.tip.height).certificate
        assert certificate is not None
        return certificate

    def member_files(self) -> tuple[bytes, ...]:
        return tuple(encode_member_file(member) for member in self.genesis.file.members)

    def checkpoints(self) -> tuple[bytes, ...]:
        """One that a quorum has cosigned, and one with a plain signature."""
        chain_id = self.genesis.chain_id
        head = TreeHead(self.ledger.tip.height, self.ledger.tip.header.history_root)
        signers = self.network.consensus.items()
        cosigned = tuple(sign_head(signer, chain_id, name, head, 1_700_000_000) for name, signer in signers)
        plain = tuple(sign_head(signer, chain_id, name, head) for name, signer in signers)
        keys = TrustHistory(self.genesis)
        return tuple(encode_checkpoint(Checkpoint(head, lines), keys) for lines in (cosigned, plain[:1]))

    def packages(self) -> tuple[bytes, ...]:
        """All blocks, and one of another history of the same chain whose parcel was erased."""
        other, parcel = self.network.ledger(), self.network.parcel(dataset="a.weather")
        self.network.commit(other, [self.transactions[0]])
        self.network.commit(other, [parcel])
        self.network.commit(other, [self.network.erase(self.network.id_of(parcel), dataset="a.weather")])
        return tuple(encode(package) for package in (*packages_of(self.ledger, 1), packages_of(other, 2)[0]))

    def receipts(self) -> tuple[bytes, ...]:
        maker = self.ledger.receipts_of(self.ledger.tip.height)
        return tuple(encode(maker.receipt(index)) for index in range(len(self.sealed)))

    def proposal(self) -> Proposal:
        block = self.ledger.block_at(self.ledger.tip.height)
        return Proposal(block.header, tuple(outcome.transaction_id for outcome in block.outcomes))

    def record_evidence(self) -> tuple[bytes, ...]:
        ids = [self.network.id_of(signed) for _, signed in self.sealed.values()]
        return tuple(make_record_evidence(self.ledger, id_, 1) for id_ in ids)

    def disclosure_evidence(self) -> tuple[bytes, ...]:
        names = {CommitmentKind.WHOLE: (), CommitmentKind.FIELDS: ("dest",)}
        return tuple(
            make_disclosure_evidence(TrustHistory(self.genesis), evidence, parcel.bodies, parcel.seed, names[kind])
            for evidence, (kind, (parcel, _)) in zip(self.record_evidence(), self.sealed.items(), strict=True)
        )

    def disclosure_files(self) -> tuple[bytes, ...]:
        names = {CommitmentKind.WHOLE: (), CommitmentKind.FIELDS: ("dest", "flight")}
        found = []
        for kind, (parcel, signed) in self.sealed.items():
            context = ParcelContext(self.network.chain_id, "a.flights", parcel.records_root)
            shown = disclose(parcel.bodies, parcel.seed, context, kind, self.network.id_of(signed), 1, names[kind])
            found.append(disclosure_to_json(shown))
        return tuple(found)


@cache
def edge_world() -> EdgeWorld:
    """The one world; nothing that uses it changes it."""
    return EdgeWorld()
