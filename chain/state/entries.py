"""What the state tree holds: the key and value of every kind of entry, in one table.

| key                               | value            | written by                                   |
|-----------------------------------|------------------|----------------------------------------------|
| ``protocol``                      | ``ProtocolEntry``| genesis                                      |
| ``validators``                    | ``ValidatorsEntry``| genesis                                    |
| ``member/NAME``                   | ``Member``       | genesis, ``member``                          |
| ``governance/NAME``               | ``Governance``   | genesis, ``member``                          |
| ``dataset/OWNER.NAME``            | ``DatasetEntry`` | ``dataset``                                  |
| ``dataset-totals/OWNER.NAME``              | ``DatasetTotals`` | ``dataset``, ``parcel``, ``correction``      |
| ``member-totals/MEMBER``                | ``MemberTotals``| ``parcel``, ``correction``                   |
| ``contract/OWNER.NAME``           | ``ContractEntry``| ``contract``                                 |
| ``contract-state/DATASET/CONTRACT`` | ``ContractState``| ``request``, ``approval``                  |
| ``request/ID``                    | ``RequestEntry`` | ``request``, ``approval``                    |
| ``request-totals/ID``             | ``RequestTotals``| ``read_report``                              |
| ``reads/DATASET``                 | ``DatasetReads`` | ``request``, ``approval``, ``read_report``       |
| ``reader/DATASET/MEMBER``         | ``ReaderEntry``  | ``request``, ``approval``                    |
| ``parcel-reads/DATASET/ID``       | ``ParcelReads``  | ``request``, ``read_report``                     |
| ``derived/ID``                    | ``DerivedParcels``| ``parcel``, ``correction``                  |
| ``erasure/ID``                    | ``OwnerAct``     | ``erase`` of a parcel                        |
| ``erasure/ID/INDEX``              | ``OwnerAct``     | ``erase`` of records                         |
| ``erased-records/ID``             | ``RecordPlaces`` | ``erase`` of records                         |
| ``correction/ID/INDEX``           | ``OwnerAct``     | ``correction``                               |
| ``corrected-records/ID``          | ``RecordPlaces`` | ``correction``                               |
| ``key/DATASET/KEY``               | ``PresentRecord`` | ``keyed_parcel``, ``correction``            |

Ids in keys are in hexadecimal. What is not there can be proved not to be: a member without an entry under ``reader/``
has never asked to read that dataset.
"""

from functools import lru_cache
from typing import Annotated

from msgspec import Meta

from chain.access.decision import Decision
from chain.blocks import Version
from chain.catalogue import Description
from chain.contract_engine import EngineIdentity
from chain.granularity import WHOLE, Granularity
from chain.limits import LIMITS
from chain.primitives.crypto import Hash, hash_tagged
from chain.primitives.encoding import Wire
from chain.primitives.kem import KemSuite
from chain.primitives.places import has_place, joined, places_of
from chain.primitives.types import Answer, Hash32, KeyId, Name, SharingClass, Unsigned

PROTOCOL_KEY = b"protocol"
VALIDATORS_KEY = b"validators"
RECORD_KEYS = b"key/"
"""What the keys of entries begin with of which there may be millions: nobody lists them, and no cache is theirs."""
_KEYS_KEPT = 8192
"""Keys of requests that are kept: a decision reads those of all earlier grants of a reader."""


class ProtocolEntry(Wire, frozen=True):
    """What the next block follows: the version of the rules, and the machinery that all validators share."""

    version: Version
    """Of the protocol: ``chain.protocol`` has its rules."""
    since_height: Unsigned
    """First block under this entry; 0 as genesis has it."""
    engine: EngineIdentity | None
    """What runs the access contracts; None where there are none."""
    kem_suite: KemSuite | None
    """HPKE suite of all KEM keys and key shares; None where nothing can be sealed."""


class Governance(Wire, frozen=True):
    """Which of a member's keys may change the others. No entry: none may."""

    key_id: KeyId
    """The governance key, kept offline."""
    successor_id: KeyId
    """The key that alone may take its place."""
    since_height: Unsigned
    """First block under this governance key; 0 as genesis has it."""
    changes: Unsigned
    """Changes of its keys that the member has made."""


class DatasetEntry(Wire, frozen=True):
    """A catalogue entry."""

    dataset: str
    """``owner.name``."""
    owner: Name
    version: int
    """Counts the updates, from 1."""
    title_zh: str
    title_en: str
    schema: str
    """JSON Schema as JSON text; empty for records of any bytes."""
    sharing: SharingClass
    legal_basis: str
    contract: str
    description: Description
    registered_height: Unsigned
    """Block of version 1."""
    updated_height: Unsigned
    """Block of this version."""
    transaction_id: Hash32
    """Transaction of this version."""
    granularity: Granularity = WHOLE
    """What sealed parcels can be opened by."""


class DatasetTotals(Wire, frozen=True):
    """How much a dataset holds. Apart from the entry, since it changes with every block that adds to it."""

    parcels: Unsigned
    records: Unsigned
    size_bytes: Unsigned
    """Sum of the payloads."""
    last_height: Unsigned
    """Last block that added a parcel; 0 for none."""
    corrected: Unsigned = 0
    """Records of it that were corrected."""


