"""Keys that end: what they sign is good in the blocks up to a height, and refused, by all alike, in those after it."""

import msgspec
import pytest

from chain.errors import ErrorCode
from chain.genesis import MemberObject
from tests.ledgers import packages_of, take
from tests.networks import TestNetwork
from tests.refusals import refuses

LAST_HEIGHT = 2


class EndingKeys(TestNetwork):
    """A network in which ``b``'s key ends with block ``LAST_HEIGHT``."""

    __test__ = False

    def _member(self, name: str) -> MemberObject:
        member = super()._member(name)
        if name != "b":
            return member
        return msgspec.structs.replace(
            member, keys=tuple(msgspec.structs.replace(key, until_height=LAST_HEIGHT) for key in member.keys)
        )


@pytest.fixture
def ending() -> EndingKeys:
    return EndingKeys()


def test_s50_a_key_is_good_at_its_last_height_and_not_at_the_next(ending: EndingKeys) -> None:
    ledger = ending.ledger()
    for height in range(1, LAST_HEIGHT + 1):
        executed = ending.commit(ledger, [ending.dataset("b", f"at-{height}")])
        assert [outcome.code for outcome in executed.outcomes] == ["ok"]
    with refuses(ErrorCode.REVOKED_KEY):
        ledger.verify_sender(ending.checked(ending.dataset("b", "late")))
    before = ledger.tip.header.state_root
    executed = ending.commit(ledger, [ending.dataset("b", "late")])
    assert [outcome.code for outcome in executed.outcomes] == [ErrorCode.REVOKED_KEY]
    assert ledger.tip.header.state_root == before


def test_s50_a_key_that_ended_while_its_transaction_waited_holds_nobody_up_later(ending: EndingKeys) -> None:
    """It was taken in while its key was good and ordered too late: an outcome like any other. Whoever fetches the block
    later must come to the same, or would never get past it.
    """
    ledger, newcomer = ending.ledger(), ending.ledger()
    waiting = ending.dataset("b", "late")
    ledger.verify_sender(ending.checked(waiting))
    for number in range(LAST_HEIGHT):
        ending.commit(ledger, [ending.dataset("a", f"n{number}")])
    executed = ending.commit(ledger, [waiting])
    assert [outcome.code for outcome in executed.outcomes] == [ErrorCode.REVOKED_KEY]
    for height in range(1, LAST_HEIGHT + 2):
        take(newcomer, packages_of(ledger)[height])
    assert newcomer.tip == ledger.tip


def test_s50_a_signature_that_does_not_verify_is_refused_at_any_height(ending: EndingKeys) -> None:
    """That a key has ended does not make its signatures any less worth checking."""
    ledger, newcomer = ending.ledger(), ending.ledger()
    for number in range(LAST_HEIGHT):
        ending.commit(ledger, [ending.dataset("a", f"n{number}")])
        take(newcomer, packages_of(ledger)[number + 1])
    genuine = ending.dataset("b", "late")
    ending.commit(ledger, [msgspec.structs.replace(genuine, signature=bytes(64))])
    with refuses(ErrorCode.BAD_SIGNATURE):
        take(newcomer, packages_of(ledger)[LAST_HEIGHT + 1])
