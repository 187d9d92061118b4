"""Disclosures as JSON files for people and other programs: the same members, bytes as base64, values as JSON text."""

from typing import Annotated

import msgspec
from msgspec import Meta

from chain.errors import ErrorCode
from chain.limits import LIMITS
from chain.primitives.json_text import decode_json_file
from sealing.disclosure import DisclosedField, Disclosure, FieldDisclosure, RecordDisclosure, RecordPlace

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


DisclosureObject = FieldDisclosureObject | RecordDisclosureObject


def disclosure_object(disclosure: Disclosure) -> DisclosureObject:
    """A disclosure's JSON form, for a file of its own or within another."""
    if isinstance(disclosure, FieldDisclosure):
        return msgspec.convert(disclosure, FieldDisclosureObject, from_attributes=True)
    return msgspec.convert(disclosure, RecordDisclosureObject, from_attributes=True)


def plain_disclosure(form: DisclosureObject) -> Disclosure:
    """The disclosure that a JSON form stands for."""
    if isinstance(form, FieldDisclosureObject):
        return msgspec.convert(form, FieldDisclosure, from_attributes=True)
    return msgspec.convert(form, RecordDisclosure, from_attributes=True)


def disclosure_to_json(disclosure: Disclosure) -> bytes:
    """An indented JSON file."""
    return msgspec.json.format(msgspec.json.encode(disclosure_object(disclosure)), indent=2) + b"\n"


def disclosure_from_json(text: bytes) -> Disclosure:
    """Read a disclosure file; exactly its members, of exactly their types and bounds.

    Raises:
        PoolError: code ``bad_disclosure``.
    """
    form: DisclosureObject = decode_json_file(
        DisclosureObject,  # type: ignore[arg-type]  # a union is a fine decoding target
        text,
        ErrorCode.BAD_DISCLOSURE,
        "not a disclosure file",
    )
    return plain_disclosure(form)
