"""One process at a time reads for a queue; another that joins it waits for its turn.

Belongs here: whose turn it is. Does not: what is read (extract.py), leases of batches (queue/).

Two readers at once would land ranges of different sizes over each other, and one that starts a
sweep anew would take the ids away that the other has just proven its scan with. The turn is a lock
of a session, so it ends with its process, however that ends.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.postgres.urls import connect
from sync_pipeline.queue.queues import Queue
from sync_pipeline.queue.stops import refuse_if_stopped

_LOOK_SECONDS = 0.2
# The slowest page that is waited for: read timeouts and tries of one request together.
_PATIENCE_SECONDS = 120.0


@contextmanager
def turn(database: Database, queue: Queue) -> Iterator[None]:
    """Wait until nobody else reads for the queue, and keep others waiting for the block.

    A process that holds its turn and stalled is not waited for: no page of the queue landed, and
    nobody began to work on it, for two minutes.

    Raises:
        DatabaseUnavailableError: no connection for the lock.
        QueueStoppedError: an operator stopped the queue.
    """
    key = {"queue_no": queue.queue_no}
    with connect(database.url) as session:
        while session.execute(statement("extract/turn"), key).fetchone() == (False,):
            refuse_if_stopped(database, queue)
            if not _is_read(database, queue):
                break
            time.sleep(_LOOK_SECONDS)
        refuse_if_stopped(database, queue)
        yield


def _is_read(database: Database, queue: Queue) -> bool:
    values = {"queue_no": queue.queue_no, "patience_seconds": _PATIENCE_SECONDS}
    with database.organization(queue.org_id) as conn:
        row = conn.execute(statement("extract/is_read"), values).fetchone()
    return bool(row and row["is_read"])
