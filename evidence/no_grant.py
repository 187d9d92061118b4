"""Evidence of an absence: a member had no grant on a dataset at any height of a range.

The reader's entry counts its grants and the count never falls: equal before and after, none was given between. What was
granted before must be over when the range begins. What is over does not come back without being counted again, and no
answer prolongs a grant (``chain.access.policy.grant_end_ms``).
"""

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from chain.blocks import BlockHeader, block_hash, decode_header
from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.limits import LIMITS
from chain.primitives.types import DatasetId, Name
from chain.state.entries import (
    DatasetEntry,
    ReaderEntry,
    RequestEntry,
    dataset_key,
    member_key,
    reader_key,
    request_key,
)
from chain.state.members import Member
from evidence.making import PartMaker
from evidence.parts import BlockPart, EntryPart, EvidenceFile, Height, Hex32, Part, encode_evidence
from evidence.times import utc
from evidence.verification import Verifier, bad_evidence, not_absent, verify_range

NO_GRANT_STEPS = ("chain", "before", "after", "absence")
"""Titles of the verification's steps in their order."""


class GrantsBefore(Part, frozen=True):
    """What the member had been granted before the range of heights."""

    block: BlockPart
    """The range's first block: its time is when the range begins."""
    parent: Annotated[bytes, Meta(max_length=1024)]
    """Header of the block before it, whose hash it names. The entries are those after that one."""
    reader: EntryPart
    """``reader/DATASET/MEMBER``."""
    requests: Annotated[dict[Hex32, EntryPart], Meta(max_length=LIMITS.contract_grants)]
    """``request/ID`` of every request that the reader's entry names as granted."""


class GrantsAfter(Part, frozen=True):
    """What it had been granted up to the range's last block."""

    block: BlockPart
    """The range's last block. The entries are those after it."""
    reader: EntryPart
    """``reader/DATASET/MEMBER``."""
    dataset: EntryPart
    """``dataset/DATASET``: there is such a dataset, and reading it needs a grant."""
    member: EntryPart
    """``member/NAME`` of the reader."""


class NoGrantEvidence(EvidenceFile, frozen=True, tag_field="kind", tag="no-grant"):
    """That a member had no grant on a dataset at any height of a range."""

    dataset: DatasetId
    reader: Name
    from_height: Height
    until_height: Height
    before: GrantsBefore | None
    """None: it never had one up to ``until_height``."""
    after: GrantsAfter


# Making


def make_no_grant_evidence(
    ledger: Ledger,
    dataset: str,
    reader: str,
    from_height: int = 1,
    until_height: int | None = None,
    tree_size: int | None = None,
) -> bytes:
    """The evidence file that ``reader`` had no grant on ``dataset`` at any height of a range.

    Args:
        ledger: where it is taken from.
        dataset: ``owner.name``.
        reader: the member.
        from_height: first block of the range.
        until_height: last block of the range; by default the newest, or the checkpoint's last.
        tree_size: of the checkpoint that the auditor holds; see ``PartMaker``.

    Raises:
        PoolError: codes ``not_absent`` (it had one, or the chain cannot prove that it had none), ``access_not_needed``,
            ``unknown_member``, ``bad_request`` (no such range), ``not_found`` (no such dataset).
    """
    maker = PartMaker(ledger, tree_size)
    until_height = maker.range_end(from_height, until_height)
    key = reader_key(dataset, reader)
    entry = maker.present_value(dataset_key(dataset), until_height, DatasetEntry)
    _verify_needs_grant(ledger.member_at(reader, until_height), entry, reader)
    grants = (maker.value(key, until_height, ReaderEntry) or ReaderEntry()).grants
    before = None
    if grants:
        asked = maker.value(key, from_height - 1, ReaderEntry) or ReaderEntry()
        _verify_none_granted(asked, grants, dataset, reader)
        before = _before(maker, dataset, reader, from_height, asked)
    file = NoGrantEvidence(
        *maker.head,
        dataset=dataset,
        reader=reader,
        from_height=from_height,
        until_height=until_height,
        before=before,
        after=GrantsAfter(
            block=maker.block(until_height),
            reader=maker.entry(key, until_height),
            dataset=maker.entry(dataset_key(dataset), until_height),
            member=maker.entry(member_key(reader), until_height),
        ),
    )
    return encode_evidence(file)


def _before(maker: PartMaker, dataset: str, reader: str, from_height: int, asked: ReaderEntry) -> GrantsBefore:
    first = maker.ledger.header_at(from_height)
    _verify_complete(asked, reader)
    requests = {}
    for id_ in asked.granted:
        key = request_key(id_)
        _verify_over(maker.present_value(key, from_height - 1, RequestEntry), id_.hex(), first.time_ms)
        requests[id_.hex()] = maker.entry(key, from_height - 1)
    parent = maker.ledger.header_bytes_at(from_height - 1)
    entry = maker.entry(reader_key(dataset, reader), from_height - 1)
    return GrantsBefore(maker.block(from_height), parent, entry, requests)


