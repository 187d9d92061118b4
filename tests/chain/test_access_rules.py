"""Who may read: what contracts, requests, answers and read reports do to the state, each rule of
``chain.access.rules``.
"""

import pytest

from chain.access.decision import AccessVerdict, CallResult
from chain.access.policy import AccessCase, contract_hash
from chain.errors import ErrorCode
from chain.limits import LIMITS
from chain.state import entries
from chain.state.tree import verify_state_proof
from chain.transactions.parcel import ParcelHeader
from chain.transactions.sealed import SEALED_OVERHEAD_SIZE
from tests.chain.access_world import (
    CALL_FUEL,
    CHECK_FUEL,
    HOUR_MS,
    INPUTS_HASH,
    AccessWorld,
    allow,
    approved_by,
    ask,
    deny,
    verdict_of,
)
from tests.networks import TestNetwork
from tests.refusals import refuses


class TestDeploying:
    def test_a_contract_is_kept_with_its_hash(self) -> None:
        world = AccessWorld()
        entry = world.ledger.entry(entries.contract_key("a.rule"), entries.ContractEntry)
        assert entry is not None
        assert (entry.owner, entry.version, entry.source, entry.parameters) == ("a", 1, "allow", "{}")
        assert (entry.deployed_height, entry.updated_height) == (1, 1)
        assert entry.hash == contract_hash(world.network.chain_id, "allow", "{}")

    def test_an_update_keeps_the_first_height_and_decides_from_then_on(self) -> None:
        world = AccessWorld(first=lambda case: allow(), second=lambda case: deny())
        first_id, first = world.ask()
        world.accept(world.network.contract("second", version=2, parameters='{"days":1}'))
        _, second = world.ask()
        assert (first.verdict, first.contract_version) == ("allow", 1)
        assert (second.verdict, second.contract_version) == ("deny", 2)
        assert second.contract_hash == contract_hash(world.network.chain_id, "second", '{"days":1}')
        assert world.request(first_id).decision.status == "granted", "a grant stays what it was"
        entry = world.ledger.entry(entries.contract_key("a.rule"), entries.ContractEntry)
        assert entry is not None
        assert (entry.deployed_height, entry.updated_height) == (1, 3)

    def test_an_update_within_a_block_counts_for_the_rest_of_it(self) -> None:
        world = AccessWorld(first=lambda case: allow(), second=lambda case: deny())
        network = world.network
        before, _, after = world.commit(network.request(), network.contract("second", version=2), network.request())
        assert (verdict_of(before).verdict, verdict_of(after).verdict) == ("allow", "deny")

    @pytest.mark.parametrize("version", [1, 3])
    def test_versions_follow_each_other(self, version: int) -> None:
        world = AccessWorld()
        world.refuse(world.network.contract("allow", version=version), ErrorCode.STALE_VERSION)

    def test_the_first_version_is_one(self) -> None:
        world = AccessWorld()
        world.refuse(world.network.contract("allow", name="other", version=2), ErrorCode.STALE_VERSION)

    def test_what_the_engine_refuses_is_rejected_with_its_fuel(self) -> None:
        world = AccessWorld()
        outcome = world.refuse(world.network.contract("no such script", name="other"), ErrorCode.BAD_CONTRACT)
        assert outcome.fuel == CHECK_FUEL

    def test_nobody_deploys_for_another_member(self) -> None:
        world = AccessWorld()
        world.refuse(world.network.contract("allow", member="b", name="rule.two"), ErrorCode.BAD_NAME)
        world.refuse(
            world.network.contract("allow", member="b", contract="a.rule", version=2), ErrorCode.NOT_CONTRACT_OWNER
        )


class TestDatasetsWithContracts:
    def test_conditional_sharing_needs_a_contract(self) -> None:
        world = AccessWorld()
        world.refuse(world.network.dataset(name="new", sharing="conditional"), ErrorCode.CONTRACT_REQUIRED)

    @pytest.mark.parametrize("sharing", ["open", "conditional", "closed"])
    def test_a_contract_that_is_named_must_be_deployed(self, sharing: str) -> None:
        world = AccessWorld()
        world.refuse(
            world.network.dataset(name="new", sharing=sharing, contract="a.nothing"), ErrorCode.UNKNOWN_CONTRACT
        )

    def test_another_members_contract_is_not_taken(self) -> None:
        world = AccessWorld()
        world.refuse(world.network.dataset("b", sharing="conditional", contract="a.rule"), ErrorCode.NOT_CONTRACT_OWNER)


