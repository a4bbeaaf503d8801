"""What a client of a remote system asks before a request, and tells after it.

Belongs here: the forms that clients and throttles agree on, and the throttle that lets everything
through. Does not: how tokens are shared (bucket.py), when a circuit opens (circuit.py), what one
system answers.
"""

from collections.abc import Callable
from typing import Protocol

from sync_pipeline.errors import SyncError

Wait = Callable[[float], bool]
"""Sleeps so many seconds; True says that reading was stopped meanwhile."""


class Permit(Protocol):
    """The right to send one request."""

    def another(self) -> None:
        """One request more, to where the answer redirects to. Raises as `Throttle.admit`."""
        ...

    def observed(self, error: SyncError | None, /) -> None:
        """Tell what the request came to; None: a usable answer. Call it once."""
        ...


class Throttle(Protocol):
    """Lets requests to one remote system through; safe to share between threads."""

    def admit(self, wait: Wait, /) -> Permit:
        """Wait for a token; call it before each HTTP request.

        Raises:
            CircuitOpenError: the system failed too often in a row; at once, without waiting.
            AskedToWaitError: it asked for a longer wait than a request waits.
        """
        ...

    def is_probing(self) -> bool:
        """Whether this thread tries if the system answers again: then a failure is not repeated."""
        ...

    def gave_up(self, error: SyncError, /) -> None:
        """Tell that reading ended because nothing of the remote system could be read."""
        ...


class _Free:
    """Asks nobody: for a store before it is registered, and for tests without a database."""

    def admit(self, _wait: Wait, /) -> Permit:
        return self

    def another(self) -> None:
        return

    def observed(self, _error: SyncError | None, /) -> None:
        return

    def is_probing(self) -> bool:
        return False

    def gave_up(self, _error: SyncError, /) -> None:
        return


UNTHROTTLED: Throttle = _Free()
