"""Applying a preview: a sync whose lines are those that were shown.

Belongs here: taking them over. Does not: whether a preview can be applied (queue/previews.py),
refusing what moved since (sql/queue/checked.sql).

Nothing is read, and no watermark of records moves: the next sync reads the same changes again and
finds them applied. All of it is sets.
"""

from sync_pipeline.entities import Entity
from sync_pipeline.errors import UnknownQueueError
from sync_pipeline.postgres.database import Database, DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.previews import applicable
from sync_pipeline.queue.queues import Queue
from sync_pipeline.stages.aside import Made
from sync_pipeline.stages.coverage import Coverage
from sync_pipeline.stages.enqueued import made_before
from sync_pipeline.stages.feeding import own_figures
from sync_pipeline.stages.holding import hold, note_of


def shown_coverage(database: Database, queue: Queue) -> Coverage:
    """What the preview had read; it proves nothing any more.

    Raises:
        PreviewUnusableError: the preview cannot be applied.
    """
    preview = _preview_of(database, queue)
    with database.organization(queue.org_id) as conn:
        found = Coverage(**note_of(conn, preview)["extract_note"]["records"])
    return Coverage(scanned=found.scanned, total=None, is_complete=None)


def take_over_lines(database: Database, queue: Queue, entity: Entity) -> Made:
    """Make the queue's lines of records from those of the preview, once.

    The orders that the preview read become figures with them: without, a replay would take figures
    for gone that the records have.

    Raises:
        PreviewUnusableError: the preview cannot be applied.
    """
    preview = _preview_of(database, queue)
    with database.organization(queue.org_id) as conn:
        note = note_of(conn, preview)
        before = made_before(note)
        if hold(conn, queue):
            own_figures(conn, preview, entity, note)
            values = {
                "queue_no": queue.queue_no,
                "preview_no": preview.queue_no,
                "org_id": queue.org_id,
            }
            conn.execute(statement("preview/take_lines"), values)
        return Made(guests=before.guests, money=[], preview_no=preview.queue_no)


def take_over_changes(conn: DictConnection, queue: Queue, preview_no: int) -> int:
    """Make the queue's change lines and their batches, and retire whom the preview retired.

    Args:
        conn: the caller's transaction, in which the queue moves on and its other batches stand.
        queue: that applies the preview.
        preview_no: number of the preview's queue.

    Returns:
        How many change lines there are.
    """
    values = {
        "queue_no": queue.queue_no,
        "preview_no": preview_no,
        "org_id": queue.org_id,
        "connection_id": queue.connection_id,
        "entity": queue.entity,
    }
    taken = conn.execute(statement("preview/take_changes"), values).fetchall()
    conn.execute(statement("preview/retire"), values)
    return sum(row["n_total"] for row in taken)


def _preview_of(database: Database, queue: Queue) -> Queue:
    if queue.filters.applies is None:
        raise UnknownQueueError(f"The sync {queue.id} applies no preview.")
    return applicable(database, queue.filters.applies, queue.connection, queue.entity)
