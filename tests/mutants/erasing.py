"""Mutants of erasure: what is erased is gone from every file and every answer, and nothing else is (scenario 57)."""

from __future__ import annotations

from tests.mutants.definition import Edit, Mutant

CHAIN = "tests/chain/test_erasure.py"
NODE = "tests/node/test_erasure.py"
CLIENT = "tests/blockpool/test_erasure.py"

MUTANTS = (
    Mutant(
        "catch-up takes parcels without payload on a peer's word",
        57,
        (Edit("CatchUp._store_all", "verify_erased(ledger.trust, package, transactions)", "pass"),),
        (f"{NODE}::test_s57_a_peer_that_holds_payloads_back_is_left_for_the_next_one",),
    ),
    Mutant(
        "a proof that a parcel was not erased serves as well",
        57,
        (Edit("verify_presence", "proof.leaf_path != path", "False"),),
        (f"{CHAIN}::test_s57_nobody_loses_a_payload_that_was_not_erased",),
    ),
    Mutant(
        "a proof of erasure needs no certificate",
        57,
        (
            Edit(
                "TrustHistory._verify_signed",
                "verify_certificate(self.chain_id, certificate, validators, header.height, hash_)",
                "pass",
            ),
        ),
        (f"{CHAIN}::test_s57_nobody_loses_a_payload_that_was_not_erased",),
    ),
    Mutant(
        "the leaves that stay need not be those that were signed",
        57,
        (
            Edit(
                "check_erased",
                "payload.verify_leaves(checked.header, kept.leaves)",
                "pass",
            ),
        ),
        (f"{CHAIN}::test_s57_what_stays_must_be_what_was_signed",),
    ),
    Mutant(
        "a payload and its deletion may lie in one table for ever",
        57,
        (Edit("LevelDatabase.purge", "for _ in range(2):", "for _ in range(1):"),),
        (f"{CHAIN}::TestFiles::test_s57_the_bytes_are_gone_from_every_file",),
    ),
    Mutant(
        "files that a reader holds are taken for gone",
        57,
        (Edit("LevelDatabase.purge", "return before.isdisjoint(self._data_files() - self._tables())", "return True"),),
        (f"{CHAIN}::TestFiles::test_s57_what_a_reader_holds_goes_once_it_lets_go",),
    ),
    Mutant(
        "what was voted for stays in its file",
        57,
        (Edit("Eraser._purge", "self._votes.replace_bodies", "list"),),
        (f"{NODE}::test_s57_no_file_of_any_node_holds_what_was_erased",),
    ),
    Mutant(
        "an interrupted erasure is forgotten",
        57,
        (Edit("Eraser.start", "self._pool.ledger.blocks.unpurged(1)", "False"),),
        (f"{NODE}::test_s57_an_interrupted_erasure_goes_on_at_the_next_start",),
    ),
    Mutant(
        "clients take a node's word that a parcel was erased",
        57,
        (
            Edit(
                "parcel_of.check",
                "erased[:] = [(yield from verify_refusal(session, id_))]",
                'erased[:] = [PoolError(ErrorCode.PARCEL_ERASED, "it says so")]\nyield from ()',
            ),
        ),
        (f"{CLIENT}::test_s57_a_node_that_only_says_so_is_passed_over",),
    ),
    Mutant(
        "erased records count as verified",
        57,
        (
            Edit(
                "AuditReport.records_verified",
                "return self.records - self.records_hash_only - self.records_wrong",
                "return self.records",
            ),
        ),
        (f"{CHAIN}::TestAudit::test_s57_erased_records_are_counted_by_legal_basis_and_never_as_verified",),
    ),
)
