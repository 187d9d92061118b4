"""The one list of error codes, and the exception that carries them.

A code never changes its meaning: programs match on it, people search for it. Each code has the HTTP status that the
API answers with (RFC 9457 problem documents), a short title, and what the reader can do about it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class ErrorInfo(NamedTuple):
    """What is fixed about an error code."""

    http_status: int
    title: str
    advice: str


class ErrorCode(StrEnum):
    """Stable codes of everything that can be refused. The same code travels through consensus, HTTP, SDK and CLI."""

    # Bytes and shapes
    MALFORMED = "malformed"
    NOT_CANONICAL = "not_canonical"
    TOO_LARGE = "too_large"
    # Admission of a transaction (stateless or by the sender's membership): refused, nothing stored
    WRONG_CHAIN = "wrong_chain"
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_MEMBER = "unknown_member"
    UNKNOWN_KEY = "unknown_key"
    REVOKED_KEY = "revoked_key"
    EXPIRED = "expired"
    PAYLOAD_MISMATCH = "payload_mismatch"
    MEMPOOL_FULL = "mempool_full"
    QUOTA_EXCEEDED = "quota_exceeded"
    # Semantics: decided by every validator, committed with the transaction
    UNKNOWN_DATASET = "unknown_dataset"
    NOT_OWNER = "not_owner"
    BAD_NAME = "bad_name"
    BAD_SCHEMA = "bad_schema"
    SCHEMA_VIOLATION = "schema_violation"
    SEALING_REQUIRED = "sealing_required"
    STALE_VERSION = "stale_version"
    NO_CONTRACTS = "no_contracts"
    UNKNOWN_CONTRACT = "unknown_contract"
    UNKNOWN_REQUEST = "unknown_request"
    ACCESS_NOT_NEEDED = "access_not_needed"
    NOT_AN_APPROVER = "not_an_approver"
    REQUEST_SETTLED = "request_settled"
    UNKNOWN_PARCEL = "unknown_parcel"
    PARCEL_ERASED = "parcel_erased"
    # Reading sealed records: why no key share is given
    ACCESS_DENIED = "access_denied"
    APPROVAL_PENDING = "approval_pending"
    GRANT_EXPIRED = "grant_expired"
    GRANT_REVOKED = "grant_revoked"
    NOT_COVERED = "not_covered"
    # Access contracts: a call that fails denies, with its code; committed with the request
    BAD_CONTRACT = "bad_contract"
    CONTRACT_FAILED = "contract_failed"
    CONTRACT_OUT_OF_FUEL = "contract_out_of_fuel"
    CONTRACT_OUT_OF_MEMORY = "contract_out_of_memory"
    CONTRACT_TRAPPED = "contract_trapped"
    CONTRACT_BAD_VERDICT = "contract_bad_verdict"
    # Reading
    NOT_FOUND = "not_found"
    NOT_READY = "not_ready"
    TIMEOUT = "timeout"
    BAD_REQUEST = "bad_request"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    # Proofs and verification
    BAD_PROOF = "bad_proof"
    BAD_BLOCK = "bad_block"
    BAD_CERTIFICATE = "bad_certificate"
    BAD_GENESIS = "bad_genesis"
    BAD_EVIDENCE = "bad_evidence"
    NOT_ABSENT = "not_absent"
    BAD_RECEIPT = "bad_receipt"
    BAD_CHECKPOINT = "bad_checkpoint"
    HISTORY_CONFLICT = "history_conflict"
    # Sealed parcels; ``culprit`` in the context names who is to blame, where somebody is
    BAD_ENVELOPE = "bad_envelope"
    BAD_SEALING = "bad_sealing"
    BAD_SHARE = "bad_share"
    NOT_ENOUGH_SHARES = "not_enough_shares"
    BAD_DISCLOSURE = "bad_disclosure"
    # The machine room
    LIBRARY_DIFFERS = "library_differs"
    EXTRA_MISSING = "extra_missing"
    BAD_KEY = "bad_key"
    KEY_PERMISSIONS = "key_permissions"
    WRONG_PASSPHRASE = "wrong_passphrase"  # noqa: S105  (a code, no secret)
    BAD_CONFIGURATION = "bad_configuration"
    WRONG_DATA_FOLDER = "wrong_data_folder"
    DATA_FOLDER_LOCKED = "data_folder_locked"
    DATABASE_DAMAGED = "database_damaged"
    DATABASE_VERSION = "database_version"
    DISK_FULL = "disk_full"
    STORAGE_FAILED = "storage_failed"
    PORT_IN_USE = "port_in_use"
    ENGINE_DAMAGED = "engine_damaged"
    ENGINE_UNAVAILABLE = "engine_unavailable"
    GATEWAY_REFUSED = "gateway_refused"
    UNREACHABLE = "unreachable"

    @property
    def is_storage(self) -> bool:
        """Whether our own storage has failed: never a peer's fault, and the process must stop."""
        return self in _STORAGE

    @property
    def is_engine(self) -> bool:
        """Whether this machine's contract engine has failed: never a transaction's outcome."""
        return self in _ENGINE

    @property
    def info(self) -> ErrorInfo:
        """Status, title and advice of this code."""
        return _INFO[self]


