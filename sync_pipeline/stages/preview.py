"""A preview from its first request to its end: the stages of a sync, in this process.

Belongs here: what runs after what, for the command line and for Dagster. Does not: what a stage
does, what is shown of it (queue/differences.py).

One that was stopped is gone on with, wherever it stands. One that failed is over: what it showed so
far would be a part only.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from sync_pipeline import logs
from sync_pipeline.entities import entity_of
from sync_pipeline.errors import SyncError
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.actions import cancel
from sync_pipeline.queue.completion import Outcome
from sync_pipeline.queue.heartbeat import working
from sync_pipeline.queue.queues import Queue, begin, reload
from sync_pipeline.settings import QueueSettings, SourceSettings
from sync_pipeline.sources.connections import Connection
from sync_pipeline.sources.protocol import Source
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.extract import extract
from sync_pipeline.stages.opening import open_source
from sync_pipeline.stages.scan import OnRead
from sync_pipeline.stages.upsert import upsert

_log = logs.get_logger(__name__)


@dataclass(frozen=True)
class Means:
    """With what a preview is made.

    Attributes:
        source: opens the store; None: as the connection says.
        on_read, on_batch: told how far it is, from worker threads.
        run_id: of the Dagster run that works on it.
    """

    source_settings: SourceSettings
    queue_settings: QueueSettings
    source: Callable[[], AbstractContextManager[Source | None]] | None = None
    on_read: OnRead | None = None
    on_batch: Callable[[Outcome], None] | None = None
    run_id: str | None = None


def run_preview(database: Database, queue: Queue, connection: Connection, means: Means) -> Queue:
    """Read, decide and show; the finished queue.

    Raises:
        SyncError: it failed, and the preview is cancelled.
        QueueStoppedError: an operator stopped it.
    """
    if queue.stage == "finished":
        return queue
    begin(database, queue, run_id=means.run_id)
    with logs.bound(queue=str(queue.id), connection=queue.connection, entity=queue.entity):
        try:
            with working(database, queue):
                _work(database, queue, connection, means)
        except SyncError as error:
            _give_up(database, queue, error)
            raise
    return reload(database, queue)


def _work(database: Database, queue: Queue, connection: Connection, means: Means) -> None:
    entity = entity_of(queue.source_system, queue.entity)
    is_read = queue.stage == "extract" and entity.derivation is None and queue.filters.asks_store
    opened: AbstractContextManager[Source | None] = nullcontext()
    if is_read and means.source is not None:
        opened = means.source()
    elif is_read:
        opened = open_source(connection, means.source_settings, database=database)
    with opened as source:
        extract(database, queue, connection, entity, source, means.source_settings, means.on_read)
    enqueue(database, queue, entity)
    upsert(database, queue, entity, means.queue_settings, means.on_batch)


def _give_up(database: Database, queue: Queue, error: SyncError) -> None:
    """Close a preview that failed, unless the database is why."""
    try:
        if reload(database, queue).stage != "finished":
            cancel(database, str(queue.id), by="preview", reason=f"{error.code}: {error.message}")
    except SyncError as another:
        _log.warning("preview left open", reason=str(another))
