"""What the store was asked, for tests and benchmarks that count calls.

Belongs here: the log and its JSON form. Does not: secrets, which never get in.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class LoggedRequest:
    """One request that was answered, cut or left hanging.

    Attributes:
        query: without keys, secrets and signatures.
        status: HTTP status; 0 when the connection was closed without one.
        started_seconds: monotonic clock of the server's process.
        started_at_utc: ISO time.
        elapsed_seconds: until the answer was ready; 0 for one that hangs.
        faults: actions that struck it.
    """

    method: str
    path: str
    query: Mapping[str, str]
    status: int
    started_seconds: float
    started_at_utc: str
    elapsed_seconds: float
    faults: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """As an object of the control path."""
        return asdict(self)


class RequestLog:
    """Requests in the order their answers were ready; a hanging one at its start."""

    def __init__(self) -> None:
        self._entries: list[LoggedRequest] = []
        self._lock = threading.Lock()

    def add(self, entry: LoggedRequest) -> None:
        """Append one request."""
        with self._lock:
            self._entries.append(entry)

    def entries(self) -> tuple[LoggedRequest, ...]:
        """All requests since the last clear."""
        with self._lock:
            return tuple(self._entries)

    def clear(self) -> None:
        """Forget all requests."""
        with self._lock:
            self._entries.clear()
