"""The one list of error codes, and the exceptions that carry them.

A code never changes its meaning: programs match on it, people search for it. Each code has the HTTP status that the
API answers with (RFC 9457 problem documents); its title, advice and sentence are in ``chain.messages``.
"""

from enum import StrEnum
from typing import NamedTuple

from chain import messages
from chain.facts import Facts, FactValue, pack, shown, unpack
from chain.messages.languages import Language


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
    TOO_MANY_RECORDS = "too_many_records"
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
    NOT_CONTRACT_OWNER = "not_contract_owner"
    NOT_READER = "not_reader"
    BAD_NAME = "bad_name"
    BAD_SCHEMA = "bad_schema"
    SCHEMA_TOO_LARGE = "schema_too_large"
    SCHEMA_NOT_JSON = "schema_not_json"
    SCHEMA_KEYWORD = "schema_keyword"
    SCHEMA_ARGUMENT = "schema_argument"
    SCHEMA_VIOLATION = "schema_violation"
    SEALING_REQUIRED = "sealing_required"
    OPEN_PARCEL_REQUIRED = "open_parcel_required"
    STALE_VERSION = "stale_version"
    NO_CONTRACTS = "no_contracts"
    UNKNOWN_CONTRACT = "unknown_contract"
    CONTRACT_REQUIRED = "contract_required"
    CATALOGUE_INCOMPLETE = "catalogue_incomplete"
    UNKNOWN_REQUEST = "unknown_request"
    ACCESS_NOT_NEEDED = "access_not_needed"
    REQUEST_OVER = "request_over"
    EMPTY_RANGE = "empty_range"
    PARCEL_REPEATED = "parcel_repeated"
    NOT_AN_APPROVER = "not_an_approver"
    REQUEST_SETTLED = "request_settled"
    NOTHING_TO_READ = "nothing_to_read"
    PARCEL_NOT_REQUESTED = "parcel_not_requested"
    RECORD_COUNT_EXCEEDED = "record_count_exceeded"
    UNKNOWN_PARCEL = "unknown_parcel"
    UNKNOWN_SOURCE = "unknown_source"
    SOURCE_REPEATED = "source_repeated"
    PARCEL_ERASED = "parcel_erased"
    RECORD_ERASED = "record_erased"
    PARCEL_REJECTED = "parcel_rejected"
    RECORD_CORRECTED = "record_corrected"
    KEYS_MISSING = "keys_missing"
    KEY_MISMATCH = "key_mismatch"
    KEY_REPEATED = "key_repeated"
    NOT_GOVERNANCE_KEY = "not_governance_key"
    NOT_SYSTEM_KEY = "not_system_key"
    SUCCESSOR_MISMATCH = "successor_mismatch"
    KEY_KNOWN = "key_known"
    TOO_MANY_KEYS = "too_many_keys"
    KEY_SECRET_NEEDED = "key_secret_needed"  # noqa: S105  (a code, no secret)
    # Reading sealed records: why no key share is given
    ACCESS_DENIED = "access_denied"
    NOT_SHARED = "not_shared"
    NO_DECIDING_CONTRACT = "no_deciding_contract"
    APPROVAL_PENDING = "approval_pending"
    GRANT_EXPIRED = "grant_expired"
    GRANT_REVOKED = "grant_revoked"
    NOT_COVERED = "not_covered"
    # Access contracts: a call that fails denies, with its code; committed with the request
    BAD_CONTRACT = "bad_contract"
    CONTRACT_NOT_TEXT = "contract_not_text"
    CONTRACT_TOO_LARGE = "contract_too_large"
    CONTRACT_PARAMETERS = "contract_parameters"
    CONTRACT_INPUTS_TOO_LARGE = "contract_inputs_too_large"
    CONTRACT_FAILED = "contract_failed"
    CONTRACT_OUT_OF_FUEL = "contract_out_of_fuel"
    CONTRACT_OUT_OF_MEMORY = "contract_out_of_memory"
    CONTRACT_TRAPPED = "contract_trapped"
    CONTRACT_BAD_VERDICT = "contract_bad_verdict"
    CONTRACT_BAD_ANSWER = "contract_bad_answer"
    # Reading
    NOT_FOUND = "not_found"
    NOT_HERE_YET = "not_here_yet"
    PAYLOAD_NOT_KEPT = "payload_not_kept"
    NOT_READY = "not_ready"
    TIMEOUT = "timeout"
    BAD_REQUEST = "bad_request"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    # Proofs and verification
    BAD_PROOF = "bad_proof"
    BAD_BLOCK = "bad_block"
    BAD_CERTIFICATE = "bad_certificate"
    BAD_HANDOVER = "bad_handover"
    UNKNOWN_VALIDATORS = "unknown_validators"
    UNKNOWN_PROTOCOL = "unknown_protocol"
    BAD_GENESIS = "bad_genesis"
    BAD_EVIDENCE = "bad_evidence"
    NOT_ABSENT = "not_absent"
    BAD_RECEIPT = "bad_receipt"
    BAD_CHECKPOINT = "bad_checkpoint"
    HISTORY_CONFLICT = "history_conflict"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    # Sealed parcels; ``culprit`` in the context names who is to blame, where somebody is
    BAD_ENVELOPE = "bad_envelope"
    ENVELOPE_ORDER = "envelope_order"
    ENVELOPE_THRESHOLD = "envelope_threshold"
    ENVELOPE_VALIDATORS = "envelope_validators"
    ENVELOPE_CELLS = "envelope_cells"
    WRONG_GRANULARITY = "wrong_granularity"
    FIELD_IN_TWO_COLUMNS = "field_in_two_columns"
    FIELD_IN_NO_COLUMN = "field_in_no_column"
    RECORD_OF_OTHER_PARCEL = "record_of_other_parcel"
    RECORDS_NOT_OPENABLE = "records_not_openable"
    FIELDS_NOT_OPENABLE = "fields_not_openable"
    FIELD_NOT_GRANTED = "field_not_granted"
    ENVELOPE_KEY = "envelope_key"
    WRONG_KEM_SUITE = "wrong_kem_suite"
    BAD_SEALING = "bad_sealing"
    BAD_SHARE = "bad_share"
    NOT_ENOUGH_SHARES = "not_enough_shares"
    BAD_DISCLOSURE = "bad_disclosure"
    # The machine room
    LIBRARY_DIFFERS = "library_differs"
    EXTRA_MISSING = "extra_missing"
    BAD_KEY = "bad_key"
    KEM_SUITE = "kem_suite"
    KEM_KEY_SIZE = "kem_key_size"
    KEM_KEY_RANGE = "kem_key_range"
    KEM_KEY_WEAK = "kem_key_weak"
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
    CREDENTIALS_MISSING = "credentials_missing"
    CREDENTIALS_REFUSED = "credentials_refused"
    ADDRESS_REFUSED = "address_refused"
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
        return ErrorInfo(_STATUS[self], messages.title(self), messages.advice(self))


