"""A chain with everything that evidence is about: a sealed parcel, asked for, approved, read, made into something else,
revoked and asked for again with an end.
"""

import copy
import json
from collections.abc import Sequence

import pytest

from chain.access.decision import CallResult
from chain.access.policy import AccessCase
from chain.errors import PoolError
from chain.ledger import Ledger
from chain.proofs.history import TreeHead, root_at
from evidence.kinds import verify_any_evidence
from evidence.no_grant import make_no_grant_evidence
from evidence.no_read import make_no_read_evidence
from evidence.read import make_read_evidence
from evidence.record import make_record_evidence
from evidence.verification import Step
from tests.chain.access_world import AccessWorld, allow, approved_by

RECORDS = (b'{"n":1}', b'{"n":2}', b'{"n":3}')
Path = tuple[str | int, ...]


def _decide(case: AccessCase) -> CallResult:
    """Approvers decide; but a request with an end is granted at once."""
    until_ms = case.request.terms.wanted_until_ms
    return allow(until_ms) if until_ms else approved_by(1, "c", "d")(case)


class Story:
    """The chain, and what is in it by name.

    Heights: 1 catalogue, 2 ``parcel``, 3 ``request`` of b (c and d are asked), 4 c approves, 5 ``read_report``, 6 a
    dataset of b, 7 ``derived``, 8 a revokes, 9 ``later`` request of b, granted for ten milliseconds, 10 and 11 open
    parcels.
    """

    def __init__(self) -> None:
        self.world = world = AccessWorld(rule=_decide)
        self.network = network = world.network
        (self.parcel,) = world.accept(network.sealed_parcel(RECORDS))
        self.request, _ = world.ask("b", parcels=(self.parcel,))
        world.answer(self.request, "approve", "c")
        (self.read_report,) = world.accept(network.read_report(self.request, [self.parcel], record_count=3))
        world.accept(network.dataset("b", "derived"))
        sources = ((self.parcel, 1),)
        (self.derived,) = world.accept(network.parcel([b'{"n":4}'], "b", "b.derived", derived_from=sources))
        world.answer(self.request, "revoke", "a")
        self.later, _ = world.ask("b", until_ms=world.time_ms + 10)
        for number in (5, 6):
            world.accept(network.parcel([b'{"n":%d}' % number], "b", "b.derived"), after_ms=20)

    @property
    def ledger(self) -> Ledger:
        return self.world.ledger

    def files(self) -> tuple[bytes, ...]:
        """A file of each kind that is told by a ledger alone."""
        ledger = self.ledger
        return (
            make_record_evidence(ledger, self.parcel, 1),
            make_read_evidence(ledger, self.request),
            make_no_grant_evidence(ledger, "a.flights", "b", 10),
            make_no_read_evidence(ledger, self.parcel, 6),
        )

    def tree(self, size: int) -> TreeHead:
        """Head of the history of so many blocks, as a checkpoint has it."""
        return TreeHead(size, root_at(size, self.ledger.blocks.history_node))

    def steps(self, content: bytes, tree: TreeHead | None = None) -> list[Step]:
        """The steps of a file that holds."""
        return list(verify_any_evidence(content, self.network.trust, tree))

    def details(self, content: bytes, tree: TreeHead | None = None) -> dict[str, str]:
        """What each step has found, by its title."""
        return {step.title: step.detail for step in self.steps(content, tree)}

    def refusal(self, content: bytes, tree: TreeHead | None = None) -> tuple[str, str]:
        """Code and step of the refusal of a file that does not hold."""
        with pytest.raises(PoolError) as caught:
            self.steps(content, tree)
        return caught.value.code.value, caught.value.context["step_title"]


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def changed(content: bytes, path: Sequence[str | int], value: object) -> bytes:
    """The file with another value at a path; a function makes it from the one that is there."""
    file = json.loads(content)
    place = file
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value(copy.deepcopy(place[path[-1]])) if callable(value) else value
    return json.dumps(file).encode()


def flipped(text: str) -> str:
    """Hexadecimal digits, or base64, with one bit of the first byte changed."""
    if set(text) <= set("0123456789abcdef"):
        return f"{int(text[0], 16) ^ 1:x}{text[1:]}"
    return ALPHABET[ALPHABET.index(text[0]) ^ 1] + text[1:]


def reversed_list(items: list[object]) -> list[object]:
    return items[::-1]


def without_last(items: list[object]) -> list[object]:
    return items[:-1]
