"""Upsert: apply the queue's batches until none is open, with as many workers as are set.

Belongs here: the stage as a whole, from its workers to the queue's end. Does not: what a worker
does (drain.py), the statements (queue/completion.py, sql/queue/).

Each batch commits alone, so a stop at any instant loses nothing; several processes may drain one
queue at once. Batches do not wait for the disk: all that one does is in this database, so a crash
of the server that loses its commit loses batch, rows and audit together, and the batch is worked
again. Finishing the queue does wait, and makes every commit before it durable. (Waiting at every
batch took a third of the time.)
"""

from dataclasses import asdict
from typing import Final

from psycopg.errors import DeadlockDetected

from sync_pipeline import logs
from sync_pipeline.entities import Entity
from sync_pipeline.entities.references import Filled, fill_references, release_references
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.completion import Outcome
from sync_pipeline.queue.queues import Queue, finish, record_activity
from sync_pipeline.queue.stops import refuse_if_stopped
from sync_pipeline.settings import QueueSettings
from sync_pipeline.stages.drain import Drain, OnBatch, Reread

_ATTEMPTS: Final = 3


def upsert(
    database: Database,
    queue: Queue,
    entity: Entity,
    settings: QueueSettings,
    on_batch: OnBatch | None = None,
    reread: Reread | None = None,
) -> Outcome:
    """Apply every open batch, wait for those that try again, and finish the queue.

    Args:
        reread: called between batches when lines wait whose record must be read again first; None:
            they fail again with the reason they had.

    Returns:
        What this process did; other processes may have done the rest.

    Raises:
        DatabaseUnavailableError: the database went away; leases run out, the next start goes on.
        DatabaseUnusableError: it would refuse every line (no rights, another schema); none failed.
        QueueStoppedError: an operator stopped the queue; the batches in hand were applied.
        SyncError: what `reread` raised.
    """
    drain = Drain(database, queue, entity, settings, on_batch, reread)
    with logs.Workers(settings.workers, thread_name_prefix="upsert") as pool:
        futures = [pool.submit(drain.work, number) for number in range(settings.workers)]
        outcomes = [future.result() for future in futures]
    if not queue.filters.preview:
        _fill_references(database, queue)
    if not finish(database, queue):
        refuse_if_stopped(database, queue)
    return sum(outcomes, Outcome())


def _fill_references(database: Database, queue: Queue) -> None:
    """Fill in what could not be found before, in whatever order entities are synced.

    What names a row that this queue removed lets go of it.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with database.organization(queue.org_id) as conn:
                release_references(conn, queue.queue_no, queue.entity)
                filled = fill_references(conn, queue.connection_id)
                if filled != Filled(0, 0, 0):
                    record_activity(
                        conn,
                        queue,
                        "references_filled",
                        "info",
                        f"{filled.customers} orders got their customer, {filled.products} lines "
                        f"their product, {filled.parents} variations theirs",
                        asdict(filled),
                    )
        except DeadlockDetected:
            # Batches of another sync lock the same rows.
            if attempt == _ATTEMPTS:
                raise
        else:
            return