_C = ErrorCode
_CODES_BY_STATUS: dict[int, tuple[ErrorCode, ...]] = {
    400: (_C.MALFORMED, _C.NOT_CANONICAL, _C.WRONG_CHAIN, _C.EXPIRED, _C.PAYLOAD_MISMATCH, _C.BAD_REQUEST),
    401: (_C.BAD_SIGNATURE, _C.CREDENTIALS_MISSING, _C.CREDENTIALS_REFUSED),
    403: (
        _C.UNKNOWN_MEMBER,
        _C.UNKNOWN_KEY,
        _C.REVOKED_KEY,
        _C.ACCESS_DENIED,
        _C.NOT_SHARED,
        _C.NO_DECIDING_CONTRACT,
        _C.APPROVAL_PENDING,
        _C.GRANT_EXPIRED,
        _C.GRANT_REVOKED,
        _C.NOT_COVERED,
        _C.GATEWAY_REFUSED,
        _C.ADDRESS_REFUSED,
    ),
    404: (_C.NOT_FOUND,),
    405: (_C.METHOD_NOT_ALLOWED,),
    409: (_C.HISTORY_CONFLICT, _C.IDEMPOTENCY_CONFLICT),
    410: (_C.PARCEL_ERASED, _C.RECORD_ERASED, _C.PARCEL_REJECTED),
    413: (_C.TOO_LARGE, _C.TOO_MANY_RECORDS),
    421: (_C.NOT_HERE_YET, _C.PAYLOAD_NOT_KEPT),
    422: (
        _C.UNKNOWN_DATASET,
        _C.NOT_OWNER,
        _C.NOT_CONTRACT_OWNER,
        _C.NOT_READER,
        _C.BAD_NAME,
        _C.BAD_SCHEMA,
        _C.SCHEMA_TOO_LARGE,
        _C.SCHEMA_NOT_JSON,
        _C.SCHEMA_KEYWORD,
        _C.SCHEMA_ARGUMENT,
        _C.SCHEMA_VIOLATION,
        _C.SEALING_REQUIRED,
        _C.OPEN_PARCEL_REQUIRED,
        _C.STALE_VERSION,
        _C.NO_CONTRACTS,
        _C.UNKNOWN_CONTRACT,
        _C.CONTRACT_REQUIRED,
        _C.CATALOGUE_INCOMPLETE,
        _C.UNKNOWN_REQUEST,
        _C.ACCESS_NOT_NEEDED,
        _C.REQUEST_OVER,
        _C.EMPTY_RANGE,
        _C.PARCEL_REPEATED,
        _C.NOT_AN_APPROVER,
        _C.REQUEST_SETTLED,
        _C.NOTHING_TO_READ,
        _C.PARCEL_NOT_REQUESTED,
        _C.RECORD_COUNT_EXCEEDED,
        _C.UNKNOWN_PARCEL,
        _C.UNKNOWN_SOURCE,
        _C.SOURCE_REPEATED,
        _C.RECORD_CORRECTED,
        _C.NOT_GOVERNANCE_KEY,
        _C.NOT_SYSTEM_KEY,
        _C.SUCCESSOR_MISMATCH,
        _C.KEY_KNOWN,
        _C.TOO_MANY_KEYS,
        _C.KEYS_MISSING,
        _C.KEY_MISMATCH,
        _C.KEY_REPEATED,
        _C.KEY_SECRET_NEEDED,
        _C.BAD_CONTRACT,
        _C.CONTRACT_NOT_TEXT,
        _C.CONTRACT_TOO_LARGE,
        _C.CONTRACT_PARAMETERS,
        _C.CONTRACT_INPUTS_TOO_LARGE,
        _C.CONTRACT_FAILED,
        _C.CONTRACT_OUT_OF_FUEL,
        _C.CONTRACT_OUT_OF_MEMORY,
        _C.CONTRACT_TRAPPED,
        _C.CONTRACT_BAD_VERDICT,
        _C.CONTRACT_BAD_ANSWER,
        _C.BAD_PROOF,
        _C.BAD_BLOCK,
        _C.BAD_CERTIFICATE,
        _C.BAD_HANDOVER,
        _C.UNKNOWN_VALIDATORS,
        _C.BAD_GENESIS,
        _C.BAD_EVIDENCE,
        _C.NOT_ABSENT,
        _C.BAD_RECEIPT,
        _C.BAD_CHECKPOINT,
        _C.BAD_ENVELOPE,
        _C.ENVELOPE_ORDER,
        _C.ENVELOPE_THRESHOLD,
        _C.ENVELOPE_VALIDATORS,
        _C.ENVELOPE_CELLS,
        _C.WRONG_GRANULARITY,
        _C.FIELD_IN_TWO_COLUMNS,
        _C.FIELD_IN_NO_COLUMN,
        _C.RECORD_OF_OTHER_PARCEL,
        _C.RECORDS_NOT_OPENABLE,
        _C.FIELDS_NOT_OPENABLE,
        _C.FIELD_NOT_GRANTED,
        _C.ENVELOPE_KEY,
        _C.WRONG_KEM_SUITE,
        _C.BAD_SEALING,
        _C.BAD_SHARE,
        _C.BAD_DISCLOSURE,
        _C.BAD_KEY,
        _C.KEM_SUITE,
        _C.KEM_KEY_SIZE,
        _C.KEM_KEY_RANGE,
        _C.KEM_KEY_WEAK,
        _C.KEY_PERMISSIONS,
        _C.WRONG_PASSPHRASE,
        _C.BAD_CONFIGURATION,
        _C.WRONG_DATA_FOLDER,
    ),
    423: (_C.DATA_FOLDER_LOCKED,),
    429: (_C.MEMPOOL_FULL, _C.QUOTA_EXCEEDED),
    500: (
        _C.LIBRARY_DIFFERS,
        _C.EXTRA_MISSING,
        _C.DATABASE_DAMAGED,
        _C.DATABASE_VERSION,
        _C.STORAGE_FAILED,
        _C.PORT_IN_USE,
        _C.ENGINE_DAMAGED,
        _C.ENGINE_UNAVAILABLE,
    ),
    502: (_C.UNREACHABLE,),
    503: (_C.NOT_READY, _C.UNKNOWN_PROTOCOL, _C.NOT_ENOUGH_SHARES),
    504: (_C.TIMEOUT,),
    507: (_C.DISK_FULL,),
}
_STATUS = {code: status for status, codes in _CODES_BY_STATUS.items() for code in codes}

