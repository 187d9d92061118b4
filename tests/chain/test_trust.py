"""Rules and validators that change at a height: the trust history, and everything that follows it."""

import itertools

import msgspec
import pytest

from audit.chain import ChainAudit
from chain import protocol
from chain.blocks import decode_header
from chain.errors import ErrorCode, PoolError
from chain.examination.facts import Examiner
from chain.ledger import ExecutedBlock, Ledger
from chain.packages import BlockPackage, read_package
from chain.primitives.encoding import encode
from chain.proofs.checkpoints import Checkpoint, encode_checkpoint, sign_head, trusted_head
from chain.proofs.handover import HandOver
from chain.proofs.history import TreeHead, root_at
from chain.proofs.receipts import verify_receipt
from chain.proofs.trust import TrustHistory
from chain.storage.database import MemoryDatabase
from chain.storage.head import MemoryHead
from chain.transactions.base import Transaction
from evidence.kinds import verify_any_evidence
from evidence.record import make_record_evidence
from tests.networks import TestNetwork
from tests.refusals import refuses
from tests.rules import NEXT, use_changing_rules


@pytest.fixture(autouse=True)
def rules(monkeypatch: pytest.MonkeyPatch) -> None:
    use_changing_rules(monkeypatch)


class Story:
    """A chain of five blocks: ``a`` to ``d`` validate up to block 2, ``a``, ``b``, ``d`` from 3 on, and the next rules
    hold from block 4 on.
    """

    def __init__(self) -> None:
        self.network = network = TestNetwork()
        self.databases = MemoryDatabase(), MemoryDatabase()
        self.head = MemoryHead()
        self.ledger = self.open()
        self.parcel = network.parcel()
        self.blocks: list[ExecutedBlock] = []
        self.commit("abc", network.dataset())
        self.commit("abc", self.parcel, network.dataset(name="exit", legal_basis="without c"))
        self.commit("abd", network.dataset(name="next", legal_basis=f"version {NEXT}"))
        self.later = network.parcel()
        self.commit("abd", self.later, network.dataset(name="late"))
        self.commit("abd", network.parcel())

    def open(self) -> Ledger:
        ledger = Ledger(self.network.genesis, *self.databases, self.head)
        ledger.open()
        return ledger

    def commit(self, signers: str, *transactions: Transaction) -> None:
        checked = [self.network.checked(transaction) for transaction in transactions]
        executed = self.ledger.execute(checked, 0, "a")
        self.ledger.commit(executed, self.network.certify(executed, signers=signers))
        self.blocks.append(executed)

    def audit(self) -> ChainAudit:
        audit = ChainAudit(self.network.genesis)
        examiner = Examiner(self.network.genesis)
        for height, package in enumerate(self.packages()):
            audit.add(package, examiner.examine(height, package) if height else None)
        return audit

    def packages(self) -> list[BlockPackage]:
        found = (read_package(self.ledger.blocks, height) for height in range(self.ledger.tip.height + 1))
        return [package for package in found if package is not None]


@pytest.fixture
def story() -> Story:
    return Story()


def code_of(action: object) -> ErrorCode:
    with pytest.raises(PoolError) as caught:
        action()  # type: ignore[operator]
    return caught.value.code


def test_headers_name_the_next_set_and_the_next_rules(story: Story) -> None:
    headers = [block.header for block in story.blocks]
    assert [(header.version, header.next_version) for header in headers] == [(2, 2), (2, 2), (2, 3), (3, 3), (3, 3)]
    for earlier, later in itertools.pairwise(headers):
        assert earlier.next_validators_hash == later.validators_hash
    assert headers[1].next_validators_hash != headers[1].validators_hash


def test_a_block_is_executed_under_the_rules_of_its_height(story: Story) -> None:
    codes = [[outcome.code for outcome in block.outcomes] for block in story.blocks]
    assert codes == [["ok"], ["ok", "ok"], ["ok"], ["ok", "not_owner"], ["ok"]]


def test_types_that_the_rules_do_not_have_are_neither_taken_nor_in_blocks(story: Story) -> None:
    erasure = story.network.checked(story.network.erase(story.network.id_of(story.parcel)))
    assert code_of(lambda: story.ledger.verify_sender(erasure)) is ErrorCode.MALFORMED
    executed = story.ledger.execute([erasure], 0, "a")
    with refuses(ErrorCode.BAD_BLOCK, "version 3 has no erase transactions"):
        story.ledger.check(executed.proposal, [erasure], None)


def test_a_set_votes_from_its_height_on_only(story: Story) -> None:
    executed = story.ledger.execute([story.network.checked(story.network.parcel())], 0, "a")
    certificate = story.network.certify(executed, signers="abc")
    trust = story.ledger.trust
    assert code_of(lambda: trust.verify_header(executed.proposal.header, certificate)) is ErrorCode.BAD_CERTIFICATE
    trust.verify_header(executed.proposal.header, story.network.certify(executed, signers="abd"))
    assert [trust.validators_at(height).names for height in (2, 3)] == [("a", "b", "c", "d"), ("a", "b", "d")]


