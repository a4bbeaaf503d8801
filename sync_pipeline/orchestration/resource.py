"""What the shells need of the outside: the database, the settings, the store of a connection.

Belongs here: building them from the environment when they are used, never at import. Does not:
what is done with them.
"""

import atexit
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar

import dagster as dg
from pydantic import Field, PrivateAttr

from sync_pipeline import logs
from sync_pipeline.errors import SyncError
from sync_pipeline.orchestration.pools import ensure_pools
from sync_pipeline.orchestration.tags import (
    ENTITY_TAG,
    EVERY_ENTITY,
    ORCHESTRATION_TAG,
    PARTITION_TAG,
    QUEUE_TAG,
)
from sync_pipeline.orchestration.worker import Worker
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.orchestrations import Orchestration, find_orchestration, items_of
from sync_pipeline.queue.queues import Queue, find_queue
from sync_pipeline.settings import (
    DatabaseSettings,
    LogSettings,
    QueueSettings,
    RetentionSettings,
    SourceSettings,
)
from sync_pipeline.sources.connections import Connection
from sync_pipeline.sources.protocol import Source
from sync_pipeline.stages.opening import open_source

_provided: ContextVar[Database | None] = ContextVar("sync_database", default=None)
_opened: dict[int, Database] = {}
_opening = threading.Lock()


@contextmanager
def provided(database: Database) -> Iterator[None]:
    """Runs inside the block work on this database: the command line has one open already."""
    token = _provided.set(database)
    try:
        yield
    finally:
        _provided.reset(token)


class SyncResource(dg.ConfigurableResource[None]):
    """Access to PostgreSQL and to remote systems. Subclass it to put other parts in their place."""

    workers: int | None = Field(
        default=None, description="Threads that apply one queue, instead of SYNC_QUEUE_WORKERS."
    )
    _worker: Worker | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Write logs, and show which process executes a run, and its queues if they are known."""
        logs.configure(LogSettings(), is_forced=False)
        self._worker = Worker()
        if context.run is not None and context.instance is not None:
            ensure_pools(context.instance)
            self._worker.show_itself(context.instance, context.run)
            self._show_queues_of(context.run)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """The run ended, well or not: this process works on no queue any more."""
        if self._worker is not None:
            self._worker.close()

    def _show_queues_of(self, run: dg.DagsterRun) -> None:
        queue_id, named = run.tags.get(QUEUE_TAG), run.tags.get(ORCHESTRATION_TAG)
        # What is wrong with a queue or the database is said by the stage that needs it.
        with suppress(SyncError):
            if named is not None and run.tags.get(ENTITY_TAG) == EVERY_ENTITY:
                database = self.database()
                orchestration = find_orchestration(database, named)
                self.show_work_on_all(database, orchestration, run.tags[PARTITION_TAG])
            elif queue_id is not None:
                database = self.database()
                self.show_work_on(database, find_queue(database, queue_id))

    def show_work_on_all(
        self, database: Database, orchestration: Orchestration, connection: str
    ) -> None:
        """Show that this process works on every queue of a connection in an orchestration.

        Raises:
            DatabaseUnavailableError: it could not be shown.
        """
        for item in items_of(database, orchestration):
            if item.connection == connection and item.queue_id is not None:
                self.show_work_on(database, find_queue(database, item.queue_id))

    def leave(self, queue: Queue) -> None:
        """Show that this process works on the queue no more, though its run goes on."""
        if self._worker is not None:
            self._worker.leave(queue)

    def show_work_on(self, database: Database, queue: Queue) -> None:
        """Show from now to the end of the run that its process works on the queue.

        Raises:
            DatabaseUnavailableError: it could not be shown.
        """
        if self._worker is not None:
            self._worker.show_work_on(database, queue)

    def database(self) -> Database:
        """The database of the environment, opened once per process.

        Raises:
            As `Database.open`.
        """
        if (database := _provided.get()) is not None:
            return database
        with _opening:
            if os.getpid() not in _opened:
                _opened[os.getpid()] = Database.open(self.database_settings())
                atexit.register(_opened[os.getpid()].close)
            return _opened[os.getpid()]

    def database_settings(self) -> DatabaseSettings:
        """Where PostgreSQL is."""
        return DatabaseSettings()

    def queue_settings(self) -> QueueSettings:
        """How queues are made and worked."""
        return QueueSettings() if self.workers is None else QueueSettings(workers=self.workers)

    def retention_settings(self) -> RetentionSettings:
        """How long history is kept."""
        return RetentionSettings()

    def source(self, connection: Connection) -> AbstractContextManager[Source]:
        """The connection's remote system, open while the block runs.

        Raises:
            As `open_source`.
        """
        return open_source(connection, self.source_settings(), database=self.database())

    def source_settings(self) -> SourceSettings:
        """How remote systems are read."""
        return SourceSettings()