class TestRequests:
    def test_a_granted_request_is_kept_whole(self) -> None:
        until_ms = AccessWorld().time_ms + HOUR_MS
        world = AccessWorld(rule=lambda case: allow(until_ms, "a note", ("n",)))
        network = world.network
        outcome = world.commit(network.request(parcels=(bytes(32),), from_height=2, until_height=9))[0]
        verdict = AccessVerdict("allow", until_ms, "a.rule", 1, contract_hash(network.chain_id, "rule"), INPUTS_HASH)
        assert (outcome.code, outcome.sentence, outcome.fuel, outcome.verdict) == ("ok", "", CALL_FUEL, verdict)
        entry = world.request(outcome.transaction_id)
        assert (entry.decision.status, entry.decision.until_ms, entry.decision.note, entry.decision.fields) == (
            "granted",
            until_ms,
            "a note",
            ("n",),
        )
        assert (entry.terms.reader, entry.terms.purpose, entry.terms.legal_basis) == (
            "b",
            "flood warning",
            "Flood Control Law",
        )
        assert (entry.terms.case_number, entry.terms.person) == ("2023-17", "Li Wei")
        assert (entry.terms.parcels, entry.terms.from_height, entry.terms.until_height) == ((bytes(32),), 2, 9)
        assert entry.terms.kem_key == network.readers["b"].public_key.encoded
        assert (entry.terms.height, entry.terms.time_ms, entry.decided_height, entry.decided_ms) == (
            2,
            world.time_ms,
        ) * 2
        assert (entry.contract, entry.contract_version, entry.contract_hash) == ("a.rule", 1, verdict.contract_hash)
        assert (entry.decision.inputs_hash, entry.decision.fuel, entry.answers) == (INPUTS_HASH, CALL_FUEL, ())

    def test_a_denial_is_recorded_with_its_reason(self) -> None:
        world = AccessWorld(rule=lambda case: deny("not on Sundays"))
        (outcome,) = world.commit(world.network.request())
        assert (outcome.code, outcome.sentence, verdict_of(outcome).verdict) == ("ok", "not on Sundays", "deny")
        entry = world.request(outcome.transaction_id)
        assert (entry.decision.status, entry.decision.sentence, entry.decision.until_ms) == (
            "denied",
            "not on Sundays",
            0,
        )

    def test_a_contract_that_fails_denies_with_its_code(self) -> None:
        world = AccessWorld(rule=lambda case: deny("too much work", ErrorCode.CONTRACT_OUT_OF_FUEL))
        request_id, verdict = world.ask()
        assert verdict.verdict == "deny"
        assert world.request(request_id).decision.failure == "contract_out_of_fuel"

    def test_what_a_contract_is_told(self) -> None:
        world = AccessWorld()
        world.accept(world.network.dataset("b", "weather"), world.network.parcel(member="b", dataset="b.weather"))
        shared_ms = world.time_ms
        first, _ = world.ask("b")
        world.ask("d")
        second, _ = world.ask("b", purpose="research")
        case = world.policy.cases[-1]
        assert (case.request_id, case.request.terms.purpose, case.request.decision.status) == (
            second,
            "research",
            "denied",
        )
        assert (case.dataset.dataset, case.reader.name, case.owner.name) == ("a.flights", "b", "a")
        assert (case.height, case.time_ms) == (world.ledger.tip.height, world.time_ms)
        assert case.grants == ((first, world.request(first), None),)
        assert (case.reader_grants, case.dataset_grants) == (1, 2)
        assert (case.reader_totals.parcels, case.reader_totals.records) == (1, 1)
        assert (case.reader_totals.last_height, case.reader_totals.last_time_ms) == (2, shared_ms)
        assert case.state == b"{}"

    @pytest.mark.parametrize(
        ("given_ms", "wanted_ms", "until_ms"),
        [(0, 0, 0), (HOUR_MS, 0, HOUR_MS), (0, HOUR_MS, HOUR_MS), (HOUR_MS, 5, 5), (5, HOUR_MS, 5)],
    )
    def test_a_grant_ends_when_either_side_says(self, given_ms: int, wanted_ms: int, until_ms: int) -> None:
        base = AccessWorld().time_ms

        def at(after_ms: int) -> int:
            return base + after_ms if after_ms else 0

        world = AccessWorld(rule=lambda case: allow(at(given_ms)))
        request_id, verdict = world.ask(until_ms=at(wanted_ms))
        assert verdict.until_ms == world.request(request_id).decision.until_ms == at(until_ms)

    def test_a_denied_request_has_no_end(self) -> None:
        world = AccessWorld(rule=lambda case: deny())
        _, verdict = world.ask(until_ms=world.time_ms + HOUR_MS)
        assert verdict.until_ms == 0

    def test_a_contract_keeps_its_state_for_each_dataset(self) -> None:
        def count(case: AccessCase) -> CallResult:
            return allow()._replace(state=b'{"n":%d}' % (case.state.count(b"n") and int(case.state[5:-1]) + 1))

        world = AccessWorld(count=count)
        world.accept(world.network.dataset(name="trains", sharing="conditional", contract="a.rule"))
        for dataset in ("a.flights", "a.flights", "a.trains", "a.flights"):
            world.ask(dataset=dataset)
        kept = [
            world.ledger.entry(entries.contract_state_key(dataset, "a.rule"), entries.ContractState)
            for dataset in ("a.flights", "a.trains")
        ]
        assert kept == [entries.ContractState(b'{"n":2}'), entries.ContractState(b'{"n":0}')]

    def test_a_call_that_fails_leaves_the_state_as_it_was(self) -> None:
        world = AccessWorld(
            rule=lambda case: (
                allow()._replace(state=b'{"n":1}') if case.state == b"{}" else deny("broken", ErrorCode.CONTRACT_FAILED)
            )
        )
        world.ask()
        world.ask()
        kept = world.ledger.entry(entries.contract_state_key("a.flights", "a.rule"), entries.ContractState)
        assert kept == entries.ContractState(b'{"n":1}')

    def test_nobody_asks_the_contract_about_the_owners_own_request(self) -> None:
        world = AccessWorld(rule=lambda case: deny())
        request_id, verdict = world.ask("a")
        assert (verdict.verdict, verdict.contract, verdict.contract_version) == ("allow", "", 0)
        assert world.request(request_id).decision.status == "granted"
        assert world.policy.cases == []

    def test_the_owner_reads_what_is_closed_and_nobody_else(self) -> None:
        world = AccessWorld()
        _, own = world.ask("c", dataset="c.secret")
        denied_id, foreign = world.ask("a", dataset="c.secret")
        assert (own.verdict, foreign.verdict) == ("allow", "deny")
        assert foreign == AccessVerdict("deny")
        assert world.request(denied_id).decision.sentence == "c.secret is not shared"
        assert world.reads("c.secret").denials == 1

    def test_one_height_is_a_range(self) -> None:
        world = AccessWorld()
        request_id, _ = world.ask(from_height=5, until_height=5)
        assert world.request(request_id).terms.until_height == 5

    def test_requests_that_are_rejected(self) -> None:
        world = AccessWorld()
        network = world.network
        world.accept(network.dataset("d", "open"))
        world.refuse(network.request(dataset="a.nothing"), ErrorCode.UNKNOWN_DATASET)
        world.refuse(network.request(dataset="d.open"), ErrorCode.ACCESS_NOT_NEEDED)
        world.refuse(network.request(kem_key=b"\x02short"), ErrorCode.KEM_KEY_SIZE)
        world.refuse(network.request(until_ms=world.time_ms + 1), ErrorCode.REQUEST_OVER)
        world.refuse(network.request(expiry_ms=5), ErrorCode.EXPIRED)
        assert world.reads() == type(world.reads())()
        assert world.policy.cases == []


