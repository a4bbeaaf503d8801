"""The queue of one sync: found, resumed as often as needed, finished once.

Belongs here: the row of `sync_queue` and the stages it moves through. Does not: making it
(opening.py), batches and lines (leases.py, completion.py), what the stages do (stages/).
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import Connection as SqlConnection
from psycopg.types.json import Jsonb

from sync_pipeline import logs
from sync_pipeline.errors import InputError, UnknownQueueError
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.filters import Filters

Stage = Literal["extract", "enqueue", "apply", "finished"]

_log = logs.get_logger(__name__)
_CHOSEN = (
    "queue_no", "id", "connection", "entity", "idempotency_key", "is_open", "is_window",
    "is_beside",
)  # fmt: skip
_LEVELS = {
    "success": logging.INFO,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


@dataclass(frozen=True)
class Queue:
    """One sync of one connection and entity.

    Attributes:
        queue_no: internal key; `id` is what people and other systems use.
        stage: where the sync stands; a stopped one goes on there.
        is_full: everything is read, not only what changed since the watermark.
    """

    queue_no: int
    id: UUID
    org_id: str
    connection_id: int
    connection: str
    entity: str
    source_system: str
    stage: Stage
    filters: Filters
    idempotency_key: str | None
    batch_size: int
    batch_delay_ms: int
    max_retries: int
    initial_backoff_ms: int
    lifetime_value_rule: str
    is_complete: bool | None
    last_dagster_run_id: str | None
    created_at: datetime
    is_full: bool = False


def find_queue(database: Database, queue_id: str) -> Queue:
    """The queue of that public id, of whatever organization.

    Raises:
        InputError: not a UUID.
        UnknownQueueError: no such queue.
    """
    try:
        key = UUID(queue_id)
    except ValueError:
        raise InputError(
            f"{queue_id!r} is not a queue id.", remedy="Queue ids are UUIDs: sync-pipeline status."
        ) from None
    with database.control() as conn:
        queue = select_queue(conn, id=key)
    if queue is None:
        raise UnknownQueueError(
            f"There is no queue {key}.", remedy="See `sync-pipeline status --latest`."
        )
    return queue


def latest_queue(
    database: Database,
    *,
    connection: str | None,
    entity: str | None,
    is_window: bool | None = None,
    is_beside: bool | None = None,
) -> Queue:
    """The newest queue, of one connection and entity when they are named.

    Args:
        is_window: only windows, or only other syncs.
        is_beside: only what takes back, resolves or shows, or only syncs.

    Raises:
        UnknownQueueError: there is none yet.
    """
    with database.control() as conn:
        queue = select_queue(
            conn, connection=connection, entity=entity, is_window=is_window, is_beside=is_beside
        )
    if queue is None:
        raise UnknownQueueError(
            f"Nothing was synced yet{f' for {connection}' if connection else ''}.",
            remedy="Start one: sync-pipeline sync NAME.",
        )
    return queue


def select_queue(conn: SqlConnection[dict[str, Any]], **chosen: Any) -> Queue | None:  # noqa: ANN401
    """The newest queue that fits all that is chosen and not None.

    Args:
        chosen: any of queue_no, id, connection (its name), entity, idempotency_key, is_open,
            is_window, is_beside.
    """
    nothing = dict.fromkeys(_CHOSEN)
    row = conn.execute(statement("queue/find"), nothing | chosen).fetchone()
    if row is None:
        return None
    values = {name: row[name] for name in Queue.__dataclass_fields__}
    return Queue(**values | {"filters": Filters.from_dict(row["filters"])})


def reload(database: Database, queue: Queue) -> Queue:
    """The queue as it is now.

    Raises:
        UnknownQueueError: it is gone.
    """
    return find_queue(database, str(queue.id))


def begin(database: Database, queue: Queue, *, run_id: str | None) -> None:
    """Note that a process starts or resumes work on the queue, and in which Dagster run."""
    with database.organization(queue.org_id) as conn:
        conn.execute(statement("queue/begin"), {"queue_no": queue.queue_no, "run_id": run_id})


def finish(database: Database, queue: Queue) -> bool:
    """Finish the queue if no batch is open and nobody paused it; True for the one caller that did.

    The queue is held first: an action that opens a batch again while we wait is seen.
    """
    with database.organization(queue.org_id) as conn:
        conn.execute(statement("queue/hold"), {"queue_no": queue.queue_no})
        return finish_held(conn, queue)


def finish_held(conn: SqlConnection[dict[str, Any]], queue: Queue) -> bool:
    """As `finish`, in a transaction that holds the queue already (queue/hold.sql)."""
    row = conn.execute(statement("queue/finish"), {"queue_no": queue.queue_no}).fetchone()
    if row is None:
        return False
    status = queue_status(conn, queue.queue_no)
    record_activity(
        conn,
        queue,
        "queue_finished",
        "success" if status["state"] == "done" else "warning",
        f"{status['state']}: {status['done_count']} done, {status['failed_count']} failed, "
        f"{status['unchanged_count']} unchanged",
    )
    return True


def is_stopped(conn: SqlConnection[dict[str, Any]], queue_no: int) -> bool:
    """Whether an operator paused or cancelled the queue."""
    row = conn.execute(statement("queue/is_stopped"), {"queue_no": queue_no}).fetchone()
    return bool(row and row["is_stopped"])


def queue_status(conn: SqlConnection[dict[str, Any]], queue_no: int) -> dict[str, Any]:
    """Every number of one queue: a row of the view sync_queue_status."""
    row = conn.execute(statement("queue/status"), {"queue_no": queue_no}).fetchone()
    if row is None:
        raise UnknownQueueError(f"There is no queue number {queue_no}.")
    return dict(row)


def record_activity(
    conn: SqlConnection[dict[str, Any]],
    queue: Queue,
    activity_type: str,
    status: Literal["success", "info", "warning", "error"],
    message: str,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write one audit row about the queue as a whole, and a record of it to the log."""
    _log.log(
        _LEVELS[status],
        activity_type.replace("_", " "),
        words=message,
        queue=str(queue.id),
        connection=queue.connection,
        organization=queue.org_id,
        entity=queue.entity,
    )
    conn.execute(
        statement("queue/record_activity"),
        {
            "queue_no": queue.queue_no,
            "org_id": queue.org_id,
            "activity_type": activity_type,
            "status": status,
            "message": message,
            "details": Jsonb(dict(details)) if details is not None else None,
        },
    )
