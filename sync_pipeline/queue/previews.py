"""Previews: queues that show what a sync would do, and which of them may be applied.

Belongs here: opening one or going on with it, and looking for the one that is meant. Does not:
what is shown (differences.py), making lines of it (stages/).
"""

from typing import Final

from sync_pipeline.errors import InputError, UnknownQueueError
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.actions import cancel
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.queue.queues import Queue, find_queue
from sync_pipeline.settings import QueueSettings
from sync_pipeline.sources.connections import Connection

# What an older one has read is no picture of the store any more: it is cancelled.
_YOUNG_MINUTES: Final = 60


class PreviewUnusableError(InputError):
    """The preview cannot be applied: it is none, of something else, unfinished, or purged."""

    code = "preview.unusable"


def open_preview(
    database: Database,
    connection: Connection,
    entity: str,
    *,
    settings: QueueSettings,
    filters: Filters,
    created_by: str | None,
    is_full: bool = False,
) -> tuple[Queue, bool]:
    """Open a preview, or go on with the young one that was stopped and asks for the same.

    Args:
        filters: what it is about, `preview` set.

    Returns:
        The queue, and whether it is new.
    """
    assert filters.preview, filters  # noqa: S101  (who calls asks for one)
    with database.organization(connection.org_id) as conn:
        standing = conn.execute(
            statement("preview/standing"),
            {
                "connection_id": connection.connection_id,
                "entity": entity,
                "young_minutes": _YOUNG_MINUTES,
            },
        ).fetchall()
    for row in standing:
        if row["is_abandoned"]:
            _cancel(database, row["id"])
        elif Filters.from_dict(row["filters"]) == filters and row["is_full"] == is_full:
            return find_queue(database, str(row["id"])), False
    return open_queue(
        database,
        connection,
        entity,
        settings=settings,
        filters=filters,
        created_by=created_by,
        is_full=is_full,
    )


def cancel_abandoned(database: Database) -> int:
    """Cancel the open previews that nobody went on with; how many. Else they would keep history."""
    with database.control() as conn:
        found = conn.execute(
            statement("preview/abandoned"), {"young_minutes": _YOUNG_MINUTES}
        ).fetchall()
    for row in found:
        _cancel(database, row["id"])
    return len(found)


def _cancel(database: Database, queue_id: object) -> None:
    cancel(database, str(queue_id), by="preview", reason="nobody went on with it")


def applicable(database: Database, queue_id: str, connection: str, entity: str) -> Queue:
    """The preview of that id, if a sync of this connection and entity can apply it.

    Raises:
        PreviewUnusableError: it cannot, and why.
    """
    again = f"Make a new one: sync-pipeline preview {connection} --entity {entity}."
    try:
        queue = find_queue(database, queue_id)
    except UnknownQueueError:
        raise PreviewUnusableError(
            f"There is no preview {queue_id}: it was purged, or never made.", remedy=again
        ) from None
    if not queue.filters.preview:
        raise PreviewUnusableError(f"The queue {queue.id} is no preview.", remedy=again)
    if (queue.connection, queue.entity) != (connection, entity):
        raise PreviewUnusableError(
            f"The preview {queue.id} is of {queue.connection} {queue.entity}, not of {connection} "
            f"{entity}.",
            remedy=f"Apply it there: sync-pipeline sync {queue.connection} --entity "
            f"{queue.entity} --preview {queue.id}.",
        )
    with database.organization(queue.org_id) as conn:
        row = conn.execute(statement("preview/usable"), {"queue_no": queue.queue_no}).fetchone()
    assert row is not None  # noqa: S101  (the queue is at hand)
    if row["is_cancelled"]:
        raise PreviewUnusableError(f"The preview {queue.id} was cancelled.", remedy=again)
    if queue.stage != "finished":
        full = " --full" if queue.is_full else ""
        raise PreviewUnusableError(
            f"The preview {queue.id} is not finished: it stands at {queue.stage}.",
            remedy=f"Go on with it: {queue.filters.as_command(connection, entity)}{full}.",
        )
    if row["n_kept"] < row["n_total"]:
        raise PreviewUnusableError(f"The lines of the preview {queue.id} are purged.", remedy=again)
    return queue


def applying_key(
    database: Database,
    filters: Filters,
    connection: str,
    entity: str,
    idempotency_key: str | None = None,
) -> str | None:
    """The idempotency key of a sync with these filters: of a preview there is one sync.

    Args:
        idempotency_key: the one that was asked for.

    Raises:
        PreviewUnusableError: the preview that it is to apply cannot be applied.
        InputError: another key was asked for.
    """
    if filters.applies is None:
        return idempotency_key
    key = f"preview {applicable(database, filters.applies, connection, entity).id}"
    if idempotency_key not in (None, key):
        raise InputError(
            "What a preview showed is applied once, under a key of its own.",
            remedy="Leave the idempotency key out.",
        )
    return key