class TestReadReports:
    @pytest.fixture
    def world(self) -> AccessWorld:
        return AccessWorld()

    def test_read_reports_are_counted_for_request_dataset_and_parcel(self, world: AccessWorld) -> None:
        records = [b'{"n":1}'] * 4
        one, two = world.accept(world.network.sealed_parcel(records), world.network.sealed_parcel(records))
        request_id, _ = world.ask(parcels=(one, two))
        first, second = (
            world.network.read_report(request_id, [one, two], record_count=7),
            world.network.read_report(request_id, [two], record_count=3),
        )
        (first_id,) = world.accept(first)
        first_ms = world.time_ms
        (second_id,) = world.accept(second)
        reads = world.reads()
        assert world.totals(request_id) == entries.RequestTotals(2, 10, first_ms)
        assert (reads.requests, reads.read_reports, reads.records_read, reads.last_height) == (1, 2, 10, 5)
        assert (world.parcel_reads(one).requests, world.parcel_reads(one).read_reports) == (1, 1)
        assert world.parcel_reads(two).read_reports == 2
        assert world.parcel_reads(one).history == world.history_of(request_id, first_id)
        assert world.parcel_reads(two).history == world.history_of(request_id, first_id, second_id)

    def test_what_was_read_is_reported_after_the_revocation_too(self, world: AccessWorld) -> None:
        (parcel,) = world.accept(world.network.sealed_parcel())
        request_id, _ = world.ask()
        world.answer(request_id, "revoke", "a")
        world.accept(world.network.read_report(request_id, [parcel]))
        assert world.totals(request_id).read_reports == 1

    def test_read_reports_that_are_rejected(self) -> None:
        world = AccessWorld(rule=lambda case: deny() if case.request.terms.purpose == "none" else allow())
        network = world.network
        one, two, other = world.accept(
            network.sealed_parcel(), network.sealed_parcel(), network.sealed_parcel(member="c", dataset="c.secret")
        )
        wide_id, _ = world.ask()
        request_id, _ = world.ask(parcels=(b"p" * 32,))
        denied_id, _ = world.ask(purpose="none")
        world.refuse(network.read_report(bytes(32), [b"p" * 32]), ErrorCode.UNKNOWN_REQUEST)
        world.refuse(network.read_report(request_id, [b"p" * 32], dataset="c.secret"), ErrorCode.UNKNOWN_REQUEST)
        world.refuse(network.read_report(request_id, [b"p" * 32], member="d"), ErrorCode.NOT_READER)
        world.refuse(network.read_report(denied_id, [b"p" * 32]), ErrorCode.NOTHING_TO_READ)
        world.refuse(network.read_report(request_id, [b"q" * 32]), ErrorCode.PARCEL_NOT_REQUESTED)
        world.refuse(network.read_report(request_id, [b"p" * 32]), ErrorCode.UNKNOWN_PARCEL)
        world.refuse(network.read_report(wide_id, [one, other]), ErrorCode.UNKNOWN_PARCEL)
        world.refuse(network.read_report(wide_id, [one, two], record_count=3), ErrorCode.RECORD_COUNT_EXCEEDED)
        world.accept(network.read_report(wide_id, [one, two], record_count=2))

    def test_nothing_can_be_read_while_approvers_are_asked(self) -> None:
        world = AccessWorld(rule=lambda case: ask("c"))
        request_id, _ = world.ask()
        world.refuse(world.network.read_report(request_id, [bytes(32)]), ErrorCode.NOTHING_TO_READ)


