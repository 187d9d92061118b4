"""Sealed parcels as they stand on a chain (scenario 53): owners, validators, readers and bystanders who want to open
what is not theirs, or to pass off what is not right, with everything that the chain shows them.

The mathematics is attacked in ``tests/sealing``; here the parcels have been through execution.
"""

import dataclasses
import json
from collections.abc import Callable, Sequence

import pytest
from msgspec.structs import replace

from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import Hash
from chain.primitives.encoding import encode
from chain.proofs.merkle import root_of_leaves
from chain.state.entries import DatasetTotals, dataset_totals_key
from chain.transactions.base import CheckedTransaction, Transaction
from chain.transactions.parcel import ParcelHeader, SealedPayload
from chain.transactions.sealed import CommitmentKind, Envelope, decode_envelope, sealed_share_hash
from contracts.engine import Engine
from sealing import (
    KemPrivateKey,
    KemPublicKey,
    ParcelContext,
    Release,
    SealingContext,
    combine,
    open_own_share,
    open_parcel,
    open_release,
    release_share,
    seal_parcel,
    verify_dealing,
)
from sealing.commitments import derive_salts, field_leaf, fields_commitment, split_fields, whole_commitment
from sealing.context import derive_record_keys
from sealing.dealing import share_hash, share_info
from tests.attacks.world import ALLOW, World, codes, contract
from tests.networks import TestNetwork
from tests.refusals import refuses
from tests.sealing.world import flip

RECORDS = [
    b'{"citizen":"Zhang Wei 110101199003071234","blood":"AB"}',
    b'{"citizen":"Wang Fang 310101198511023456","blood":"0"}',
]
BLOOD_GROUPS = ("A", "B", "AB", "0")


class OnChain:
    """A committed parcel with what everybody can know of it."""

    def __init__(self, world: World, transaction: Transaction) -> None:
        checked = world.network.checked(transaction)
        header = checked.header
        assert isinstance(header, ParcelHeader)
        self.world = world
        self.id = checked.id
        self.bodies: Sequence[bytes] = checked.records
        self.sealed_shares: Sequence[bytes] = checked.sealed_shares
        self.context = ParcelContext(header.chain_id, header.dataset, header.records_root)
        self.envelope: Envelope = decode_envelope(header.envelope)

    def own_share(self, validator: str) -> bytes:
        """What a validator finds with its key."""
        key = self.world.network.kem[validator]
        return open_own_share(self.envelope, self.sealed_shares, self.context, validator, key)

    def shares(self, *validators: str) -> dict[str, bytes]:
        """What validators find that put their keys together."""
        return {name: self.own_share(name) for name in validators}

    def plaintexts(self, *validators: str) -> list[bytes]:
        """What opens with the shares of these."""
        return list(open_parcel(self.bodies, self.envelope, self.context, self.shares(*validators)))


def sealed(world: World, commitments: CommitmentKind = CommitmentKind.WHOLE, dataset: str = "a.flights") -> OnChain:
    """A parcel that took effect."""
    transaction = world.network.sealed_parcel(RECORDS, dataset.partition(".")[0], dataset, commitments)
    world.accept(transaction)
    return OnChain(world, transaction)


@pytest.fixture
def guarded(world: World) -> World:
    """``a.flights`` is conditional: its contract denies everybody. ``b.bait`` allows everybody."""
    world.accept(*world.share(contract("return deny('no')")), *world.share(ALLOW, "bait", "b"))
    return world


# Validators in league


@pytest.mark.parametrize("size", [4, 7])
def test_s53_f_validators_that_pool_their_shares_open_nothing(engine: Engine, size: int) -> None:
    """Nor do 2f: neither as they are, nor with a lower threshold, nor with made-up shares for the rest."""
    world = World.create(engine, size)
    world.accept(*world.share(contract("return deny('no')")))
    parcel = sealed(world)
    names, max_faulty = world.network.names, (size - 1) // 3
    for count in (max_faulty, 2 * max_faulty):
        pooled = parcel.shares(*names[:count])
        with refuses(ErrorCode.NOT_ENOUGH_SHARES):
            combine(parcel.envelope, parcel.context, pooled)
        with refuses(ErrorCode.BAD_SEALING, culprit="a"):
            combine(replace(parcel.envelope, threshold=count), parcel.context, pooled)
        made_up = pooled | {name: bytes(16) for name in names[count:]}
        with refuses(ErrorCode.BAD_SHARE, culprit=names[count]):
            combine(parcel.envelope, parcel.context, made_up)


# Dealers


