"""Who may read: what is asked of an access contract, how it answers, and what a committed grant is worth.

The chain does not run contracts itself. It asks through ``AccessPolicy``, which ``contracts.policy`` implements with
the sandbox; so the chain's own rules stay free of any engine.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from chain.access.decision import CallResult, Decision
from chain.contract_engine import EngineIdentity
from chain.errors import ErrorCode, PoolError
from chain.granularity import Granularity, Part, part_of
from chain.limits import LIMITS
from chain.primitives.crypto import Hash, domain, hash_tagged
from chain.primitives.encoding import encode
from chain.state.entries import ContractEntry, DatasetEntry, MemberTotals, RequestEntry, RequestTerms, RequestTotals
from chain.state.members import Member

EarlierGrant = tuple[Hash, RequestEntry, RequestTotals | None]
"""Id of a request of the reader that was granted before, where it stands, and what was read under it."""


@dataclass(frozen=True, slots=True)
class AccessCase:
    """Everything that a contract may know when it decides on a request."""

    request_id: Hash
    request: RequestEntry
    """As it stands, answers so far included."""
    dataset: DatasetEntry
    reader: Member
    owner: Member
    height: int
    """Block that the decision stands in."""
    time_ms: int
    """That block's time."""
    grants: tuple[EarlierGrant, ...]
    """Earlier grants of the reader on the dataset, newest first, at most ``LIMITS.contract_grants``."""
    reader_grants: int
    dataset_grants: int
    reader_totals: MemberTotals
    """What the reader has shared itself."""
    state: bytes
    """The contract's state on this dataset, a JSON object."""


class Deployable(NamedTuple):
    """A contract that can be deployed."""

    fuel: int
    """That loading it took."""
    members: tuple[str, ...] = ()
    """That its parameters name: they have to be members of the pool."""


class ContractRunner(Protocol):
    """Runs the contracts of one block, in the block's order. What it answers is the same on every machine.

    Raises (all methods):
        PoolError: a code that ``is_engine`` if this machine's engine has failed, which says nothing about the contract.
    """

    def check(self, source: str, parameters: str) -> Deployable:
        """Whether a contract can be deployed.

        Raises:
            Refusal: code ``bad_contract``, or one of those that say why loading was stopped, with the fuel spent.
        """
        ...

    def decide(self, contract: ContractEntry, case: AccessCase) -> CallResult:
        """Call a contract. A call that fails in whatever way is a decision too: a denial."""
        ...

    def close(self) -> None:
        """The block is done."""
        ...


class AccessPolicy(Protocol):
    """Where contracts run."""

    def open_block(self, engine: EngineIdentity) -> ContractRunner:
        """A runner for one block.

        Args:
            engine: that the block's contracts must run in.

        Raises:
            PoolError: code ``engine_unavailable`` if this machine's is another one.
        """
        ...


class MissingEngine:
    """The policy of a program that cannot run the network's contracts: it says so once it would have to.

    Args:
        reason: why it cannot.
    """

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def open_block(self, engine: EngineIdentity) -> ContractRunner:
        """Itself: blocks without contract calls are executed all the same."""
        return self

    def check(self, source: str, parameters: str) -> Deployable:
        """Raises ``engine_unavailable``."""
        raise PoolError(ErrorCode.ENGINE_UNAVAILABLE, self._reason)

    def decide(self, contract: ContractEntry, case: AccessCase) -> CallResult:
        """Raises ``engine_unavailable``."""
        raise PoolError(ErrorCode.ENGINE_UNAVAILABLE, self._reason)

    def close(self) -> None:
        """Nothing to give back."""


def contract_hash(chain_id: bytes, source: str, parameters: str = "{}") -> Hash:
    """What names a contract in decisions: covers its source and its parameters."""
    return hash_tagged("contract", chain_id, encode([source, parameters]))


def grant_end_ms(decision: Decision, entry: RequestEntry) -> int:
    """When access ends that a decision gives, milliseconds since 1970; 0 for no end, and if it gives none.

    Args:
        decision: on the request.
        entry: the request before the decision.
    """
    # No answer prolongs what was granted once: an approver could revoke and approve again for ever, by itself.
    ends = (decision.until_ms, entry.terms.wanted_until_ms, entry.decision.until_ms)
    return min(filter(None, ends), default=0) if decision.verdict == "allow" else 0


