"""Every bound of the system in one type. Enforced at the edge, and again in consensus where validators must agree."""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, counts in items, times in milliseconds. Validators must agree on all of these: they are constants
    of a version of the protocol (``chain.protocol.Rules``), not settings."""

    record_size_bytes: int = 256 * KIB
    """One record's body."""
    transaction_records: int = 4096
    """Records in one parcel."""
    transaction_size_bytes: int = 4 * MIB
    """One encoded transaction: header, signature and payload."""
    header_size_bytes: int = 128 * KIB
    """One transaction's signed header."""
    block_size_bytes: int = 8 * MIB
    """Sum of the encoded transactions of a block, and of what the parcels that they name count for."""
    named_parcel_size_bytes: int = 2 * KIB
    """What each parcel counts for in a block that a transaction names as a source, to be read or as read."""
    key_size_bytes: int = 1 * KIB
    """What each record's key counts for in a block: every node changes its entry in the state."""
    proof_size_bytes: int = 16 * KIB
    """What each proof of a new key counts for in a block: every node checks its signature."""
    block_transactions: int = 4096
    """Transactions in one block."""
    frame_size_bytes: int = 16 * MIB
    """One frame between nodes."""
    mempool_size_bytes: int = 256 * MIB
    """All transactions that wait in a node."""
    mempool_member_share: int = 4
    """A member alone may use at most one part in this many of the mempool; several the less, the less is free."""
    name_length: int = 32
    """Characters in a member's name, or in a dataset's own name."""
    title_length: int = 200
    """Characters in a title."""
    text_length: int = 2000
    """Characters in a free text such as a legal basis."""
    schema_size_bytes: int = 64 * KIB
    """One JSON Schema."""
    schema_block_size_bytes: int = 512 * KIB
    """What a schema counts for in a block besides its bytes: every validator compiles it."""
    schemas_block_size_bytes: int = 512 * KIB
    """Texts of all schemas that the parcels of a block are checked by, each once: every validator may have to compile
    them."""
    schema_subschemas: int = 512
    """Subschemas of a schema, at any depth."""
    schema_pattern_places: int = 2048
    """Places of all patterns of a schema together."""
    schema_pattern_steps: int = 16_384
    """Steps that making the tables of all patterns of a schema takes together."""
    json_depth: int = 32
    """Nesting of objects and arrays in a record or schema."""
    number_digits: int = 64
    """Digits of a number in a record or schema, before and after its point together."""
    exponent_digits: int = 3
    """Digits of such a number's exponent."""
    pointer_length: int = 256
    """Characters of the JSON Pointer that says where a record or schema is wrong; a longer one is cut."""
    record_fields: int = 1024
    """Fields of a sealed JSON record that are committed to one by one."""
    columns: int = 16
    """Columns that a dataset's sealed parcels may be opened by."""
    derived_from: int = 256
    """Sources that one parcel may name."""
    reason_length: int = 300
    """Characters of a reason that a member or a contract gives."""
    fact_length: int = 200
    """Characters of a place in JSON that an outcome names."""
    contract_source_size_bytes: int = 16 * KIB
    """One access contract's source."""
    contract_parameters_size_bytes: int = 64 * KIB
    """One access contract's parameters, as JSON."""
    contract_memory_size_bytes: int = 64 * MIB
    """Memory of the interpreter that runs a contract."""
    contract_fuel: int = 100_000_000
    """WebAssembly instructions of one call, about; loading a contract has as much once more."""
    contract_guest_fuel: int = 15_000_000
    """Price of a fresh guest: making it, its memory, and throwing it away after a call that fails."""
    contract_call_fuel: int = 1_000_000
    """Price of a call, beside what the guest counts."""
    contract_input_byte_fuel: int = 20
    """Price of each byte that a call is told."""
    contract_answer_character_fuel: int = 500
    """Price of each character of an answer that is read."""
    contract_inputs_size_bytes: int = 256 * KIB
    """What one call of a contract is told, as JSON."""
    contract_answer_length: int = 128 * KIB
    """Characters of a guest's answer; a longer one is not even read."""
    contract_state_size_bytes: int = 16 * KIB
    """State that a contract keeps, as JSON."""
    contract_fields: int = 1024
    """Fields that one verdict may name."""
    contract_approvers: int = 64
    """Members that one verdict may ask."""
    contract_grants: int = 100
    """Earlier grants of the reader that a contract is told of."""
    block_contract_calls: int = 256
    """Transactions of a block that call a contract."""
    block_contract_fuel: int = 200_000_000
    """Once the contract calls of a block have spent this much, no further one may stand in it."""
    request_parcels: int = 256
    """Parcels that one request may name."""
    request_records: int = 256
    """Records that one request may name, and keys of records."""
    request_fields: int = 256
    """Fields that one request may name."""
    request_answers: int = 128
    """Members whose answers to one request are kept, of each the newest; beyond them, the oldest answer goes."""
    report_parcels: int = 1024
    """Parcels that one read report may name."""
    share_parcels: int = 64
    """Parcels whose key shares are asked for at once."""
    share_cells: int = 65_536
    """Cells of parcels whose key shares are asked for at once: as many as the largest parcel has."""
    validators: int = 100
    """Validators of one network."""
    witnesses: int = 100
    """Members of one network that cosign checkpoints without a vote."""
    members: int = 10_000
    """Members of one network."""
    member_keys: int = 64
    """Keys of one member that sign transactions, those that have ended included."""
    member_keys_in_service: int = 48
    """Such keys beyond which a governance key registers none: the other places are for successors."""
    member_change_keys: int = 8
    """System keys that one change registers, or retires."""
    clock_drift_ms: int = 5_000
    """How far a block's time may be from a replica's clock."""
    catch_up_blocks: int = 256
    """Blocks asked of a peer at once."""


LIMITS = Limits()