def test_s53_a_dealer_with_an_inconsistent_share_is_exposed(guarded: World) -> None:
    """Validators cannot see it when they execute the parcel; ``d`` sees it when it opens its share, a reader that gets
    enough from the others can prove it, and one that is given the wrong share learns whose fault it is.
    """
    network = guarded.network
    sealing = SealingContext(network.chain_id, "a.flights")
    made = seal_parcel(RECORDS, sealing, {name: key.public_key.encoded for name, key in network.kem.items()})
    context = ParcelContext(network.chain_id, "a.flights", made.records_root)
    honest = decode_envelope(made.envelope)
    wrong = b"\x07" * 16
    info = share_info(context, honest.suite, honest.threshold, "d", honest.shares[3].key_id)
    commitment = share_hash(context, honest.salt, "d", 3, wrong)
    wrong_sealed = network.kem["d"].public_key.seal(wrong, info)
    signed_for = sealed_share_hash(network.chain_id, wrong_sealed)
    cheated = replace(honest.shares[3], share_hash=commitment, sealed_hash=signed_for)
    dealt = replace(honest, shares=(*honest.shares[:3], cheated))
    transaction = network.sealed(
        dataclasses.replace(made, envelope=encode(dealt), sealed_shares=(*made.sealed_shares[:3], wrong_sealed))
    )
    guarded.accept(transaction)
    parcel = OnChain(guarded, transaction)
    assert parcel.plaintexts("a", "b", "c") == RECORDS
    with refuses(ErrorCode.BAD_SEALING, culprit="a"):
        parcel.plaintexts("a", "b", "d")
    with pytest.raises(PoolError) as caught:
        verify_dealing(parcel.envelope, parcel.context, parcel.shares("a", "b", "c"))
    assert (caught.value.context["culprit"], caught.value.context["validator"]) == ("a", "d")


def test_s53_a_dealer_that_seals_rubbish_for_a_validator_is_named_by_it(guarded: World) -> None:
    network = guarded.network
    transaction = dealt_for(network, "c", lambda sealed_share: bytes(len(sealed_share)))
    guarded.accept(transaction)
    parcel = OnChain(guarded, transaction)
    with refuses(ErrorCode.BAD_SEALING, culprit="a"):
        parcel.own_share("c")
    assert parcel.plaintexts("a", "b", "d") == RECORDS


def dealt_for(network: TestNetwork, validator: str, change: Callable[[bytes], bytes]) -> Transaction:
    """A parcel whose owner has changed the sealed share of one validator, and signed it so."""
    honest = network.checked(network.sealed_parcel(RECORDS))
    assert isinstance(honest.header, ParcelHeader)
    envelope, sealed_shares = decode_envelope(honest.header.envelope), list(honest.sealed_shares)
    position = envelope.index_of(validator)
    assert position is not None
    sealed_shares[position] = change(sealed_shares[position])
    shares = list(envelope.shares)
    shares[position] = replace(
        shares[position], sealed_hash=sealed_share_hash(network.chain_id, sealed_shares[position])
    )
    return with_envelope(network, honest, encode(replace(envelope, shares=tuple(shares))), sealed_shares)


def with_envelope(
    network: TestNetwork, honest: CheckedTransaction, envelope: bytes, sealed_shares: Sequence[bytes]
) -> Transaction:
    """The same records under another envelope and other shares, signed by their owner."""
    assert isinstance(honest.header, ParcelHeader)
    root = honest.header.records_root
    return network.parcel(honest.records, sealed_shares=sealed_shares, records_root=root, envelope=envelope)


def _without_one(envelope: Envelope) -> Envelope:
    return replace(envelope, threshold=2, shares=envelope.shares[:3])


def _for_a_stranger(envelope: Envelope) -> Envelope:
    return replace(envelope, shares=(*envelope.shares[:3], replace(envelope.shares[3], validator="outsider")))


def _for_an_old_key(envelope: Envelope) -> Envelope:
    return replace(envelope, shares=(replace(envelope.shares[0], key_id=bytes(16)), *envelope.shares[1:]))


def _for_one_alone(envelope: Envelope) -> Envelope:
    return replace(envelope, threshold=1, shares=envelope.shares[:1])


