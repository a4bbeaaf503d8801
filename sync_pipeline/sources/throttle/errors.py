"""Requests that were not sent, because all processes agreed not to.

Belongs here: the two reasons. Does not: what a remote system answers (its own errors).

    TransientError
    |- CircuitOpenError    it failed too often in a row
    `- AskedToWaitError    it asked for a longer wait than a request waits
"""

from datetime import datetime

from sync_pipeline.errors import TransientError


class NotSentError(TransientError):
    """The request was not sent.

    Attributes:
        until_utc: when another try makes sense.
    """

    def __init__(self, message: str, *, until_utc: datetime) -> None:
        super().__init__(message, remedy=f"It goes on by itself after {until_utc:%H:%M:%S} UTC.")
        self.until_utc = until_utc


class CircuitOpenError(NotSentError):
    """The circuit of the connection is open, or somebody else tries whether it can be closed."""

    code = "source.circuit_open"


class AskedToWaitError(NotSentError):
    """The remote system asked everybody to stay away for longer than a request waits."""

    code = "source.asked_to_wait"