class TestCountersAndHistory:
    def test_the_history_is_everything_that_took_effect_in_chain_order(self) -> None:
        world = AccessWorld(rule=approved_by(1, "c"))
        network = world.network
        one, two = network.request(), network.request("d")
        (parcel,) = world.accept(network.sealed_parcel())
        world.accept(one, two)
        world.commit(network.approval(network.id_of(one), "approve", "b"))  # rejected: it stands in no history
        approve, refuse = (
            network.approval(network.id_of(one), "approve", "c"),
            network.approval(network.id_of(two), "refuse", "c"),
        )
        world.accept(approve, refuse)
        report = network.read_report(network.id_of(one), [parcel])
        world.accept(report)
        revoke = network.approval(network.id_of(one), "revoke", "a")
        world.accept(revoke)
        listed = [network.id_of(item) for item in (one, two, approve, refuse, report, revoke)]
        reads = world.reads()
        assert reads.history == world.history_of(*listed)
        assert (reads.requests, reads.grants, reads.denials, reads.read_reports) == (2, 1, 1, 1)
        for left_out in range(len(listed)):
            assert reads.history != world.history_of(*listed[:left_out], *listed[left_out + 1 :])
        assert world.reads("c.secret").history == entries.EMPTY_HISTORY

    def test_a_reader_is_counted_for_itself(self) -> None:
        world = AccessWorld(rule=lambda case: allow() if case.reader.name == "b" else deny())
        for member in ("b", "d", "b"):
            world.ask(member)
        assert (world.reader("b").requests, world.reader("b").grants) == (2, 2)
        assert (world.reader("d").requests, world.reader("d").grants, world.reader("d").granted) == (1, 0, ())

    def test_a_contract_is_told_of_the_newest_grants_only(self) -> None:
        world = AccessWorld()
        count = LIMITS.contract_grants + 5
        ids = world.accept(*(world.network.request() for _ in range(count)))
        asked = world.reader()
        assert (asked.requests, asked.grants) == (count, count)
        assert asked.granted == tuple(reversed(ids))[: LIMITS.contract_grants]
        world.ask()
        case = world.policy.cases[-1]
        assert [granted_id for granted_id, _, _ in case.grants] == list(asked.granted)
        assert case.reader_grants == count

    def test_who_never_asked_and_who_was_never_let_in_is_provable(self) -> None:
        world = AccessWorld(rule=lambda case: deny())
        world.ask("b")
        ledger, chain_id = world.ledger, world.network.chain_id
        never_asked, proof = ledger.state_proof(entries.reader_key("a.flights", "d"))
        assert never_asked is None
        root = ledger.tip.header.state_root
        verify_state_proof(chain_id, root, entries.reader_key("a.flights", "d"), None, proof)
        never_granted, proof = ledger.state_proof(entries.reader_key("a.flights", "b"))
        assert never_granted is not None
        verify_state_proof(chain_id, root, entries.reader_key("a.flights", "b"), never_granted, proof)
        assert world.reader("b").grants == 0
        before, _ = ledger.state_proof(entries.reader_key("a.flights", "b"), 1)
        assert before is None, "nor at any earlier height"


