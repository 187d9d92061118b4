"""The one place that turns an error into a message and an exit code.

| exit code | meaning                                                             |
|-----------|---------------------------------------------------------------------|
| 0         | good                                                                |
| 1         | the thing checked is false, refused or not there                    |
| 2         | the command was used wrongly                                        |
| 3         | something cannot be reached, read or written                        |
| 130       | interrupted                                                         |
"""

from enum import IntEnum
from typing import Any

import click
from rich.markup import escape

from chain.errors import ErrorCode, PoolError
from chain.messages import advice, title
from chain.messages.languages import LANGUAGE
from chain.messages.phrases import phrase
from cli.output import is_json, print_json, talk


class ExitCode(IntEnum):
    """What a command's exit code says."""

    GOOD = 0
    FALSE = 1
    USAGE = 2
    CANNOT = 3
    INTERRUPTED = 130


_CANNOT = frozenset(
    {
        ErrorCode.UNREACHABLE,
        ErrorCode.TIMEOUT,
        ErrorCode.NOT_READY,
        ErrorCode.UNKNOWN_PROTOCOL,
        ErrorCode.NOT_ENOUGH_SHARES,
        ErrorCode.MEMPOOL_FULL,
        ErrorCode.QUOTA_EXCEEDED,
        ErrorCode.LIBRARY_DIFFERS,
        ErrorCode.EXTRA_MISSING,
        ErrorCode.BAD_KEY,
        ErrorCode.KEY_PERMISSIONS,
        ErrorCode.WRONG_PASSPHRASE,
        ErrorCode.BAD_CONFIGURATION,
        ErrorCode.WRONG_DATA_FOLDER,
        ErrorCode.DATA_FOLDER_LOCKED,
        ErrorCode.DATABASE_VERSION,
        ErrorCode.DISK_FULL,
        ErrorCode.STORAGE_FAILED,
        ErrorCode.PORT_IN_USE,
        ErrorCode.ENGINE_DAMAGED,
        ErrorCode.ENGINE_UNAVAILABLE,
    }
)


def exit_code(error: PoolError) -> ExitCode:
    """The exit code for an error."""
    if error.code is ErrorCode.BAD_REQUEST:
        return ExitCode.USAGE
    return ExitCode.CANNOT if error.code in _CANNOT else ExitCode.FALSE


def describe(error: PoolError) -> dict[str, Any]:
    """An error for programs."""
    language = LANGUAGE.get()
    return {
        "code": error.code.value,
        "title": title(error.code, language),
        "detail": error.detail_in(language),
        "advice": advice(error.code, language),
        **error.context,
    }


def report(error: PoolError) -> None:
    """Say what was refused, why, and what to do about it."""
    if is_json():
        print_json({"error": describe(error)})
        return
    console = talk()
    said = describe(error)
    console.print(f"[bold red]{escape(said['title'])}[/] [dim]({error.code.value})[/]")
    if said["detail"]:
        console.print(f"  {escape(said['detail'])}")
    console.print(f"  [dim]{escape(said['advice'])}[/]")


class PoolGroup(click.Group):
    """The root of all commands: errors of the pool and of the operating system end here."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and report what goes wrong."""
        try:
            return super().invoke(ctx)
        except PoolError as error:
            report(error)
            ctx.exit(exit_code(error))
        except BrokenPipeError:
            raise
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            report(PoolError(ErrorCode.STORAGE_FAILED, f"{where}{error.strerror or error}"))
            ctx.exit(ExitCode.CANNOT)
        except KeyboardInterrupt:
            talk().print(phrase("Interrupted."))
            ctx.exit(ExitCode.INTERRUPTED)
