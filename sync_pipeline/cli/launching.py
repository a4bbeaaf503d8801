"""From a command to a sync through Dagster: checks first, then the run with its progress.

Belongs here: what `sync`, `demo` and `dev` share. Does not: what they print afterwards.

Dagster is imported only when everything that can be wrong with the input was looked at.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync_pipeline.cli import output
from sync_pipeline.cli.progress_bar import showing_progress
from sync_pipeline.entities import entity_of
from sync_pipeline.errors import UnknownQueueError
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.failures import forgive
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.queue.previews import applying_key
from sync_pipeline.queue.queues import Queue, latest_queue
from sync_pipeline.queue.stops import refuse_if_paused
from sync_pipeline.settings import DatabaseSettings, QueueSettings, require_valid
from sync_pipeline.sources.connections import Connection, find_connection

if TYPE_CHECKING:
    from sync_pipeline.orchestration.reports import SyncReport

# Dagster takes Ctrl-C for itself while it runs, and ends the run with this.
_INTERRUPTED = "DagsterExecutionInterruptedError"


@dataclass(frozen=True)
class SyncOrder:
    """What a person asked to sync."""

    connection: str
    entity: str = "customers"
    filters: Filters = Filters()  # noqa: RUF009  (frozen)
    idempotency_key: str | None = None
    batch_size: int | None = None
    is_full: bool = False
    created_by: str = "sync-pipeline"


def run_sync(
    settings: DatabaseSettings, database: Database, order: SyncOrder, *, is_quiet: bool
) -> "SyncReport":
    """Check the order, then run it as a Dagster job in this process.

    Args:
        is_quiet: no notices, no progress.

    Raises:
        InputError: unknown connection or entity, keys not set, another sync is open, or this one is
            open and paused.
        pydantic.ValidationError: a setting is refused.
        KeyboardInterrupt: Ctrl-C; Dagster has noted it with the run.
    """
    connection = _checked(database, order)
    if not is_quiet:
        _say_what_is_resumed(database, connection, order)

    from sync_pipeline.orchestration.instance import ensure_instance  # noqa: PLC0415  (seconds)
    from sync_pipeline.orchestration.launch import launch_sync  # noqa: PLC0415

    with ensure_instance(settings, database.url) as instance, showing_progress(is_quiet) as told:
        report = launch_sync(
            instance,
            database,
            order.connection,
            order.entity,
            filters=order.filters,
            idempotency_key=order.idempotency_key,
            batch_size=order.batch_size,
            is_full=order.is_full,
            created_by=order.created_by,
            on_progress=told,
        )
    return uninterrupted(report)


def run_queue(
    settings: DatabaseSettings, database: Database, queue: Queue, *, is_quiet: bool
) -> "SyncReport":
    """Go on with a queue as a Dagster job in this process, and wait for its end.

    Raises:
        KeyboardInterrupt: as `run_sync`.
    """
    from sync_pipeline.orchestration.instance import ensure_instance  # noqa: PLC0415  (seconds)
    from sync_pipeline.orchestration.launch import resume_queue  # noqa: PLC0415

    with ensure_instance(settings, database.url) as instance, showing_progress(is_quiet) as told:
        report = resume_queue(instance, database, str(queue.id), on_progress=told)
    return uninterrupted(report)


def open_sync(database: Database, order: SyncOrder) -> tuple[Queue, bool]:
    """Check the order and open its queue, for a daemon to work on; the queue, and if it is new.

    One that stands open and waits, for a person or for its next attempt, waits no longer.

    Raises:
        InputError: as `run_sync`; whether the keys are set is the daemon's business.
    """
    connection = find_connection(database, order.connection)
    order.filters.require_fit(entity_of(connection.system, order.entity))
    configured = QueueSettings()
    size = configured.batch_size if order.batch_size is None else order.batch_size
    queue, is_new = open_queue(
        database,
        connection,
        order.entity,
        settings=configured.model_copy(update={"batch_size": size}),
        filters=order.filters,
        idempotency_key=applying_key(
            database, order.filters, connection.name, order.entity, order.idempotency_key
        ),
        created_by=order.created_by,
        is_full=order.is_full,
    )
    refuse_if_paused(database, queue)
    if not is_new:
        forgive(database, queue)
    return queue, is_new


def _checked(database: Database, order: SyncOrder) -> Connection:
    require_valid()
    connection = find_connection(database, order.connection)
    order.filters.require_fit(entity_of(connection.system, order.entity))
    if not connection.base_url.startswith("demo:") and order.filters.asks_store:
        connection.keys()
    return connection


def uninterrupted(report: "SyncReport") -> "SyncReport":
    """The report of a run that Ctrl-C did not end.

    Raises:
        KeyboardInterrupt: it did; Dagster has noted it with the run.
    """
    if report.error is not None and _INTERRUPTED in report.error:
        raise KeyboardInterrupt
    return report


def _say_what_is_resumed(database: Database, connection: Connection, order: SyncOrder) -> None:
    try:
        last = latest_queue(
            database,
            connection=connection.name,
            entity=order.entity,
            is_window=order.filters.is_window,
            is_beside=order.filters.is_beside,
        )
    except UnknownQueueError:
        return
    if order.idempotency_key not in (None, last.idempotency_key):
        return  # another one is meant
    if last.stage != "finished":
        refuse_if_paused(database, last)
        output.stderr().print(
            f"A sync of {connection.name} {order.entity} is open since "
            f"{output.moment(last.created_at)} UTC; it stopped in {last.stage} and goes on there "
            f"(queue {last.id})."
        )