# Verifying


def verify_no_grant(file: NoGrantEvidence, verifier: Verifier) -> Iterator[str]:
    """Verify the absence of grants: what each of ``NO_GRANT_STEPS`` has found, as it passes."""
    # 1. The file speaks of this chain.
    yield verifier.verify_chain(file)

    # 2. Whatever was granted before the range was over when it began.
    verify_range(file.from_height, file.until_height)
    if file.before is None:
        before = ReaderEntry()
        yield "the grants are counted from genesis on"
    else:
        before, found = _verify_before(file, file.before, verifier)
        yield found

    # 3. After the range the state counts the member's grants on that dataset, which needs grants.
    block = verifier.block(file.after.block)
    if block.height != file.until_height:
        raise bad_evidence(f"the last block is at height {block.height}, the range ends at {file.until_height}")
    root = block.state_root
    dataset = verifier.present_entry(root, dataset_key(file.dataset), file.after.dataset, DatasetEntry)
    member = verifier.entry(root, member_key(file.reader), file.after.member, Member)
    _verify_needs_grant(member, dataset, file.reader)
    key = reader_key(file.dataset, file.reader)
    after = verifier.entry(root, key, file.after.reader, ReaderEntry) or ReaderEntry()
    yield (
        f"height {block.height}, {utc(block.time_ms)}: {after.requests} requests so far, {after.grants} grants; "
        f"the dataset is {dataset.sharing} since height {dataset.updated_height}"
    )

    # 4. None was given in the range.
    _verify_none_granted(before, after.grants, file.dataset, file.reader)
    yield (
        f"{file.reader} had no grant on {file.dataset} ({dataset.title_zh} {dataset.title_en}) "
        f"at the heights {file.from_height} to {file.until_height}"
    )


def _verify_before(file: NoGrantEvidence, before: GrantsBefore, verifier: Verifier) -> tuple[ReaderEntry, str]:
    first, parent = verifier.block(before.block), decode_header(before.parent)
    if first.height != file.from_height:
        raise bad_evidence(f"the first block is at height {first.height}, the range begins at {file.from_height}")
    if first.parent_hash != block_hash(verifier.chain_id, before.parent):
        raise bad_evidence("the range's first block names another parent")
    key = reader_key(file.dataset, file.reader)
    entry = verifier.entry(parent.state_root, key, before.reader, ReaderEntry) or ReaderEntry()
    _verify_complete(entry, file.reader)
    if set(before.requests) != {id_.hex() for id_ in entry.granted}:
        raise bad_evidence("the requests are not the ones that were granted before")
    _verify_requests_over(before, parent, first, verifier)
    found = f"{entry.grants} grants before height {first.height}, {utc(first.time_ms)}: all over by then"
    return entry, found


def _verify_requests_over(before: GrantsBefore, parent: BlockHeader, first: BlockHeader, verifier: Verifier) -> None:
    for id_, part in before.requests.items():
        key = request_key(bytes.fromhex(id_))
        request = verifier.present_entry(parent.state_root, key, part, RequestEntry)
        _verify_over(request, id_, first.time_ms)


# The rules, the same for making and verifying


def _verify_needs_grant(member: Member | None, dataset: DatasetEntry, reader: str) -> None:
    if member is None:
        raise PoolError(ErrorCode.UNKNOWN_MEMBER, f"{reader} is no member of this pool")
    if dataset.sharing == "open" or dataset.owner == reader:
        why = "is open to all" if dataset.sharing == "open" else f"is {reader}'s own"
        raise PoolError(ErrorCode.ACCESS_NOT_NEEDED, f"{dataset.dataset} {why}: reading it needs no grant")


def _verify_complete(entry: ReaderEntry, reader: str) -> None:
    """Check that the entry names all requests that were ever granted: it keeps a bounded number of them."""
    if len(entry.granted) == LIMITS.contract_grants and entry.grants > len(entry.granted):
        raise not_absent(f"{reader} had so many grants before that the state does not name all of them any more")


def _verify_over(request: RequestEntry, id_: str, time_ms: int) -> None:
    """Check that a grant is over at a time: that no key share is given on it."""
    held = request.decision
    if held.status == "granted" and (held.until_ms == 0 or held.until_ms > time_ms):
        end = f"until {utc(held.until_ms)}" if held.until_ms else "without end"
        raise not_absent(f"request {id_[:16]} of height {request.terms.height} was granted {end}, when the range began")


def _verify_none_granted(before: ReaderEntry, grants_after: int, dataset: str, reader: str) -> None:
    if grants_after != before.grants:
        raise not_absent(f"{reader} was granted access to {dataset} {grants_after - before.grants} times in the range")
