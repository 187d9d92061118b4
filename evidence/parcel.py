"""What every file about a parcel proves: a block of a quorum holds it, its member signed it, and the catalogue says
under which dataset, schema and contract.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from chain.access.policy import contract_hash
from chain.blocks import BlockHeader
from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import Hash
from chain.schema import record_rules
from chain.state.entries import ContractEntry, DatasetEntry, contract_key, dataset_key, member_key
from chain.storage.blocks import Location
from chain.transactions.parcel import ParcelHeader
from evidence.making import PartMaker
from evidence.parts import BlockPart, EntryPart, EvidenceFile, TransactionPart
from evidence.times import utc
from evidence.verification import Verifier, bad_evidence


class ParcelEvidence(EvidenceFile, frozen=True):
    """What files about a parcel begin with."""

    block: BlockPart
    """The block that ordered the parcel. The entries below are those after it."""
    parcel: TransactionPart
    member: EntryPart
    """``member/NAME`` of the sharing member: which keys sign for it."""
    dataset: EntryPart
    """``dataset/DATASET``: owner, schema, sharing class, contract."""
    contract: EntryPart | None
    """``contract/CONTRACT`` of the dataset's access contract; None if the dataset names none."""


class ParcelParts(NamedTuple):
    """The parts of a file that ``ParcelEvidence`` describes."""

    block: BlockPart
    parcel: TransactionPart
    member: EntryPart
    dataset: EntryPart
    contract: EntryPart | None


class FinalParcel(NamedTuple):
    """A parcel that a final block holds."""

    id: Hash
    header: ParcelHeader
    block: BlockHeader


ContentCheck = Callable[[FinalParcel], str]
"""Checks what a file says of the parcel's content; says what it has found."""


def make_parcel_parts(maker: PartMaker, location: Location, header: ParcelHeader) -> ParcelParts:
    """The parts for the parcel at ``location``; raises ``not_found`` if it was rejected."""
    height = location.height
    parcel = maker.transaction(location)
    dataset = maker.present_value(dataset_key(header.dataset), height, DatasetEntry)
    return ParcelParts(
        block=maker.block(height),
        parcel=parcel,
        member=maker.entry(member_key(header.member), height),
        dataset=maker.entry(dataset_key(header.dataset), height),
        contract=maker.entry(contract_key(dataset.contract), height) if dataset.contract else None,
    )


def verify_parcel(
    file: ParcelEvidence, verifier: Verifier, verify_content: ContentCheck, open_body: bytes | None = None
) -> Iterator[str]:
    """Verify what files about a parcel prove, yielding what each of eight steps has found.

    Args:
        file: not believed.
        verifier: knows the chain.
        verify_content: step 5, the file's own.
        open_body: the record's body, for the dataset's schema if the parcel is open; None if there is none to check.

    Raises:
        PoolError: at the first step that fails.
    """
    # 1. The file speaks of this chain.
    yield verifier.verify_chain(file)

    # 2. The block's header names the validators that genesis founds.
    block = verifier.block_header(file.block)
    yield f"height {block.height}, {utc(block.time_ms)}, proposed by {block.proposer}"

    # 3. A quorum of those validators committed that block.
    yield verifier.verify_final(file.block, block)

    # 4. The block holds the parcel, with the outcome that it took effect.
    committed = verifier.transaction(block, file.parcel)
    yield f"transaction {committed.position + 1} of {block.transaction_count} in the block, accepted"

    # 5. What the file says of the parcel's content is so: the record, or a part of it, is under the parcel's root.
    header = committed.header
    if not isinstance(header, ParcelHeader):
        raise bad_evidence("the transaction is no parcel")
    yield verify_content(FinalParcel(committed.id, header, block))

    # 6. The member that shared it is in the state, and its key was valid at that height.
    member = verifier.member(block.state_root, header.member, file.member)
    public_key = verifier.public_key(committed, member)
    yield f"{member.name} ({member.title_zh} {member.title_en}), key {header.key_id.hex()[:16]}"

    # 7. That key signed the parcel.
    verifier.verify_signature(file.parcel, member.name, public_key)
    yield f"Ed25519 by {member.name} over the parcel's header"

    # 8. The dataset is in the catalogue, owned by that member, with the schema and the contract that it names.
    yield _verify_dataset(file, verifier, block, header, open_body)


def _verify_dataset(
    file: ParcelEvidence, verifier: Verifier, block: BlockHeader, header: ParcelHeader, open_body: bytes | None
) -> str:
    key = dataset_key(header.dataset)
    entry = verifier.present_entry(block.state_root, key, file.dataset, DatasetEntry)
    if entry.owner != header.member:
        raise PoolError(ErrorCode.NOT_OWNER, f"{header.dataset} belongs to {entry.owner}")
    # A dataset updated later in the same block shows its newer schema here; the outcome vouches for the older one.
    is_schema_known = entry.updated_height < block.height
    if open_body is not None and is_schema_known and not header.envelope:
        violation = record_rules(entry.schema).check([open_body])
        if violation is not None:
            raise violation
    found = f"{entry.dataset} ({entry.title_zh} {entry.title_en}), version {entry.version}, {entry.sharing}"
    return found + _verify_contract(file, verifier, block, entry)


def _verify_contract(file: ParcelEvidence, verifier: Verifier, block: BlockHeader, dataset: DatasetEntry) -> str:
    if (file.contract is None) != (not dataset.contract):
        raise bad_evidence("the file has a contract that the dataset does not name, or not the one that it names")
    if file.contract is None:
        return ""
    key = contract_key(dataset.contract)
    entry = verifier.present_entry(block.state_root, key, file.contract, ContractEntry)
    if entry.hash != contract_hash(verifier.chain_id, entry.source, entry.parameters):
        raise bad_evidence(f"the hash of {entry.contract} is not that of its source and parameters")
    return f", access by {entry.contract} version {entry.version}, hash {entry.hash.hex()[:16]}"