def test_a_restart_and_lost_state_follow_the_history_of_rules(story: Story) -> None:
    again = story.open()
    assert (again.tip, again.trust.since_height) == (story.ledger.tip, 4)
    story.databases = story.databases[0], MemoryDatabase()
    rebuilt = story.open()
    assert rebuilt.tip == story.ledger.tip
    assert rebuilt.validators.names == ("a", "b", "d")
    assert rebuilt.rules.version == NEXT


def test_an_audit_executes_old_blocks_under_old_rules(story: Story) -> None:
    report = story.audit().report
    assert (report.height, report.outcomes["not_owner"]) == (5, 1)


def test_a_program_without_the_rules_stops_before_them(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = story.packages()
    monkeypatch.delitem(protocol.RULES, NEXT)
    audit = ChainAudit(story.network.genesis)
    for package in packages[:4]:
        audit.add(package)
    with pytest.raises(PoolError, match="block 4 follows protocol version 3") as caught:
        audit.add(packages[4])
    assert (caught.value.code, audit.report.height) == (ErrorCode.UNKNOWN_PROTOCOL, 3)
    assert code_of(lambda: story.ledger.rules) is ErrorCode.UNKNOWN_PROTOCOL
    assert code_of(story.open) is ErrorCode.UNKNOWN_PROTOCOL


def test_receipts_of_both_sets_need_the_hand_over(story: Story) -> None:
    network, ledger = story.network, story.ledger
    early, late = network.id_of(story.parcel), network.id_of(story.later)
    receipts = [ledger.receipts_of(height).receipt(0) for height in (2, 4)]
    fresh = TrustHistory(network.genesis)
    verify_receipt(fresh, early, receipts[0])
    assert code_of(lambda: verify_receipt(fresh, late, receipts[1])) is ErrorCode.UNKNOWN_VALIDATORS
    validators, rules = ledger.trust.handovers_since(fresh.since_height)
    fresh.extend(validators)
    assert code_of(lambda: verify_receipt(fresh, late, receipts[1])) is ErrorCode.UNKNOWN_VALIDATORS
    fresh.extend(rules)
    verify_receipt(fresh, late, receipts[1])
    verify_receipt(fresh, early, receipts[0])
    assert fresh.handovers_since(4) == ()


def test_evidence_carries_the_hand_overs_that_it_needs(story: Story) -> None:
    for transaction in (story.parcel, story.later):
        content = make_record_evidence(story.ledger, story.network.id_of(transaction), 0)
        steps = list(verify_any_evidence(content, story.network.trust))
        assert "2 hand-overs" in steps[0].detail
        file = msgspec.json.decode(content)
        file["handovers"] = file["handovers"][1:]
        with refuses(ErrorCode.UNKNOWN_VALIDATORS, step=1):
            list(verify_any_evidence(msgspec.json.encode(file), story.network.trust))


def test_a_checkpoint_is_signed_by_whoever_votes_on_its_last_block(story: Story) -> None:
    network, ledger = story.network, story.ledger

    def note(size: int, members: str) -> bytes:
        head = TreeHead(size, root_at(size, ledger.blocks.history_node))
        lines = tuple(sign_head(network.consensus[name], network.chain_id, name, head, 1) for name in members)
        return encode_checkpoint(Checkpoint(head, lines), network.trust)

    assert trusted_head(note(3, "abc"), ledger.trust).size == 3
    assert trusted_head(note(5, "abd"), ledger.trust).size == 5
    assert code_of(lambda: trusted_head(note(5, "ac"), ledger.trust)) is ErrorCode.BAD_CHECKPOINT


def test_what_is_no_hand_over_is_refused(story: Story) -> None:
    handovers = story.ledger.trust.handovers_since(0)
    replace = msgspec.structs.replace
    fresh = TrustHistory(story.network.genesis)
    assert code_of(lambda: fresh.extend(handovers[1])) is ErrorCode.UNKNOWN_VALIDATORS
    others = replace(handovers[0], validators=story.network.genesis.validators.entry)
    assert code_of(lambda: fresh.extend(others)) is ErrorCode.BAD_HANDOVER
    few = replace(handovers[0].certificate, votes=handovers[0].certificate.votes[:2])
    assert code_of(lambda: fresh.extend(replace(handovers[0], certificate=few))) is ErrorCode.BAD_CERTIFICATE
    block = story.ledger.block_at(1)
    assert block.certificate is not None
    nothing = HandOver(block.header, block.certificate, story.network.genesis.validators.entry)
    assert code_of(lambda: fresh.extend(nothing)) is ErrorCode.BAD_HANDOVER
    fresh.extend(handovers[0])
    fresh.extend(handovers[0])
    assert len(fresh.handovers_since(0)) == 1
    another_time = encode(replace(decode_header(handovers[0].header), time_ms=1))
    for other in (others, replace(handovers[0], header=another_time)):
        assert code_of(lambda other=other: fresh.extend(other)) is ErrorCode.BAD_HANDOVER
