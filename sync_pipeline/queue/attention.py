"""Which queues nobody works on though somebody should, and in which order they get their run.

Belongs here: reading what decides it, and the decision (pure). Does not: starting runs
(orchestration/), what a run then does (stages/).
"""

from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.failures import LOST_CODE
from sync_pipeline.queue.fairness import in_turns

Reason = Literal["pending", "retry", "recovery"]

ROWS_PER_LOOK: Final = 500
# A run takes 2 to 5 s to start and a sensor looks every 5 s: lines that are due soon get theirs
# ahead of time, and its workers nap until then.
_LINES_AHEAD: Final = timedelta(seconds=10)
_QUEUE_AHEAD: Final = timedelta(seconds=2)


@dataclass(frozen=True)
class Attention:
    """What decides whether a queue needs a run.

    Attributes:
        lease_until: until when a process has shown that it works on it; None: it was given back.
        retry_at: not before, after a run that failed.
        updated_at: when it was begun, or an operator acted on it, last.
        next_due_at: when its first open batch can be claimed; None: none open, or not looked at
            because the queue is worked on or paused.
        circuit_open_until: its connection takes no request before.
        orchestration_id: the orchestration that opened it; None: it was started alone.
        is_orchestration_begun: a queue of that orchestration and of this connection was worked, or
            is finished.
        waits_for_others: a queue that comes before it is unfinished, and gets on.
        is_change: its lines change rows of ours: nothing is read or compared.
    """

    queue_no: int
    queue_id: str
    org_id: str
    connection: str
    system: str
    entity: str
    stage: str
    process_count: int
    is_paused: bool
    is_cancelled: bool
    is_action_required: bool
    lease_until: datetime | None
    retry_at: datetime | None
    last_error_code: str | None
    created_at: datetime
    updated_at: datetime
    last_dagster_run_id: str | None
    next_due_at: datetime | None
    circuit_open_until: datetime | None = None
    orchestration_id: str | None = None
    is_orchestration_begun: bool = False
    waits_for_others: bool = False
    is_change: bool = False

    @property
    def reason(self) -> Reason:
        """Why it would get a run: never begun, to be tried again, or abandoned by who worked it."""
        if self.process_count == 0:
            return "pending"
        is_abandoned = self.lease_until is not None or self.last_error_code == LOST_CODE
        return "recovery" if is_abandoned else "retry"

    @property
    def run_of(self) -> tuple[str, str] | None:
        """Orchestration and connection of the run that begins it with others; None: it is alone."""
        if self.orchestration_id is None or self.is_orchestration_begun:
            return None
        return self.orchestration_id, self.connection

    @property
    def waits_for_a_person(self) -> bool:
        """Nothing will come of a run until somebody acts."""
        if self.is_paused or self.is_cancelled:
            return True
        if self.stage == "finished":
            # Its flag is about its lines. A comparison that failed for good has no next time.
            return self.last_error_code is not None and self.retry_at is None
        return self.is_action_required

    @property
    def due_at(self) -> datetime:
        """From when on it needs a run: the latest of what it waits for."""
        waits = [self.created_at]
        if self.lease_until is not None:
            waits.append(self.lease_until)
        if self.retry_at is not None:
            waits.append(self.retry_at - _QUEUE_AHEAD)
        if self.circuit_open_until is not None:
            waits.append(self.circuit_open_until - _QUEUE_AHEAD)
        if self.next_due_at is not None:
            waits.append(self.next_due_at - _LINES_AHEAD)
        return max(waits)


@dataclass(frozen=True)
class Start:
    """A run to start: it goes on with the queue wherever that stands.

    Attributes:
        orchestration_id: the orchestration that opened the queue; None: it was started alone.
        is_whole: the run is to begin every queue that the connection has in the orchestration.
        is_change: the run only applies.
    """

    queue_id: str
    org_id: str
    connection: str
    system: str
    entity: str
    process_count: int
    updated_at: datetime
    reason: Reason
    orchestration_id: str | None = None
    is_whole: bool = False
    is_change: bool = False


def needs_run(row: Attention, now: datetime) -> bool:
    """Whether nobody works on the queue and a run would get on with it. Pure."""
    if row.waits_for_a_person or row.waits_for_others:
        return False
    return row.due_at <= now


def queues_to_start(
    rows: Iterable[Attention],
    in_flight: AbstractSet[str],
    now: datetime,
    limit: int,
    reasons: Collection[Reason] = ("pending", "retry", "recovery"),
) -> list[Start]:
    """The queues that get a run now, at most `limit`. Pure.

    Those of an orchestration and a connection that nobody has begun get one run together.

    Organizations take turns, and within each the queue that is due longest comes first: whoever is
    left out now is further ahead at the next look, because who was started is in flight
    (`in_flight`: ids of queues that a run is about already).
    """
    rows = list(rows)
    taken = {row.run_of for row in rows if row.queue_id in in_flight or _is_worked(row, now)}
    waiting = [
        row
        for row in rows
        if row.reason in reasons
        and row.queue_id not in in_flight
        and needs_run(row, now)
        and (row.run_of is None or row.run_of not in taken)
    ]
    return [
        Start(
            queue_id=row.queue_id,
            org_id=row.org_id,
            connection=row.connection,
            system=row.system,
            entity=row.entity,
            process_count=row.process_count,
            updated_at=row.updated_at,
            reason=row.reason,
            orchestration_id=row.orchestration_id,
            is_whole=row.run_of is not None,
            is_change=row.is_change,
        )
        for row in _one_of_each_run(in_turns(waiting))[:limit]
    ]


def _is_worked(row: Attention, now: datetime) -> bool:
    return row.lease_until is not None and row.lease_until > now


def _one_of_each_run(rows: Sequence[Attention]) -> list[Attention]:
    first = {row.run_of or row.queue_id: row for row in reversed(rows)}
    return [row for row in rows if first[row.run_of or row.queue_id] is row]


def needing_attention(
    database: Database, entities: Sequence[str], *, after_queue_no: int = 0
) -> list[Attention]:
    """Open queues, the oldest 500 after a number, and finished ones that were never compared.

    Of connections that are active, by number; finished ones of those entities.

    Raises:
        DatabaseUnusableError: not migrated.
    """
    with database.control() as conn:
        found = conn.execute(
            statement("queue/attention"),
            {
                "after_queue_no": after_queue_no,
                "most": ROWS_PER_LOOK,
                "entities": list(entities),
            },
        ).fetchall()
    return [Attention(**row) for row in found]


def next_look(rows: Sequence[Attention]) -> int:
    """After which queue number the next look goes on; 0: this one saw the last. Pure.

    A finished queue says nothing about how far a look came among the open ones.
    """
    open_queues = [row.queue_no for row in rows if row.stage != "finished"]
    return max(open_queues) if len(open_queues) >= ROWS_PER_LOOK else 0
