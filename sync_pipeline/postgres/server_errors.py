"""Why the embedded server cannot run.

Belongs here: the errors, and reading them from what PostgreSQL prints. Does not: raising them.
Standard library only. The keeper hands `code` and `detail` to the client, which makes the error
again from them.

    DatabaseUnusableError
    |- EmbeddedServerError
       |- UnusablePathError     database.path       not ours, not reachable, no locks or sockets
       |- DiskFullError         database.disk_full
       |- ServerVersionError    database.version    data of another major version
       |- ServerStartError      database.start      anything else, in the server's own words
"""

import errno
from typing import ClassVar

from sync_pipeline.errors import DatabaseUnusableError


class EmbeddedServerError(DatabaseUnusableError):
    """The embedded server cannot run. `detail` is what happened, without what to do."""

    template: ClassVar[str]
    remedy_text: ClassVar[str] = ""

    def __init__(self, detail: str) -> None:
        super().__init__(self.template.format(detail), remedy=self.remedy_text)
        self.detail = detail


class UnusablePathError(EmbeddedServerError):
    """The embedded server cannot keep its data where it is told to."""

    code = "database.path"
    template = "The embedded server cannot use its directory: {}."
    remedy_text = "Set SYNC_LOCAL_DIR to a directory you own, or DATABASE_URL to a server."


class DiskFullError(EmbeddedServerError):
    """There is no room on the disk of the server."""

    code = "database.disk_full"
    template = "There is no room on the disk of the database server: {}."
    remedy_text = "Free some space; SYNC_LOCAL_DIR moves the embedded server to another disk."


class ServerVersionError(EmbeddedServerError):
    """The data directory was made by another major version. `detail`: that version."""

    code = "database.version"
    template = "The data of the embedded server is of PostgreSQL {}, which is not its version."
    remedy_text = "Dump it with its own version, or start anew with `make clean`."


class ServerStartError(EmbeddedServerError):
    """The embedded server did not start."""

    code = "database.start"
    template = "The embedded server did not start: {}."


_BY_CODE: dict[str, type[EmbeddedServerError]] = {
    error.code: error
    for error in (UnusablePathError, DiskFullError, ServerVersionError, ServerStartError)
}


def from_code(code: str, detail: str) -> EmbeddedServerError:
    """The error that another process met."""
    return _BY_CODE.get(code, ServerStartError)(detail)


def from_os_error(error: OSError) -> EmbeddedServerError:
    """The error that a failed call on a file stands for."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    words = f"{error.strerror}: {error.filename}" if error.filename else str(error)
    return (DiskFullError if full else UnusablePathError)(words)


def from_output(output: str) -> EmbeddedServerError:
    """The error that the output of initdb or postgres speaks of."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if any(w in line for w in ("FATAL", "PANIC", "error:"))]
    detail = (telling or lines or ["it printed nothing"])[0].rstrip(".")
    if "No space left on device" in output or "quota exceeded" in output:
        return DiskFullError(detail)
    if "Permission denied" in output or "wrong ownership" in output:
        return UnusablePathError(detail)
    return ServerStartError(detail)
