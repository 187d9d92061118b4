"""Mutants of evidence files: nothing in one is believed, whoever hands it over (scenario 58)."""

from tests.mutants.definition import Edit, mutant

VECTORS = "tests/conformance/test_evidence_vectors.py"
BAD = (f"{VECTORS}::test_s58_bad_files_are_refused_at_their_step_with_their_code",)

MUTANTS = (
    mutant(
        "evidence of another chain is taken", 58, BAD, Edit("Verifier.verify_chain", "file.chain_id != own", "False")
    ),
    mutant(
        "blocks of other validators are taken",
        58,
        BAD,
        Edit("TrustHistory.verify_named", "header.validators_hash != epoch.validators.hash(self.chain_id)", "False"),
    ),
    mutant(
        "a path to another checkpoint spares the votes",
        58,
        BAD,
        Edit("Verifier._place_in_tree", "inclusion.tree_size != tree.size", "inclusion.tree_size > tree.size"),
    ),
    mutant(
        "rejected transactions are taken for accepted ones",
        58,
        BAD,
        Edit(
            "Verifier.transaction",
            "outcome.transaction_id != id_ or not outcome.is_ok",
            "outcome.transaction_id != id_",
        ),
    ),
    mutant(
        "one file may be spelled in many ways",
        58,
        BAD,
        Edit("parse_evidence", "json.loads(content) != json.loads(msgspec.json.encode(file))", "False"),
    ),
    mutant("a parcel's uses may be left out of a list", 58, BAD, Edit("_headers", "history != proven", "False")),
    mutant(
        "a record may be left out as if it were erased",
        58,
        BAD,
        Edit("verify_record", "record.body is None and uses.erasure is None", "False"),
    ),
    mutant(
        "erased content may be shown",
        58,
        BAD,
        Edit("verify_record", "record.body is not None and uses.erasure is not None", "False"),
    ),
    mutant("answers to a request may be left out", 58, BAD, Edit("_verify_answers", "said != kept", "False")),
    mutant(
        "read reports of a read may be left out",
        58,
        BAD,
        Edit("_verify_read_reports", "(len(found), records) != (totals.read_reports, totals.records_read)", "False"),
    ),
    mutant(
        "a grant that was in force counts as over",
        58,
        BAD,
        Edit("_verify_over", 'held.status == "granted" and (held.until_ms == 0 or held.until_ms > time_ms)', "False"),
    ),
    mutant(
        "the state before a range may be that of any block",
        58,
        BAD,
        Edit("_verify_before", "first.parent_hash != block_hash(verifier.chain_id, before.parent)", "False"),
    ),
    mutant(
        "reads in the range do not count",
        58,
        BAD,
        Edit("_verify_none_came", "after.read_reports != before.read_reports", "False"),
    ),
    mutant(
        "a checkpoint of too few overrules a member",
        58,
        BAD,
        Edit("_verify_checkpoints", "not _signed_by(first, member) and not is_quorum", "False"),
    ),
    mutant(
        "a member is convicted of checkpoints that agree",
        58,
        BAD,
        Edit("is_contradiction", "return earlier.time_s != later.time_s and later.size < earlier.size", "return True"),
    ),
)