_C = ErrorCode
_INFO: dict[ErrorCode, ErrorInfo] = {
    _C.MALFORMED: ErrorInfo(400, "Malformed bytes", "Encode the message as docs/protocol.md says."),
    _C.NOT_CANONICAL: ErrorInfo(400, "Not the canonical encoding", "Use the shortest form of every value, no extras."),
    _C.TOO_LARGE: ErrorInfo(413, "Too large", "Split the data; the limits are listed under /v1/status."),
    _C.WRONG_CHAIN: ErrorInfo(400, "Signed for another chain", "Use the chain id of this network's genesis file."),
    _C.BAD_SIGNATURE: ErrorInfo(
        401, "Signature does not verify", "Sign the header's exact bytes with the member's key."
    ),
    _C.UNKNOWN_MEMBER: ErrorInfo(403, "Unknown member", "Check the member name; members are listed under /v1/members."),
    _C.UNKNOWN_KEY: ErrorInfo(403, "Key not registered for this member", "Use a key from the member's record."),
    _C.REVOKED_KEY: ErrorInfo(403, "Key no longer valid at this height", "Sign with a key that is valid now."),
    _C.EXPIRED: ErrorInfo(400, "Transaction has expired", "Sign it again with a later expiry, and check both clocks."),
    _C.PAYLOAD_MISMATCH: ErrorInfo(400, "Payload differs from what was signed", "Send the records that were hashed."),
    _C.MEMPOOL_FULL: ErrorInfo(429, "This node's queue is full", "Send again after Retry-After, or to another node."),
    _C.QUOTA_EXCEEDED: ErrorInfo(429, "This member's share of the queue is spent", "Send again after Retry-After."),
    _C.UNKNOWN_DATASET: ErrorInfo(422, "Unknown dataset", "Define the dataset first: blockpool dataset define."),
    _C.NOT_OWNER: ErrorInfo(422, "Only the dataset's owner may do this", "Sign as the owner named in the dataset id."),
    _C.BAD_NAME: ErrorInfo(422, "Not a valid name", "Names match [a-z0-9-]{1,32}; dataset ids are owner.name."),
    _C.BAD_SCHEMA: ErrorInfo(422, "JSON Schema not accepted", "Use the keywords listed in docs/protocol.md."),
    _C.SCHEMA_VIOLATION: ErrorInfo(422, "A record breaks the dataset's schema", "Correct the record named in detail."),
    _C.SEALING_REQUIRED: ErrorInfo(
        422, "Parcel does not fit the sharing class", "Open datasets take open parcels, all others sealed ones."
    ),
    _C.STALE_VERSION: ErrorInfo(422, "Version is not the next one", "Read the entry, then update that version."),
    _C.NO_CONTRACTS: ErrorInfo(
        422, "This network runs no contracts", "Its genesis file names no contract engine; found a network that does."
    ),
    _C.UNKNOWN_CONTRACT: ErrorInfo(
        422, "Unknown contract", "Deploy it first, as the dataset's owner: blockpool contract deploy."
    ),
    _C.UNKNOWN_REQUEST: ErrorInfo(422, "Unknown request", "Check the id: blockpool request list shows them."),
    _C.ACCESS_NOT_NEEDED: ErrorInfo(422, "This dataset is open", "Read its records; no request is needed."),
    _C.NOT_AN_APPROVER: ErrorInfo(
        422, "Not for this member to answer", "Only the members that the contract asks may answer a request."
    ),
    _C.REQUEST_SETTLED: ErrorInfo(
        422, "Request takes no such answer now", "See where it stands: blockpool request show."
    ),
    _C.UNKNOWN_PARCEL: ErrorInfo(
        422, "Unknown parcel", "Name a parcel that the chain has accepted: its transaction id."
    ),
    _C.PARCEL_ERASED: ErrorInfo(410, "Parcel erased", "Its place and its erasure can be proved; its content is gone."),
    _C.ACCESS_DENIED: ErrorInfo(403, "Access denied", "The reason is the contract's; ask the dataset's owner."),
    _C.APPROVAL_PENDING: ErrorInfo(403, "Approval is pending", "Wait until the members that are asked have answered."),
    _C.GRANT_EXPIRED: ErrorInfo(403, "Grant has expired", "Make a new request."),
    _C.GRANT_REVOKED: ErrorInfo(403, "Grant was revoked", "Make a new request, or ask whoever revoked it."),
    _C.NOT_COVERED: ErrorInfo(403, "Grant does not cover this parcel", "Ask for the parcel in a request of its own."),
    _C.BAD_CONTRACT: ErrorInfo(
        422, "Contract not accepted", "Correct the line named in detail; try it with: blockpool contract check."
    ),
    _C.CONTRACT_FAILED: ErrorInfo(
        422, "Contract raised an error", "Ask the dataset's owner to correct the line named in detail."
    ),
    _C.CONTRACT_OUT_OF_FUEL: ErrorInfo(
        422, "Contract did too much work", "Ask the dataset's owner to simplify the contract."
    ),
    _C.CONTRACT_OUT_OF_MEMORY: ErrorInfo(
        422, "Contract used too much memory", "Ask the dataset's owner to simplify the contract."
    ),
    _C.CONTRACT_TRAPPED: ErrorInfo(
        422, "Contract left the sandbox's bounds", "Ask the dataset's owner to keep to docs/contracts.md."
    ),
    _C.CONTRACT_BAD_VERDICT: ErrorInfo(
        422, "Contract gave no valid verdict", "Ask the dataset's owner to return allow, deny or ask."
    ),
    _C.NOT_FOUND: ErrorInfo(404, "Not found", "Check the id, and whether this node has caught up."),
    _C.NOT_READY: ErrorInfo(503, "This node is not ready", "Wait until /readyz answers 200, or ask another node."),
    _C.TIMEOUT: ErrorInfo(504, "Not committed in time", "It may still commit: ask for it by its transaction id."),
    _C.BAD_REQUEST: ErrorInfo(400, "Request not understood", "See /openapi.json for parameters and their bounds."),
    _C.METHOD_NOT_ALLOWED: ErrorInfo(405, "Method not allowed", "Use a method that the header Allow names."),
    _C.BAD_PROOF: ErrorInfo(422, "Proof does not hold", "What was claimed does not follow from the signed root."),
    _C.BAD_BLOCK: ErrorInfo(422, "Block is not valid", "The block breaks a rule named in detail."),
    _C.BAD_CERTIFICATE: ErrorInfo(422, "Certificate is not valid", "A quorum of that height's validators must sign."),
    _C.BAD_GENESIS: ErrorInfo(422, "Genesis file not accepted", "Check it with: blockpool genesis check FILE."),
    _C.BAD_EVIDENCE: ErrorInfo(422, "Evidence file not accepted", "Export it again from a node: blockpool evidence."),
    _C.NOT_ABSENT: ErrorInfo(422, "Not absent", "What is said not to be there is; the detail says which and when."),
    _C.BAD_RECEIPT: ErrorInfo(422, "Receipt does not verify", "Do not trust the node that gave it; ask another one."),
    _C.BAD_CHECKPOINT: ErrorInfo(
        422, "Checkpoint not accepted", "Take one that a quorum of validators has cosigned: blockpool watch."
    ),
    _C.HISTORY_CONFLICT: ErrorInfo(
        409, "Histories disagree", "Keep every file; show them to the other members. No node is to be trusted alone."
    ),
    _C.BAD_ENVELOPE: ErrorInfo(
        422, "Sealing envelope not accepted", "Seal the parcel anew for the present validators."
    ),
    _C.BAD_SEALING: ErrorInfo(422, "Parcel is not sealed as it must be", "Ask the dataset's owner to seal it anew."),
    _C.BAD_SHARE: ErrorInfo(422, "Key share is not the committed one", "Ask another validator; report the one named."),
    _C.NOT_ENOUGH_SHARES: ErrorInfo(503, "Too few key shares", "Ask more validators, or again once they are back."),
    _C.BAD_DISCLOSURE: ErrorInfo(422, "Disclosure does not hold", "Do not trust what it says; ask for a new one."),
    _C.LIBRARY_DIFFERS: ErrorInfo(
        500, "A library decides otherwise than the protocol", "Install the versions of blockpool's lock file."
    ),
    _C.EXTRA_MISSING: ErrorInfo(
        500, "Not part of this installation", "Install the extra that is named; see docs/operations.md, section 1."
    ),
    _C.BAD_KEY: ErrorInfo(422, "Key file not accepted", "Give a PKCS#8 PEM file with a key of the kind wanted."),
    _C.KEY_PERMISSIONS: ErrorInfo(422, "Key file is readable by others", "Run: chmod 600 on the key file."),
    _C.WRONG_PASSPHRASE: ErrorInfo(422, "Passphrase does not open the key", "Set the right passphrase and try again."),
    _C.BAD_CONFIGURATION: ErrorInfo(422, "Configuration not accepted", "See docs/operations.md for every setting."),
    _C.WRONG_DATA_FOLDER: ErrorInfo(
        422, "Data folder belongs to another chain", "Use this chain's folder or an empty one."
    ),
    _C.DATA_FOLDER_LOCKED: ErrorInfo(423, "Data folder is in use", "Another daemon runs on it; stop that one first."),
    _C.DATABASE_DAMAGED: ErrorInfo(500, "Database is damaged", "Restart with --resync to rebuild it from the peers."),
    _C.DATABASE_VERSION: ErrorInfo(500, "Database of another version", "Use the matching blockpool version."),
    _C.DISK_FULL: ErrorInfo(507, "Disk is full", "Free space on the data folder's disk, then start the node again."),
    _C.STORAGE_FAILED: ErrorInfo(500, "Storage failed", "Check the disk; the node stopped so that nothing is lost."),
    _C.PORT_IN_USE: ErrorInfo(500, "Port is in use", "Stop the other program or choose another port."),
    _C.ENGINE_DAMAGED: ErrorInfo(
        500, "Contract engine is damaged", "Reinstall blockpool, and check the disk of the cache folder."
    ),
    _C.ENGINE_UNAVAILABLE: ErrorInfo(
        500, "Contract engine is not the network's", "Install the version that the genesis file names."
    ),
    _C.GATEWAY_REFUSED: ErrorInfo(
        403, "Not through this gateway", "It serves its own machine only, with the token in its token file."
    ),
    _C.UNREACHABLE: ErrorInfo(502, "Cannot reach the node", "Check the address and that the node is running."),
}

_ENGINE = frozenset({_C.ENGINE_DAMAGED, _C.ENGINE_UNAVAILABLE})
_STORAGE = frozenset({_C.DATABASE_DAMAGED, _C.DATABASE_VERSION, _C.DISK_FULL, _C.STORAGE_FAILED})


class PoolError(Exception):
    """Something was refused, with a stable code, a sentence for people, and facts for programs.

    Args:
        code: what kind of refusal.
        detail: what exactly was wrong here, in one sentence.
        context: small JSON-able facts, such as ``record_index`` or ``height``.
    """

    def __init__(self, code: ErrorCode, detail: str, **context: str | int) -> None:
        super().__init__(f"{code.info.title}: {detail}")
        self.code = code
        self.detail = detail
        self.context = context

    @property
    def advice(self) -> str:
        """What the reader can do about it."""
        return self.code.info.advice


class InvariantBroken(RuntimeError):
    """Our own state contradicts itself: a bug, never a peer's fault. The process stops rather than go on."""
