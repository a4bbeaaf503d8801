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

STAGE_LEASE_SECONDS = 120.0
_LOOK_SECONDS = 0.2
_PATIENCE_SECONDS = 5.0  # to show a first sign of life


@contextmanager
def turn(database: Database, queue: Queue) -> Iterator[None]:
    """Wait until nobody else reads for the queue, and keep others waiting for the block.

    A process that holds its turn and stalled (no page in the stage's lease) is not waited for.

    Raises:
        DatabaseUnavailableError: no connection for the lock.
    """
    key = {"queue_no": queue.queue_no}
    with connect(database.url) as session:
        patient_until = time.monotonic() + _PATIENCE_SECONDS
        while session.execute(statement("extract/turn"), key).fetchone() == (False,):
            if time.monotonic() > patient_until and not _is_read(database, queue):
                break
            time.sleep(_LOOK_SECONDS)
        with database.organization(queue.org_id) as conn:
            conn.execute(statement("extract/is_stopped"), key | {"seconds": STAGE_LEASE_SECONDS})
        yield


def _is_read(database: Database, queue: Queue) -> bool:
    with database.organization(queue.org_id) as conn:
        row = conn.execute(statement("extract/is_read"), {"queue_no": queue.queue_no}).fetchone()
    return bool(row and row["is_read"])
