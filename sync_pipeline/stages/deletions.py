"""Deletions: from the store's word that a record is gone to an instruction about our row.

Belongs here: change lines of one sync, made as sets. Does not: who is absent (absences.py), asking
the store (confirming.py), carrying a line out (sql/queue/change.sql).
"""

from psycopg import sql

from sync_pipeline.entities import Entity
from sync_pipeline.entities.references import LATE_COLUMNS
from sync_pipeline.postgres.database import DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue
from sync_pipeline.stages.coverage import answers_name


def make_deletions(conn: DictConnection, queue: Queue, entity: Entity) -> int:
    """Make a change line of every record that is confirmed to be gone, in batches of their own.

    Args:
        conn: the caller's transaction, in which the queue moves on to apply and all its other lines
            and batches stand.
        queue: whose extract asked the store.
        entity: of the queue.

    Returns:
        How many lines were made.
    """
    deletion = entity.deletion
    made = conn.execute(
        sql.SQL(statement("deletion/lines")).format(
            target=sql.Identifier(entity.target),
            match_column=sql.Identifier(entity.match_column),
        ),
        {
            "queue_no": queue.queue_no,
            "org_id": queue.org_id,
            "connection_id": queue.connection_id,
            "entity": entity.name,
            "own_listing": entity.listing.name,
            "answers_listing": answers_name(entity.listing),
            "batch_size": queue.batch_size,
            "columns": list(entity.columns),
            "policy": deletion.policy,
            "mark_column": deletion.mark_column,
            "mark_tag": deletion.mark_tag,
            "late_columns": list(LATE_COLUMNS.get(entity.target, ())),
            "key_field": deletion.key_field,
        },
    ).fetchall()
    return sum(row["n_total"] for row in made)
