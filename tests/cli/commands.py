"""Running a command in a test."""

import json
from collections.abc import Mapping
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner

from cli.main import blockpool


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    """Standard output: the payload."""
    err: str
    """Standard error: talk."""

    @property
    def json(self) -> Any:
        """The payload of a command with ``--json``."""
        return json.loads(self.out)


def run(*arguments: object, environment: Mapping[str, str] | None = None) -> Done:
    """Run a command in this process, with a language of its own. Errors of the program itself are raised, not turned
    into an exit code.
    """
    invoke, line = CliRunner().invoke, list(map(str, arguments))
    result = copy_context().run(invoke, blockpool, line, env=environment, catch_exceptions=False)
    return Done(result.exit_code, result.stdout, result.stderr)