def verify_grant(decision: Decision, now_ms: int) -> None:
    """Check that the decision that holds on a committed request gives access now.

    Raises:
        PoolError: codes ``access_denied``, ``approval_pending``, ``grant_revoked``, ``grant_expired``.
    """
    match decision.status:
        case "denied":
            raise PoolError(ErrorCode.ACCESS_DENIED, decision.sentence)
        case "asked":
            names = ", ".join(decision.approvers)
            raise PoolError(ErrorCode.APPROVAL_PENDING, f"{decision.needed} of {names} must approve")
        case "revoked":
            raise PoolError(ErrorCode.GRANT_REVOKED, decision.sentence)
    if decision.until_ms and decision.until_ms <= now_ms:
        raise PoolError(ErrorCode.GRANT_EXPIRED, f"it ended {now_ms - decision.until_ms} ms ago")


def verify_covered(terms: RequestTerms, parcel_id: Hash, dataset: str, height: int) -> None:
    """Check that a request is for a parcel.

    Args:
        terms: of the request.
        parcel_id: transaction id of the parcel.
        dataset: of the parcel.
        height: of the parcel's block.

    Raises:
        PoolError: code ``not_covered``.
    """
    if dataset != terms.dataset:
        raise PoolError(ErrorCode.NOT_COVERED, f"the parcel is of {dataset}, the request for {terms.dataset}")
    if terms.parcels and parcel_id not in terms.parcels:
        raise PoolError(ErrorCode.NOT_COVERED, f"the request does not name parcel {parcel_id.hex()[:16]}")
    if height < terms.from_height or (terms.until_height and height > terms.until_height):
        wanted = f"{terms.from_height} to {terms.until_height or 'any'}"
        raise PoolError(ErrorCode.NOT_COVERED, f"the parcel is at height {height}, the request for {wanted}")


def wanted_records(terms: RequestTerms, parcel_id: Hash, record_keys: Sequence[bytes]) -> frozenset[int] | None:
    """Indexes of a parcel's records that a request is for; None for all.

    Args:
        terms: of the request.
        parcel_id: of the parcel.
        record_keys: keys of its records in their order; empty where they have none.
    """
    if not terms.keys and not terms.records:
        return None
    named = {index for parcel, index in terms.records if parcel == parcel_id}
    return frozenset(named.union(index for index, key in enumerate(record_keys) if key in terms.keys))


def granted_fields(terms: RequestTerms, decision: Decision) -> frozenset[str] | None:
    """Fields that a grant is for: those asked for, as far as the contract gives them; None for all."""
    wanted = frozenset(terms.wanted_fields) if terms.wanted_fields else None
    given = None if decision.fields is None else frozenset(decision.fields)
    return given if wanted is None else wanted if given is None else wanted & given


def granted_part(
    entry: RequestEntry, parcel_id: Hash, record_keys: Sequence[bytes], record_count: int, granularity: Granularity
) -> Part:
    """The cells of a parcel that a granted request opens: those that hold nothing but what was granted.

    Args:
        entry: of the request.
        parcel_id: of the parcel, which the request covers (``verify_covered``).
        record_keys: of its records in their order; empty where they have none.
        record_count: of the parcel.
        granularity: that it was sealed with.

    Raises:
        PoolError: code ``not_covered`` if there is none.
    """
    wanted = wanted_records(entry.terms, parcel_id, record_keys)
    if wanted and max(wanted) >= record_count:
        raise PoolError(ErrorCode.NOT_COVERED, f"the parcel has {record_count} records, none is {max(wanted)}")
    if wanted and 2 * LIMITS.request_records < len(wanted) < record_count:  # a key that very many records have
        raise PoolError(
            ErrorCode.NOT_COVERED, f"{len(wanted)} records of one parcel are too many to open by the record"
        )
    return part_of(granularity, record_count, wanted, granted_fields(entry.terms, entry.decision))


class ReadDigest:
    """Digest of what a read returned, for its read report: over each record in order, with the place it came from.

    SHA-256 over the domain ``read``, then for each record: parcel id (32 bytes), index and length (4 bytes each, big
    endian), plaintext.
    """

    def __init__(self, chain_id: bytes) -> None:
        self._hash = hashlib.sha256(domain("read", chain_id))

    def add(self, parcel_id: Hash, index: int, plaintext: bytes) -> None:
        """Take in the next record."""
        self._hash.update(parcel_id + index.to_bytes(4, "big") + len(plaintext).to_bytes(4, "big"))
        self._hash.update(plaintext)

    def digest(self) -> Hash:
        """The digest so far."""
        return self._hash.digest()
