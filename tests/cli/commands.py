"""Running a command in a test."""

import json
from collections.abc import Mapping
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
    """Run a command in this process. Errors of the program itself are raised, not turned into an exit code."""
    result = CliRunner().invoke(blockpool, list(map(str, arguments)), env=environment, catch_exceptions=False)
    return Done(result.exit_code, result.stdout, result.stderr)