class MemberTotals(Wire, frozen=True):
    """What a member has put into the pool, all its datasets together."""

    parcels: Unsigned = 0
    records: Unsigned = 0
    last_height: Unsigned = 0
    """Block of its newest parcel; 0 if it never shared."""
    last_time_ms: Unsigned = 0


class ContractEntry(Wire, frozen=True):
    """A deployed access contract."""

    contract: str
    """``owner.name``."""
    owner: Name
    version: int
    """Counts the updates, from 1."""
    source: str
    parameters: str
    """JSON object."""
    hash: Hash32
    """Of source and parameters: ``chain.access.policy.contract_hash``."""
    deployed_height: Unsigned
    """Block of version 1."""
    updated_height: Unsigned
    """Block of this version."""
    transaction_id: Hash32
    """Transaction of this version."""


class ContractState(Wire, frozen=True):
    """What a contract remembers about one dataset; kept when the contract is updated."""

    state: Annotated[bytes, Meta(max_length=LIMITS.contract_state_size_bytes)]
    """Canonical JSON object."""


class RequestAnswer(Wire, frozen=True):
    """An approver's answer to a request."""

    member: Name
    answer: Answer
    reason: str
    height: Unsigned
    time_ms: Unsigned


class RequestTerms(Wire, frozen=True):
    """What a reader has asked for: as its transaction says, and where that stands."""

    reader: Name
    dataset: str
    parcels: tuple[Hash32, ...]
    """Parcels wanted; empty for all in the range of heights."""
    from_height: Unsigned
    until_height: Unsigned
    """0 for no end."""
    wanted_until_ms: Unsigned
    """How long access was asked for; 0 if the reader named no date."""
    purpose: str
    legal_basis: str
    case_number: str
    person: str
    kem_key: bytes
    """The reader's key that key shares are sealed to."""
    height: Unsigned
    """Block of the request."""
    time_ms: Unsigned
    """That block's time."""
    keys: tuple[bytes, ...] = ()
    """Keys of the records wanted; with ``records``, empty for all records."""
    records: tuple[tuple[Hash32, int], ...] = ()
    """(parcel, index) of the records wanted."""
    wanted_fields: tuple[str, ...] = ()
    """Fields wanted; empty for all."""


class RequestEntry(Wire, frozen=True):
    """A request to read, with the decision that holds now and the answers to it."""

    terms: RequestTerms
    decision: Decision
    """Its end stays while it is asked about again, and is never later than before; who was asked last stays too."""
    contract: str = ""
    """The contract that decided; empty if none was asked."""
    contract_version: Unsigned = 0
    contract_hash: bytes = b""
    decided_height: Unsigned = 0
    """Block of the decision that holds now."""
    decided_ms: Unsigned = 0
    """That block's time."""
    answers: tuple[RequestAnswer, ...] = ()
    """Oldest first."""


class RequestTotals(Wire, frozen=True):
    """What was read under a request. No entry: nothing was reported yet."""

    read_reports: Unsigned = 0
    records_read: Unsigned = 0
    """Sum over the read reports."""
    first_report_ms: Unsigned = 0
    """When the first read report was committed; 0 for none yet."""


class ReadHistory(Wire, frozen=True):
    """A list of transactions in one hash: whoever gives the list cannot leave one out."""

    count: Unsigned
    head: Hash32
    """``h(n) = H("read-history", h(n-1) | transaction id)`` from the zero hash on."""

    def extended(self, chain_id: bytes, transaction_id: Hash) -> "ReadHistory":
        """The history with one more transaction at its end."""
        return ReadHistory(self.count + 1, hash_tagged("read-history", chain_id, self.head + transaction_id))


EMPTY_HISTORY = ReadHistory(0, bytes(32))


class DatasetReads(Wire, frozen=True):
    """Read counters of a dataset."""

    requests: Unsigned = 0
    grants: Unsigned = 0
    """How often a request was granted."""
    denials: Unsigned = 0
    """How often one was denied."""
    read_reports: Unsigned = 0
    records_read: Unsigned = 0
    last_height: Unsigned = 0
    history: ReadHistory = EMPTY_HISTORY
    """All requests, approvals and read reports that took effect, in chain order."""


class ReaderEntry(Wire, frozen=True):
    """What one member has asked of one dataset. No entry: it has never asked."""

    requests: Unsigned = 0
    grants: Unsigned = 0
    """0: it never had a grant."""
    granted: Annotated[tuple[Hash32, ...], Meta(max_length=LIMITS.contract_grants)] = ()
    """Ids of the newest granted requests, newest first."""


class ParcelReads(Wire, frozen=True):
    """Read counters of a parcel: requests that name it, and read reports that do."""

    requests: Unsigned = 0
    read_reports: Unsigned = 0
    history: ReadHistory = EMPTY_HISTORY
    """Those requests and read reports in chain order."""


