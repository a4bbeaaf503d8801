"""One place where every error of a command becomes words and an exit code.

Belongs here: what is printed and returned when a command fails. Does not: making errors.

    0    it worked
    1    it failed: a store, a database, a record that was not applied
    2    what was typed or configured is wrong; nothing was done
    130  Ctrl-C

Never a traceback, unless SYNC_DEBUG=1 asks for it.
"""

import errno
import os
import traceback
from dataclasses import dataclass

import psycopg
from pydantic import ValidationError

from sync_pipeline.cli import output
from sync_pipeline.errors import InputError, SyncError
from sync_pipeline.settings import refusal
from sync_pipeline.sources.woocommerce.redaction import redact

FAILED = 1
BAD_INPUT = 2
INTERRUPTED = 130

_LONGEST_TEXT = 600


@dataclass(frozen=True)
class Failure:
    """An error as a person reads it."""

    code: str
    message: str
    remedy: str
    exit_code: int

    def as_document(self) -> dict[str, object]:
        """The JSON form."""
        error = {"code": self.code, "message": self.message, "remedy": self.remedy}
        return {"success": False, "error": error}


def failure_of(error: BaseException) -> Failure:
    """What to say about an error, whatever it is. Pure."""
    if isinstance(error, SyncError):
        exit_code = BAD_INPUT if isinstance(error, InputError) else FAILED
        return Failure(error.code, error.message, error.remedy, exit_code)
    if isinstance(error, KeyboardInterrupt):
        return Failure(
            "interrupted",
            "Stopped by a signal.",
            "What was applied stays; running it again goes on from there.",
            INTERRUPTED,
        )
    if isinstance(error, ValidationError):
        return Failure(
            "input.settings",
            refusal(error),
            "Settings come from the environment; units are in their names.",
            BAD_INPUT,
        )
    if isinstance(error, psycopg.Error):
        words = error.diag.message_primary or str(error) or type(error).__name__
        return Failure("database.refused", f"The database refused: {_safe(words)}.", "", FAILED)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failure(
            "disk.full", "There is no room left on the disk.", "Free some space.", FAILED
        )
    return Failure(
        "internal",
        f"Something unexpected happened: {type(error).__name__}: {_safe(str(error))}",
        "SYNC_DEBUG=1 shows where. What was applied so far stays; running again goes on.",
        FAILED,
    )


def report(error: BaseException, *, as_json: bool) -> int:
    """Print what went wrong, and its traceback where SYNC_DEBUG=1 asks for it.

    Returns:
        The exit code.
    """
    if os.environ.get("SYNC_DEBUG") == "1":
        output.stderr().print("".join(traceback.format_exception(error)), markup=False)
    return say(failure_of(error), as_json=as_json)


def say(failure: Failure, *, as_json: bool) -> int:
    """Print a failure: as JSON on stdout, else in words on stderr.

    Returns:
        The exit code.
    """
    if as_json:
        output.print_json(failure.as_document())
        return failure.exit_code
    console = output.stderr()
    console.print(f"[red]Error:[/red] {output.said(failure.message)}")
    if failure.remedy:
        console.print(output.said(failure.remedy))
    return failure.exit_code


def _safe(words: str) -> str:
    return redact(words, longest=_LONGEST_TEXT).rstrip(".")
