"""Disclosure evidence: it proves what it shows from genesis alone, hides the rest, and refuses every change."""

import base64
import json
from typing import NamedTuple

import pytest

from chain.errors import ErrorCode, PoolError
from chain.proofs.trust import TrustHistory
from evidence.disclosure import DISCLOSURE_STEPS, DisclosureEvidence, disclosed_content, make_disclosure_evidence
from evidence.kinds import parse_any_evidence, verify_any_evidence
from evidence.record import make_record_evidence, parse_record_evidence
from evidence.uses import SincePart
from evidence.verification import Step
from sealing import CommitmentKind, SealedParcel, SealingContext, seal_parcel
from tests.chain.access_world import AccessWorld
from tests.networks import TestNetwork
from tests.refusals import refuses

RECORDS = [
    b'{"flight":1545,"dest":"IAH","delay":null,"passengers":212}',
    '{"flight":1714,"dest":"迈阿密","delay":-4.50,"crew":[1,2]}'.encode(),
    b'{"flight":1141}',
]


class Sealed(NamedTuple):
    """A sealed parcel in a chain."""

    world: AccessWorld
    parcel: SealedParcel
    id: bytes

    def record_evidence(self, index: int = 1) -> bytes:
        return make_record_evidence(self.world.ledger, self.id, index)

    def disclose(self, *names: str, index: int = 1) -> bytes:
        return make_disclosure_evidence(
            self.world.network.trust, self.record_evidence(index), self.parcel.bodies, self.parcel.seed, names
        )


def seal(kind: CommitmentKind) -> Sealed:
    world = AccessWorld()
    network = world.network
    kem_keys = {name: key.public_key.encoded for name, key in network.kem.items()}
    parcel = seal_parcel(RECORDS, SealingContext(network.chain_id, "a.flights"), kem_keys, kind)
    transaction = network.sealed(parcel)
    (parcel_id,) = world.accept(transaction)
    return Sealed(world, parcel, parcel_id)


@pytest.fixture(scope="module")
def fields() -> Sealed:
    return seal(CommitmentKind.FIELDS)


@pytest.fixture(scope="module")
def whole() -> Sealed:
    return seal(CommitmentKind.WHOLE)


def steps_of(content: bytes, network: TestNetwork) -> list[Step]:
    return list(verify_any_evidence(content, network.trust))


def shown(content: bytes) -> list[tuple[str, bytes]] | bytes:
    file = parse_any_evidence(content)
    assert isinstance(file, DisclosureEvidence)
    found = disclosed_content(file)
    return found if isinstance(found, bytes) else [tuple(field) for field in found]  # type: ignore[misc]


def test_fields_are_proven_and_shown_as_they_stand(fields: Sealed) -> None:
    content = fields.disclose("delay", "dest")
    steps = steps_of(content, fields.world.network)
    assert tuple(step.title for step in steps) == DISCLOSURE_STEPS
    assert [step.number for step in steps] == list(range(1, 10))
    assert steps[4].detail == "2 of 4 fields of sealed record 2 of 3: dest, delay"
    assert shown(content) == [("dest", '"迈阿密"'.encode()), ("delay", b"-4.50")]


def test_what_is_withheld_is_not_in_the_file(fields: Sealed) -> None:
    content = fields.disclose("dest")
    assert b"1714" not in content
    assert b"crew" not in content
    assert base64.b64encode(fields.parcel.bodies[1]) not in content
    assert base64.b64encode(fields.parcel.seed)[:20] not in content


def test_a_whole_record_is_proven(whole: Sealed) -> None:
    content = whole.disclose()
    steps = steps_of(content, whole.world.network)
    assert steps[4].detail == f"sealed record 2 of 3 as a whole, {len(RECORDS[1])} bytes"
    assert shown(content) == RECORDS[1]


def test_whoever_wants_a_records_evidence_takes_no_other_kind(fields: Sealed) -> None:
    assert parse_record_evidence(fields.record_evidence()) == parse_any_evidence(fields.record_evidence())
    with refuses(ErrorCode.BAD_EVIDENCE):
        parse_record_evidence(fields.disclose("dest"))


def test_an_open_parcel_has_nothing_to_disclose(fields: Sealed) -> None:
    world = AccessWorld()
    world.accept(world.network.dataset("b", "open"))
    (parcel,) = world.accept(world.network.parcel([b'{"n":1}'], "b", "b.open"))
    record = make_record_evidence(world.ledger, parcel, 0)
    with refuses(ErrorCode.BAD_REQUEST):
        make_disclosure_evidence(world.network.trust, record, [b'{"n":1}'], bytes(16), ["n"])
    evidence, disclosure = json.loads(record), json.loads(fields.disclose("dest"))["disclosure"]
    evidence["kind"], evidence["disclosure"] = "disclosure", disclosure
    evidence["since"] = {name: evidence["uses"][name] for name in SincePart.__struct_fields__}
    del evidence["record"], evidence["uses"]
    with pytest.raises(PoolError, match="not sealed") as caught:
        steps_of(json.dumps(evidence).encode(), world.network)
    assert caught.value.context["step"] == 5


def test_nothing_is_made_that_would_not_hold(fields: Sealed, whole: Sealed) -> None:
    genesis, record, bodies, seed = (
        fields.world.network.genesis,
        fields.record_evidence(),
        fields.parcel.bodies,
        fields.parcel.seed,
    )
    cases = [
        (record, bodies, seed, ["missing"], ErrorCode.NOT_FOUND),
        (record, bodies, seed, [], ErrorCode.BAD_REQUEST),
        (record, bodies[::-1], seed, ["dest"], ErrorCode.PAYLOAD_MISMATCH),
        (record.replace(b'"view": 0', b'"view": 1'), bodies, seed, ["dest"], ErrorCode.BAD_CERTIFICATE),
        (b"{}", bodies, seed, ["dest"], ErrorCode.BAD_EVIDENCE),
    ]
    for evidence, given, key, names, code in cases:
        with refuses(code):
            make_disclosure_evidence(TrustHistory(genesis), evidence, given, key, names)
    with refuses(ErrorCode.BAD_SEALING, culprit="a"):
        make_disclosure_evidence(TrustHistory(genesis), record, bodies, bytes(16), ["dest"])
    with refuses(ErrorCode.BAD_REQUEST):
        whole.disclose("dest")
