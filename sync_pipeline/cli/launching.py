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
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.queues import latest_queue
from sync_pipeline.settings import DatabaseSettings
from sync_pipeline.sources.connections import Connection, find_connection

if TYPE_CHECKING:
    from sync_pipeline.orchestration.launch import SyncReport

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


def run_sync(
    settings: DatabaseSettings, database: Database, order: SyncOrder, *, is_quiet: bool
) -> "SyncReport":
    """Check the order, then run it as a Dagster job in this process.

    Args:
        is_quiet: no notices, no progress.

    Raises:
        InputError: unknown connection or entity, keys not set, another sync is open.
        KeyboardInterrupt: Ctrl-C; Dagster has noted it with the run.
    """
    connection = find_connection(database, order.connection)
    entity_of(connection.system, order.entity)
    if not connection.base_url.startswith("demo:"):
        connection.keys()
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
            on_progress=told,
        )
    if report.error is not None and _INTERRUPTED in report.error:
        raise KeyboardInterrupt
    return report


def _say_what_is_resumed(database: Database, connection: Connection, order: SyncOrder) -> None:
    try:
        last = latest_queue(database, connection=connection.name, entity=order.entity)
    except UnknownQueueError:
        return
    if last.stage != "finished":
        output.stderr().print(
            f"A sync of {connection.name} {order.entity} is open since "
            f"{output.moment(last.created_at)} UTC; it stopped in {last.stage} and goes on there "
            f"(queue {last.id})."
        )
