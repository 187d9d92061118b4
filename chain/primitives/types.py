"""Bounded scalar types of the wire format. Decoding refuses values outside these bounds."""

import re
from typing import Annotated, Literal

from msgspec import Meta

from chain.errors import ErrorCode, Refusal
from chain.limits import LIMITS

_NAME = rf"[a-z0-9-]{{1,{LIMITS.name_length}}}"
NAME_PATTERN = rf"\A{_NAME}\Z"
OPTIONAL_NAME_PATTERN = rf"\A({_NAME})?\Z"
DATASET_PATTERN = rf"\A{_NAME}\.{_NAME}\Z"
_PORT = r"([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
ADDRESS_PATTERN = rf"\A(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):{_PORT}\Z"
"""``host:port``, an IPv6 address in brackets."""

Hash32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
PublicKey = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]
KeyId = Annotated[bytes, Meta(min_length=16, max_length=16)]
Nonce = Annotated[bytes, Meta(min_length=16, max_length=16)]
Unsigned = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""Heights, views, counts, milliseconds since 1970."""
Name = Annotated[str, Meta(pattern=NAME_PATTERN)]
"""A member's name."""
DatasetId = Annotated[str, Meta(max_length=2 * LIMITS.name_length + 1)]
"""``owner.name``, of a dataset or a contract; ``verify_dataset_id`` says whether it is one."""
Title = Annotated[str, Meta(max_length=LIMITS.title_length)]
Text = Annotated[str, Meta(max_length=LIMITS.text_length)]
Reason = Annotated[str, Meta(max_length=LIMITS.reason_length)]
"""One sentence that is kept with a decision."""
Version = Annotated[int, Meta(ge=1, le=2**31)]
"""1 for a new entry, the present version plus one for an update."""
SharingClass = Literal["open", "conditional", "closed"]
"""Sharing classes of government data: open 无条件共享, conditional 有条件共享, closed 不予共享."""
Answer = Literal["approve", "refuse", "revoke"]
"""What an approver says of a request."""

_name = re.compile(NAME_PATTERN)
_dataset = re.compile(DATASET_PATTERN)
_address = re.compile(ADDRESS_PATTERN)


def is_name(text: str) -> bool:
    """Whether ``text`` can be a member's name."""
    return _name.match(text) is not None


def verify_name(name: str) -> None:
    """Check a member's name.

    Raises:
        Refusal: code ``bad_name``.
    """
    if not is_name(name):
        raise Refusal(ErrorCode.BAD_NAME)


def is_address(text: str) -> bool:
    """Whether ``text`` has the form ``host:port``."""
    return _address.match(text) is not None


def is_dataset_id(text: str) -> bool:
    """Whether ``text`` has the form ``owner.name``."""
    return _dataset.match(text) is not None


def verify_dataset_id(dataset: str) -> str:
    """Check a dataset id and return its owner's name.

    Raises:
        Refusal: code ``bad_name``.
    """
    if not is_dataset_id(dataset):
        raise Refusal(ErrorCode.BAD_NAME)
    return dataset.partition(".")[0]


def verify_owner(dataset: str, member: str) -> None:
    """Check that a dataset's id is one of ``member``'s.

    Raises:
        Refusal: codes ``bad_name``, ``not_owner``.
    """
    owner = verify_dataset_id(dataset)
    if owner != member:
        raise Refusal(ErrorCode.NOT_OWNER, dataset=dataset, owner=owner)


def verify_contract_owner(contract: str, member: str) -> None:
    """Check that a contract's id is one of ``member``'s.

    Raises:
        Refusal: codes ``bad_name``, ``not_contract_owner``.
    """
    owner = verify_dataset_id(contract)
    if owner != member:
        raise Refusal(ErrorCode.NOT_CONTRACT_OWNER, contract=contract, owner=owner)


def verify_version(version: int, present: int) -> None:
    """Check that an update names the version after the ``present`` one, which is 0 for a new entry.

    Raises:
        Refusal: code ``stale_version``.
    """
    if version != present + 1:
        raise Refusal(ErrorCode.STALE_VERSION, expected=present + 1, found=version)
