"""Mutants of conditional sharing: who may read, what a validator gives out, what a reader believes, what contracts may
cost, and who may write in a member's name (scenarios 52 to 54, 56).
"""

from tests.mutants.definition import Edit, mutant

GRANTS = "tests/attacks/test_grants.py"
BUDGET = "tests/attacks/test_budget.py"
SEALED = "tests/attacks/test_sealed_parcels_on_the_chain.py"
SHARES = "tests/node/test_shares.py"
DEALING = "tests/sealing/test_dealing.py"
GATEWAY = "tests/node/test_gateway.py"
RULES = "tests/chain/test_access_rules.py"

COST = (
    mutant(
        "s52 a proposed block may hold any amount of contract work",
        (f"{BUDGET}::test_s52_a_primary_cannot_put_more_contract_work_into_a_block",),
        Edit("Execution.run", "checked.type.calls_contract and self._budget.is_spent", "False"),
    ),
    mutant(
        "s54 contract calls of a block are not counted",
        (f"{BUDGET}::test_s52_a_primary_cannot_put_more_contract_work_into_a_block",),
        Edit(
            "ContractBudget.is_spent",
            "return self.calls >= self.limits.block_contract_calls or self.fuel",
            "return self.fuel",
        ),
    ),
    mutant(
        "s54 a member may use up all the fuel of a block",
        (f"{BUDGET}::test_s54_costly_calls_of_one_leave_the_others_theirs",),
        Edit(
            "Execution.select",
            "has_spent_share = self._budget.fuel_by_member[checked.header.member] >= share",
            "has_spent_share = False",
        ),
    ),
)

GRANTED = (
    mutant(
        "s53 shares are given out without a grant",
        (f"{SHARES}::test_s53_who_gets_nothing",),
        Edit(
            "KeyShares._verify",
            "verify_grant(entry.decision, max(self._pool.clock_ms(), self._ledger.tip.header.time_ms))",
            "pass",
        ),
    ),
    mutant(
        "s53 shares are given out for parcels that no grant covers",
        (f"{SHARES}::test_s53_who_gets_nothing",),
        Edit("KeyShares._parcel", "verify_covered(entry.terms, id_, header.dataset, location.height)", "pass"),
    ),
    mutant(
        "s53 a revoked grant opens",
        (f"{GRANTS}::test_s53_a_revoked_grant_opens_nothing_and_stays_revoked",),
        Edit("verify_grant", 'case "revoked"', 'case "never"'),
    ),
    mutant(
        "s53 an expired grant opens",
        (f"{GRANTS}::test_s53_an_expired_grant_opens_nothing",),
        Edit("verify_grant", "decision.until_ms and decision.until_ms <= now_ms", "False"),
    ),
    mutant(
        "s53 a grant covers parcels that it does not name",
        (f"{GRANTS}::test_s53_a_grant_covers_the_parcels_it_was_given_for",),
        Edit("verify_covered", "terms.parcels and parcel_id not in terms.parcels", "False"),
    ),
    mutant(
        "s53 a grant covers parcels of other datasets",
        (f"{GRANTS}::test_s53_naming_a_foreign_parcel_in_a_request_does_not_cover_it",),
        Edit("verify_covered", "dataset != terms.dataset", "False"),
    ),
    mutant(
        "s53 whoever is not asked may approve",
        (f"{GRANTS}::test_s53_whoever_is_not_asked_cannot_approve",),
        Edit("approval._execute", "not may_end and header.member not in entry.decision.approvers", "False"),
    ),
    mutant(
        "s53 a dataset may name another member's contract",
        (f"{RULES}::TestDatasetsWithContracts::test_another_members_contract_is_not_taken",),
        Edit("dataset._verify_contract", "contract.owner != header.member", "False"),
    ),
    mutant(
        "s53 a contract may be replaced by another member",
        (f"{RULES}::TestDeploying::test_nobody_deploys_for_another_member",),
        Edit("contract._execute", "verify_contract_owner(header.contract, header.member)", "pass"),
    ),
    mutant(
        "s53 a misspelt parameter is a condition that is never checked",
        ("tests/contracts/test_parameters.py::test_the_reason_is_said",),
        Edit("verify_parameters", "name not in declared", "False"),
    ),
    mutant(
        "s53 a contract's parameters may name members that are not there",
        ("tests/contracts/test_parameters.py::test_a_parameter_that_names_no_member_is_refused_by_the_validators",),
        Edit("contract._execute", "context.state.read(member_key(name), Member) is None", "False"),
    ),
)

