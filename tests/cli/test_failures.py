"""Errors become one clear message and one documented exit code."""

import json

import click
import pytest
from click.testing import CliRunner

from chain.errors import ErrorCode, PoolError
from cli.failures import ExitCode, PoolGroup, describe, exit_code
from cli.options import json_option


def fail_with(error: BaseException, *arguments: str) -> tuple[int, str, str]:
    @click.group(cls=PoolGroup)
    def root() -> None:
        """Root."""

    @root.command()
    @json_option
    def fail() -> None:
        raise error

    result = CliRunner().invoke(root, ["fail", *arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_code_is_told_with_title_detail_and_advice(code: ErrorCode) -> None:
    exit_code_, out, err = fail_with(PoolError(code, "what [exactly] was wrong", height=3))
    assert out == ""
    assert exit_code_ in (1, 2, 3)
    for part in (code.info.title, code.value, "what [exactly] was wrong", code.info.advice):
        assert part in err


def test_programs_get_it_as_json_on_standard_output() -> None:
    error = PoolError(ErrorCode.NOT_OWNER, "it is another's", height=3)
    exit_code_, out, err = fail_with(error, "--json")
    assert (exit_code_, err) == (1, "")
    assert json.loads(out) == {"error": describe(error)}
    assert describe(error)["height"] == 3


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (ErrorCode.BAD_PROOF, ExitCode.FALSE),
        (ErrorCode.NOT_FOUND, ExitCode.FALSE),
        (ErrorCode.SCHEMA_VIOLATION, ExitCode.FALSE),
        (ErrorCode.DATABASE_DAMAGED, ExitCode.FALSE),
        (ErrorCode.BAD_REQUEST, ExitCode.USAGE),
        (ErrorCode.UNREACHABLE, ExitCode.CANNOT),
        (ErrorCode.NOT_READY, ExitCode.CANNOT),
        (ErrorCode.KEY_PERMISSIONS, ExitCode.CANNOT),
        (ErrorCode.DATA_FOLDER_LOCKED, ExitCode.CANNOT),
        (ErrorCode.PORT_IN_USE, ExitCode.CANNOT),
    ],
)
def test_exit_codes(code: ErrorCode, expected: ExitCode) -> None:
    assert exit_code(PoolError(code, "")) is expected


def test_the_operating_systems_errors_are_3() -> None:
    exit_code_, _, err = fail_with(PermissionError(13, "Permission denied", "/some/file"))
    assert exit_code_ == 3
    assert "/some/file: Permission denied" in err


def test_an_interruption_is_130() -> None:
    assert fail_with(KeyboardInterrupt())[0] == 130


def test_a_fault_of_the_program_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        CliRunner().invoke(_dividing(), ["fail"], catch_exceptions=False)


def _dividing() -> click.Group:
    @click.group(cls=PoolGroup)
    def root() -> None:
        """Root."""

    @root.command()
    def fail() -> None:
        raise ZeroDivisionError

    return root
