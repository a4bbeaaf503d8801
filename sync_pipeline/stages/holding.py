"""Holding a queue at enqueue while lines are made of it.

Belongs here: the lock, and the note that says what was read. Does not: making lines (enqueue.py,
aside.py).
"""

from typing import Any

from sync_pipeline.errors import UnknownQueueError
from sync_pipeline.postgres.database import DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue


def hold(conn: DictConnection, queue: Queue) -> bool:
    """Keep the queue at this stage for the transaction; False: it has been moved on."""
    values = {"queue_no": queue.queue_no}
    conn.execute(statement("enqueue/hold_shared"), values)
    return conn.execute(statement("enqueue/hold"), values).fetchone() is not None


def note_of(conn: DictConnection, queue: Queue) -> dict[str, Any]:
    """What the extract found: stage, extract_note, is_complete, source_total.

    Raises:
        UnknownQueueError: the queue is gone.
    """
    row = conn.execute(statement("extract/note"), {"queue_no": queue.queue_no}).fetchone()
    if row is None:
        raise UnknownQueueError(f"There is no queue {queue.id}.")
    return row