SEALING = (
    mutant(
        "s53 plaintext is taken into a sealed dataset",
        (f"{SEALED}::test_s53_plaintext_cannot_slip_into_a_sealed_dataset",),
        Edit("parcel._execute", 'not header.envelope and entry.sharing != "open"', "False"),
    ),
    mutant(
        "s53 a parcel may be sealed to others than the validators",
        (f"{SEALED}::test_s53_a_parcel_that_not_exactly_the_validators_can_open_is_rejected",),
        Edit("parcel._execute", "verify_envelope_keys(envelope, keys)", "pass"),
    ),
    mutant(
        "s53 sealed shares need not be those that were signed",
        (f"{SEALED}::test_s53_sealed_shares_that_were_not_signed_are_refused",),
        Edit("verify_sealed_shares", "sealed_share_hash(chain_id, sealed) != share.sealed_hash", "False"),
    ),
    mutant(
        "s53 a dealer is blamed for a sealed share that it did not sign",
        (f"{DEALING}::test_s53_the_dealer_is_not_blamed_for_a_sealed_share_that_it_did_not_sign",),
        Edit("open_own_share", "sealed_share_hash(context.chain_id, sealed) != entry.sealed_hash", "False"),
    ),
    mutant(
        "s53 shares are combined without their hashes",
        (f"{DEALING}::test_s53_a_flipped_bit_in_a_share_names_its_giver",),
        Edit("dealing.combine", "not is_share(envelope, context, validator, share)", "False"),
    ),
    mutant(
        "s53 a validator does not check its own share",
        (f"{DEALING}::test_s53_a_validator_sees_on_arrival_that_its_share_is_wrong",),
        Edit("open_own_share", "not is_share(envelope, context, validator, share)", "False"),
    ),
    mutant(
        "s53 the seed is not compared with its commitment",
        (f"{DEALING}::test_s53_an_inconsistent_dealer_is_exposed_to_the_reader",),
        Edit(
            "combine",
            "not hmac.compare_digest(seed_commitment(context, envelope.salt, seed), envelope.seed_commitment)",
            "False",
        ),
    ),
    mutant(
        "s53 a plaintext is not compared with its commitment",
        ("tests/sealing/test_records.py::test_an_owner_that_commits_to_another_plaintext_is_exposed",),
        Edit("RecordCipher.open", "expected != commitment", "False"),
    ),
    mutant(
        "s53 a share does not say which records it is for",
        (f"{SEALED}::test_s53_a_parcel_copied_under_a_permissive_contract_stays_closed",),
        Edit(
            "share_info",
            "bound = (int(suite), context.dataset, context.records_root, threshold, validator, key_id)",
            "bound = (int(suite), threshold, validator, key_id)",
        ),
        Edit(
            "share_hash",
            "(context.dataset, context.records_root, salt, validator, position)",
            "(salt, validator, position)",
        ),
    ),
    mutant(
        "s53 a release does not say which request it is for",
        ("tests/sealing/test_release.py::test_a_relabelled_answer_to_another_request_does_not_open",),
        Edit(
            "_info",
            "bound = (int(reader_key.suite), release.request_id, release.parcel_id, validator, reader_key.id)",
            "bound = (int(reader_key.suite), release.parcel_id, validator, reader_key.id)",
        ),
    ),
)

CELLS = "tests/sealing/test_cells.py"
PARTS = "tests/attacks/test_parts.py"

IN_PARTS = (
    mutant(
        "s120 a column is released if one of its fields is granted",
        (f"{CELLS}::test_s120_what_fills_no_cell_opens_nothing",),
        Edit("Granularity.columns_within", "allowed.issuperset(names)", "allowed.intersection(names)"),
    ),
    mutant(
        "s120 a parcel that is opened whole is released for one record",
        (f"{CELLS}::test_s120_what_fills_no_cell_opens_nothing",),
        Edit("part_of", "tuple(sorted(set(records))) if granularity.by_record else ()", "tuple(sorted(set(records)))"),
    ),
    mutant(
        "s120 the verdict's fields are not looked at",
        ("tests/blockpool/test_shares.py::test_s120_a_parcel_that_holds_more_than_was_granted_stays_closed",),
        Edit("granted_fields", "None if decision.fields is None else frozenset(decision.fields)", "None"),
    ),
    mutant(
        "s121 all records of a column have one seed",
        (f"{CELLS}::test_s121_two_grants_open_what_each_opens_and_nothing_more",),
        Edit("cells._expanded", 'row.to_bytes(8, "big")', "bytes(8)"),
    ),
    mutant(
        "s122 a release need not be of the granted cells",
        (f"{CELLS}::test_s122_a_validator_that_gives_more_less_or_other_than_granted_is_named",),
        Edit("ShareTree.is_committed", "next(left, None) is None and self._root(roots) == root", "True"),
    ),
    mutant(
        "s122 releases of any size are handed on",
        (f"{SHARES}::test_s122_what_is_longer_than_granted_is_not_handed_on",),
        Edit("_Collection.add", "not is_sized(release, parcel.envelope, parcel.part)", "False"),
    ),
    mutant(
        "s123 a parcel may be opened by other parts than the catalogue says",
        (f"{PARTS}::test_s123_a_parcel_is_sealed_as_the_catalogue_says",),
        Edit("parcel._execute", "envelope.granularity != entry.granularity", "False"),
    ),
    mutant(
        "s123 a report may name fields that were not granted",
        (f"{PARTS}::test_s123_a_report_names_fields_that_were_granted_and_no_others",),
        Edit("read_report._execute", "granted is not None and name not in granted", "False"),
    ),
)

ENTRANCE = (
    mutant(
        "s56 the gateway asks for no token",
        (f"{GATEWAY}::test_s56_who_is_not_let_in",),
        Edit(
            "Gateway._verify_caller",
            "len(shown) != 1 or not self._is_token(shown[0])",
            "False",
        ),
    ),
    mutant(
        "s56 the gateway serves web pages",
        (f"{GATEWAY}::test_s56_who_is_not_let_in",),
        Edit("Gateway._verify_caller", 'any(name == b"origin" for name, _ in headers)', "False"),
    ),
    mutant(
        "s56 the gateway serves other machines",
        (f"{GATEWAY}::test_s56_it_is_not_reached_from_another_machine",),
        Edit("Gateway._verify_caller", "client is None or not ipaddress.ip_address(client[0]).is_loopback", "False"),
    ),
)

MUTANTS = (*COST, *GRANTED, *SEALING, *IN_PARTS, *ENTRANCE)
