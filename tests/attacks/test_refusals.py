"""Every rule of execution is broken once, and what it says of that can be read in both languages.

Which codes there are is taken from the source: a new one without a case fails here, and so does one that has got out
of reach.
"""

import ast
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from chain.errors import ErrorCode, Refusal
from chain.facts import BY_NAME, Facts, unpack
from chain.granularity import Granularity
from chain.ledger import Ledger
from chain.limits import LIMITS
from chain.messages import Language, sentence, title
from chain.messages.chinese import CHINESE
from chain.messages.english import ENGLISH
from chain.primitives.crypto import Ed25519Signer, Hash, key_id
from chain.transactions.base import Transaction
from chain.transactions.sealed import Cells
from contracts.engine import Engine
from tests.attacks.test_contracts_on_the_chain import ATTACKS
from tests.attacks.test_sealed_parcels_on_the_chain import changed_envelope
from tests.attacks.world import ALLOW, World, contract
from tests.chain.test_key_heights import LAST_HEIGHT, EndingKeys
from tests.networks import TIME_MS, TestNetwork, seed

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"contract_inputs_too_large", "contract_not_text", "no_deciding_contract"}
"""Texts of a transaction are UTF-8, and what a contract is told fits; an author's file and cases may be otherwise.
No dataset loses its contract."""
DENIALS = {
    "access_denied", "not_shared", "grant_revoked", "contract_failed", "contract_out_of_fuel", "contract_out_of_memory",
    "contract_trapped", "contract_bad_verdict",
}  # fmt: skip
ASKS = "return allow() if any(answer.verdict == 'approve' for answer in ctx.approvals) else ask(['c'])"
Reached = set[tuple[str, Facts]]
"""Codes that something was refused or denied with, each with its facts."""


