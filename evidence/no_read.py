"""Evidence of an absence: no read report for a sealed parcel was committed at any height of a range.

The parcel's entry counts its read reports and the count never falls: equal before and after, none came between. A read
report is what a reader reports; whether anybody had a grant on the dataset, and could have read without, is shown
beside it.
"""

from collections.abc import Iterator

from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.primitives.crypto import Hash
from chain.state.entries import DatasetReads, ParcelReads, parcel_reads_key, reads_key
from chain.transactions.base import Header, transaction_id
from chain.transactions.parcel import ParcelHeader
from chain.transactions.registry import decode_transaction_header
from evidence.making import PartMaker
from evidence.parts import BlockPart, EntryPart, EvidenceFile, HeaderBytes, Height, Part, encode_evidence
from evidence.times import utc
from evidence.verification import Verifier, bad_evidence, not_absent, verify_range

NO_READ_STEPS = ("chain", "parcel", "before", "after", "absence")
"""Titles of the verification's steps in their order."""


class ReadsBefore(Part, frozen=True):
    """The parcel's counters before the range of heights."""

    block: BlockPart
    """The block before the range's first. The entry is the one after it."""
    reads: EntryPart
    """``parcel-reads/DATASET/ID``."""


class ReadsAfter(Part, frozen=True):
    """The counters up to the range's last block."""

    block: BlockPart
    """The range's last block. The entries are those after it."""
    reads: EntryPart
    """``parcel-reads/DATASET/ID``."""
    dataset_reads: EntryPart
    """``reads/DATASET``: how many grants there were on the dataset."""


class NoReadEvidence(EvidenceFile, frozen=True, tag_field="kind", tag="no-read"):
    """That no read report for a sealed parcel was committed at any height of a range."""

    parcel: HeaderBytes
    """The parcel's header: its hash is the parcel's id, and it names the dataset."""
    from_height: Height
    until_height: Height
    before: ReadsBefore | None
    """None: there was none up to ``until_height``."""
    after: ReadsAfter


def make_no_read_evidence(
    ledger: Ledger, parcel_id: Hash, from_height: int = 1, until_height: int | None = None, tree_size: int | None = None
) -> bytes:
    """The evidence file that nobody reported a read of a parcel at any height of a range.

    Args:
        ledger: where it is taken from.
        parcel_id: transaction id of the parcel.
        from_height: first block of the range.
        until_height: last block of the range; by default the newest, or the checkpoint's last.
        tree_size: of the checkpoint that the auditor holds; see ``PartMaker``.

    Raises:
        PoolError: codes ``not_absent`` (there is a report), ``access_not_needed`` (an open parcel), ``bad_request``
            (no such range), ``not_found`` (no such parcel).
    """
    maker = PartMaker(ledger, tree_size)
    until_height = maker.range_end(from_height, until_height)
    location = maker.location(parcel_id)
    header = maker.header(location)
    if not isinstance(header, ParcelHeader) or not maker.took_effect(location):
        raise PoolError(ErrorCode.NOT_FOUND, f"{parcel_id.hex()} is no parcel that the chain has accepted")
    _verify_sealed(header)
    key = parcel_reads_key(header.dataset, parcel_id)
    after = maker.value(key, until_height, ParcelReads) or ParcelReads()
    before = None
    if after.read_reports:
        _verify_none_came(maker.value(key, from_height - 1, ParcelReads) or ParcelReads(), after)
        before = ReadsBefore(maker.block(from_height - 1), maker.entry(key, from_height - 1))
    file = NoReadEvidence(
        *maker.head,
        parcel=maker.header_bytes(location),
        from_height=from_height,
        until_height=until_height,
        before=before,
        after=ReadsAfter(
            block=maker.block(until_height),
            reads=maker.entry(key, until_height),
            dataset_reads=maker.entry(reads_key(header.dataset), until_height),
        ),
    )
    return encode_evidence(file)


def verify_no_read(file: NoReadEvidence, verifier: Verifier) -> Iterator[str]:
    """Verify the absence of read reports: what each of ``NO_READ_STEPS`` has found, as it passes."""
    # 1. The file speaks of this chain.
    yield verifier.verify_chain(file)

    # 2. The header is a sealed parcel's. Its hash is the parcel's id, so nothing else needs to vouch for it.
    header = decode_transaction_header(verifier.chain_id, file.parcel)
    parcel_id = transaction_id(verifier.chain_id, file.parcel)
    dataset = _verify_sealed(header).dataset
    yield f"{parcel_id.hex()} of {dataset}, sealed by {header.member}"

    # 3. Before the range, the state counts the read reports that name the parcel.
    verify_range(file.from_height, file.until_height)
    key = parcel_reads_key(dataset, parcel_id)
    if file.before is None:
        before = ParcelReads()
        yield "the read reports are counted from genesis on"
    else:
        block = verifier.block(file.before.block)
        if block.height != file.from_height - 1:
            raise bad_evidence(f"it shows height {block.height}, the range begins at {file.from_height}")
        before = verifier.entry(block.state_root, key, file.before.reads, ParcelReads) or ParcelReads()
        yield f"height {block.height}, {utc(block.time_ms)}: {before.read_reports} read reports so far"

    # 4. After it, the state counts them again.
    block = verifier.block(file.after.block)
    if block.height != file.until_height:
        raise bad_evidence(f"the last block is at height {block.height}, the range ends at {file.until_height}")
    after = verifier.entry(block.state_root, key, file.after.reads, ParcelReads) or ParcelReads()
    reads = verifier.entry(block.state_root, reads_key(dataset), file.after.dataset_reads, DatasetReads)
    grants = reads.grants if reads is not None else 0
    could = f"{grants} grants on the dataset by then" if grants else "nobody has had a grant on the dataset by then"
    yield f"height {block.height}, {utc(block.time_ms)}: {after.read_reports} read reports so far; {could}"

    # 5. None came in the range.
    _verify_none_came(before, after)
    yield f"no read report names the parcel at the heights {file.from_height} to {file.until_height}"


def _verify_sealed(header: Header) -> ParcelHeader:
    if not isinstance(header, ParcelHeader):
        raise bad_evidence("the transaction is no parcel")
    if not header.envelope:
        raise PoolError(
            ErrorCode.ACCESS_NOT_NEEDED, "the parcel is open: anybody may have read it without a read report"
        )
    return header


def _verify_none_came(before: ParcelReads, after: ParcelReads) -> None:
    if after.read_reports != before.read_reports:
        raise not_absent(f"{after.read_reports - before.read_reports} read reports in the range name the parcel")
