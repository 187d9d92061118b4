"""Rules of the protocol that exist in tests only: they change validators and versions at a height."""

from functools import cache

import msgspec
import pytest

from chain import protocol
from chain.errors import ErrorCode, Refusal
from chain.execution import Execution
from chain.limits import LIMITS
from chain.proofs.validators import Validator, ValidatorsEntry
from chain.protocol import Rules
from chain.state.entries import PROTOCOL_KEY, VALIDATORS_KEY, ProtocolEntry
from chain.transactions.base import CheckedTransaction
from chain.transactions.context import Effect
from chain.transactions.dataset import DatasetHeader
from chain.transactions.erase import ERASE
from chain.transactions.registry import TRANSACTION_TYPES
from tests.networks import TestNetwork

WITHOUT_ERASURE = {tag: type_ for tag, type_ in TRANSACTION_TYPES.items() if type_ is not ERASE}
NEXT = 3
"""A version of the rules that exists here only."""


class Changing(Execution):
    """Takes a dataset's legal basis for a change: ``without c`` of the validators, ``set a b.1`` for another set (each
    with the number of its key, see ``TestNetwork.consensus_key``), ``version 3`` of the rules.
    """

    def _apply(self, checked: CheckedTransaction) -> Effect:
        effect = super()._apply(checked)
        what, _, value = (
            checked.header.legal_basis.partition(" ") if isinstance(checked.header, DatasetHeader) else ("",) * 3
        )
        if what in ("without", "set"):
            entry = self._context.state.read(VALIDATORS_KEY, ValidatorsEntry)
            assert entry is not None
        if what == "set":
            self._context.state.write(VALIDATORS_KEY, ValidatorsEntry(named_set(value), entry.witnesses))
        elif what == "without":
            left = tuple(validator for validator in entry.validators if validator.member != value)
            self._context.state.write(VALIDATORS_KEY, ValidatorsEntry(left, entry.witnesses))
        elif what == "version":
            entry = self._context.state.read(PROTOCOL_KEY, ProtocolEntry)
            assert entry is not None
            self._context.state.write(
                PROTOCOL_KEY, msgspec.structs.replace(entry, version=int(value), since_height=self._context.height + 1)
            )
        return effect


@cache
def named_set(text: str) -> tuple[Validator, ...]:
    """The validators that a change names."""
    named = (name.partition(".") for name in text.split(" "))
    return tuple(
        Validator(name, TestNetwork.consensus_key(name, int(generation or 0)).public_key)
        for name, _, generation in named
    )


class Stricter(Changing):
    """Takes no datasets."""

    def _apply(self, checked: CheckedTransaction) -> Effect:
        if isinstance(checked.header, DatasetHeader):
            raise Refusal(ErrorCode.NOT_OWNER, dataset=checked.header.dataset, owner="nobody")
        return super()._apply(checked)


CHANGING = {version: Rules(version, LIMITS, TRANSACTION_TYPES, Changing) for version in (2, NEXT)}
"""Both versions take changes."""


def use_changing_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 2 takes changes from here on, and there is a version ``NEXT``."""
    monkeypatch.setitem(protocol.RULES, 2, Rules(2, LIMITS, TRANSACTION_TYPES, Changing))
    monkeypatch.setitem(protocol.RULES, NEXT, Rules(NEXT, LIMITS, WITHOUT_ERASURE, Stricter))