def raised() -> set[str]:
    """The codes that the source of chain and contracts refuses and denies with; those that it takes from elsewhere are
    ``DENIALS``.
    """
    found = set()
    for path in [*ROOT.glob("chain/**/*.py"), *ROOT.glob("contracts/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Name("Refusal" | "denied"),
                    args=[ast.Attribute(value=ast.Name("ErrorCode"), attr=name), *_],
                ):
                    found.add(ErrorCode[name].value)
    return found


class Breaker:
    """Offers transactions one by one, and keeps what was said of them."""

    def __init__(self, network: TestNetwork, ledger: Ledger) -> None:
        self.network = network
        self.ledger = ledger
        self.reached: Reached = set()

    def offer(self, *transactions: Transaction) -> list[Hash]:
        """Each in a block of its own; ids of all."""
        for transaction in transactions:
            try:
                checked = self.network.checked(transaction)
                self.ledger.verify_sender(checked)
            except Refusal as refusal:
                self.reached.add((refusal.code.value, refusal.facts))
                if refusal.code is not ErrorCode.REVOKED_KEY:
                    continue
            time_ms = TIME_MS + self.ledger.tip.height + 1
            (outcome,) = self.network.commit(self.ledger, [transaction], time_ms).outcomes
            if not outcome.is_ok:
                self.reached.add((outcome.code, outcome.facts))
            elif denial := unpack(outcome.facts).get("denial"):
                self.reached.add((str(denial), outcome.facts))
        return [self.network.id_of(transaction) for transaction in transactions]


def break_what_needs_no_contract() -> Reached:
    network = EndingKeys()
    breaker = Breaker(network, network.ledger())
    stranger = TestNetwork(5)
    stranger.chain_id = network.chain_id
    breaker.offer(stranger.parcel(member="e"))
    stranger.system["b"] = stranger.system["a"]
    breaker.offer(stranger.parcel(member="b"), network.contract(ALLOW), network.parcel(expiry_ms=1))
    breaker.offer(network.dataset(), network.dataset(version=3), network.dataset(dataset="b.flights"))
    breaker.offer(network.dataset(dataset="A"), network.sealed_parcel(), network.parcel(dataset="a.none"))
    breaker.offer(network.parcel(member="b", dataset="a.flights"), network.parcel([b'{"n":"x"}']))
    many = [b"1"] * (LIMITS.transaction_records + 1)
    breaker.offer(network.parcel([b"{"]), network.parcel(many, record_count=1))
    breaker.offer(network.parcel([bytes(LIMITS.record_size_bytes + 1)]), network.erase(bytes(32)))
    for schema in ("1", "{", '{"x":1}', '{"type":1}', " " * 50_000 + "航" * 10_000):
        breaker.offer(network.dataset(name="other", schema=schema))
    (parcel,) = breaker.offer(network.parcel([b'{"n":1}']))
    for sources in ([(parcel, 1)], [(parcel, 0), (parcel, 0)]):
        breaker.offer(network.parcel(derived_from=tuple(sources)))
    breaker.offer(network.correction(parcel), network.correction(parcel))
    keyed = '{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"key":["n"]}'
    breaker.offer(network.dataset(name="keyed", schema=keyed), network.parcel(dataset="a.keyed"))
    for keys in ([bytes(24)], 2 * [bytes(24)]):
        breaker.offer(network.keyed_parcel([b'{"n":1}', b'{"n":2}'][: len(keys)], keys, dataset="a.keyed"))
    (two,) = breaker.offer(network.parcel([b'{"n":1}', b'{"n":2}']))
    breaker.offer(network.erase(two, records=(0,)), network.erase(two, records=(0,)))
    breaker.offer(network.erase(parcel), network.erase(parcel))
    breaker.offer(network.dataset(name="closed", sharing="closed"), network.sealed_parcel(dataset="a.closed"))
    while breaker.ledger.tip.height < LAST_HEIGHT:
        breaker.offer(network.parcel())
    breaker.offer(network.parcel(member="b", dataset="b.flights"))
    return breaker.reached


def break_what_contracts_decide(world: World) -> Reached:
    network = world.network
    breaker = Breaker(network, world.ledger)
    for name, (body, _) in ATTACKS.items():
        breaker.offer(*world.share(contract(body), name), network.request(dataset=f"a.{name}"))
    breaker.offer(network.contract("", name="none"), network.contract("#" + "\U0001f600" * 5_000, name="large"))
    breaker.offer(network.contract(ALLOW, parameters="[]"), network.contract(ALLOW, parameters="{"))
    breaker.offer(network.contract(ALLOW, contract="b.rule"), *world.share(contract("return 1"), "babbles"))
    breaker.offer(network.request(dataset="a.babbles"), *world.share(contract("return deny('no')"), "denies"))
    breaker.offer(network.request(dataset="a.denies"), network.dataset(name="closed", sharing="closed"))
    breaker.offer(network.request(dataset="a.closed"), network.dataset(name="open"))
    breaker.offer(network.request(dataset="a.open"), network.sealed_parcel(dataset="a.open"))
    breaker.offer(network.dataset(name="unsaid", sharing="closed", legal_basis=""))
    breaker.offer(network.dataset(name="ruleless", sharing="conditional"), network.parcel(dataset="a.closed"))
    breaker.offer(network.dataset(name="ruleless", sharing="conditional", contract="a.nothing"))
    breaker.offer(network.dataset("b", "thief", sharing="conditional", contract="a.denies"))
    breaker.offer(*world.share(contract(ASKS)))
    break_requests(breaker)
    for change in (
        lambda envelope: replace(envelope, threshold=1),
        lambda envelope: replace(envelope, shares=envelope.shares[::-1]),
        lambda envelope: replace(envelope, threshold=2, shares=envelope.shares[:3]),
        lambda envelope: replace(
            envelope, shares=(replace(envelope.shares[0], key_id=bytes(16)), *envelope.shares[1:])
        ),
    ):
        breaker.offer(changed_envelope(network, change))
    break_parts(breaker, world)
    break_inputs(breaker, world)
    return breaker.reached


def break_parts(breaker: Breaker, world: World) -> None:
    """Columns and records that are named, sealed or reported otherwise than they can be opened."""
    network = breaker.network
    in_two = Granularity((("n",), ("n",)))
    breaker.offer(network.dataset(name="twice", granularity=in_two))
    breaker.offer(network.sealed_parcel([b'{"n":1}'], granularity=Granularity((("n",),))))
    cells = Cells(Granularity((), True), (bytes(32),), b"")
    breaker.offer(changed_envelope(network, lambda envelope: replace(envelope, cells=cells)))
    breaker.offer(network.request(records=((bytes(32), 0),)), network.request(keys=(bytes(24),)))
    breaker.offer(network.request(fields=("n",)), *world.share(contract("return allow(fields=['n'])"), "narrow"))
    (granted,) = breaker.offer(network.request(dataset="a.narrow"))
    for fields in ((), ("m",)):
        breaker.offer(network.read_report(granted, [bytes(32)], dataset="a.narrow", fields=fields))


def break_members() -> Reached:
    """Keys that are changed by whoever may not, or to what they may not become."""
    network = TestNetwork(has_governance=True)
    breaker = Breaker(network, network.ledger())
    change, own, governance = network.change_keys, network.system["a"], network.governance["a"]
    breaker.offer(
        change(new=[Ed25519Signer(seed("mine"))], by=own), change(by=governance, successor=own), change(new=[own])
    )
    breaker.offer(change(retired=[key_id(governance.public_key)]))
    for block in range(LIMITS.member_keys_in_service // LIMITS.member_change_keys + 1):
        numbers = range(LIMITS.member_change_keys)
        breaker.offer(change(new=[Ed25519Signer(seed(f"{block} {number}")) for number in numbers]))
    return breaker.reached


def break_inputs(breaker: Breaker, world: World) -> None:
    """Grants with long notes, until the contract would be told too much of them."""
    breaker.offer(*world.share(contract("return allow(note='很' * 2000)"), "wordy"))
    calls = LIMITS.contract_inputs_size_bytes // 6_000 + 2
    breaker.offer(*(breaker.network.request(dataset="a.wordy") for _ in range(calls)))


def break_requests(breaker: Breaker) -> None:
    """On ``a.flights``, whose contract asks ``c``."""
    network = breaker.network
    key = network.readers["b"].public_key.encoded
    keys: Sequence[bytes] = (b"\x09" + key[1:], key[:-1], key[:1] + bytes(len(key) - 1), b"\x01" + bytes(32))
    for bad in (*keys, key[:1] + b"\xff" * (len(key) - 1)):
        breaker.offer(network.request(kem_key=bad))
    (parcel,) = breaker.offer(network.sealed_parcel())
    breaker.offer(network.request(parcels=(parcel, parcel)), network.request(from_height=5, until_height=2))
    breaker.offer(network.request(until_ms=1), network.read_report(bytes(32), [parcel]))
    asked, some = breaker.offer(network.request(), network.request(parcels=(parcel,)))
    breaker.offer(network.read_report(asked, [parcel]), network.read_report(asked, [parcel], "c"))
    breaker.offer(network.approval(asked, "approve", "d"), network.approval(some, "approve", "c"))
    breaker.offer(network.read_report(some, [bytes(32)]))
    granted, whole = breaker.offer(network.request("c"), network.sealed_parcel([b"1", b"2"]))
    breaker.offer(network.approval(granted, "approve", "c"), network.read_report(granted, [bytes(32)], "c"))
    breaker.offer(*(network.read_report(granted, [parcel, whole], "c", record_count=count) for count in (3, 4)))
    breaker.offer(network.approval(some, "revoke", "a"), network.approval(some, "approve", "c"))


@pytest.fixture(scope="module")
def reached(engine: Engine) -> Reached:
    return break_what_needs_no_contract() | break_members() | break_what_contracts_decide(World.create(engine))


def test_every_code_of_execution_is_reached(reached: Reached) -> None:
    assert (raised() | DENIALS) - {code for code, _ in reached} == ELSEWHERE


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_facts_of_every_refusal_give_a_sentence(reached: Reached, language: Language) -> None:
    catalogue = CHINESE if language == "zh" else ENGLISH
    for code, facts in reached:
        said = sentence(code, unpack(facts), language)
        assert not [name for name in BY_NAME if f"{{{name}}}" in said], (code, said)
        assert (said == title(code, language)) == (len(catalogue[code]) == 2), (code, facts, said)
