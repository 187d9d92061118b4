"""Mutants of payload policies: what a node leaves to others is never lost, and never taken on anybody's word."""

from tests.mutants.definition import Edit, mutant

CHAIN = "tests/chain/test_payloads.py"
NODE = "tests/node/test_payloads.py"
CLIENT = "tests/blockpool/test_elsewhere.py"

MUTANTS = (
    mutant(
        "s66 clients believe a holder",
        (f"{CLIENT}::test_s66_what_a_holder_gives_is_verified",),
        Edit("_read_parcel", "verify_payload(checked)", "pass"),
    ),
    mutant(
        "s66 clients take a node that leaves a payload to others at its word that it is not to be had",
        (f"{CLIENT}::test_s66_a_client_goes_on_to_who_has_it",),
        Edit("Session.exchange", "if error.code not in _LEFT_TO_OTHERS:", "if True:"),
    ),
    mutant(
        "s66 a dropped payload reads as an empty one",
        (f"{CHAIN}::test_s66_what_is_dropped_is_said_and_not_taken_for_empty",),
        Edit("BlockStore.transaction", "payload is None and self.dropped_payload(location) is not None", "False"),
    ),
    mutant(
        "s66 what was erased comes back",
        (f"{CHAIN}::test_s57_a_dropped_payload_that_is_erased_stays_erased",),
        Edit("BlockStore.restore", 'self._database.get(_PLACE.pack(b"l", *place)) is not None', "True"),
    ),
    mutant(
        "s66 the sealed shares that are kept need not be those signed",
        (f"{CHAIN}::test_s66_sealed_shares_stay_and_are_those_that_were_signed",),
        Edit("check_absent", "payload.verify_shares(checked.header, kept.sealed_shares)", "pass"),
    ),
    mutant(
        "s66 a parcel may come as erased and as dropped",
        (f"{CHAIN}::test_s66_what_is_kept_must_be_what_was_signed",),
        Edit("absent_by_index", "not found.keys().isdisjoint(indexes)", "False"),
    ),
    mutant(
        "s66 records that are not kept count as verified",
        (f"{CHAIN}::test_s66_an_audit_counts_what_is_not_kept_and_holds",),
        Edit(
            "AuditReport.records_hash_only",
            "self.records_rejected + self.records_not_kept",
            "self.records_rejected",
        ),
    ),
    mutant(
        "s66 a node drops what one liar says it keeps",
        (f"{NODE}::test_s66_nothing_is_dropped_while_too_few_say_that_they_keep_all",),
        Edit("Payloads.warning", "self._pool.ledger.validators.max_faulty + 1", "1"),
    ),
    mutant(
        "s66 what nobody gave is not asked for again",
        (f"{NODE}::test_s66_catching_up_from_one_that_drops_does_not_stall",),
        Edit("Payloads._retry", "self._lacking[0] - 1", "self._reviewed.fetched"),
    ),
    mutant(
        "s66 a validator drops its key share too",
        (f"{NODE}::test_s66_a_validator_gives_its_share_of_what_it_has_dropped",),
        Edit("payload_dropped", "checked.sealed_shares", "()"),
    ),
)
