"""How far a queue is, how fast, and what happened to it: what `status` shows.

Belongs here: reading, and the pure arithmetic of rates. Does not: changing anything (queues.py),
printing (cli/).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sync_pipeline.errors import UnknownQueueError
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue

_WINDOW = timedelta(seconds=60)


@dataclass(frozen=True)
class Progress:
    """The numbers of one queue; the keys of `status --json`, in their order.

    Attributes:
        progress: percent of the lines that are done or cancelled, as the old views say it.
        items_per_min: lines a minute: in the last minute while open, over all once finished.
        eta_seconds: until the last line at this rate; 0 when finished, None when not known.
        completion_percent: percent of the lines that came to an end, failed ones too.
    """

    queue_id: str
    connection: str
    entity: str
    state: str
    total_count: int
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


@dataclass(frozen=True)
class Standing:
    """One queue with what surrounds its numbers.

    Attributes:
        is_over: nothing moves any more.
        is_complete: everything was read, proven; None: not known yet, or a filter was set.
        reconciliation: the verdict of stages.reconcile as it was kept, or None.
    """

    progress: Progress
    org_id: str
    stage: str
    is_over: bool
    is_paused: bool
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


def standing(database: Database, queue: Queue, *, now_utc: datetime | None = None) -> Standing:
    """How a queue stands now.

    Raises:
        UnknownQueueError: it is gone.
    """
    now_utc = now_utc or datetime.now(UTC)
    values = {"queue_no": queue.queue_no, "since_utc": now_utc - _WINDOW}
    with database.organization(queue.org_id) as conn:
        row = conn.execute(statement("queue/progress"), values).fetchone()
    if row is None:
        raise UnknownQueueError(f"There is no queue {queue.id} any more.")
    return _standing(row, now_utc)


def recent(database: Database, *, most: int) -> list[Standing]:
    """The newest queues of all organizations, newest first."""
    now_utc = datetime.now(UTC)
    with database.control() as conn:
        keys = conn.execute(statement("queue/recent"), {"most": most}).fetchall()
    found = []
    for key in keys:
        with database.organization(key["org_id"]) as conn:
            row = conn.execute(
                statement("queue/progress"),
                {"queue_no": key["queue_no"], "since_utc": now_utc - _WINDOW},
            ).fetchone()
        if row is not None:
            found.append(_standing(row, now_utc))
    return found


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


def items_per_min(row: Mapping[str, Any], now_utc: datetime) -> float:
    """Lines a minute; 0 when nothing was applied. Pure.

    Args:
        row: stage, apply_began_at, finished_at, processed_count, recent_count (in the last minute).
        now_utc: the time of the row.
    """
    began: datetime | None = row["apply_began_at"]
    if began is None:
        return 0.0
    if row["stage"] == "finished":
        lines, seconds = row["processed_count"], (row["finished_at"] - began).total_seconds()
    else:
        lines = row["recent_count"]
        seconds = (now_utc - max(began, now_utc - _WINDOW)).total_seconds()
    return round(lines / seconds * 60, 1) if seconds > 0 else 0.0


def eta_seconds(row: Mapping[str, Any], rate_per_min: float) -> float | None:
    """Seconds until the last line at this rate. Pure."""
    if row["stage"] == "finished":
        return 0.0
    if row["apply_began_at"] is None or rate_per_min <= 0:
        return None
    left: int = row["total_count"] - row["processed_count"]
    return round(left / rate_per_min * 60, 1)


def completion_percent(row: Mapping[str, Any]) -> float:
    """Percent of the lines that came to an end. Pure."""
    if row["stage"] == "finished":
        return 100.0
    if not row["total_count"]:
        return 0.0
    return float(round(row["processed_count"] / row["total_count"] * 100, 2))


def _standing(row: Mapping[str, Any], now_utc: datetime) -> Standing:
    rate = items_per_min(row, now_utc)
    values: dict[str, Any] = {name: row.get(name) for name in Progress.__dataclass_fields__}
    values |= {
        "queue_id": str(row["id"]),
        "progress": float(row["progress"]),
        "items_per_min": rate,
        "eta_seconds": eta_seconds(row, rate),
        "completion_percent": completion_percent(row),
    }
    return Standing(
        progress=Progress(**values),
        org_id=str(row["org_id"]),
        stage=row["stage"],
        is_over=row["stage"] == "finished" or row["state"] == "cancelled",
        is_paused=row["is_paused"],
        scanned_count=row["scanned_count"],
        source_total=row["source_total"],
        is_complete=row["is_complete"],
        reconciliation=row["reconciliation"],
        filters=row["filters"],
        lifetime_value_rule=row["lifetime_value_rule"],
        dagster_run_id=row["last_dagster_run_id"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
    )
