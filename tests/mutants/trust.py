"""Mutants of the trust history: whose certificate and which rules are right at a height (scenario 12), and the one KEM
suite of a network (scenario 53).
"""

from tests.mutants.definition import Edit, mutant

TRUST = "tests/chain/test_trust.py"
HEADERS = (f"{TRUST}::test_headers_name_the_next_set_and_the_next_rules",)
HAND_OVER = (f"{TRUST}::test_what_is_no_hand_over_is_refused",)
RECEIPTS = (f"{TRUST}::test_receipts_of_both_sets_need_the_hand_over",)

MUTANTS = (
    mutant(
        "s12 the next set need not be the one that the header names",
        HAND_OVER,
        Edit(
            "TrustHistory.extend",
            'hash_tagged("validators", self.chain_id, validators) != header.next_validators_hash',
            "False",
        ),
    ),
    mutant(
        "s12 a hand-over needs no certificate",
        HAND_OVER,
        Edit("TrustHistory.extend", "self._verify_signed(header, handover.header, handover.certificate)", "pass"),
    ),
    mutant(
        "s12 the new set signs its own hand-over",
        RECEIPTS,
        Edit(
            "TrustHistory.extend",
            "self._verify_signed(header, handover.header, handover.certificate)",
            "hash_ = block_hash(self.chain_id, handover.header)\n"
            "next_ = validator_set(handover.validators)\n"
            "verify_certificate(self.chain_id, handover.certificate, next_, header.height, hash_)",
        ),
    ),
    mutant(
        "s12 a block that changes nothing hands over",
        HAND_OVER,
        Edit(
            "TrustHistory.extend",
            "not header.hands_over",
            "False",
        ),
    ),
    mutant(
        "s12 a known hand-over is added again",
        HAND_OVER,
        Edit("TrustHistory.extend", "self._verify_known(header, handover)\nreturn", "pass"),
    ),
    mutant(
        "s12 another hand-over than the known one passes",
        HAND_OVER,
        Edit(
            "TrustHistory._verify_known",
            "known is None or (known.header, known.validators) != (handover.header, handover.validators)",
            "False",
        ),
    ),
    mutant(
        "s12 a new set votes one block late",
        (f"{TRUST}::test_a_set_votes_from_its_height_on_only",),
        Edit("TrustHistory.extend", "Epoch(header.height + 1,", "Epoch(header.height + 2,"),
    ),
    mutant(
        "s12 a header may name any version of the rules",
        RECEIPTS,
        Edit("TrustHistory.verify_named", "or header.version != epoch.version", ""),
    ),
    mutant(
        "s12 blocks of an unknown version are executed under the newest rules",
        (f"{TRUST}::test_a_program_without_the_rules_stops_before_them",),
        Edit("rules_of", "RULES.get(version)", "RULES.get(version, RULES[max(RULES)])"),
    ),
    mutant(
        "s12 the next version is the present one",
        HEADERS,
        Edit(
            "Ledger._execute",
            "next_version=present(execution.read(PROTOCOL_KEY, ProtocolEntry)).version",
            "next_version=rules.version",
        ),
    ),
    mutant(
        "s12 a change of rules is not handed over",
        RECEIPTS,
        Edit("BlockHeader.hands_over", "or self.next_version != self.version", ""),
    ),
    mutant(
        "s53 keys and shares may be of any suite",
        (
            "tests/chain/test_access_execution.py::TestNetworksWithoutContracts::test_they_have_no_validator_to_seal_for",
        ),
        Edit("verify_suite", "suite is not required", "False"),
    ),
)
