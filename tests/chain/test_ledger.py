"""The ledger: execution, checks on proposals, durable commits, recovery."""

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from chain.blocks import Block, Outcome, Proposal
from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.primitives.crypto import ZERO_HASH, key_id
from chain.primitives.encoding import decode, encode
from chain.state.difference import damage
from chain.state.entries import dataset_key, member_key
from chain.state.members import Member
from chain.state.tree import verify_state_proof
from chain.storage.head import Head, HeadFile
from chain.storage.level import LevelDatabase
from chain.transactions.base import sign_transaction
from chain.transactions.parcel import encode_records
from tests.networks import TIME_MS, TestNetwork
from tests.refusals import refuses


def outcome_of(network: TestNetwork, ledger: Ledger, transaction: object) -> Outcome:
    executed = network.commit(ledger, [transaction])  # type: ignore[list-item]
    return executed.outcomes[0]


def disk_ledger(network: TestNetwork, path: Path) -> Ledger:
    return Ledger(
        network.genesis, LevelDatabase(path / "blocks"), LevelDatabase(path / "state"), HeadFile(path / "HEAD")
    )


def test_dataset_and_parcel_change_state(network: TestNetwork) -> None:
    ledger = network.ledger()
    network.commit(ledger, [network.dataset(), network.parcel([b'{"n":1}', b'{"n":2}'])])
    entry, totals = ledger.dataset("a.flights"), ledger.dataset_totals("a.flights")
    assert entry is not None
    assert entry.version == 1
    assert entry.registered_height == 1
    assert totals is not None
    assert (totals.parcels, totals.records, totals.last_height) == (1, 2, 1)


@pytest.mark.parametrize(
    ("kind", "changes", "code"),
    [
        ("parcel", {"dataset": "a.unknown"}, ErrorCode.UNKNOWN_DATASET),
        ("parcel", {"member": "b", "dataset": "a.flights"}, ErrorCode.NOT_OWNER),
        ("parcel", {"records": [b'{"n":1}', b'{"n":"x"}']}, ErrorCode.SCHEMA_VIOLATION),
        ("sealed_parcel", {}, ErrorCode.OPEN_PARCEL_REQUIRED),
        ("parcel", {"expiry_ms": 5}, ErrorCode.EXPIRED),
        ("dataset", {"version": 3}, ErrorCode.STALE_VERSION),
        ("dataset", {"dataset": "b.flights"}, ErrorCode.NOT_OWNER),
        ("dataset", {"dataset": "a.Flights"}, ErrorCode.BAD_NAME),
        ("dataset", {"name": "other", "schema": '{"not":{}}'}, ErrorCode.SCHEMA_KEYWORD),
    ],
)
def test_refused_transactions_are_committed_with_their_code(
    network: TestNetwork, kind: str, changes: dict[str, object], code: ErrorCode
) -> None:
    ledger = network.ledger()
    network.commit(ledger, [network.dataset()])
    before = ledger.tip.header.state_root
    outcome = outcome_of(network, ledger, getattr(network, kind)(**changes))
    assert outcome.code == code
    assert outcome.sentence
    assert ledger.tip.header.state_root == before


def test_schema_violation_names_the_record(network: TestNetwork) -> None:
    ledger = network.ledger()
    network.commit(ledger, [network.dataset()])
    outcome = outcome_of(network, ledger, network.parcel([b'{"n":1}', b'{"n":2}', b'{"n":1000001}']))
    assert outcome.sentence == "record 2: /n breaks maximum"


def test_presence_and_absence_are_provable_at_every_height(network: TestNetwork) -> None:
    ledger = network.ledger()
    key = dataset_key("a.flights")
    network.commit(ledger, [network.parcel()])
    network.commit(ledger, [network.dataset()])
    absent, proof = ledger.state_proof(key, 1)
    assert absent is None
    verify_state_proof(network.chain_id, ledger.header_at(1).state_root, key, None, proof)
    present, proof = ledger.state_proof(key, 2)
    assert present is not None
    verify_state_proof(network.chain_id, ledger.header_at(2).state_root, key, present, proof)
    with pytest.raises(PoolError):
        verify_state_proof(network.chain_id, ledger.header_at(2).state_root, key, None, proof)


def test_genesis_members_are_in_the_state(network: TestNetwork) -> None:
    value = network.ledger().state_value(member_key("outsider"))
    assert value is not None
    assert decode(Member, value).kind == "enterprise"