def changed_envelope(network: TestNetwork, change: Callable[[Envelope], Envelope]) -> Transaction:
    """A parcel whose owner has changed its envelope; the payload goes with it."""
    honest = network.checked(network.sealed_parcel(RECORDS))
    assert isinstance(honest.header, ParcelHeader)
    envelope = change(decode_envelope(honest.header.envelope))
    return with_envelope(network, honest, encode(envelope), honest.sealed_shares[: len(envelope.shares)])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_without_one, "envelope_validators"),
        (_for_a_stranger, "envelope_validators"),
        (_for_an_old_key, "envelope_key"),
        (_for_one_alone, "envelope_validators"),
    ],
)
def test_s53_a_parcel_that_not_exactly_the_validators_can_open_is_rejected(
    guarded: World, change: Callable[[Envelope], Envelope], code: str
) -> None:
    assert codes(guarded.commit(changed_envelope(guarded.network, change))) == [code]
    assert guarded.ledger.entry(dataset_totals_key("a.flights"), DatasetTotals) == DatasetTotals(0, 0, 0, 0)


def test_s53_plaintext_cannot_slip_into_a_sealed_dataset(guarded: World) -> None:
    """An owner's mistake is refused before it is for everybody to read; so is the opposite one."""
    guarded.accept(guarded.network.dataset(name="open"))
    outcomes = guarded.commit(guarded.network.parcel(RECORDS), guarded.network.sealed_parcel(RECORDS, dataset="a.open"))
    assert codes(outcomes) == ["sealing_required", "open_parcel_required"]


# Copies and swaps


def test_s53_a_parcel_copied_under_a_permissive_contract_stays_closed(guarded: World) -> None:
    """``b`` copies a's payload and envelope into its own dataset, which everybody may read. It takes effect; but no
    validator finds a share in it, and blames ``b``.
    """
    network = guarded.network
    original = sealed(guarded)
    copy = network.parcel(
        original.bodies,
        "b",
        "b.bait",
        original.sealed_shares,
        records_root=original.context.records_root,
        envelope=encode(original.envelope),
    )
    guarded.accept(copy)
    request = network.request("outsider", "b.bait")
    guarded.accept(request)
    assert guarded.request(network.id_of(request)).decision.status == "granted"
    parcel = OnChain(guarded, copy)
    for validator in network.names:
        with refuses(ErrorCode.BAD_SEALING, culprit="b"):
            parcel.own_share(validator)


def test_s53_a_swapped_ciphertext_is_refused_by_nodes_and_readers(guarded: World) -> None:
    """By whoever carries the transaction, and when a node serves a reader other bodies than were committed."""
    network = guarded.network
    honest, other = (network.sealed_parcel(RECORDS) for _ in range(2))
    swapped = Transaction(honest.header, honest.signature, other.payload)
    with refuses(ErrorCode.PAYLOAD_MISMATCH):
        guarded.checked(swapped)
    guarded.accept(honest)
    parcel = OnChain(guarded, honest)
    bodies = list(parcel.bodies)
    for served in (bodies[::-1], bodies[:1], [bodies[0], bodies[0]], list(guarded.network.checked(other).records)):
        with refuses(ErrorCode.PAYLOAD_MISMATCH):
            list(open_parcel(served, parcel.envelope, parcel.context, parcel.shares("a", "b", "c")))


@pytest.mark.parametrize("change", ["exchanged", "of another parcel", "one missing", "one more", "flipped bit", "none"])
def test_s53_sealed_shares_that_were_not_signed_are_refused(guarded: World, change: str) -> None:
    """Else a node could keep readers from a parcel, and the dealer would be blamed."""
    network = guarded.network
    honest, other = (network.checked(network.sealed_parcel(RECORDS)) for _ in range(2))
    shares = honest.sealed_shares
    changed = {
        "exchanged": (shares[1], shares[0], *shares[2:]),
        "of another parcel": other.sealed_shares,
        "one missing": shares[:3],
        "one more": (*shares, shares[3]),
        "flipped bit": (*shares[:3], flip(shares[3], 4000)),
        "none": (),
    }[change]
    payload = encode(SealedPayload(changed, honest.records))
    with refuses(ErrorCode.PAYLOAD_MISMATCH):
        guarded.checked(Transaction(honest.transaction.header, honest.transaction.signature, payload))


@pytest.mark.parametrize("size", [0, 64, 1151, 1153])
def test_s53_a_sealed_share_of_another_size_is_refused_before_execution(guarded: World, size: int) -> None:
    with refuses(ErrorCode.BAD_SEALING):
        guarded.checked(dealt_for(guarded.network, "b", lambda share: share.ljust(1153)[:size]))


