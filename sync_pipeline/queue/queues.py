"""The queue of one sync: opened once, resumed as often as needed, finished once.

Belongs here: the row of `sync_queue` and the stages it moves through. Does not: batches and lines
(leases.py, completion.py), what the stages do (stages/).
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast
from uuid import UUID

from psycopg import Connection as SqlConnection
from psycopg.types.json import Jsonb

from sync_pipeline import logs
from sync_pipeline.errors import InputError, UnknownQueueError
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.ranges import range_of
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.filters import Filters
from sync_pipeline.settings import QueueSettings
from sync_pipeline.sources.connections import Connection

Stage = Literal["extract", "enqueue", "apply", "finished"]


_log = logs.get_logger(__name__)
_LEVELS = {
    "success": logging.INFO,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class QueueOpenError(InputError):
    """Another sync of this connection and entity is open, and it is not the one asked for."""

    code = "queue.open"


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


def open_queue(
    database: Database,
    connection: Connection,
    entity: str,
    *,
    settings: QueueSettings,
    filters: Filters | None = None,
    idempotency_key: str | None = None,
    created_by: str | None = None,
    is_full: bool = False,
) -> tuple[Queue, bool]:
    """Open a queue, or return the one that this start means, to be resumed.

    A key that was used before means that first queue, finished or not. Without a key an open
    queue with the same filters is joined, unless everything is wanted and it reads changes only.

    Returns:
        The queue, and whether it is new.

    Raises:
        QueueOpenError: a different sync of the same connection and entity is open.
    """
    filters = filters or Filters()
    with database.organization(connection.org_id) as conn:
        if idempotency_key is not None and (
            first := _one(conn, "by_key", connection, entity, idempotency_key)
        ):
            return first, False
        made = _make(
            conn,
            connection,
            entity,
            settings,
            {
                "filters": Jsonb(filters.as_dict()),
                "idempotency_key": idempotency_key,
                "created_by": created_by,
                "is_full": is_full,
            },
        )
        if made is not None:
            return made, True
        standing = _one(conn, "open_one", connection, entity, None)
    if standing is None:
        # It finished between the two statements: the next try opens a new one.
        return open_queue(
            database,
            connection,
            entity,
            settings=settings,
            filters=filters,
            idempotency_key=idempotency_key,
            created_by=created_by,
            is_full=is_full,
        )
    # The same key: another process made it between our two looks.
    is_meant = standing.idempotency_key == idempotency_key and idempotency_key is not None
    is_alike = standing.filters == filters and standing.is_full >= is_full
    is_joined = idempotency_key is None and is_alike
    if not (is_meant or is_joined):
        # Alike, it would have been joined without a key.
        key = "under another" if standing.idempotency_key else "without an"
        difference = f"{key} idempotency key" if is_alike else "with other settings"
        raise _other_is_open(standing, difference)
    return standing, False


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
        row = conn.execute(statement("queue/find"), _selection(id=key)).fetchone()
    if row is None:
        raise UnknownQueueError(
            f"There is no queue {key}.", remedy="See `sync-pipeline status --latest`."
        )
    return _queue(row)


def latest_queue(database: Database, *, connection: str | None, entity: str | None) -> Queue:
    """The newest queue, of one connection and entity when they are named.

    Raises:
        UnknownQueueError: there is none yet.
    """
    with database.control() as conn:
        row = conn.execute(
            statement("queue/find"), _selection(connection=connection, entity=entity)
        ).fetchone()
    if row is None:
        raise UnknownQueueError(
            f"Nothing was synced yet{f' for {connection}' if connection else ''}.",
            remedy="Start one: sync-pipeline sync NAME.",
        )
    return _queue(row)


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


def _make(
    conn: SqlConnection[dict[str, Any]],
    connection: Connection,
    entity: str,
    settings: QueueSettings,
    asked: Mapping[str, Any],
) -> Queue | None:
    """A new queue as it was asked for; None when one is open, or the key was used."""
    row = conn.execute(
        statement("queue/open"),
        {
            "org_id": connection.org_id,
            "connection_id": connection.connection_id,
            "entity": entity,
            "queue_name": _queue_name(connection.name, entity),
            "source_system": connection.system,
            "batch_size": settings.batch_size,
            "batch_delay_ms": settings.batch_delay_ms,
            "max_retries": settings.max_retries,
            "initial_backoff_ms": settings.initial_backoff_ms,
            "lifetime_value_rule": settings.lifetime_value_rule,
            **asked,
        },
    ).fetchone()
    if row is None:
        return None
    conn.execute(statement("queue/make_ranges"), {"range_no": range_of(row["queue_no"])})
    queue = cast(Queue, _one(conn, "by_no", connection, entity, row["queue_no"]))
    record_activity(conn, queue, "queue_opened", "info", f"sync of {entity} opened")
    return queue


def _other_is_open(standing: Queue, difference: str) -> QueueOpenError:
    """The error. `difference`: how it is open."""
    name = standing.connection
    options = f"--entity {standing.entity} {standing.filters.as_options()}".rstrip()
    return QueueOpenError(
        f"A sync of {name} {standing.entity} is open {difference}: {standing.id}.",
        remedy=f"Finish it first: sync-pipeline sync {name} {options}.",
    )


def _queue_name(connection: str, entity: str) -> str:
    return f"{connection} {entity} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}Z"


def _one(
    conn: SqlConnection[dict[str, Any]],
    how: Literal["by_key", "by_no", "open_one"],
    connection: Connection,
    entity: str,
    value: Any,  # noqa: ANN401
) -> Queue | None:
    selection = {
        "by_key": {"connection": connection.name, "entity": entity, "idempotency_key": value},
        "by_no": {"queue_no": value},
        "open_one": {"connection": connection.name, "entity": entity, "is_open": True},
    }[how]
    row = conn.execute(statement("queue/find"), _selection(**selection)).fetchone()
    return None if row is None else _queue(row)


def _selection(**chosen: Any) -> dict[str, Any]:  # noqa: ANN401
    nothing = dict.fromkeys(
        ("queue_no", "id", "connection", "entity", "idempotency_key", "is_open")
    )
    return nothing | chosen


def _queue(row: Mapping[str, Any]) -> Queue:
    values = {name: row[name] for name in Queue.__dataclass_fields__}
    return Queue(**values | {"filters": Filters.from_dict(row["filters"])})