def test_s17_s19_check_accepts_what_execute_made_and_nothing_else(network: TestNetwork) -> None:
    proposer, replica = network.ledger(), network.ledger()
    transactions = [network.checked(network.dataset()), network.checked(network.parcel())]
    executed = proposer.execute(transactions, TIME_MS + 5, "a")
    assert replica.check(executed.proposal, transactions, TIME_MS + 5).block_hash == executed.block_hash
    header = executed.header
    for name, wrong in {
        "height": 2,
        "parent_hash": ZERO_HASH,
        "time_ms": TIME_MS - 1,
        "proposer": "outsider",
        "tx_root": ZERO_HASH,
        "result_root": ZERO_HASH,
        "state_root": ZERO_HASH,
        "history_root": ZERO_HASH,
        "validators_hash": ZERO_HASH,
    }.items():
        fields = {field: getattr(header, field) for field in header.__struct_fields__} | {name: wrong}
        forged = Proposal(encode(type(header)(**fields)), executed.proposal.transaction_ids)
        with pytest.raises(PoolError) as caught:
            replica.check(forged, transactions, TIME_MS + 5)
        assert caught.value.code == ErrorCode.BAD_BLOCK, name


def test_a_block_of_nothing_is_refused(network: TestNetwork) -> None:
    ledger = network.ledger()
    executed = ledger.execute([], TIME_MS + 1, "a")
    with pytest.raises(PoolError, match="holds no transaction"):
        ledger.check(executed.proposal, [], TIME_MS)


def test_s49_a_committed_transaction_cannot_be_proposed_again(network: TestNetwork) -> None:
    ledger = network.ledger()
    transaction = network.dataset()
    network.commit(ledger, [transaction])
    again = ledger.execute([network.checked(transaction)], TIME_MS + 2, "a")
    with pytest.raises(PoolError, match="in the chain already"):
        ledger.check(again.proposal, again.transactions, None)


def test_s10_a_block_from_elsewhere_needs_a_certificate(network: TestNetwork) -> None:
    source, copy = network.ledger(), network.ledger()
    executed = network.commit(source, [network.dataset()])
    block = source.block_at(1)
    for certificate in (None, network.certify(executed, signers=["a", "b"])):
        with refuses(ErrorCode.BAD_CERTIFICATE):
            copy.check_certified(Block(block.header, certificate, block.outcomes), executed.transactions)
    copied = copy.check_certified(block, executed.transactions)
    assert block.certificate is not None
    copy.commit(copied, block.certificate)
    assert copy.tip.block_hash == source.tip.block_hash


def test_s18_a_certified_block_with_other_outcomes_is_refused(network: TestNetwork) -> None:
    """Outcomes come beside the header, which only has their root."""
    source, copy = network.ledger(), network.ledger()
    executed = network.commit(source, [network.dataset()])
    block = source.block_at(1)
    others = (replace(block.outcomes[0], facts=((24, "something else"),)),)
    with pytest.raises(PoolError, match="outcomes differ"):
        copy.check_certified(Block(block.header, block.certificate, others), executed.transactions)


def test_a_key_of_another_member_is_unknown(network: TestNetwork) -> None:
    ledger = network.ledger()
    foreign = network.system["b"]
    header = network.checked(network.parcel()).header
    fields = {name: getattr(header, name) for name in header.__struct_fields__} | {"key_id": key_id(foreign.public_key)}
    transaction = sign_transaction(type(header)(**fields), foreign, encode_records([b'{"n":1}']))
    with refuses(ErrorCode.UNKNOWN_KEY):
        ledger.verify_sender(network.checked(transaction))