class TestSealedParcels:
    @pytest.mark.parametrize("dataset", ["a.flights", "c.secret"])
    def test_what_is_not_open_takes_sealed_parcels_only(self, dataset: str) -> None:
        world = AccessWorld()
        owner = dataset[0]
        world.refuse(world.network.parcel(member=owner, dataset=dataset), ErrorCode.SEALING_REQUIRED)
        (parcel_id,) = world.accept(world.network.sealed_parcel(member=owner, dataset=dataset))
        totals = world.ledger.dataset_totals(dataset)
        assert totals is not None
        assert (totals.parcels, totals.records) == (1, 1)
        assert world.ledger.blocks.location(parcel_id) is not None

    def test_what_is_open_takes_none(self) -> None:
        world = AccessWorld()
        world.accept(world.network.dataset("d", "open"))
        world.refuse(world.network.sealed_parcel(member="d", dataset="d.open"), ErrorCode.OPEN_PARCEL_REQUIRED)

    def test_a_schema_says_nothing_about_what_is_sealed(self) -> None:
        world = AccessWorld()
        world.accept(world.network.sealed_parcel([b'{"n":"no number"}']))

    @pytest.mark.parametrize("size", [7, 1])
    def test_an_envelope_is_for_the_validators_of_the_height(self, size: int) -> None:
        world = AccessWorld()
        foreign = TestNetwork(size, has_contracts=True)
        foreign.chain_id = world.network.chain_id
        world.refuse(foreign.sealed_parcel(), ErrorCode.ENVELOPE_VALIDATORS)

    def test_an_envelope_is_for_the_keys_that_they_have_now(self) -> None:
        world = AccessWorld()
        other = TestNetwork(has_contracts=True)
        other.chain_id = world.network.chain_id
        other.kem["a"] = other.readers["a"]
        world.refuse(other.sealed_parcel(), ErrorCode.ENVELOPE_KEY)

    def test_a_body_too_short_to_be_sealed_is_not_even_taken_in(self) -> None:
        network = AccessWorld().network
        honest = network.checked(network.sealed_parcel([b"", b""]))
        assert isinstance(honest.header, ParcelHeader)
        bodies = [bytes(SEALED_OVERHEAD_SIZE), bytes(SEALED_OVERHEAD_SIZE - 1)]
        envelope = honest.header.envelope
        transaction = network.parcel(bodies, sealed_shares=honest.sealed_shares, envelope=envelope)
        with refuses(ErrorCode.BAD_SEALING, "record 1 is too short"):
            network.checked(transaction)
