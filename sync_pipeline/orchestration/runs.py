"""Which queue a run works on, and which run works on a queue.

Belongs here: opening a queue for a run, finding it again in the run's later steps, run tags.
Does not: what the steps do with it (assets.py), what is left when they fail (outcomes.py).
"""

from dataclasses import dataclass
from typing import Final

import dagster as dg

from sync_pipeline.entities import Entity
from sync_pipeline.errors import InputError, UnknownQueueError
from sync_pipeline.orchestration.config import SyncConfig
from sync_pipeline.orchestration.orchestrated import found_queue, is_over_all, opened_queue
from sync_pipeline.orchestration.processes import close_dead_runs, process_tag
from sync_pipeline.orchestration.resource import SyncResource
from sync_pipeline.orchestration.tags import (
    PROCESS_TAG,
    QUEUE_TAG,
    queue_tags,
)
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.queue.previews import applying_key
from sync_pipeline.queue.queues import Queue, Stage, begin, find_queue, latest_queue
from sync_pipeline.sources.connections import Connection, find_connection

_ORDER: Final[tuple[Stage, ...]] = ("extract", "enqueue", "apply", "finished")


class StageNotReachedError(InputError):
    """The queue has not come as far as this asset needs."""

    code = "queue.stage_not_reached"


class WrongSystemError(InputError):
    """The connection's system does not have this entity."""

    code = "input.wrong_system"


class WrongQueueError(InputError):
    """The queue is of another connection or entity than the run."""

    code = "input.wrong_queue"


@dataclass(frozen=True)
class Work:
    """What a step works on."""

    database: Database
    connection: Connection
    entity: Entity
    queue: Queue


def open_work(
    context: dg.AssetExecutionContext, sync: SyncResource, entity: Entity, config: SyncConfig
) -> Work:
    """The queue that the config names; else a new one, or the one that stands open.

    In a run over all entities, the queue that this one has in the run's orchestration.

    Raises:
        RefusedItemError: the run's orchestration has no queue of it, and says why.
        UnknownConnectionError, WrongSystemError: the partition is no connection with this entity.
        UnknownQueueError, WrongQueueError: the config names a queue that is not of this partition.
        QueueOpenError: another sync of it is open, with other filters.
        InputError: a filter or setting that cannot be.
    """
    database = sync.database()
    connection = _connection(database, context.partition_key, entity)
    if is_over_all(context.run):
        return Work(database, connection, entity, opened_queue(context, sync, connection, entity))
    if config.queue_id is not None:
        queue = find_queue(database, config.queue_id)
        if not _is_of(queue, connection, entity):
            raise WrongQueueError(
                f"The sync {queue.id} is of {queue.connection} {queue.entity}, and this run of "
                f"{connection.name} {entity.name}.",
                remedy=f"Start it for the partition {queue.connection}.",
            )
        return Work(database, connection, entity, queue)
    filters = config.filters()
    filters.require_fit(entity)
    queue, _ = open_queue(
        database,
        connection,
        entity.name,
        settings=config.queue_settings(sync.queue_settings()),
        filters=filters,
        idempotency_key=applying_key(
            database, filters, connection.name, entity.name, config.idempotency_key
        ),
        created_by="dagster",
        is_full=config.full,
    )
    return Work(database, connection, entity, queue)


def find_work(context: dg.AssetExecutionContext, sync: SyncResource, entity: Entity) -> Work:
    """The queue that this run opened; for an asset materialized alone, the connection's latest.

    Raises:
        UnknownQueueError: there is none yet.
    """
    database = sync.database()
    connection = _connection(database, context.partition_key, entity)
    queue = (
        found_queue(context, database, connection, entity)
        if is_over_all(context.run)
        else _tagged(context, database, connection, entity)
    )
    queue = queue or _latest(database, connection, entity)
    return Work(database, connection, entity, queue)


def take_up(context: dg.AssetExecutionContext, sync: SyncResource, work: Work) -> None:
    """Show that this run works on the queue from now on: by the queue's lease, and by tags.

    Raises:
        DatabaseUnavailableError: the lease could not be taken.
    """
    queue, run_id = work.queue, context.run.run_id
    sync.show_work_on(work.database, queue)
    if queue.last_dagster_run_id != run_id:
        close_dead_runs(context.instance)
        if queue.stage != "finished":
            begin(work.database, queue, run_id=run_id)
    # Of several queues the one in hand: by its lease the run is judged, and it says what was lost.
    if is_over_all(context.run):
        context.instance.add_run_tags(run_id, {QUEUE_TAG: str(queue.id)})
    elif _tagged_id(context) != str(queue.id):
        context.instance.add_run_tags(run_id, run_tags(run_id, queue))


def require_stage(work: Work, reached: Stage) -> None:
    """Refuse an asset whose turn has not come.

    Raises:
        StageNotReachedError: the queue is not as far as `reached`.
    """
    queue = work.queue
    if _ORDER.index(queue.stage) < _ORDER.index(reached):
        raise StageNotReachedError(
            f"The sync {queue.id} of {queue.connection} stands at {queue.stage}, and this asset "
            f"needs it at {reached}.",
            remedy=f"Materialize the assets before this one, or run the job sync_{queue.entity}: "
            "the sync goes on where it stopped.",
        )


def run_tags(run_id: str, queue: Queue) -> dict[str, str]:
    """The tags of a run that this process executes for a queue."""
    tags = queue_tags(
        queue_id=str(queue.id),
        connection=queue.connection,
        entity=queue.entity,
        organization=queue.org_id,
    )
    return tags | {PROCESS_TAG: process_tag(run_id)}


def _connection(database: Database, name: str, entity: Entity) -> Connection:
    connection = find_connection(database, name)
    if connection.system != entity.system:
        raise WrongSystemError(
            f"The connection {name} is of {connection.system}, not of {entity.system}.",
            remedy="Choose the assets of its own system for this partition.",
        )
    return connection


def _is_of(queue: Queue, connection: Connection, entity: Entity) -> bool:
    return (queue.connection, queue.entity) == (connection.name, entity.name)


def _tagged(
    context: dg.AssetExecutionContext, database: Database, connection: Connection, entity: Entity
) -> Queue | None:
    if (queue_id := _tagged_id(context)) is None:
        return None
    try:
        queue = find_queue(database, queue_id)
    except UnknownQueueError:
        return None
    return queue if _is_of(queue, connection, entity) else None


def _tagged_id(context: dg.AssetExecutionContext) -> str | None:
    # context.run is as the run was when it began; the tag came later.
    run = context.instance.get_run_by_id(context.run.run_id)
    return run.tags.get(QUEUE_TAG) if run is not None else None


def _latest(database: Database, connection: Connection, entity: Entity) -> Queue:
    try:
        return latest_queue(
            database, connection=connection.name, entity=entity.name, is_beside=False
        )
    except UnknownQueueError:
        raise UnknownQueueError(
            f"{connection.name} has no sync of {entity.name} yet.",
            remedy=f"Materialize the pages first, or run the job sync_{entity.name}.",
        ) from None
