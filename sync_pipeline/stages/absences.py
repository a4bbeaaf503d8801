"""Absences: which known records a whole, proven reading did not show, and whether that is believed.

Belongs here: counting them once a queue, and telling. Does not: how much is believed
(believing.py), asking the store (confirming.py), what becomes of our rows (deletions.py).

A record is taken for deleted after two trusted readings in a row without it, and when the store
says so itself. A reading that misses more than the limit counts nothing at all; one after which the
store calls more than the limit gone deletes nothing.
"""

from dataclasses import asdict
from typing import Any, Final

from psycopg import sql

from sync_pipeline.entities import Entity
from sync_pipeline.postgres.database import Database, DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue, record_activity
from sync_pipeline.settings import SourceSettings
from sync_pipeline.sources.connections import Connection
from sync_pipeline.sources.protocol import Listing, Source
from sync_pipeline.stages.believing import (
    Absence,
    believed_at_most,
    counts_absences,
    limit_percent_of,
)
from sync_pipeline.stages.confirming import confirm
from sync_pipeline.stages.coverage import (
    Coverage,
    absent_name,
    answers_name,
    delta_name,
    rescan_name,
    sweep_name,
)

PAGE_RECORDS: Final = 1_000


def look_for_absent(
    database: Database,
    queue: Queue,
    connection: Connection,
    entity: Entity,
    source: Source | None,
    listing: Listing,
    *,
    settings: SourceSettings,
    coverage: Coverage,
) -> Absence | None:
    """Count who is absent from a whole reading, and ask the store about those absent twice.

    Done again after a stop, it goes on where it was and counts nothing twice. A preview counts
    nothing, and asks about those for whom the sync would be the second time.

    Args:
        source: None where records are derived.
        listing: of the entity, as this connection reads it.
        coverage: what was read; it must be all that was landed.

    Returns:
        What was found; None: this reading cannot tell.

    Raises:
        SyncError, QueueStoppedError: as `confirm`.
    """
    if not counts_absences(queue, coverage):
        if coverage.is_delta and not queue.filters.preview:
            _count_children(database, queue, entity)
        return None
    limit_percent = limit_percent_of(queue, connection, settings)
    values = _values(queue, entity, coverage)
    with database.organization(queue.org_id) as conn:
        found = _landed(conn, values)
    known, absent = found["n_known"], found["n_absent"]
    if absent > believed_at_most(known, limit_percent):
        return Absence(known, absent, limit_percent=limit_percent, is_believed=False)
    if not queue.filters.preview:
        with database.organization(queue.org_id) as conn:
            conn.execute(statement("absence/count"), values)
            conn.execute(statement("absence/seen"), values)
    confirm(
        database,
        queue,
        entity,
        source if entity.derivation is None else None,
        listing,
        requests_at_once=settings.max_parallel_requests,
    )
    with database.organization(queue.org_id) as conn:
        if not queue.filters.preview:
            conn.execute(statement("absence/settle_conflicts"), values)
        told = conn.execute(statement("absence/told"), values).fetchone()
        by = conn.execute(statement("absence/created_by"), values).fetchone()
    assert told is not None  # noqa: S101  (counts have a row)
    assert by is not None  # noqa: S101  (the queue is at hand)
    is_raised = queue.filters.deletion_limit_percent is not None
    counts = {name.removeprefix("n_"): count for name, count in told.items()}
    # Those that were elsewhere are expected in no listing: they become gone without being missed.
    live, gone = known + told["n_elsewhere"], told["n_deleted"] + told["n_trashed"]
    if gone > believed_at_most(live, limit_percent):
        return Absence(live, gone, limit_percent=limit_percent, is_believed=False)
    by_whom = by["created_by"] if is_raised else None
    return Absence(known, absent, limit_percent=limit_percent, by=by_whom, **counts)


def tell_absence(conn: DictConnection, queue: Queue, absence: Absence) -> None:
    """Say in the queue's activity what was found, and who allowed more than usual."""
    details = asdict(absence)
    if absence.by is not None:
        words = f"{absence.by} allows that {absence.limit_percent:g} % of {queue.entity} are gone"
        record_activity(conn, queue, "deletion_limit_set", "info", words, details)
    if absence.is_believed and absence.in_words:
        is_news = absence.deleted or absence.trashed or absence.unanswered
        record_activity(
            conn,
            queue,
            "absences_found",
            "warning" if is_news else "info",
            absence.in_words,
            details,
        )


def _count_children(database: Database, queue: Queue, entity: Entity) -> None:
    """Have the next sync read everything where a parent that changed lost a child."""
    if entity.children is None:
        return
    query = sql.SQL(statement("absence/children")).format(
        target=sql.Identifier(entity.target),
        parent_column=sql.Identifier(entity.children.parent_column),
    )
    with database.organization(queue.org_id) as conn:
        conn.execute(
            query,
            {
                "queue_no": queue.queue_no,
                "connection_id": queue.connection_id,
                "entity": entity.name,
                "source": queue.connection,
                "ids_field": entity.children.ids_field,
                "listings": [delta_name(entity.listing), rescan_name(entity.listing)],
            },
        )


def _landed(conn: DictConnection, values: dict[str, Any]) -> dict[str, Any]:
    """How many are known and absent, which are landed the first time that it is asked."""
    found = conn.execute(statement("absence/landed"), values).fetchone()
    if found is None:
        conn.execute(statement("enqueue/as_sets"))
        conn.execute(statement("absence/land"), values)
        found = conn.execute(statement("absence/landed"), values).fetchone()
    assert found is not None  # noqa: S101  (a page of no records is a page)
    return found


def _values(queue: Queue, entity: Entity, coverage: Coverage) -> dict[str, Any]:
    own = entity.listing.name
    return {
        "queue_no": queue.queue_no,
        "org_id": queue.org_id,
        "connection_id": queue.connection_id,
        "entity": entity.name,
        "listing": sweep_name(own) if coverage.is_swept else own,
        "prefix": entity.children_prefix,
        "guest_prefix": entity.guests.id_prefix if entity.guests else None,
        "of_guests": False,
        "absent_listing": absent_name(entity.listing),
        "is_preview": queue.filters.preview,
        "answers_listing": answers_name(entity.listing),
        "page_records": PAGE_RECORDS,
    }
