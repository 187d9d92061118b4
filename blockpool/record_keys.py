"""Keys of a dataset's records, as its owner makes them, and whoever looks one up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from chain.errors import ErrorCode, PoolError, Refusal
from chain.primitives.crypto import sha256
from chain.primitives.encoding import encode
from chain.record_keys import KeyValues, key_values, open_key
from chain.schema import record_rules
from sealing.record_keys import blinded_key

KeyValue = str | int
"""Value of a key field."""


@dataclass(frozen=True, slots=True)
class KeyMaker:
    """Makes the keys of one dataset's records.

    Raises:
        PoolError: code ``key_secret_needed`` for a sealed dataset with keys and no secret.
    """

    chain_id: bytes
    dataset: str
    schema: str
    """As the catalogue has it."""
    secret: bytes | None
    """32 bytes that blind the keys of sealed records; of open ones it is not used."""
    is_sealed: bool

    def __post_init__(self) -> None:
        if self.fields and self.is_sealed and self.secret is None:
            raise Refusal(ErrorCode.KEY_SECRET_NEEDED)

    @property
    def fields(self) -> tuple[str, ...]:
        """The key fields; none where records have no keys."""
        return record_rules(self.schema).key_fields

    @property
    def identity(self) -> bytes:
        """Hash of what the keys depend on besides a record's values: with the same, the same record has one key."""
        secret = self.secret if self.is_sealed else None
        return sha256(encode((self.chain_id, self.dataset, self.fields, secret)))

    def of(self, records: Sequence[bytes]) -> bytes:
        """Keys of records in their order, 24 bytes each; empty where records have none.

        Raises:
            PoolError: code ``schema_violation``, with ``record_index``.
        """
        if not self.fields:
            return b""
        fields = self.fields
        values, violation = record_rules(self.schema).read(records)
        if violation is not None:
            raise violation
        objects = cast("list[dict[str, object]]", values)  # a schema that names key fields is of objects
        return b"".join(self._key(key_values(fields, value)) for value in objects)

    def key(self, values: Mapping[str, KeyValue] | Sequence[KeyValue]) -> bytes:
        """The key with these values, by the names of their fields or in the schema's order: 24 bytes.

        Raises:
            PoolError: code ``bad_request`` for other fields than the schema names.
        """
        fields = self.fields
        if not fields:
            raise PoolError(ErrorCode.BAD_REQUEST, f"records of {self.dataset} have no keys: its schema names none")
        named = values if isinstance(values, Mapping) else dict(zip(fields, values, strict=False))
        if len(values) != len(fields) or set(named) != set(fields):
            raise PoolError(ErrorCode.BAD_REQUEST, f"a key of {self.dataset} has the fields {', '.join(fields)}")
        return self._key(tuple(str(named[name]) for name in fields))

    def _key(self, values: KeyValues) -> bytes:
        if self.is_sealed and self.secret is not None:
            return blinded_key(self.secret, self.dataset, self.fields, values)
        return open_key(self.chain_id, self.dataset, self.fields, values)
