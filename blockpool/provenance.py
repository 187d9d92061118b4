"""Where a record comes from and what became of it, proven: a graph of parcels, what they were made from, who read them
and what was made of them.

What a parcel was made from is what its member signed; nobody can prove more. That a list of uses is whole is proven by
the state that a quorum of validators signed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from blockpool.signing import RecordId
from chain.errors import ErrorCode
from chain.state.entries import DatasetEntry, OwnerAct, ParcelReads, RecordPlaces, RequestEntry
from chain.transactions.parcel import ParcelHeader

Unproven = Literal["parcel", "derived", "reads"]
"""What of a parcel no node could prove: the parcel itself, the list of what was made of it, the list of its reads."""


@dataclass(frozen=True, slots=True)
class ProvenanceBounds:
    """How far a walk goes."""

    depth: int = 3
    """Steps from the record, in each direction; 1 or more."""
    parcels: int = 200
    """Parcels looked at, all in all."""
    reads: int = 64
    """Requests and read reports of one parcel that are looked at; of a parcel with more, only the numbers are given."""


DEFAULT_BOUNDS = ProvenanceBounds()


@dataclass(frozen=True, slots=True)
class ProvenParcel:
    """A parcel on the way: signed by its member, accepted by a quorum."""

    id: bytes
    """Transaction id: 32 bytes."""
    header: ParcelHeader
    """As its member signed it; ``derived_from`` names what it was made from."""
    height: int
    index: int
    """Place in its block."""
    time_ms: int
    """The block's time."""
    erasure: OwnerAct | None
    """Why its records are gone; None for a parcel that was not erased as a whole."""
    erased_records: RecordPlaces
    """Its records that were erased one by one."""
    corrected_records: RecordPlaces
    """Its records that others have taken the place of."""

    @property
    def sources(self) -> tuple[RecordId, ...]:
        """Records that it was made from."""
        return tuple(RecordId(parcel, index) for parcel, index in self.header.derived_from)

    def records_from(self, parcel_id: bytes) -> tuple[int, ...]:
        """Which records of another parcel it was made from: their places there."""
        return tuple(index for parcel, index in self.header.derived_from if parcel == parcel_id)


@dataclass(frozen=True, slots=True)
class ProvenReport:
    """What a reader reported that it has read."""

    id: bytes
    member: str
    height: int
    time_ms: int
    """The block's time."""
    parcels: int
    """How many parcels it is about."""
    record_count: int
    """Records of all these parcels together."""


@dataclass(frozen=True, slots=True)
class ParcelUse:
    """What one request has to do with a parcel."""

    request_id: bytes
    request: RequestEntry
    """As it stood at the graph's height: who asked, what for, the verdict and who approved."""
    is_named: bool
    """Whether it asked for this very parcel; one for a whole dataset names none."""
    read_reports: tuple[ProvenReport, ...]
    """Those that name this parcel, in chain order."""


@dataclass(frozen=True, slots=True)
class Uses:
    """What became of a parcel up to the graph's height."""

    derived_count: int
    """Parcels that were made from its records."""
    derived: tuple[bytes, ...]
    """Their ids in chain order, none left out; empty if they are too many to list."""
    counters: ParcelReads
    """How many requests and read reports name it."""
    reads: tuple[ParcelUse, ...]
    """Who asked and read, in the order of first mention; empty if they are too many to list."""

    @property
    def is_listed(self) -> bool:
        """Whether all are listed, not only counted."""
        return len(self.derived) == self.derived_count and bool(self.reads) == bool(self.counters.history.count)


@dataclass(frozen=True, slots=True)
class Gap:
    """What could not be proven, and is therefore not in the graph."""

    parcel: bytes
    what: Unproven
    code: ErrorCode
    detail: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """A record's origins and uses as of one block."""

    record: RecordId
    height: int
    """Block whose state proves the uses."""
    time_ms: int
    """That block's time."""
    bounds: ProvenanceBounds
    parcels: Mapping[bytes, ProvenParcel]
    """By id: the record's own first, then as they were met."""
    uses: Mapping[bytes, Uses]
    """Of the record's parcel, and of what was made of it."""
    gaps: tuple[Gap, ...]
    datasets: Mapping[str, DatasetEntry]
    """Catalogue entries of the parcels' datasets, proven; one that has none is not here."""
    is_cut: bool
    """Whether the walk stopped because it had looked at as many parcels as it may."""
    erasure: OwnerAct | None
    """Why the record itself is gone; None if it was not erased by itself."""
    correction: OwnerAct | None
    """What it was corrected by; None if it was not."""

    @property
    def parcel(self) -> ProvenParcel:
        """The record's own parcel."""
        return self.parcels[self.record.transaction_id]

    def gap(self, parcel_id: bytes, what: Unproven) -> Gap | None:
        """Why something of a parcel is not here, if it could not be proven."""
        return next((gap for gap in self.gaps if (gap.parcel, gap.what) == (parcel_id, what)), None)

    def made_of(self, parcel_id: bytes) -> tuple[ProvenParcel, ...]:
        """Parcels in the graph that were made from this one; of the record's own, those that name the record."""
        uses = self.uses.get(parcel_id)
        found = (self.parcels[id_] for id_ in uses.derived if id_ in self.parcels) if uses else ()
        return tuple(parcel for parcel in found if is_made_from(parcel, parcel_id, self.record))

    def made_of_others(self) -> int:
        """How many parcels in the graph were made from other records of the record's own parcel only."""
        id_ = self.record.transaction_id
        derived = self.uses[id_].derived if id_ in self.uses else ()
        return sum(derived_id in self.parcels for derived_id in derived) - len(self.made_of(id_))

    def origins(self) -> tuple[ProvenParcel, ...]:
        """The record's own parcel, then those in the graph that it was made from, near ones first."""
        found = {self.parcel.id: self.parcel}
        level = [self.parcel]
        while level:
            sources = (source for parcel in level for source, _ in parcel.header.derived_from)
            new = {id_: self.parcels[id_] for id_ in sources if id_ in self.parcels and id_ not in found}
            found |= new
            level = list(new.values())
        return tuple(found.values())

    def results(self) -> tuple[ProvenParcel, ...]:
        """Parcels in the graph that were made from the record, near ones first; its own is not among them."""
        found: dict[bytes, ProvenParcel] = {}
        level = [self.parcel]
        while level:
            made = (made for parcel in level for made in self.made_of(parcel.id))
            new = {parcel.id: parcel for parcel in made if parcel.id not in found}
            found |= new
            level = list(new.values())
        return tuple(found.values())

    @property
    def is_complete(self) -> bool:
        """Whether nothing within the depth is left out: no gap, no parcel too many, every list given in full."""
        return not self.gaps and not self.is_cut and all(uses.is_listed for uses in self.uses.values())

    def unfollowed(self, parcel_id: bytes) -> int:
        """How many of the parcels made from this one are not in the graph, nor known to be unprovable."""
        uses = self.uses.get(parcel_id)
        if uses is None:
            return 0
        gone = {gap.parcel for gap in self.gaps if gap.what == "parcel"}
        return uses.derived_count - sum(id_ in self.parcels or id_ in gone for id_ in uses.derived)


def is_made_from(parcel: ProvenParcel, source: bytes, record: RecordId) -> bool:
    """Whether a parcel counts as made from another: of the record's own parcel, that record must be among its
    sources.
    """
    return record in parcel.sources if source == record.transaction_id else bool(parcel.records_from(source))
