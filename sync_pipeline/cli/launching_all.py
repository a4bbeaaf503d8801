"""From a command to a sync of several entities of one connection, as one Dagster job.

Belongs here: what `sync` without an entity does. Does not: one entity (launching.py), what is
printed afterwards (summary_all.py).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync_pipeline.cli import output
from sync_pipeline.cli.launching import uninterrupted
from sync_pipeline.cli.progress_bar import showing_progress
from sync_pipeline.errors import InputError
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.heartbeat import announce
from sync_pipeline.queue.orchestrations import Orchestration, items_of, start_orchestration
from sync_pipeline.queue.queues import find_queue
from sync_pipeline.settings import DatabaseSettings, QueueSettings, require_valid
from sync_pipeline.sources.connections import find_connection

if TYPE_CHECKING:
    from sync_pipeline.orchestration.reports import SyncReport


@dataclass(frozen=True)
class AllOrder:
    """What a person asked to sync of a connection, several entities at once.

    Attributes:
        entities: None: all of its system.
    """

    connection: str
    entities: tuple[str, ...] | None = None
    idempotency_key: str | None = None
    batch_size: int | None = None
    is_full: bool = False
    created_by: str = "sync-pipeline"


class OrchestrationPausedError(InputError):
    """What a person wants to start is open and paused: resuming it is theirs to say."""

    code = "orchestration.paused"


def run_all(
    settings: DatabaseSettings, database: Database, order: AllOrder, *, is_quiet: bool
) -> tuple[Orchestration, "list[SyncReport]"]:
    """Open an orchestration over one connection and work it as one Dagster job in this process.

    Returns:
        The orchestration, and a report of each queue that it has, in dependency order.

    Raises:
        InputError, pydantic.ValidationError, KeyboardInterrupt: as `run_sync`.
        OrchestrationPausedError: it was started before, and paused.
    """
    require_valid()
    connection = find_connection(database, order.connection)
    if not connection.base_url.startswith("demo:"):
        connection.keys()
    orchestration, is_new = open_all(database, order)
    # Dagster takes seconds to come: a daemon must not find them left alone, and start them as well.
    for item in items_of(database, orchestration):
        if item.queue_id is not None:
            announce(database, find_queue(database, item.queue_id))
    if not (is_new or is_quiet):
        output.stderr().print(
            f"It was started at {output.moment(orchestration.created_at)} UTC, and goes on "
            f"(orchestration {orchestration.id})."
        )

    from sync_pipeline.orchestration.instance import ensure_instance  # noqa: PLC0415  (seconds)
    from sync_pipeline.orchestration.launch import launch_orchestration  # noqa: PLC0415

    with (
        ensure_instance(settings, database.url) as instance,
        showing_progress(is_quiet, names_entity=True) as told,
    ):
        reports = launch_orchestration(
            instance, database, orchestration, connection.name, on_progress=told
        )
    return orchestration, [uninterrupted(report) for report in reports]


def open_all(database: Database, order: AllOrder) -> tuple[Orchestration, bool]:
    """Open an orchestration over one connection; the orchestration, and if it is new.

    Raises:
        InputError: unknown connection or entity, or the key stands for another request.
        OrchestrationPausedError: it was started before, and paused.
    """
    connection = find_connection(database, order.connection)
    configured = QueueSettings()
    size = configured.batch_size if order.batch_size is None else order.batch_size
    orchestration, is_new = start_orchestration(
        database,
        connection.org_id,
        connections=[connection.name],
        entities=order.entities,
        settings=configured.model_copy(update={"batch_size": size}),
        is_full=order.is_full,
        idempotency_key=order.idempotency_key,
        created_by=order.created_by,
    )
    if orchestration.is_paused:
        raise OrchestrationPausedError(
            f"It is open and paused: orchestration {orchestration.id}.",
            remedy=f"Let it go on: sync-pipeline orchestrations resume {orchestration.id}.",
        )
    return orchestration, is_new


def names_of(typed: str | None) -> tuple[str, ...] | None:
    """Names with commas between them; None: nothing was typed. Pure."""
    if typed is None:
        return None
    return tuple(name.strip() for name in typed.split(",") if name.strip())
