"""The chain that the evidence vectors speak of, and one good file of each kind about it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from chain.primitives.crypto import Hash
from chain.primitives.encoding import encode
from chain.proofs.checkpoints import Checkpoint, Cosignature, encode_checkpoint, sign_head, trusted_head
from chain.proofs.history import TreeHead
from chain.proofs.merkle import root
from chain.proofs.trust import TrustHistory
from chain.record_keys import split_keys
from chain.state.entries import record_key_key
from chain.transactions.base import Transaction, transaction_id
from chain.transactions.keyed import KEYED_PARCEL
from chain.transactions.registry import decode_transaction_header
from chain.transactions.sealed import CommitmentKind
from consensus.messages import Commit, Prepare, Statement, ViewChangeVote, signed_message
from evidence.disclosure import make_disclosure_evidence
from evidence.making import PartMaker
from evidence.misbehaviour import make_checkpoint_evidence, make_vote_evidence
from evidence.no_grant import make_no_grant_evidence
from evidence.no_read import make_no_read_evidence
from evidence.parts import EntryPart, TransactionPart, hex_proof
from evidence.read import make_read_evidence
from evidence.record import make_record_evidence
from sealing.context import SealingContext
from sealing.records import seal_records
from tests.vectors import network
from tests.vectors.access import VectorPolicy, read_digest
from tests.vectors.forgery import Json, as_json

OPEN, SEALED, KEYED = "aviation.delays", "aviation.flights", "aviation.gates"
SEALED_SEED = network.seed("seed of the sealed parcels")[:16]
CHECKPOINT_SIZE = 11
"""Blocks, genesis included: all of them."""


@dataclass(frozen=True)
class GoodFile:
    """An evidence file that holds."""

    content: bytes
    proves: str
    needs_checkpoint: bool = False
    """Whether it holds only for somebody who has the checkpoint."""


class EvidenceWorld:
    """Eleven blocks: datasets, parcels, what was made of one, an erasure, a correction, a read, its end, quiet blocks.

    Attributes:
        ids: transaction ids by the names that ``_commit`` gives them.
    """

    def __init__(self) -> None:
        self.maker = network.ChainMaker(VectorPolicy())
        self.genesis, self.ledger = self.maker.genesis, self.maker.ledger
        self.chain_id = self.genesis.chain_id
        self.ids: dict[str, Hash] = {}
        self._share()
        self._read()
        for number in range(3):  # so that ranges of heights have something before and after them
            self._commit(
                {f"quiet {number}": network.parcel_transaction(network.RECORDS[:1], 0x90 + number, dataset=OPEN)}
            )

    def _share(self) -> None:
        """Blocks 1 to 4."""
        delays = network.dataset_transaction(bytes([0x70]) * 16, dataset=OPEN, title_zh="延误", title_en="Delays")
        flights = network.dataset_transaction(sharing="conditional", contract="aviation.rule", schema="")
        gates = network.dataset_transaction(bytes([0x6F]) * 16, dataset=KEYED, schema=network.KEYED_SCHEMA)
        contract = network.contract_transaction(0x50)
        self._commit({"contract": contract, "flights": flights, "delays": delays, "gates": gates})
        by_fields, whole = CommitmentKind.FIELDS, CommitmentKind.WHOLE
        self._commit(
            {
                "open": network.parcel_transaction(network.RECORDS, 0x71, dataset=OPEN),
                "secret": network.parcel_transaction((b'{"flight":7}', b'{"flight":8}'), 0x72, dataset=OPEN),
                "rejected": network.parcel_transaction((b'{"flight":0}',), 0x73, dataset=OPEN),
                "sealed": network.sealed_parcel_transaction(0x74, self.sealed_bodies(by_fields), by_fields),
                "keyed": network.keyed_transaction(0x7A, network.RECORDS[:2], KEYED),
                "whole": network.sealed_parcel_transaction(0x75, self.sealed_bodies(whole), whole),
                "partly": network.parcel_transaction(network.RECORDS, 0x7C, dataset=OPEN),
            }
        )
        sources = ((self.ids["open"], 1), (self.ids["secret"], 0))
        self._commit(
            {
                "derived": network.parcel_transaction(network.RECORDS[:1], 0x76, sources, dataset=OPEN),
                "other derived": network.parcel_transaction(network.RECORDS[1:2], 0x77, sources[:1], dataset=OPEN),
            }
        )
        self._commit(
            {
                "erasure": network.erase_transaction(0x78, self.ids["secret"], dataset=OPEN),
                "record erasure": network.erase_transaction(0x7D, self.ids["partly"], OPEN, (0,)),
                "followed": network.keyed_transaction(0x7B, network.RECORDS[:1], KEYED),
                "correction": network.correction_transaction(
                    0x79, self.ids["open"], 2, b'{"flight":1142,"dest":"MIA"}', OPEN
                ),
            }
        )

    def _read(self) -> None:
        """Blocks 5 to 7."""
        sealed = self.ids["sealed"]
        self._commit(
            {
                "asked": network.request_transaction(0x80, parcels=(sealed,)),
                "refused": network.request_transaction(0x81, "meteorology", purpose="marketing"),
                "granted": network.request_transaction(
                    0x82, "meteorology", purpose="forecast", parcels=(sealed,), until_ms=0
                ),
            }
        )
        asked = self.ids["asked"]
        self._commit({"approval": network.approval_transaction(0x83, "registry", asked, "approve", "伦理委员会同意")})
        digest = read_digest(sealed).digest()
        self._commit(
            {
                "read_report": network.read_report_transaction(0x84, asked, (sealed,), digest),
                "second read report": network.read_report_transaction(0x85, asked, (sealed,), digest),
                "revocation": network.approval_transaction(0x86, "aviation", asked, "revoke", "the study is over"),
            }
        )

    def _commit(self, transactions: dict[str, Transaction]) -> None:
        self.ids |= {name: transaction_id(self.chain_id, item.header) for name, item in transactions.items()}
        self.maker.commit(list(transactions.values()))

    def transaction_part(self, name: str) -> Json:
        """A transaction with its outcome in its block, as files have it; a rejected one too."""
        location = self.ledger.blocks.location(self.ids[name])
        head = location and self.ledger.blocks.transaction_head(location)
        if location is None or head is None:
            raise KeyError(name)
        receipt = self.ledger.receipts_of(location.height).receipt(location.position)
        proof = hex_proof(receipt.proof)
        return as_json(TransactionPart(head.header, head.signature, receipt.outcome, receipt.index, proof))

    def committed_part(self, name: str) -> Json:
        """A transaction with its block, as files have it."""
        location = self.ledger.blocks.location(self.ids[name])
        if location is None:
            raise KeyError(name)
        return {"block": self.block_part(location.height), "transaction": self.transaction_part(name)}

    def block_part(self, height: int) -> Json:
        """A final block, as files have it."""
        return as_json(PartMaker(self.ledger, None).block(height))

    def entry_part(self, key: bytes, height: int | None = None) -> Json:
        """A state entry or its absence after a block, by default the newest."""
        value, proof = self.ledger.state_proof(key, self.ledger.tip.height if height is None else height)
        return as_json(EntryPart(value, encode(proof)))

    def key_of(self, name: str, index: int) -> bytes:
        """State key of the key of a record in a keyed parcel."""
        location = self.ledger.blocks.location(self.ids[name])
        head = location and self.ledger.blocks.transaction_head(location)
        if not head:
            raise KeyError(name)
        keys = KEYED_PARCEL.of(decode_transaction_header(self.chain_id, head.header))
        if keys is None:
            raise KeyError(name)
        return record_key_key(KEYED, split_keys(keys.keys)[index])

    def value(self, key: bytes) -> bytes:
        """A state entry at the tip."""
        value, _ = self.ledger.state_proof(key)
        if value is None:
            raise KeyError(key)
        return value

    def sealed_bodies(self, commitments: CommitmentKind) -> tuple[bytes, ...]:
        """The records as they stand in the sealed parcel with this kind of commitment."""
        context = SealingContext(self.chain_id, SEALED)
        return tuple(seal_records(network.RECORDS, SEALED_SEED, context, commitments))

    # Votes and checkpoints

    @property
    def trust(self) -> TrustHistory:
        """Who signs what."""
        return self.ledger.trust

    def head(self, size: int) -> TreeHead:
        """The history's head at a size; what follows the newest block is made up."""
        is_known = size <= self.ledger.tip.height
        root = self.ledger.header_at(size).history_root if is_known else network.seed(f"root of {size} blocks")
        return TreeHead(size, root)

    def cosigned(self, head: TreeHead, members: Sequence[str], time_s: int | None = None) -> Checkpoint:
        """A checkpoint that these members have signed, plainly without a time."""
        return Checkpoint(head, tuple(self._cosignature(name, head, time_s) for name in members))

    def _cosignature(self, name: str, head: TreeHead, time_s: int | None) -> Cosignature:
        signer = network.witness_signer(name) if name == network.WITNESS else network.consensus_signer(name)
        return sign_head(signer, self.chain_id, name, head, time_s)

    def note(self, checkpoint: Checkpoint) -> str:
        """A checkpoint's text."""
        return encode_checkpoint(checkpoint, self.trust).decode()

    def commit_vote(self, name: str, height: int, view: int, hash_: Hash) -> Commit:
        """A signed commit vote."""
        vote = Commit(height, view, hash_, name, bytes(64))
        return Commit(
            height, view, hash_, name, network.consensus_signer(name).sign(signed_message(self.chain_id, vote))
        )

    def prepare_vote(self, name: str, height: int, view: int, hash_: Hash) -> Prepare:
        """A signed prepare vote."""
        vote = Prepare(height, view, hash_, name, bytes(64))
        return Prepare(
            height, view, hash_, name, network.consensus_signer(name).sign(signed_message(self.chain_id, vote))
        )

    def view_change_vote(self, name: str, height: int, view: int, prepared_view: int | None) -> ViewChangeVote:
        """A signed view-change vote, which claims ``seed("block")`` if it claims a block."""
        prepared_hash = None if prepared_view is None else network.seed("block")
        vote = ViewChangeVote(height, view, prepared_view, prepared_hash, name, bytes(64))
        signature = network.consensus_signer(name).sign(signed_message(self.chain_id, vote))
        return ViewChangeVote(height, view, prepared_view, prepared_hash, name, signature)

    # Files

    @cached_property
    def checkpoint(self) -> bytes:
        """The checkpoint that an auditor may hold: of all blocks, with a quorum and the witness."""
        head = TreeHead(CHECKPOINT_SIZE, self._root_of_all())
        signed = (*network.VALIDATORS[:3], network.WITNESS)
        return encode_checkpoint(self.cosigned(head, signed, network.TIME_MS // 1000), self.trust)

    @cached_property
    def trusted_head(self) -> TreeHead:
        """What that checkpoint says."""
        return trusted_head(self.checkpoint, self.trust)

    def _root_of_all(self) -> Hash:
        certificates = [self.ledger.block_at(height).certificate for height in range(1, CHECKPOINT_SIZE)]
        hashes = [self.genesis.block_hash, *(item.block_hash for item in certificates if item is not None)]
        return root(hashes)

    @cached_property
    def good_files(self) -> dict[str, GoodFile]:
        """All good files by name."""
        return self._records() | self._disclosures() | self._reads() | self._misbehaviour()

    def _records(self) -> dict[str, GoodFile]:
        ledger, ids = self.ledger, self.ids
        at_checkpoint = make_record_evidence(ledger, ids["open"], 1, CHECKPOINT_SIZE)
        bare = json.loads(at_checkpoint)
        for block in (bare["block"], bare["uses"]["block"]):
            block["certificate"]["votes"] = []
        return {
            "record": GoodFile(
                make_record_evidence(ledger, ids["open"], 1), "where an open record comes from, and what was made of it"
            ),
            "record_sealed": GoodFile(
                make_record_evidence(ledger, ids["sealed"], 0), "where a sealed record comes from, and who asked for it"
            ),
            "record_erased": GoodFile(
                make_record_evidence(ledger, ids["secret"], 0), "where a record was, and why it was erased"
            ),
            "record_alone_erased": GoodFile(
                make_record_evidence(ledger, ids["partly"], 0), "where a record was, and why it alone was erased"
            ),
            "record_beside_erased": GoodFile(
                make_record_evidence(ledger, ids["partly"], 1), "where a record comes from beside which one was erased"
            ),
            "record_corrected": GoodFile(
                make_record_evidence(ledger, ids["open"], 2), "where a record comes from, and what it was corrected by"
            ),
            "record_correction": GoodFile(
                make_record_evidence(ledger, ids["correction"], 0), "where a correction comes from, and of what it is"
            ),
            "record_present": GoodFile(
                make_record_evidence(ledger, ids["keyed"], 1), "where the present record of its key comes from"
            ),
            "record_followed": GoodFile(
                make_record_evidence(ledger, ids["keyed"], 0), "where a record comes from, and by which it was followed"
            ),
            "record_at_checkpoint": GoodFile(at_checkpoint, "the same as record, also without looking at signatures"),
            "record_by_checkpoint": GoodFile(
                json.dumps(bare, indent=1).encode() + b"\n", "the same to whoever holds the checkpoint", True
            ),
        }

    def _disclosures(self) -> dict[str, GoodFile]:
        def disclose(name: str, commitments: CommitmentKind, names: Sequence[str] = ()) -> bytes:
            file = make_record_evidence(self.ledger, self.ids[name], 2)
            return make_disclosure_evidence(self.trust, file, self.sealed_bodies(commitments), SEALED_SEED, names)

        by_fields = disclose("sealed", CommitmentKind.FIELDS, ["dest", "flight"])
        return {
            "disclosure_fields": GoodFile(by_fields, "what two fields of a sealed record say"),
            "disclosure_whole": GoodFile(disclose("whole", CommitmentKind.WHOLE), "what a sealed record says"),
        }

    def _reads(self) -> dict[str, GoodFile]:
        ledger, ids = self.ledger, self.ids
        return {
            "read": GoodFile(
                make_read_evidence(ledger, ids["asked"]), "a read: asked for, approved, reported twice, revoked"
            ),
            "read_refused": GoodFile(make_read_evidence(ledger, ids["refused"]), "a request that was denied"),
            "no_grant": GoodFile(make_no_grant_evidence(ledger, SEALED, "airports"), "it never had a grant"),
            "no_grant_later": GoodFile(
                make_no_grant_evidence(ledger, SEALED, network.READER, 8, 10), "its only grant had been revoked before"
            ),
            "no_read": GoodFile(make_no_read_evidence(ledger, ids["whole"]), "no read was ever reported"),
            "no_read_later": GoodFile(
                make_no_read_evidence(ledger, ids["sealed"], 8, 10), "none was reported after block 7"
            ),
        }

    def _misbehaviour(self) -> dict[str, GoodFile]:
        def votes(first: Statement, second: Statement) -> bytes:
            return make_vote_evidence(self.trust, first, second)

        def notes(member: str, first: Checkpoint, second: Checkpoint) -> bytes:
            return make_checkpoint_evidence(self.trust, member, first, second)

        name, block, other = network.VALIDATORS[3], network.seed("block"), network.seed("another block")
        time_s = network.TIME_MS // 1000
        overruled = self.cosigned(self.head(8), network.VALIDATORS[:3], time_s)
        fork = TreeHead(8, network.seed("another history"))
        return {
            "misbehaviour_commits": GoodFile(
                votes(self.commit_vote(name, 11, 0, block), self.commit_vote(name, 11, 0, other)),
                "it finalised two blocks of one height and view",
            ),
            "misbehaviour_prepares": GoodFile(
                votes(self.prepare_vote(name, 11, 2, block), self.prepare_vote(name, 11, 2, other)),
                "it voted for two blocks of one height and view",
            ),
            "misbehaviour_claims": GoodFile(
                votes(self.view_change_vote(name, 11, 2, 1), self.view_change_vote(name, 11, 2, None)),
                "it claimed two things about what it had seen",
            ),
            "misbehaviour_amnesia": GoodFile(
                votes(self.view_change_vote(name, 11, 2, None), self.commit_vote(name, 11, 1, block)),
                "it claimed to have seen no block prepared, and had finalised one",
            ),
            "misbehaviour_fork": GoodFile(
                notes(
                    network.WITNESS,
                    self.cosigned(self.head(8), [network.WITNESS], time_s),
                    self.cosigned(fork, [network.WITNESS]),
                ),
                "a witness signed two histories",
            ),
            "misbehaviour_overruled": GoodFile(
                notes(name, overruled, self.cosigned(fork, [name], time_s)),
                "a validator signed another history than a quorum",
            ),
            "misbehaviour_cut_off": GoodFile(
                notes(
                    name, self.cosigned(self.head(8), [name], time_s), self.cosigned(self.head(5), [name], time_s + 60)
                ),
                "a validator cut off what it had seen",
            ),
        }


@cache
def evidence_world() -> EvidenceWorld:
    """The one world; nothing that uses it changes it."""
    return EvidenceWorld()
