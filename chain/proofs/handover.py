"""The proof that another set of validators, or another version of the rules, begins."""

from typing import Annotated

from msgspec import Meta

from chain.blocks import Certificate
from chain.primitives.encoding import Wire
from chain.proofs.validators import ValidatorsEntry


class HandOver(Wire, frozen=True):
    """Who signs, and under which rules, from the block after ``header`` on."""

    header: Annotated[bytes, Meta(max_length=1024)]
    """Bytes of the last header of the old set or rules."""
    certificate: Certificate
    """Of the old set."""
    validators: ValidatorsEntry
    """The new set; the old one where only the rules change."""
