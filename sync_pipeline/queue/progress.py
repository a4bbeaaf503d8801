"""How far a queue is, how fast, and what happened to it: what `status` shows.

Belongs here: reading. Does not: changing anything (queues.py), arithmetic (the view
sync_queue_progress has all of it, for everybody), printing (cli/).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sync_pipeline.errors import UnknownQueueError
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue

_SYNC: Final = "sync"
# By the filter that makes it one.
_KINDS: Final = {
    "preview": "preview",
    "applies": "applied_preview",
    "reverts": "revert",
    "resolves": "resolution",
}


@dataclass(frozen=True)
class Progress:
    """The numbers of one queue; the keys of `status --json`, in their order.

    Attributes:
        total_count: lines; until they are made, the records that the store says it has, and None
            while it has not said so.
        progress: percent of the lines that are done or cancelled, as the old views say it.
        processed_count: of total_count: lines that came to an end, failed ones too; while the
            store is read, records.
        items_per_min: of the last minute while open, over all once finished; 0 where nobody works.
        eta_seconds: until the last one at this rate; 0 when finished, None when not known.
        completion_percent: processed_count of total_count.
        certificate: what the sync proved when it ended (stages.certificate), or None.
        deleted_count: records whose row was removed, or marked as gone.
        kind: sync, preview, applied_preview, revert or resolution; what a preview counts would be.
    """

    queue_id: str
    connection: str
    entity: str
    state: str
    total_count: int | None
    draft_count: int
    processing_count: int
    done_count: int
    failed_count: int
    cancelled_count: int
    created_count: int
    updated_count: int
    unchanged_count: int
    progress: float
    processed_count: int
    items_per_min: float
    eta_seconds: float | None
    completion_percent: float
    is_processing: bool
    is_action_required: bool
    action_required_reason: str | None
    process_count: int
    certificate: Mapping[str, Any] | None = None
    deleted_count: int = 0
    kind: str = _SYNC


@dataclass(frozen=True)
class Batches:
    """The batches of one queue, and the one that was worked on last (None: none was yet).

    Attributes:
        last_lines: lines that it brought to an end; last_seconds: from its claim to its commit.
    """

    total: int
    ended: int
    last_no: int | None
    last_lines: int | None
    last_seconds: float | None
    last_items_per_min: float | None


@dataclass(frozen=True)
class Standing:
    """One queue with what surrounds its numbers.

    Attributes:
        unit: what is counted now: `records` of the store, or `lines`.
        line_count: lines, 0 until they are made.
        is_over: nothing moves any more.
        is_moving: somebody may be at work: not paused, not waiting for retry_at, no dead lease.
        retry_at: when the next start is due, after the error that last_error and _code tell of.
        is_complete: everything was read, proven; None: not known yet, or a filter was set.
        reconciliation: the verdict of stages.reconcile as it was kept, or None.
    """

    progress: Progress
    batches: Batches
    org_id: str
    stage: str
    unit: str
    line_count: int
    is_over: bool
    is_paused: bool
    is_moving: bool
    failure_count: int
    retry_at: datetime | None
    last_error_code: str | None
    last_error: str | None
    scanned_count: int
    source_total: int | None
    is_complete: bool | None
    reconciliation: Mapping[str, Any] | None
    filters: Mapping[str, Any]
    lifetime_value_rule: str
    dagster_run_id: str | None
    created_by: str | None
    created_at: datetime
    finished_at: datetime | None

    @property
    def alarm(self) -> str | None:
        """In words, that nothing goes well: then it is not the records."""
        ended = self.progress.done_count + self.progress.failed_count
        if self.unit != "lines" or not ended or self.progress.done_count:
            return None
        so_far = "" if self.is_over else " so far"
        return f"every line{so_far} failed: check the store and the mapping"


@dataclass(frozen=True)
class Milestone:
    """Something that happened to a queue as a whole; `details` as its stage wrote them."""

    activity_type: str
    status: str
    message: str
    details: Mapping[str, Any] | None
    created_at: datetime


@dataclass(frozen=True)
class FailedLine:
    """A record that was not applied, and why."""

    external_id: str
    error_code: str
    error_message: str
    last_error_at: datetime | None


def standing(database: Database, queue: Queue) -> Standing:
    """How a queue stands now.

    Raises:
        UnknownQueueError: it is gone.
    """
    with database.organization(queue.org_id) as conn:
        row = conn.execute(statement("queue/progress"), {"queue_no": queue.queue_no}).fetchone()
    if row is None:
        raise UnknownQueueError(f"There is no queue {queue.id} any more.")
    return _standing(row)


def recent(database: Database, *, most: int) -> list[Standing]:
    """The newest queues of all organizations, newest first."""
    with database.control() as conn:
        rows = conn.execute(statement("queue/recent"), {"most": most}).fetchall()
    return [_standing(row) for row in rows]


def milestones(database: Database, queue: Queue) -> list[Milestone]:
    """What happened to the queue as a whole, oldest first."""
    with database.organization(queue.org_id) as conn:
        rows = conn.execute(statement("queue/milestones"), {"queue_no": queue.queue_no}).fetchall()
    return [Milestone(**row) for row in rows]


def failed_lines(database: Database, queue: Queue, *, most: int) -> list[FailedLine]:
    """The newest failed lines."""
    with database.organization(queue.org_id) as conn:
        rows = conn.execute(
            statement("queue/failed_lines"), {"queue_no": queue.queue_no, "most": most}
        ).fetchall()
    return [FailedLine(**row) for row in rows]


def _standing(row: Mapping[str, Any]) -> Standing:
    values = {name: _plain(value) for name, value in row.items()}
    values |= {
        "queue_id": str(values["id"]),
        "org_id": str(values["org_id"]),
        "is_over": values["stage"] == "finished",
        "dagster_run_id": values["last_dagster_run_id"],
        "kind": next((kind for name, kind in _KINDS.items() if name in values["filters"]), _SYNC),
    }
    progress = Progress(**{name: values[name] for name in Progress.__dataclass_fields__})
    batches = Batches(
        total=values["batch_count"],
        ended=values["ended_batch_count"],
        last_no=values["last_batch_no"],
        last_lines=values["last_batch_lines"],
        last_seconds=values["last_batch_seconds"],
        last_items_per_min=values["last_batch_items_per_min"],
    )
    own = Standing.__dataclass_fields__.keys() - {"progress", "batches"}
    return Standing(progress, batches, **{name: values[name] for name in own})


def _plain(value: Any) -> Any:  # noqa: ANN401
    return float(value) if isinstance(value, Decimal) else value
