"""Uses of a parcel by those who made them, for people: what somebody read, and what the same one made of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from blockpool import Provenance, RecordId
from blockpool.provenance import ParcelUse, ProvenParcel


@dataclass(frozen=True, slots=True)
class MemberUse:
    """What one member did with a parcel."""

    member: str
    reads: tuple[ParcelUse, ...]
    made: tuple[ProvenParcel, ...]
    """What it made of it, of the parcels in the graph."""


@dataclass(frozen=True, slots=True)
class SourceParcel:
    """Records of one parcel that another was made from."""

    parcel_id: bytes
    records: tuple[int, ...]
    """Their places in it."""


def uses_by_member(graph: Provenance, parcel_id: bytes) -> list[MemberUse]:
    """Who used a parcel, in the order of what they did first: reading comes before making."""
    uses = graph.uses.get(parcel_id)
    reads = uses.reads if uses else ()
    made = graph.made_of(parcel_id)
    names = dict.fromkeys([*(read.request.terms.reader for read in reads), *(parcel.header.member for parcel in made)])
    return [
        MemberUse(
            name,
            tuple(read for read in reads if read.request.terms.reader == name),
            tuple(parcel for parcel in made if parcel.header.member == name),
        )
        for name in names
    ]


def sources_by_parcel(sources: Sequence[RecordId]) -> list[SourceParcel]:
    """Records grouped by the parcels that they are in, in the order of first mention."""
    indices: dict[bytes, list[int]] = {}
    for source in sources:
        indices.setdefault(source.transaction_id, []).append(source.index)
    return [SourceParcel(parcel_id, tuple(found)) for parcel_id, found in indices.items()]


def counted(count: int, noun: str) -> str:
    """A number of things, in words."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
