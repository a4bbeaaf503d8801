"""Counts the calls to remote systems, for metrics that outlive the process.

Belongs here: adding up in memory, and telling PostgreSQL every few seconds. Does not: making the
calls, showing the counts (queue/metrics.py).

The one rule: counting never disturbs a sync. A call is one addition under a lock; telling happens
in a thread of its own, and a failure of it is tried again with the next and then forgotten.
"""

import atexit
import logging
import threading
from bisect import bisect_left
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Final, Self

import psycopg
from psycopg.types.json import Jsonb

from sync_pipeline.errors import SyncError
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.sources.connections import Connection

_log = logging.getLogger(__name__)

OK: Final = "ok"
# Upper ends of the buckets, in seconds; one more bucket holds what took longer. A page of a good
# store takes 0.1 to 0.5 s, the slowest recorded 3.2 s, slow hosts 30 s. Only ever append.
BUCKET_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_FLUSH_SECONDS = 5.0
# How long the end of a sync, or of the process, may wait for the last counts to be kept.
_PATIENCE_SECONDS = 5.0


@dataclass
class Outcome:
    """Calls that ended alike. `buckets`: how many took how long, see BUCKET_SECONDS."""

    calls: int = 0
    seconds: float = 0.0
    waited_seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKET_SECONDS) + 1))

    def add(self, seconds: float, waited_seconds: float) -> None:
        """Count one call."""
        self.calls += 1
        self.seconds += seconds
        self.waited_seconds += waited_seconds
        self.buckets[bisect_left(BUCKET_SECONDS, seconds)] += 1

    def merge(self, other: "Outcome") -> None:
        """Count everything of another."""
        self.calls += other.calls
        self.seconds += other.seconds
        self.waited_seconds += other.waited_seconds
        self.buckets = [mine + its for mine, its in zip(self.buckets, other.buckets, strict=True)]


class CallStats:
    """The calls of one connection by this process; leaving its block tells the rest.

    Safe to share between threads.
    """

    def __init__(
        self, database: Database, connection: Connection, *, flush_seconds: float = _FLUSH_SECONDS
    ) -> None:
        self._database = database
        self._connection = connection
        self._flush_seconds = flush_seconds
        self._outcomes: dict[str, Outcome] = {}
        self._adding = threading.Lock()
        self._telling = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="call-stats", daemon=True)
        self._has_begun = False

    def observed(self, seconds: float, code: str | None, waited_seconds: float = 0.0) -> None:
        """Count one call.

        Args:
            seconds: until its answer was read whole.
            code: of the error that it came to; None: it went well.
            waited_seconds: for the right to make it, before.
        """
        with self._adding:
            self._outcomes.setdefault(code or OK, Outcome()).add(seconds, waited_seconds)
        self._begin()

    def flush(self) -> bool:
        """Tell PostgreSQL what was counted since the last time; False when it could not be told."""
        with self._telling:
            with self._adding:
                outcomes, self._outcomes = self._outcomes, {}
            if not outcomes:
                return True
            try:
                self._tell(outcomes)
            except (SyncError, psycopg.Error) as error:
                _log.debug("Calls were not counted: %s", type(error).__name__)
                self._take_back(outcomes)
                return False
            return True

    def close(self) -> None:
        """Tell the rest, waiting for it a few seconds at most."""
        self._closed.set()
        atexit.unregister(self.close)
        if self._has_begun:
            self._thread.join(_PATIENCE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _begin(self) -> None:
        """Start the thread that tells, with the first call."""
        with self._adding:
            if self._has_begun or self._closed.is_set():
                return
            self._has_begun = True
        # A process that ends without closing still tells, while its pool is open.
        atexit.register(self.close)
        self._thread.start()

    def _run(self) -> None:
        while not self._closed.wait(self._flush_seconds):
            self.flush()
        self.flush()

    def _tell(self, outcomes: dict[str, Outcome]) -> None:
        connection = self._connection
        rows = [{"code": code} | asdict(outcome) for code, outcome in outcomes.items()]
        with self._database.organization(connection.org_id) as conn:
            conn.execute(
                statement("metrics/add_calls"),
                {
                    "connection_id": connection.connection_id,
                    "org_id": connection.org_id,
                    "outcomes": Jsonb(rows),
                },
            )

    def _take_back(self, outcomes: dict[str, Outcome]) -> None:
        with self._adding:
            for code, outcome in outcomes.items():
                self._outcomes.setdefault(code, Outcome()).merge(outcome)
