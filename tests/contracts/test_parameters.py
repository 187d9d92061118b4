"""A contract that lists its parameters is deployed with these only."""

import json
from typing import Any

import pytest

from chain.errors import ErrorCode
from contracts.library import source_of
from contracts.local import LocalContract
from contracts.parameters import BadParameters, Parameter, verify_parameters
from contracts.sandbox import Sandbox
from tests.chain.access_world import AccessWorld
from tests.refusals import refuses

GOOD: dict[str, list[object]] = {
    "text": ["a"],
    "texts": [["a"], ["a", "b"]],
    "members": [["a"]],
    "count": [1, 100],
    "number": [1, 0.5],
    "moment": ["2026-01-01T00:00:00+08:00"],
    "fields": [{}, {"a": None, "b": ["c"]}],
    "contracts": [[{"source": "x"}], [{"source": "x", "parameters": {}}]],
}
BAD: dict[str, list[object]] = {
    "text": ["", "  ", 1, ["a"], None],
    "texts": [[], "a", ["a", "a"], [""], [1], None],
    "members": ["a", []],
    "count": [0, -1, True, 1.0, "1"],
    "number": [0, -1, True, "1", None],
    "moment": ["2026-01-01", "2026-01-01T00:00:00", "soon", 1],
    "fields": [[], {"": None}, {"a": []}, {"a": "b"}, {"a": [1]}],
    "contracts": [[], [{}], [{"source": 1}], [{"source": "x", "more": 1}], {}, ["x"]],
}


def check(declared: object, given: object) -> list[str]:
    return verify_parameters(declared, given, lambda source, own: [source])


@pytest.mark.parametrize(("type_", "value"), [(type_, value) for type_, values in GOOD.items() for value in values])
def test_what_is_of_the_type_is_taken(type_: str, value: object) -> None:
    members = check({"p": Parameter(type_)}, {"p": value})
    assert members == {"members": ["a"], "contracts": ["x"]}.get(type_, [])


@pytest.mark.parametrize(("type_", "value"), [(type_, value) for type_, values in BAD.items() for value in values])
def test_anything_else_is_refused(type_: str, value: object) -> None:
    with pytest.raises(BadParameters, match="'p' must be of the type"):
        check({"p": Parameter(type_)}, {"p": value})


@pytest.mark.parametrize(
    ("declared", "given", "reason"),
    [
        ({"roles": Parameter("texts")}, {"role": ["a"]}, "no parameter 'role'; this contract takes roles"),
        ({}, {"a": 1}, "takes none"),
        ({"a": Parameter("text", required=True)}, {}, "'a' is missing"),
        ({"a": Parameter("texts", choices=("x", "y"))}, {"a": ["x", "z"]}, "takes only x, y"),
        ({"a": Parameter("text", choices=("x",))}, {"a": "y"}, "takes only x"),
        ({"a": Parameter("string")}, {"a": "y"}, "does not exist"),
        ({"a": "text"}, {"a": "y"}, "must be a dict of Parameter"),
        ([], {}, "must be a dict"),
        ({}, [], "a JSON object"),
    ],
)
def test_the_reason_is_said(declared: object, given: object, reason: str) -> None:
    with pytest.raises(BadParameters, match=reason):
        check(declared, given)


MISSPELT: list[tuple[str, dict[str, Any], str]] = [
    ("by_kind", {"kinds": ["government"], "role": ["x"]}, "no parameter 'role'"),
    ("by_kind", {"kinds": ["goverment"]}, "takes only government, enterprise, social, public"),
    ("by_kind", {}, "'kinds' is missing"),
    ("allow_list", {"reader": ["b"]}, "no parameter 'reader'"),
    ("quota", {"grants": "3", "days": 7}, "'grants' must be of the type 'count'"),
    ("purpose_bound", {"purposes": {"a": None}, "required": ["persons"]}, "takes only"),
]


@pytest.mark.parametrize(("name", "parameters", "reason"), MISSPELT)
def test_a_misspelt_parameter_of_the_library_lets_nobody_in(
    sandbox: Sandbox, name: str, parameters: dict[str, Any], reason: str
) -> None:
    part = {"source": source_of(name), "parameters": parameters}
    for source, given in ((part["source"], parameters), (source_of("any_of"), {"parts": [part]})):
        with refuses(ErrorCode.BAD_CONTRACT, reason):
            sandbox.check(source, json.dumps(given))


def test_members_are_named_to_the_host(sandbox: Sandbox) -> None:
    approvers = {"source": source_of("approval_required"), "parameters": {"approvers": ["health", "b"]}}
    readers = {"source": source_of("allow_list"), "parameters": {"readers": ["c", "b"]}}
    parameters = json.dumps({"parts": [approvers, readers]})
    assert sandbox.check(source_of("all_of"), parameters).members == ("b", "c", "health")
    LocalContract(source_of("all_of"), parameters)


def test_a_contract_without_a_list_takes_what_it_is_given(sandbox: Sandbox) -> None:
    source = "from blockpool.contract import allow\ndef can_read(request, dataset, ctx):\n    return allow()\n"
    assert sandbox.check(source, '{"anything": 1}').members == ()


def test_a_parameter_that_names_no_member_is_refused_by_the_validators() -> None:
    world = AccessWorld()
    world.policy.named_members = ("b", "helth")
    outcome = world.refuse(world.network.contract("allow", version=2), ErrorCode.UNKNOWN_MEMBER)
    assert outcome.sentence == "helth is no member of this pool"
    world.policy.named_members = ("b", "c")
    world.accept(world.network.contract("allow", version=2))
