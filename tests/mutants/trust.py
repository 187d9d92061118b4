"""Mutants of the trust history: whose certificate and which rules are right at a height (scenario 12), and the one KEM
suite of a network (scenario 53).
"""

from __future__ import annotations

from tests.mutants.definition import Edit, Mutant

TRUST = "tests/chain/test_trust.py"
HEADERS = (f"{TRUST}::test_headers_name_the_next_set_and_the_next_rules",)
HAND_OVER = (f"{TRUST}::test_what_is_no_hand_over_is_refused",)
RECEIPTS = (f"{TRUST}::test_receipts_of_both_sets_need_the_hand_over",)

MUTANTS = (
    Mutant(
        "the next set need not be the one that the header names",
        12,
        (
            Edit(
                "TrustHistory.extend",
                'hash_tagged("validators", self.chain_id, validators) != header.next_validators_hash',
                "False",
            ),
        ),
        HAND_OVER,
    ),
    Mutant(
        "a hand-over needs no certificate",
        12,
        (Edit("TrustHistory.extend", "self._verify_signed(header, handover.header, handover.certificate)", "pass"),),
        HAND_OVER,
    ),
    Mutant(
        "the new set signs its own hand-over",
        12,
        (
            Edit(
                "TrustHistory.extend",
                "self._verify_signed(header, handover.header, handover.certificate)",
                "hash_ = block_hash(self.chain_id, handover.header)\n"
                "next_ = validator_set(handover.validators)\n"
                "verify_certificate(self.chain_id, handover.certificate, next_, header.height, hash_)",
            ),
        ),
        RECEIPTS,
    ),
    Mutant(
        "a block that changes nothing hands over",
        12,
        (
            Edit(
                "TrustHistory.extend",
                "header.next_validators_hash == header.validators_hash and header.next_version == header.version",
                "False",
            ),
        ),
        HAND_OVER,
    ),
    Mutant(
        "a known hand-over is added again",
        12,
        (Edit("TrustHistory.extend", "self._verify_known(header, handover)\nreturn", "pass"),),
        HAND_OVER,
    ),
    Mutant(
        "another hand-over than the known one passes",
        12,
        (
            Edit(
                "TrustHistory._verify_known", "epoch is None or epoch.validators.entry != handover.validators", "False"
            ),
        ),
        HAND_OVER,
    ),
    Mutant(
        "a new set votes one block late",
        12,
        (Edit("TrustHistory.extend", "Epoch(header.height + 1,", "Epoch(header.height + 2,"),),
        (f"{TRUST}::test_a_set_votes_from_its_height_on_only",),
    ),
    Mutant(
        "a header may name any version of the rules",
        12,
        (Edit("TrustHistory.verify_named", "or header.version != epoch.version", ""),),
        RECEIPTS,
    ),
    Mutant(
        "blocks of an unknown version are executed under the newest rules",
        12,
        (Edit("rules_of", "RULES.get(version)", "RULES.get(version, RULES[max(RULES)])"),),
        (f"{TRUST}::test_a_program_without_the_rules_stops_before_them",),
    ),
    Mutant(
        "the next version is the present one",
        12,
        (
            Edit(
                "Ledger._execute",
                "next_version=present(execution.read(PROTOCOL_KEY, ProtocolEntry)).version",
                "next_version=rules.version",
            ),
        ),
        HEADERS,
    ),
    Mutant(
        "a change of rules is not handed over",
        12,
        (Edit("handed_over", "and header.next_version == header.version", ""),),
        RECEIPTS,
    ),
    Mutant(
        "keys and shares may be of any suite",
        53,
        (Edit("verify_suite", "suite is not required", "False"),),
        (
            "tests/chain/test_access_execution.py::TestNetworksWithoutContracts::test_they_have_no_validator_to_seal_for",
        ),
    ),
)
