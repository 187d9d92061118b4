"""Disclosures as JSON files for people and other programs: the same members, bytes as base64, values as JSON text."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from contracts.sealing.disclosure import DisclosedField, Disclosure, FieldDisclosure, RecordDisclosure, RecordPlace

_FORMAT_FIELD = "format"


class RecordPlaceObject(RecordPlace, frozen=True, array_like=False, forbid_unknown_fields=True):
    """``RecordPlace`` as a JSON object."""


class DisclosedFieldObject(DisclosedField, frozen=True, array_like=False, forbid_unknown_fields=True):
    """``DisclosedField`` as a JSON object."""


class FieldDisclosureObject(
    FieldDisclosure,
    frozen=True,
    array_like=False,
    forbid_unknown_fields=True,
    tag_field=_FORMAT_FIELD,
    tag="blockpool-field-disclosure/1",
):
    """``FieldDisclosure`` as a JSON object."""

    place: RecordPlaceObject
    fields: Annotated[tuple[DisclosedFieldObject, ...], Meta(min_length=1, max_length=LIMITS.record_fields)]


class RecordDisclosureObject(
    RecordDisclosure,
    frozen=True,
    array_like=False,
    forbid_unknown_fields=True,
    tag_field=_FORMAT_FIELD,
    tag="blockpool-record-disclosure/1",
):
    """``RecordDisclosure`` as a JSON object."""

    place: RecordPlaceObject


def disclosure_to_json(disclosure: Disclosure) -> bytes:
    """An indented JSON file."""
    form = FieldDisclosureObject if isinstance(disclosure, FieldDisclosure) else RecordDisclosureObject
    content = msgspec.json.encode(msgspec.convert(disclosure, form, from_attributes=True))
    return msgspec.json.format(content, indent=2) + b"\n"


def disclosure_from_json(text: bytes) -> Disclosure:
    """Read a disclosure file; exactly its members, of exactly their types and bounds.

    Raises:
        PoolError: code ``bad_disclosure``.
    """
    try:
        content = msgspec.json.decode(text, type=FieldDisclosureObject | RecordDisclosureObject)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PoolError(ErrorCode.BAD_DISCLOSURE, f"not a disclosure file: {error}") from None
    if isinstance(content, FieldDisclosureObject):
        return msgspec.convert(content, FieldDisclosure, from_attributes=True)
    return msgspec.convert(content, RecordDisclosure, from_attributes=True)