_ENGINE = frozenset({_C.ENGINE_DAMAGED, _C.ENGINE_UNAVAILABLE})
_STORAGE = frozenset({_C.DATABASE_DAMAGED, _C.DATABASE_VERSION, _C.DISK_FULL, _C.STORAGE_FAILED})


def known_code(text: str) -> ErrorCode | None:
    """The error code with this text; None for one that a newer version may have added."""
    try:
        return ErrorCode(text)
    except ValueError:
        return None


class PoolError(Exception):
    """Something was refused, with a stable code, a sentence for people, and facts for programs.

    Args:
        code: what kind of refusal.
        detail: what exactly was wrong here, in one sentence.
        context: small JSON-able facts, such as ``record_index`` or ``height``.
    """

    def __init__(self, code: ErrorCode, detail: str, **context: str | int) -> None:
        super().__init__(code, detail)
        self.code = code
        self._detail = detail
        self.context = context

    def __str__(self) -> str:
        return f"{self.code.info.title}: {self.detail}"

    @property
    def detail(self) -> str:
        """What exactly was wrong here, in one sentence."""
        return self._detail

    def detail_in(self, language: Language) -> str:
        """The same in a reader's language, where the sentence is made of facts; else as it is."""
        return self.detail

    @property
    def advice(self) -> str:
        """What the reader can do about it."""
        return self.code.info.advice


class Refusal(PoolError):
    """A rule of the chain refused something: a code and typed facts, which may stand under a root. The sentence is made
    of them when somebody wants to read it.

    Args:
        code: which rule.
        fuel: contract fuel that was spent before.
        facts: by name, as ``chain.facts`` lists them.
    """

    def __init__(self, code: ErrorCode, *, fuel: int = 0, **facts: FactValue) -> None:
        self.facts: Facts = pack(facts)
        self.fuel = fuel
        super().__init__(code, "", **shown(self.facts))

    @classmethod
    def of(cls, code: ErrorCode, facts: Facts, fuel: int = 0) -> "Refusal":
        """The refusal with facts that are packed already."""
        return cls(code, fuel=fuel, **unpack(facts))

    @property
    def detail(self) -> str:
        """The sentence, made of code and facts."""
        return self.detail_in("en")

    def detail_in(self, language: Language) -> str:
        """The same in a reader's language."""
        return messages.sentence(self.code, unpack(self.facts), language)


class InvariantBroken(RuntimeError):
    """Our own state contradicts itself: a bug, never a peer's fault. The process stops rather than go on."""