class DerivedParcels(Wire, frozen=True):
    """What was made of a parcel."""

    history: ReadHistory = EMPTY_HISTORY
    """All accepted parcels that name one of its records as a source, in chain order."""


class OwnerAct(Wire, frozen=True):
    """What an owner has done to a parcel or a record that it had shared, and why: erased or corrected it."""

    dataset: str
    """``owner.name``."""
    owner: Name
    legal_basis: str
    reason: str
    height: Unsigned
    """Block of the act."""
    time_ms: Unsigned
    """That block's time."""
    transaction_id: Hash32
    """Of the ``erase`` or the ``correction``. The one record of a correction takes the place of the corrected one."""


class PresentRecord(Wire, frozen=True):
    """The newest record of a key."""

    transaction_id: Hash32
    """Of its parcel."""
    index: Annotated[int, Meta(ge=0, le=LIMITS.transaction_records - 1)]
    """Place in its parcel."""
    height: Unsigned
    """Block of its parcel."""
    versions: Unsigned
    """Records that the key has had, this one included."""
    previous: tuple[Hash32, Unsigned] | None
    """The record before it, (transaction id, index); None for a key's first."""

    @classmethod
    def after(cls, before: "PresentRecord | None", transaction_id: Hash, index: int, height: int) -> "PresentRecord":
        """The entry once another record of the key has come."""
        if before is None:
            return cls(transaction_id, index, height, 1, None)
        return cls(transaction_id, index, height, before.versions + 1, (before.transaction_id, before.index))


class RecordPlaces(Wire, frozen=True):
    """Which records of a parcel were erased, or corrected. No entry: none."""

    places: Annotated[bytes, Meta(max_length=LIMITS.transaction_records // 8)] = b""
    """Record ``i`` was if bit ``i % 8`` (1 for 0) of byte ``i // 8`` is set; ends with the last byte that is not 0."""

    def extended(self, *indexes: int) -> "RecordPlaces":
        """The same with more records."""
        return RecordPlaces(joined(self.places, places_of(indexes)))

    def has(self, index: int) -> bool:
        """Whether it was this record, too."""
        return has_place(self.places, index)


def member_key(name: str) -> bytes:
    """State key of a member."""
    return b"member/" + name.encode()


def governance_key(name: str) -> bytes:
    """State key of which of a member's keys may change the others."""
    return b"governance/" + name.encode()


def dataset_key(dataset: str) -> bytes:
    """State key of a catalogue entry."""
    return b"dataset/" + dataset.encode()


def dataset_totals_key(dataset: str) -> bytes:
    """State key of a dataset's counters."""
    return b"dataset-totals/" + dataset.encode()


def member_totals_key(member: str) -> bytes:
    """State key of what a member has shared."""
    return b"member-totals/" + member.encode()


def contract_key(contract: str) -> bytes:
    """State key of a contract."""
    return b"contract/" + contract.encode()


def contract_state_key(dataset: str, contract: str) -> bytes:
    """State key of what a contract remembers about a dataset."""
    return f"contract-state/{dataset}/{contract}".encode()


@lru_cache(_KEYS_KEPT)
def request_key(request_id: Hash) -> bytes:
    """State key of a request."""
    return b"request/" + request_id.hex().encode()


@lru_cache(_KEYS_KEPT)
def totals_key(request_id: Hash) -> bytes:
    """State key of what was read under a request."""
    return b"request-totals/" + request_id.hex().encode()


def reads_key(dataset: str) -> bytes:
    """State key of a dataset's read counters."""
    return b"reads/" + dataset.encode()


def reader_key(dataset: str, member: str) -> bytes:
    """State key of what a member has asked of a dataset."""
    return f"reader/{dataset}/{member}".encode()


def parcel_reads_key(dataset: str, parcel_id: Hash) -> bytes:
    """State key of a parcel's read counters."""
    return f"parcel-reads/{dataset}/{parcel_id.hex()}".encode()


def derived_key(parcel_id: Hash) -> bytes:
    """State key of what was made of a parcel."""
    return b"derived/" + parcel_id.hex().encode()


def erasure_key(parcel_id: Hash) -> bytes:
    """State key of a parcel's erasure."""
    return b"erasure/" + parcel_id.hex().encode()


def record_erasure_key(parcel_id: Hash, index: int) -> bytes:
    """State key of a record's erasure."""
    return f"erasure/{parcel_id.hex()}/{index}".encode()


def erased_records_key(parcel_id: Hash) -> bytes:
    """State key of which records of a parcel were erased one by one."""
    return b"erased-records/" + parcel_id.hex().encode()


def correction_key(parcel_id: Hash, index: int) -> bytes:
    """State key of a record's correction."""
    return f"correction/{parcel_id.hex()}/{index}".encode()


def corrected_records_key(parcel_id: Hash) -> bytes:
    """State key of which records of a parcel were corrected."""
    return b"corrected-records/" + parcel_id.hex().encode()


def record_key_key(dataset: str, key: bytes) -> bytes:
    """State key of a record's key."""
    return b"%b%b/%b" % (RECORD_KEYS, dataset.encode(), key.hex().encode())
