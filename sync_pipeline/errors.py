"""The errors of the project, and the two branches everybody asks about.

Belongs here: the base classes and errors that several layers raise. An error of one source or one
layer is declared there, under one of the branches below.

    SyncError                what happened, where, what to do; `code` is stable
    |- TransientError        another attempt may succeed: back off, try again, bounded
    |- PermanentError        no attempt will succeed until a person acts
       |- InputError         what the person typed or configured is wrong (exit code 2)

`code` is stored with lines and activity and is charted: add codes, never rename one. Text of an
error never carries a secret; sources redact before they raise.
"""

from typing import ClassVar


class SyncError(Exception):
    """Base of every error that we raise on purpose.

    Attributes:
        code: stable, dotted, lower case.
        remedy: what a person can do about it; empty when there is nothing to do but wait.
    """

    code: ClassVar[str] = "sync.error"

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        """The message, and the remedy in the same breath."""
        return f"{self.message} {self.remedy}".strip()


class TransientError(SyncError):
    """Another attempt may succeed: back off, up to the attempts that are allowed."""

    code = "sync.transient"


class PermanentError(SyncError):
    """No attempt will succeed until a person acts."""

    code = "sync.permanent"


class InputError(PermanentError):
    """What a person typed or configured is wrong; nothing was done."""

    code = "input.invalid"


class UnknownConnectionError(InputError):
    """No connection of that name is registered."""

    code = "input.unknown_connection"


class UnknownQueueError(InputError):
    """No queue has that id, or it belongs to another organization."""

    code = "input.unknown_queue"


class UnknownEntityError(InputError):
    """No entity of that name is declared for the system."""

    code = "input.unknown_entity"


class DatabaseUnavailableError(TransientError):
    """The database does not answer."""

    code = "database.unavailable"


class DatabaseFullError(TransientError):
    """The database has no room on its disk."""

    code = "database.full"


class DatabaseUnusableError(PermanentError):
    """The database answers but cannot be used: too old, not migrated, no rights."""

    code = "database.unusable"
