"""Mutants of what a node verifies that takes the state and the past from others (scenario 68)."""

from tests.mutants.definition import Edit, mutant

CHUNKS = "tests/chain/test_state_chunks.py"
ARRIVAL = "tests/chain/test_arrival.py"
SPOILT_CHUNK = (f"{CHUNKS}::test_s68_a_spoilt_chunk_is_refused",)
SPOILT_ANCHOR = (f"{ARRIVAL}::test_s68_a_spoilt_anchor_is_refused",)
SPOILT_SPAN = (f"{ARRIVAL}::test_s68_a_spoilt_span_is_refused",)
SPOILT_BLOCK = (f"{ARRIVAL}::test_s68_a_spoilt_block_of_the_past_is_refused",)

MUTANTS = (
    mutant(
        "s68 a chunk ends where its sender likes",
        SPOILT_CHUNK,
        Edit(
            "verify_chunk", "not first <= chunk.until <= until or (chunk.until < until and not chunk.is_full)", "False"
        ),
    ),
    mutant(
        "s68 a chunk may have entries from outside",
        SPOILT_CHUNK,
        Edit("verify_chunk", "leaves and not low <= leaves[0].bits <= leaves[-1].bits <= high", "False"),
    ),
    mutant(
        "s68 a chunk may lead to another root",
        SPOILT_CHUNK,
        Edit("verify_chunk", "verifier.rebuild(0, 0, leaves) != root or not verifier.is_spent", "False"),
    ),
    mutant(
        "s68 the proof of a chunk may have more items",
        SPOILT_CHUNK,
        Edit("verify_chunk", "or not verifier.is_spent", ""),
    ),
    mutant(
        "s68 an entry at the end of a chunk may be left out",
        (f"{CHUNKS}::test_s68_a_leaf_over_the_end_may_lie_on_either_side",),
        Edit("_Verifier._single", "[leaf.content for leaf in leaves] != ([item] if is_within else [])", "False"),
    ),
    mutant(
        "s68 an anchor needs no certificate",
        SPOILT_ANCHOR,
        Edit("verify_anchor", "trust.verify_header(anchor.header, anchor.certificate)", "decode_header(anchor.header)"),
    ),
    mutant(
        "s68 an anchor may be of another height",
        (f"{ARRIVAL}::test_s68_an_anchor_at_another_height_is_refused",),
        Edit("verify_anchor", "header.height != height", "False"),
    ),
    mutant(
        "s68 the peaks may be of another history",
        SPOILT_ANCHOR,
        Edit("verify_anchor", "history.root_of_peaks(anchor.peaks) != header.history_root", "False"),
    ),
    mutant(
        "s68 a span may be of another history",
        SPOILT_SPAN,
        Edit("verify_span", "result != anchor.peaks[history.peaks_of(anchor_height).index((peak, index))]", "False"),
    ),
    mutant(
        "s68 a span ends where its sender likes",
        SPOILT_SPAN,
        Edit("verify_span", "end > SPAN_BLOCKS or (end < SPAN_BLOCKS and not is_full)", "False"),
    ),
    mutant(
        "s68 outcomes of the past may be others",
        SPOILT_SPAN,
        Edit(
            "_verify_content",
            "root_of_leaves(leaf_hashes([encode(outcome) for outcome in outcomes])) != header.result_root",
            "False",
        ),
    ),
    mutant(
        "s68 transactions of the past may be others",
        SPOILT_SPAN,
        Edit(
            "_verify_content",
            "root_of_leaves(leaf_hashes([checked.id for checked in transactions])) != header.tx_root",
            "False",
        ),
    ),
    mutant(
        "s68 a whole block of the past needs no certificate",
        SPOILT_BLOCK,
        Edit("open_past", "trust.verify_header(block.header, block.certificate)", "decode_header(block.header)"),
    ),
    mutant(
        "s68 a whole block of the past may have other outcomes",
        SPOILT_BLOCK,
        Edit(
            "open_past",
            "root_of_leaves(leaf_hashes([encode(outcome) for outcome in block.outcomes])) != header.result_root",
            "False",
        ),
    ),
    mutant(
        "s68 signatures of the past are taken as they come",
        SPOILT_BLOCK,
        Edit(
            "open_past",
            "verify_signed_by(checked, registered_key(member, sender.member, sender.key_id).public_key)",
            "registered_key(member, sender.member, sender.key_id)",
        ),
    ),
    mutant(
        "s68 an erased payload comes back with the past",
        (f"{ARRIVAL}::test_s68_a_payload_that_was_erased_meanwhile_does_not_come_back",),
        Edit("WholeBlock.erased", "read(erasure_key(checked.id)) is not None", "False"),
    ),
    mutant(
        "s68 what is not here yet is taken for damage",
        (f"{ARRIVAL}::test_s68_what_is_not_here_yet_is_said",),
        Edit("LedgerView.verify_here", "0 < height <= self.blocks.past_height", "False"),
    ),
)
