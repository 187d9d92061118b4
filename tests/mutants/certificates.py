"""Mutants of certificates and of quorums: who counts, once, for exactly which block, and where blocks come from
(scenarios 10 to 12, 18, 50).
"""

from tests.mutants.definition import Edit, mutant

SAFETY = "tests/consensus/test_consensus_safety.py"
PROOFS = "tests/consensus/test_consensus_justification.py"
VALIDATORS = "tests/chain/test_validators.py"
LEDGER = "tests/chain/test_ledger.py"

SELF_TEST = "tests/chain/test_self_test.py"

SIGNATURES = (
    mutant(
        "s51 the libraries are not held to the protocol",
        (f"{SELF_TEST}::test_s51_a_cofactored_library_is_refused_before_a_genesis_file_is_read",),
        Edit("parse_genesis", "self_test()", "pass"),
    ),
    mutant(
        "s51 a signature is verified under a key with a part of small order",
        (f"{SELF_TEST}::test_s51_the_installed_library_passes_quickly",),
        Edit("verify_signature", "or not _is_key(public_key)", ""),
    ),
)

OBTAINED = (
    mutant(
        "s10 a certificate from a peer finalises without a check",
        (f"{SAFETY}::test_s10_s11_s12_a_certificate_counts_only_if_it_verifies",),
        Edit("on_committed", "_verify(core, certificate, certificate.block_hash)", "pass"),
    ),
    mutant(
        "s10 catch-up takes blocks whose certificates nobody checks",
        (
            f"{LEDGER}::test_s10_a_block_from_elsewhere_needs_a_certificate",
            "tests/node/test_catch_up.py::test_s10_s18_s35_a_lying_peer_is_left_for_the_next_one",
        ),
        Edit("Ledger.check_certified", "not is_certified", "False"),
    ),
    mutant(
        "s50 catch-up takes transactions whose signatures nobody checks",
        ("tests/chain/test_key_heights.py::test_s50_a_signature_that_does_not_verify_is_refused_at_any_height",),
        Edit("Ledger.check_certified", "self.verify_signature(checked)", "pass"),
    ),
    mutant(
        "s34 a signature that is known to be one key's counts as another's",
        ("tests/chain/test_transactions.py::test_s34_what_is_known_of_one_key_says_nothing_of_another",),
        Edit("verify_signed_by", "checked.signed_by == public_key", "checked.signed_by"),
    ),
    mutant(
        "s18 catch-up takes outcomes that execution does not give",
        (f"{LEDGER}::test_s18_a_certified_block_with_other_outcomes_is_refused",),
        Edit("Ledger.check_certified", "executed.outcomes != block.outcomes", "False"),
    ),
)

COUNTED = (
    mutant(
        "s11 a signer counts several times in a certificate",
        (f"{VALIDATORS}::test_s11_a_signer_counts_once",),
        Edit("verify_certificate", "any(earlier >= later for earlier, later in pairwise(names))", "False"),
    ),
    mutant(
        "s11 a signer counts several times in a prepared certificate",
        (f"{PROOFS}::test_s06_a_view_change_that_does_not_prove_its_claim_is_refused",),
        Edit("verify_prepared", "any(earlier >= later for earlier, later in pairwise(names))", "False"),
    ),
    mutant(
        "s11 a voter counts several times in a new view",
        (f"{PROOFS}::test_s06_an_unjustified_new_view_changes_nothing",),
        Edit("verify_new_view", "any(earlier >= later for earlier, later in pairwise(names))", "False"),
    ),
    mutant(
        "s12 strangers vote",
        (f"{VALIDATORS}::test_s12_a_stranger_does_not_vote_even_beside_a_quorum",),
        Edit("verify_certificate", "if strangers:", "if False:"),
        Edit(
            "verify_certificate",
            "key is None or not verifier(key, message, signature)",
            "key is not None and not verifier(key, message, signature)",
        ),
    ),
    mutant(
        "s12 a certificate needs no quorum",
        (f"{SAFETY}::test_s10_s11_s12_a_certificate_counts_only_if_it_verifies",),
        Edit("verify_certificate", "len(names) < validators.quorum", "not names"),
    ),
    mutant(
        "s12 the votes of a certificate need no signature",
        (f"{VALIDATORS}::test_s12_votes_for_anything_else_condemn_the_certificate",),
        Edit("verify_certificate", "key is None or not verifier(key, message, signature)", "key is None"),
    ),
    mutant(
        "s12 commits of several views make one certificate",
        (f"{VALIDATORS}::test_s12_votes_for_anything_else_condemn_the_certificate",),
        Edit(
            "commit_message",
            'domain("commit", chain_id) + encode((height, view, hash_))',
            'domain("commit", chain_id) + encode((height, hash_))',
        ),
    ),
    mutant(
        "s12 the quorum is right for 3f+1 validators only",
        (
            f"{VALIDATORS}::test_s12_quorum_for_every_size",
            f"{SAFETY}::test_s12_quorums_hold_for_sizes_other_than_3f_plus_1",
        ),
        Edit("quorum", "return (n + max_faulty(n)) // 2 + 1", "return 2 * max_faulty(n) + 1"),
    ),
)

MUTANTS = (*SIGNATURES, *OBTAINED, *COUNTED)