def test_s46_payloads_of_open_and_sealed_parcels_are_not_taken_for_each_other(guarded: World) -> None:
    network = guarded.network
    honest = network.checked(network.sealed_parcel(RECORDS))
    open_parcel_ = network.parcel(RECORDS)
    for transaction, payload in (
        (honest.transaction, encode(honest.records)),
        (open_parcel_, encode(SealedPayload(honest.sealed_shares, tuple(RECORDS)))),
    ):
        with refuses(ErrorCode.MALFORMED):
            guarded.checked(Transaction(transaction.header, transaction.signature, payload))


# Releases


def test_s53_a_release_is_good_for_its_request_parcel_validator_and_reader_only(guarded: World) -> None:
    """A bystander that sees all releases go by, a validator that gives another parcel's share, and one that gives a
    wrong one: each is told apart, and the giver is named.
    """
    network = guarded.network
    first, second = sealed(guarded), sealed(guarded)
    reader, bystander = network.readers["b"], network.readers["outsider"]
    asked = Release(network.chain_id, b"\x01" * 32, first.id)

    def released(parcel: OnChain, release: Release, key: KemPublicKey, share: bytes | None = None) -> bytes:
        return encode(release_share(share or parcel.own_share("c"), "c", release, key))

    def opened(data: bytes, key: KemPrivateKey = reader, validator: str = "c") -> bytes | str:
        try:
            return open_release(data, validator, asked, first.envelope, first.context, key)
        except PoolError as error:
            return f"{error.code} by {error.context['culprit']}"

    honest = released(first, asked, reader.public_key)
    assert opened(honest) == first.own_share("c")
    assert opened(honest, bystander) == "bad_share by c"
    assert opened(honest, validator="d") == "bad_share by d"
    other_request = replace_release(asked, request_id=b"\x02" * 32)
    other_parcel = replace_release(asked, parcel_id=second.id)
    assert opened(released(first, other_request, reader.public_key)) == "bad_share by c"
    assert opened(released(second, other_parcel, reader.public_key)) == "bad_share by c"
    assert opened(released(second, asked, reader.public_key)) == "bad_share by c"
    assert opened(released(first, asked, reader.public_key, bytes(16))) == "bad_share by c"
    assert opened(released(first, asked, bystander.public_key)) == "bad_share by c"
    assert opened(b"") == "bad_share by c"


def replace_release(release: Release, **changes: Hash) -> Release:
    """The release with other ids."""
    fields = {"request_id": release.request_id, "parcel_id": release.parcel_id} | changes
    return Release(release.chain_id, **fields)


# Guessing


@pytest.mark.parametrize("kind", CommitmentKind)
def test_s53_a_low_entropy_field_cannot_be_guessed_from_its_commitment(guarded: World, kind: CommitmentKind) -> None:
    """A blood group is one of four. The attacker knows everything on the chain and every other field of the record;
    what it lacks is the salts, for which it tries whatever 16 bytes it finds.
    """
    parcel = sealed(guarded, kind)
    commitment = parcel.bodies[0][:32]
    chain_id, public = parcel.context.chain_id, _public_bytes(parcel)
    guesses = {_commitment(chain_id, kind, [salt] * 2, group) for salt in public for group in BLOOD_GROUPS}
    assert len(guesses) == len(public) * len(BLOOD_GROUPS)
    assert commitment not in guesses
    # Whoever may read has the seed, and with it the salts; then the same four guesses tell.
    seed = combine(parcel.envelope, parcel.context, parcel.shares("a", "b", "c"))
    salts = derive_salts(derive_record_keys(parcel.context, seed).salts, 0, 2)
    assert [group for group in BLOOD_GROUPS if _commitment(chain_id, kind, salts, group) == commitment] == ["AB"]


def _commitment(chain_id: bytes, kind: CommitmentKind, salts: Sequence[bytes], group: str) -> Hash:
    """What the first record's commitment would be with these salts, had the citizen this blood group."""
    record = RECORDS[0].replace(b'"AB"', json.dumps(group).encode())
    if kind is CommitmentKind.WHOLE:
        return whole_commitment(chain_id, salts[0], record)
    leaves = [field_leaf(chain_id, salt, item) for salt, item in zip(salts, split_fields(record), strict=True)]
    return fields_commitment(chain_id, len(leaves), root_of_leaves(leaves))


def _public_bytes(parcel: OnChain) -> set[bytes]:
    """Every run of 16 bytes that a salt could be taken from: the envelope and the first body."""
    sources = [parcel.envelope.salt, parcel.envelope.seed_commitment, parcel.context.records_root, parcel.id]
    sources += [parcel.bodies[0][:64], bytes(16), *(share.share_hash for share in parcel.envelope.shares)]
    return {source[start : start + 16] for source in sources for start in range(len(source) - 15)}
