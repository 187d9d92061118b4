"""Mutants of evidence files: nothing in one is believed, whoever hands it over (scenario 58)."""

from tests.mutants.definition import Edit, mutant

VECTORS = "tests/conformance/test_evidence_vectors.py"
BAD = (f"{VECTORS}::test_s58_bad_files_are_refused_at_their_step_with_their_code",)

MUTANTS = (
    mutant(
        "s58 evidence of another chain is taken", BAD, Edit("Verifier.verify_chain", "file.chain_id != own", "False")
    ),
    mutant(
        "s58 blocks of other validators are taken",
        BAD,
        Edit("TrustHistory.verify_named", "header.validators_hash != epoch.validators.hash(self.chain_id)", "False"),
    ),
    mutant(
        "s58 a path to another checkpoint spares the votes",
        BAD,
        Edit("Verifier._place_in_tree", "inclusion.tree_size != tree.size", "inclusion.tree_size > tree.size"),
    ),
    mutant(
        "s58 rejected transactions are taken for accepted ones",
        BAD,
        Edit(
            "Verifier.transaction",
            "outcome.transaction_id != id_ or not outcome.is_ok",
            "outcome.transaction_id != id_",
        ),
    ),
    mutant(
        "s58 one file may be spelled in many ways",
        BAD,
        Edit("parse_evidence", "json.loads(content) != json.loads(msgspec.json.encode(file))", "False"),
    ),
    mutant("s58 a parcel's uses may be left out of a list", BAD, Edit("_headers", "history != proven", "False")),
    mutant(
        "s58 a record may be left out as if it were erased",
        BAD,
        Edit("verify_record", "record.body is None and erasure is None", "False"),
    ),
    mutant(
        "s58 erased content may be shown",
        BAD,
        Edit("verify_record", "record.body is not None and erasure is not None", "False"),
    ),
    mutant(
        "s70 a record may be corrected again and again",
        ("tests/chain/test_correction.py::test_s70_a_record_is_corrected_once_and_its_correction_again",),
        Edit("correction._execute", "present is not None", "False"),
    ),
    mutant(
        "s70 a correction may be left out of evidence",
        BAD,
        Edit(
            "verify_since",
            "verifier.entry(root, correction_key(parcel.id, index), part.correction, OwnerAct)",
            "None",
        ),
    ),
    mutant(
        "s71 a record may have the key of another",
        ("tests/chain/test_record_keys.py::test_s71_validators_hold_the_sender_to_the_keys_of_open_records",),
        Edit("_verdict_on_keys", "key != found", "False"),
    ),
    mutant(
        "s71 keys cost nothing in a block",
        ("tests/chain/test_record_keys.py::test_s71_a_block_holds_no_more_keys_than_it_can_carry",),
        Edit("CheckedTransaction.block_size_bytes", "index.keys * LIMITS.key_size_bytes", "0"),
    ),
    mutant("s58 answers to a request may be left out", BAD, Edit("_verify_answers", "said != kept", "False")),
    mutant(
        "s58 read reports of a read may be left out",
        BAD,
        Edit("_verify_read_reports", "(len(found), records) != (totals.read_reports, totals.records_read)", "False"),
    ),
    mutant(
        "s58 a grant that was in force counts as over",
        BAD,
        Edit("_verify_over", 'held.status == "granted" and (held.until_ms == 0 or held.until_ms > time_ms)', "False"),
    ),
    mutant(
        "s58 the state before a range may be that of any block",
        BAD,
        Edit("_verify_before", "first.parent_hash != block_hash(verifier.chain_id, before.parent)", "False"),
    ),
    mutant(
        "s58 reads in the range do not count",
        BAD,
        Edit("_verify_none_came", "after.read_reports != before.read_reports", "False"),
    ),
    mutant(
        "s58 a checkpoint of too few overrules a member",
        BAD,
        Edit("_verify_checkpoints", "not _signed_by(first, member) and not is_quorum", "False"),
    ),
    mutant(
        "s58 a member is convicted of checkpoints that agree",
        BAD,
        Edit("is_contradiction", "return earlier.time_s != later.time_s and later.size < earlier.size", "return True"),
    ),
)
