"""Disclosure evidence: it proves what it shows from genesis alone, hides the rest, and refuses every change."""

from __future__ import annotations

import base64
import json
from typing import Any, NamedTuple

import pytest

from chain.errors import ErrorCode, PoolError
from chain.proofs.trust import TrustHistory
from evidence.disclosure import DISCLOSURE_STEPS, DisclosureEvidence, disclosed_content, make_disclosure_evidence
from evidence.kinds import parse_any_evidence, verify_any_evidence
from evidence.record import make_record_evidence, parse_record_evidence
from evidence.verification import Step
from sealing import CommitmentKind, SealedParcel, SealingContext, seal_parcel
from tests.chain.access_world import AccessWorld
from tests.networks import TestNetwork

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
    assert [step.number for step in steps] == list(range(1, 9))
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
    with pytest.raises(PoolError) as caught:
        parse_record_evidence(fields.disclose("dest"))
    assert caught.value.code is ErrorCode.BAD_EVIDENCE


CHANGES: list[tuple[tuple[str | int, ...], int]] = [
    (("chain_id",), 1),
    (("block", "header"), 2),
    (("block", "certificate", "votes", 0, "signature"), 3),
    (("parcel", "outcome"), 4),
    (("parcel", "header"), 4),
    (("disclosure", "place", "parcel_id"), 5),
    (("disclosure", "place", "body_hash"), 5),
    (("disclosure", "place", "proof", 0), 5),
    (("disclosure", "place", "index"), 5),
    (("disclosure", "field_count"), 5),
    (("disclosure", "fields", 0, "position"), 5),
    (("disclosure", "fields", 0, "name"), 5),
    (("disclosure", "fields", 0, "value"), 5),
    (("disclosure", "fields", 0, "salt"), 5),
    (("disclosure", "fields", 0, "proof", 0), 5),
    (("member", "value"), 6),
    (("member", "proof"), 6),
    (("parcel", "signature"), 7),
    (("dataset", "value"), 8),
    (("dataset", "proof"), 8),
]


def change(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, int):
        return value - 1 if value else 1
    if value in ("dest", '"迈阿密"'):
        return {"dest": "dust", '"迈阿密"': '"成都"'}[value]
    if len(value) == 64 and all(character in "0123456789abcdef" for character in value):
        return f"{int(value[0], 16) ^ 1:x}{value[1:]}"
    data = bytearray(base64.b64decode(value))
    data[0] ^= 1
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(("path", "step"), CHANGES, ids=[".".join(map(str, path)) for path, _ in CHANGES])
def test_every_change_is_refused_at_its_step(fields: Sealed, path: tuple[str | int, ...], step: int) -> None:
    evidence = json.loads(fields.disclose("dest"))
    place = evidence
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = change(place[path[-1]])
    with pytest.raises(PoolError) as caught:
        steps_of(json.dumps(evidence).encode(), fields.world.network)
    assert (caught.value.context["step"], caught.value.context["step_title"]) == (step, DISCLOSURE_STEPS[step - 1])


@pytest.mark.parametrize("part", ["record", "salt"])
def test_a_change_of_a_whole_record_is_refused(whole: Sealed, part: str) -> None:
    evidence = json.loads(whole.disclose())
    evidence["disclosure"][part] = change(evidence["disclosure"][part])
    with pytest.raises(PoolError) as caught:
        steps_of(json.dumps(evidence).encode(), whole.world.network)
    assert (caught.value.code, caught.value.context["step"]) == (ErrorCode.BAD_DISCLOSURE, 5)


def test_another_records_disclosure_does_not_fit(fields: Sealed) -> None:
    evidence, other = (json.loads(fields.disclose("flight", index=index)) for index in (1, 0))
    evidence["disclosure"]["fields"] = other["disclosure"]["fields"]
    with pytest.raises(PoolError) as caught:
        steps_of(json.dumps(evidence).encode(), fields.world.network)
    assert caught.value.context["step"] == 5


def test_an_open_parcel_has_nothing_to_disclose(fields: Sealed) -> None:
    world = AccessWorld()
    world.accept(world.network.dataset("b", "open"))
    (parcel,) = world.accept(world.network.parcel([b'{"n":1}'], "b", "b.open"))
    record = make_record_evidence(world.ledger, parcel, 0)
    with pytest.raises(PoolError) as caught:
        make_disclosure_evidence(world.network.trust, record, [b'{"n":1}'], bytes(16), ["n"])
    assert caught.value.code is ErrorCode.BAD_REQUEST
    evidence, disclosure = json.loads(record), json.loads(fields.disclose("dest"))["disclosure"]
    evidence["kind"], evidence["disclosure"] = "disclosure", disclosure
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
        (record, bodies, bytes(16), ["dest"], ErrorCode.BAD_SEALING),
        (record.replace(b'"view": 0', b'"view": 1'), bodies, seed, ["dest"], ErrorCode.BAD_CERTIFICATE),
        (b"{}", bodies, seed, ["dest"], ErrorCode.BAD_EVIDENCE),
    ]
    for evidence, given, key, names, code in cases:
        with pytest.raises(PoolError) as caught:
            make_disclosure_evidence(TrustHistory(genesis), evidence, given, key, names)
        assert caught.value.code is code
    with pytest.raises(PoolError) as caught:
        whole.disclose("dest")
    assert caught.value.code is ErrorCode.BAD_REQUEST


@pytest.mark.parametrize("content", [b"", b"{}", b'{"kind":"other"}', b"\xff", b"[" * 100_000], ids=range(5))
def test_files_of_no_kind(content: bytes, fields: Sealed) -> None:
    with pytest.raises(PoolError) as caught:
        steps_of(content, fields.world.network)
    assert (caught.value.code, caught.value.context["step"]) == (ErrorCode.BAD_EVIDENCE, 1)
