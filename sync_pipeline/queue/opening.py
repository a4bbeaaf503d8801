"""Opening the queue of a sync, or joining the one that a start means.

Belongs here: which queue a start comes to, and queues beside the syncs. Does not: finding and
finishing queues (queues.py), who works them (leases.py, heartbeat.py), their lines.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection as SqlConnection
from psycopg.types.json import Jsonb

from sync_pipeline.errors import InputError
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.ranges import range_of
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.keys import require_key
from sync_pipeline.queue.queues import Queue, Stage, record_activity, select_queue
from sync_pipeline.settings import QueueSettings
from sync_pipeline.sources.connections import Connection


class QueueOpenError(InputError):
    """Another sync of this connection and entity is open, and it is not the one asked for."""

    code = "queue.open"


@dataclass(frozen=True)
class _Start:
    """What was asked for."""

    connection: Connection
    entity: str
    settings: QueueSettings
    filters: Filters
    idempotency_key: str | None
    created_by: str | None
    is_full: bool
    depends_on: Sequence[int] = ()
    orchestration_no: int | None = None
    stage: Stage = "extract"


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
    require_key(idempotency_key)
    start = _Start(
        connection, entity, settings, filters or Filters(), idempotency_key, created_by, is_full
    )
    while True:
        with database.organization(connection.org_id) as conn:
            if (found := _look(conn, start)) is not None:
                return found


def open_for_orchestration(
    conn: SqlConnection[dict[str, Any]],
    connection: Connection,
    entity: str,
    *,
    settings: QueueSettings,
    created_by: str,
    is_full: bool,
    depends_on: Sequence[int],
    orchestration_no: int,
) -> tuple[Queue, bool]:
    """Open a queue of an orchestration in its transaction, or join the open one.

    Args:
        depends_on: numbers of queues that come before; one that is joined keeps its own.

    Returns, Raises: as `open_queue`. The transaction is good for others after a refusal.
    """
    start = _Start(
        connection, entity, settings, Filters(), None, created_by, is_full,
        depends_on, orchestration_no,
    )  # fmt: skip
    while (found := _look(conn, start)) is None:
        pass
    return found


def open_beside(
    conn: SqlConnection[dict[str, Any]],
    connection: Connection,
    entity: str,
    *,
    filters: Filters,
    settings: QueueSettings,
    created_by: str,
    idempotency_key: str | None = None,
) -> tuple[Queue, bool]:
    """Open a queue that changes rows of ours, at the stage apply, in the caller's transaction.

    It stands beside the syncs of its connection and entity. Nothing is read for it: the caller
    makes its lines and batches before the transaction ends.

    Returns:
        The queue, and whether it is new; one that has the key already has its lines.
    """
    require_key(idempotency_key)
    assert filters.is_change, filters  # noqa: S101  (everything else is read first)
    start = _Start(
        connection, entity, settings, filters, idempotency_key, created_by,
        is_full=False, stage="apply",
    )  # fmt: skip
    while (found := _look(conn, start)) is None:
        pass
    return found


def _look(conn: SqlConnection[dict[str, Any]], start: _Start) -> tuple[Queue, bool] | None:
    """What a start comes to now; None: what stood in its way finished meanwhile, look again.

    Raises:
        QueueOpenError: as `open_queue`.
    """
    place = {"connection": start.connection.name, "entity": start.entity}
    key = start.idempotency_key
    if key is not None and (first := select_queue(conn, **place, idempotency_key=key)):
        return first, False
    if (made := _make(conn, start)) is not None:
        return made, True
    if start.filters.is_beside:
        return None  # another process used the key between our two looks
    is_window = start.filters.is_window
    standing = select_queue(conn, **place, is_open=True, is_window=is_window, is_beside=False)
    if standing is None:
        return None
    _require_meant(standing, start)
    return standing, False


def _require_meant(standing: Queue, start: _Start) -> None:
    """Whether the open queue is the one that was asked for.

    Raises:
        QueueOpenError: it is another one; says how they differ.
    """
    has_key = start.idempotency_key is not None
    # The same key: another process made it between our two looks.
    is_meant = has_key and standing.idempotency_key == start.idempotency_key
    is_alike = standing.filters == start.filters and standing.is_full >= start.is_full
    if is_meant or (is_alike and not has_key):
        return
    # Alike, it would have been joined without a key.
    key = "under another" if standing.idempotency_key else "without an"
    difference = f"{key} idempotency key" if is_alike else "with other settings"
    command = standing.filters.as_command(standing.connection, standing.entity)
    raise QueueOpenError(
        f"A sync of {standing.connection} {standing.entity} is open {difference}: {standing.id}.",
        remedy=f"Finish it first: {command}.",
    )


def _make(conn: SqlConnection[dict[str, Any]], start: _Start) -> Queue | None:
    """A new queue as it was asked for; None when one is open, or the key was used."""
    row = conn.execute(
        statement("queue/open"),
        {
            "org_id": start.connection.org_id,
            "connection_id": start.connection.connection_id,
            "entity": start.entity,
            "queue_name": f"{start.connection.name} {start.entity} "
            f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}Z",
            "source_system": start.connection.system,
            "batch_size": start.settings.batch_size,
            "batch_delay_ms": start.settings.batch_delay_ms,
            "max_retries": start.settings.max_retries,
            "initial_backoff_ms": start.settings.initial_backoff_ms,
            "lifetime_value_rule": start.settings.lifetime_value_rule,
            "filters": Jsonb(start.filters.as_dict()),
            "idempotency_key": start.idempotency_key,
            "created_by": start.created_by,
            "is_full": start.is_full,
            "depends_on": list(start.depends_on),
            "orchestration_no": start.orchestration_no,
            "stage": start.stage,
        },
    ).fetchone()
    if row is None:
        return None
    conn.execute(statement("queue/make_ranges"), {"range_no": range_of(row["queue_no"])})
    queue = select_queue(conn, queue_no=row["queue_no"])
    assert queue is not None  # noqa: S101  (it was made in this transaction)
    record_activity(conn, queue, "queue_opened", "info", _opened(start))
    return queue


def _opened(start: _Start) -> str:
    filters = start.filters
    if filters.reverts:
        return f"taking back what {filters.reverts} did to {start.entity}"
    if filters.resolves:
        return f"applying what was decided about conflicts of {start.entity}"
    return f"{'preview' if filters.preview else 'sync'} of {start.entity} opened"
