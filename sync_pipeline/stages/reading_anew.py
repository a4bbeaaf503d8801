"""Reading a store whole to verify what is here, without a sync.

Belongs here: the queue that holds what was read while it is compared. Does not: comparing
(verification.py).

It is a preview that ends once it is read: it stands beside the syncs, moves no watermark, writes no
row of ours, and is cancelled when the comparison is done.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from sync_pipeline.entities import Entity
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue import actions
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.heartbeat import working
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.queue.queues import Queue, begin
from sync_pipeline.settings import QueueSettings, SourceSettings
from sync_pipeline.sources.connections import Connection
from sync_pipeline.stages.extract import extract
from sync_pipeline.stages.opening import open_source
from sync_pipeline.stages.scan import OnRead


@contextmanager
def read_anew(
    database: Database,
    connection: Connection,
    entity: Entity,
    *,
    by: str,
    settings: SourceSettings | None = None,
    on_read: OnRead | None = None,
) -> Iterator[Queue]:
    """Read the whole store now; what was read is there while the block runs.

    Args:
        database: where it lands.
        connection: of the store.
        entity: what is read.
        by: who asks for it.
        settings: how the store is read; those of the environment when left out.
        on_read: is told of every page.

    Raises:
        TransientError, PermanentError: as `extract`.
        QueueOpenError: somebody previews this very entity now.
    """
    settings = settings or SourceSettings()
    queue, _ = open_queue(
        database,
        connection,
        entity.name,
        settings=QueueSettings(),
        filters=Filters(preview=True),
        created_by=by,
        is_full=True,
    )
    begin(database, queue, run_id=None)
    opened = (
        nullcontext()
        if entity.derivation is not None
        else open_source(connection, settings, database=database)
    )
    try:
        with working(database, queue):
            with opened as source:
                extract(database, queue, connection, entity, source, settings, on_read)
            yield queue
    finally:
        actions.cancel(database, str(queue.id), by=by, reason="it was read to verify what is here")