class TestRecovery:
    def test_reopening_gives_the_same_tip_and_state(self, network: TestNetwork, tmp_path: Path) -> None:
        ledger = disk_ledger(network, tmp_path)
        ledger.open()
        network.commit(ledger, [network.dataset()])
        network.commit(ledger, [network.parcel()])
        tip = ledger.tip
        ledger.close()
        again = disk_ledger(network, tmp_path)
        again.open()
        assert again.tip == tip
        assert again.dataset_totals("a.flights") is not None
        again.close()

    def test_lost_state_is_made_again(self, network: TestNetwork, tmp_path: Path) -> None:
        ledger, parcel = disk_ledger(network, tmp_path), network.parcel()
        ledger.open()
        early, late = (network.parcel(derived_from=((network.id_of(parcel), 0),)) for _ in range(2))
        codes = [outcome_of(network, ledger, item).code for item in (network.dataset(), early, parcel, late)]
        assert codes == ["ok", ErrorCode.UNKNOWN_SOURCE, "ok", "ok"]
        ledger.close()
        shutil.rmtree(tmp_path / "state")
        again = disk_ledger(network, tmp_path)
        again.open()
        totals = again.dataset_totals("a.flights")
        assert totals is not None
        assert totals.parcels == 2
        again.close()

    def test_s40_damaged_state_is_made_again(self, network: TestNetwork, tmp_path: Path) -> None:
        ledger = disk_ledger(network, tmp_path)
        ledger.open()
        for transaction in (network.dataset(), network.parcel(), network.parcel()):
            network.commit(ledger, [transaction])
        ledger.states.flush()
        ledger.close()
        engine = LevelDatabase(tmp_path / "state")
        engine.write([(key, value[:-1] + b"?") for key, value in engine.scan(b"n", b"o")], sync=True)
        engine.close()
        again = disk_ledger(network, tmp_path)
        again.open()
        assert not list(damage(again.chain_id, again.states.view(), again.tip.state))
        totals = again.dataset_totals("a.flights")
        assert totals is not None
        assert totals.parcels == 2
        again.close()

    def test_s40_head_ahead_of_the_database_is_damage(self, network: TestNetwork, tmp_path: Path) -> None:
        ledger = disk_ledger(network, tmp_path)
        ledger.open()
        executed = network.commit(ledger, [network.dataset()])
        ledger.close()
        anchor = HeadFile(tmp_path / "HEAD")
        anchor.write(Head(2, executed.block_hash))
        anchor.close()
        again = disk_ledger(network, tmp_path)
        with refuses(ErrorCode.DATABASE_DAMAGED, "blocks were lost"):
            again.open()
        again.close()

    def test_s40_head_one_behind_is_repaired(self, network: TestNetwork, tmp_path: Path) -> None:
        ledger = disk_ledger(network, tmp_path)
        ledger.open()
        network.commit(ledger, [network.dataset()])
        saved = (tmp_path / "HEAD").read_bytes()
        network.commit(ledger, [network.parcel()])
        ledger.close()
        (tmp_path / "HEAD").write_bytes(saved)
        again = disk_ledger(network, tmp_path)
        again.open()
        assert again.tip.height == 2
        again.close()
        assert HeadFile(tmp_path / "HEAD").read() == Head(2, again.tip.block_hash)

    def test_s40_blocks_beyond_head_are_verified_and_kept(self, network: TestNetwork, tmp_path: Path) -> None:
        """What a crash in the middle of a catch-up leaves."""
        ledger = disk_ledger(network, tmp_path)
        ledger.open()
        network.commit(ledger, [network.dataset()])
        for _ in range(3):
            executed = ledger.execute([network.checked(network.parcel())], TIME_MS + 9, "a")
            ledger.commit(executed, network.certify(executed), durable=False)
        tip = ledger.tip
        ledger.close()
        anchor = HeadFile(tmp_path / "HEAD")
        behind = anchor.read()
        assert behind is not None
        assert (behind.height, tip.height) == (1, 4)
        anchor.close()
        again = disk_ledger(network, tmp_path)
        again.open()
        assert again.tip == tip
        again.close()
        assert HeadFile(tmp_path / "HEAD").read() == Head(4, tip.block_hash)

    def test_make_durable_brings_head_to_the_tip(self, network: TestNetwork, tmp_path: Path) -> None:
        ledger = disk_ledger(network, tmp_path)
        ledger.open()
        executed = ledger.execute([network.checked(network.dataset())], TIME_MS + 9, "a")
        ledger.commit(executed, network.certify(executed), durable=False)
        ledger.make_durable()
        ledger.close()
        assert HeadFile(tmp_path / "HEAD").read() == Head(1, executed.block_hash)

    def test_a_torn_head_slot_leaves_its_predecessor(self, network: TestNetwork, tmp_path: Path) -> None:
        ledger = disk_ledger(network, tmp_path)
        ledger.open()
        network.commit(ledger, [network.dataset()])
        network.commit(ledger, [network.parcel()])
        ledger.close()
        content = bytearray((tmp_path / "HEAD").read_bytes())
        content[20] ^= 1
        (tmp_path / "HEAD").write_bytes(content)
        again = disk_ledger(network, tmp_path)
        again.open()
        assert again.tip.height == 2
        again.close()

    def test_another_chains_folder_is_refused(self, network: TestNetwork, tmp_path: Path) -> None:
        ledger = disk_ledger(network, tmp_path)
        ledger.open()
        ledger.close()
        other = disk_ledger(TestNetwork(size=7), tmp_path)
        with refuses(ErrorCode.WRONG_DATA_FOLDER):
            other.open()
        other.close()
