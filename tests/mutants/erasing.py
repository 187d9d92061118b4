"""Mutants of erasure, of what was rejected or posted twice (57, 98, 99), of single records
(115, 117, 118), and of the order of parcels (101)."""

from tests.mutants.definition import Edit, mutant

CHAIN = "tests/chain/test_erasure.py"
RECORDS = "tests/chain/test_erased_records.py"
NODE = "tests/node/test_erasure.py"
CLIENT = "tests/blockpool/test_erasure.py"

MUTANTS = (
    mutant(
        "s57 catch-up takes parcels without payload on a peer's word",
        (f"{NODE}::test_s57_a_peer_that_holds_payloads_back_is_left_for_the_next_one",),
        Edit("CatchUp._store_all", "await self._verify_erased(peer, package, block, transactions)", "pass"),
    ),
    mutant(
        "s57 a proof that a parcel was not erased serves as well",
        (f"{CHAIN}::test_s57_nobody_loses_a_payload_that_was_not_erased",),
        Edit("verify_presence", "proof.leaf_path != path", "False"),
    ),
    mutant(
        "s57 a proof of erasure needs no certificate",
        (f"{CHAIN}::test_s57_nobody_loses_a_payload_that_was_not_erased",),
        Edit(
            "TrustHistory._verify_signed",
            "verify_certificate(self.chain_id, certificate, validators, header.height, hash_)",
            "pass",
        ),
    ),
    mutant(
        "s57 the leaves that stay need not be those that were signed",
        (f"{CHAIN}::test_s57_what_stays_must_be_what_was_signed",),
        Edit("check_absent", "payload.verify_leaves(checked.header, kept.leaves)", "pass"),
    ),
    mutant(
        "s57 a payload and its deletion may lie in one table for ever",
        (f"{CHAIN}::TestFiles::test_s57_the_bytes_are_gone_from_every_file",),
        Edit("LevelDatabase.purge", "for _ in range(2):", "for _ in range(1):"),
    ),
    mutant(
        "s57 files that a reader holds are taken for gone",
        (f"{CHAIN}::TestFiles::test_s57_what_a_reader_holds_goes_once_it_lets_go",),
        Edit("LevelDatabase.purge", "return before.isdisjoint(self._data_files() - self._tables())", "return True"),
    ),
    mutant(
        "s57 what was voted for stays in its file",
        (f"{NODE}::test_s57_no_file_of_any_node_holds_what_was_erased",),
        Edit("Eraser._replace_bodies", "self._votes.replace_bodies", "list"),
    ),
    mutant(
        "s57 an interrupted erasure is forgotten",
        (f"{NODE}::test_s57_an_interrupted_erasure_goes_on_at_the_next_start",),
        Edit("Eraser.start", "self._pool.ledger.blocks.unpurged(1)", "False"),
    ),
    mutant(
        "s57 clients take a node's word that a parcel was erased",
        (f"{CLIENT}::test_s57_a_node_that_only_says_so_is_passed_over",),
        Edit(
            "verify_refusal",
            "erasure = yield from erasure_of(session, parcel)",
            'yield from ()\nerasure = OwnerAct("a.flights", "a", "x", "", 1, 1, bytes(32))',
        ),
    ),
    mutant(
        "s57 erased records count as verified",
        (f"{CHAIN}::TestAudit::test_s57_erased_records_are_counted_by_legal_basis_and_never_as_verified",),
        Edit(
            "AuditReport.records_verified",
            "return self.records - self.records_hash_only - self.records_wrong",
            "return self.records",
        ),
    ),
    mutant(
        "s115 a record may be held back that was not erased",
        (f"{RECORDS}::test_s115_nobody_loses_a_record_that_was_not_erased",),
        Edit("verify_erasures", "without(part.places, erasure.places)", "False"),
    ),
    mutant(
        "s115 a record that is left need not be the one that was signed",
        (f"{RECORDS}::test_s115_another_body_is_no_record_that_is_left",),
        Edit("verify_left", "leaves != [kept.leaves[index] for index in there]", "False"),
    ),
    mutant(
        "s115 clients take a node's word that a record was erased",
        (f"{CLIENT}::test_s115_a_node_that_leaves_out_more_or_gives_another_is_passed_over",),
        Edit("verify_records_erased", "without(places, erased.places)", "False"),
    ),
    mutant(
        "s117 what comes back from others brings erased records along",
        (f"{RECORDS}::TestLeftToOthers::test_s117_a_payload_that_comes_back_whole_is_without_what_is_erased",),
        Edit("Ledger.restore", "self._erased_records(checked.id)", 'b""'),
    ),
    mutant(
        "s118 what was left before the next erasure stays in the files",
        (f"{RECORDS}::TestFiles::test_s118_whatever_was_left_in_between_is_purged",),
        Edit("BlockStore.purge", "range(dead)", "range(0)"),
    ),
    mutant(
        "s98 the payload of a rejected parcel is kept",
        ("tests/chain/test_rejected.py::test_s98_what_is_rejected_is_never_written_and_its_leaves_stay",),
        Edit("payloads_rejected", "not outcome.is_ok", "False"),
    ),
    mutant(
        "s98 what was voted for and rejected stays in its file",
        ("tests/node/test_rejected.py::test_s98_no_file_of_any_node_holds_what_was_rejected",),
        Edit("Eraser.on_committed", "if has_rejected and self._bodies_due is None:", "if False:"),
    ),
    mutant(
        "s98 nothing vouches for the length of a rejected payload",
        ("tests/chain/test_rejected.py::test_s98_a_length_stays_where_the_state_vouches_for_it",),
        Edit("check_absent", "outcome.is_ok == (kept.size_bytes == 0)", "False"),
    ),
    mutant(
        "s99 what was posted before is signed anew",
        ("tests/node/test_gateway_posts.py::test_s99_after_a_restart_too",),
        Edit("Gateway._share_once", "self._posts.get(name)", "None"),
    ),
    mutant(
        "s99 a parcel leaves before its post is noted",
        ("tests/node/test_gateway_posts.py::test_s99_after_a_restart_too",),
        Edit("Gateway._share_once", "await asyncio.to_thread(self._posts.note, name, Post(digest, id_), data)", "pass"),
    ),
    mutant(
        "s131 what was not confirmed is not told again",
        ("tests/node/test_webhook.py::test_s131_a_receiver_that_fails_is_told_again_and_followed_nowhere",),
        Edit("Webhook._deliver", "await self._send(http, id_, body)", "await self._send(http, id_, body) and None"),
    ),
    mutant(
        "s131 redirects are followed",
        ("tests/node/test_webhook.py::test_s131_a_receiver_that_fails_is_told_again_and_followed_nowhere",),
        Edit("Webhook._send", "allow_redirects=False", "allow_redirects=True"),
    ),
    mutant(
        "s101 a request goes before the one before is taken in",
        ("tests/blockpool/test_grouping.py::test_s101_a_request_goes_once_the_one_before_is_taken_in",),
        Edit("Groups._depart", "and url not in self._handing_in", ""),
    ),
)
