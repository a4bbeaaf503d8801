"""How every connection and entity stands, read in one snapshot.

Belongs here: the row that health checks and metrics are both made of, so that they cannot disagree.
Does not: judging it (health.py), showing it to Prometheus (metrics.py), one queue's progress
(progress.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import Connection as SqlConnection

from sync_pipeline.postgres.statements import statement

# Runs of one sync that a fault of the store ended, one after the other.
FAILURES_IN_A_ROW: Final = 3


@dataclass(frozen=True)
class Situation:
    """One active connection and one entity of it.

    Attributes:
        entity: None for a connection that was never synced.
        counters: what finished queues ended with, by name, and `complete_at` (seconds of 1970).
        tally: the part of the open queue that is in `counters` already, by name.
        live: what the batches of the open queue count now, by name.
        open_queue_id: the queue that is not finished; None: nothing is open, and what follows,
            up to `failed_lines`, is empty.
        due_at: since when somebody could work on the open queue: the end of the last lease or
            wait. In the future while somebody does, or while it waits.
        oldest_retry_at: when the first of its next tries is or was due.
        is_stopped: the open queue stands still until a person acts.
        newest_queue_id, is_action_required, action_required_reason: of the open queue where that
            is stopped, else of the last that ended.
        ended_state, ended_reason: of the last queue that ended and was not cancelled.
        circuit_state: closed, open (until `circuit_open_until` no call is made) or half_open.
    """

    connection_id: int
    connection: str
    organization: str
    entity: str | None
    registered_at: datetime
    now_utc: datetime
    counters: Mapping[str, int]
    tally: Mapping[str, Any]
    live: Mapping[str, int]
    open_queue_id: str | None
    is_paused: bool
    has_begun: bool
    failure_count: int
    last_error_code: str | None
    last_error: str | None
    updated_at: datetime | None
    due_at: datetime | None
    oldest_retry_at: datetime | None
    draft_lines: int
    processing_lines: int
    failed_lines: int
    is_stopped: bool
    newest_queue_id: str | None
    is_action_required: bool
    action_required_reason: str | None
    ended_queue_id: str | None
    ended_state: str | None
    ended_reason: str | None
    circuit_state: str
    circuit_open_until: datetime | None
    circuit_error: str | None

    @property
    def name(self) -> str:
        """The connection and entity, for people."""
        return f"{self.connection} {self.entity}" if self.entity else self.connection

    @property
    def is_workable(self) -> bool:
        """A queue is open, and no person has to act before it can go on."""
        return self.open_queue_id is not None and not (self.is_paused or self.is_stopped)

    @property
    def stuck_seconds(self) -> float:
        """For how long nobody has worked on what is due; 0 while somebody does, or it waits."""
        return self._since(self.due_at) if self.is_workable else 0.0

    @property
    def retry_overdue_seconds(self) -> float:
        """For how long the oldest next try has been due; 0 when none is, or somebody works."""
        is_left = self.stuck_seconds > 0
        return self._since(self.oldest_retry_at) if is_left else 0.0

    @property
    def paused_seconds(self) -> float:
        """For how long the open queue has been paused."""
        return self._since(self.updated_at) if self.is_paused else 0.0

    @property
    def is_failing_whole(self) -> bool:
        """100 % failures: every line of the last sync failed, or run after run by the store."""
        return self.ended_state == "failed" or self.failure_count >= FAILURES_IN_A_ROW

    @property
    def is_circuit_open(self) -> bool:
        """Calls are refused at this moment."""
        until = self.circuit_open_until
        return self.circuit_state == "open" and until is not None and until > self.now_utc

    @property
    def age_seconds(self) -> float:
        """Since the last whole sync ended; since the connection was registered without one."""
        complete_at = self.counters.get("complete_at")
        began = self.registered_at.timestamp() if complete_at is None else complete_at
        return max(0.0, self.now_utc.timestamp() - began)

    def total(self, name: str) -> int:
        """A counter with what the open queue adds to it now; never less than before."""
        added = self.live.get(name, 0) - int(self.tally.get(name, 0))
        return self.counters.get(name, 0) + max(0, added)

    def _since(self, moment: datetime | None) -> float:
        return max(0.0, (self.now_utc - moment).total_seconds()) if moment else 0.0


def situations(conn: SqlConnection[dict[str, Any]]) -> list[Situation]:
    """Every active connection, once per entity that was ever synced, by name."""
    return [Situation(**row) for row in conn.execute(statement("health/situations")).fetchall()]
