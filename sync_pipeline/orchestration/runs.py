"""Which queue a run works on, and which run works on a queue.

Belongs here: opening a queue for a run, finding it again in the run's later steps, run tags.
Does not: what the steps do with it (assets.py).
"""

from dataclasses import dataclass
from typing import Final

import dagster as dg

from sync_pipeline.entities import Entity
from sync_pipeline.errors import InputError, UnknownQueueError
from sync_pipeline.orchestration.config import SyncConfig
from sync_pipeline.orchestration.processes import PROCESS_TAG, close_dead_runs, process_tag
from sync_pipeline.orchestration.resource import SyncResource
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.queues import Queue, Stage, begin, find_queue, latest_queue, open_queue
from sync_pipeline.sources.connections import Connection, find_connection

QUEUE_TAG: Final = "sync/queue_id"
_ORDER: Final[tuple[Stage, ...]] = ("extract", "enqueue", "apply", "finished")


class StageNotReachedError(InputError):
    """The queue has not come as far as this asset needs."""

    code = "queue.stage_not_reached"


class WrongSystemError(InputError):
    """The connection's system does not have this entity."""

    code = "input.wrong_system"


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
    """Open the connection's queue, or join the one that stands open, for this run.

    Raises:
        UnknownConnectionError, WrongSystemError: the partition is no connection with this entity.
        QueueOpenError: another sync of it is open, with other filters.
        InputError: a filter or setting that cannot be.
    """
    database = sync.database()
    connection = _connection(database, context.partition_key, entity)
    queue, _ = open_queue(
        database,
        connection,
        entity.name,
        settings=config.queue_settings(sync.queue_settings()),
        filters=config.filters(),
        idempotency_key=config.idempotency_key,
        created_by="dagster",
    )
    close_dead_runs(context.instance)
    begin(database, queue, run_id=context.run.run_id)
    _tag(context, queue)
    return Work(database, connection, entity, queue)


def find_work(
    context: dg.AssetExecutionContext, sync: SyncResource, entity: Entity, *, reached: Stage
) -> Work:
    """The queue that this run opened; for an asset materialized alone, the connection's latest.

    Raises:
        UnknownQueueError: there is none yet.
        StageNotReachedError: it is not as far as `reached`.
    """
    database = sync.database()
    connection = _connection(database, context.partition_key, entity)
    queue = _tagged(context, database, connection, entity) or _latest(database, connection, entity)
    if queue.last_dagster_run_id != context.run.run_id:
        if queue.stage != "finished":
            close_dead_runs(context.instance)
            begin(database, queue, run_id=context.run.run_id)
        _tag(context, queue)
    if _ORDER.index(queue.stage) < _ORDER.index(reached):
        raise StageNotReachedError(
            f"The sync {queue.id} of {connection.name} stands at {queue.stage}, and this asset "
            f"needs it at {reached}.",
            remedy=f"Materialize the assets before this one, or run the job sync_{entity.name}: "
            "the sync goes on where it stopped.",
        )
    return Work(database, connection, entity, queue)


def run_tags(run_id: str, queue: Queue) -> dict[str, str]:
    """Tags by which people find the runs of a queue, and we the process of a run."""
    return {
        QUEUE_TAG: str(queue.id),
        "sync/connection": queue.connection,
        "sync/entity": queue.entity,
        "sync/organization": queue.org_id,
        PROCESS_TAG: process_tag(run_id),
    }


def _connection(database: Database, name: str, entity: Entity) -> Connection:
    connection = find_connection(database, name)
    if connection.system != entity.system:
        raise WrongSystemError(
            f"The connection {name} is of {connection.system}, not of {entity.system}.",
            remedy="Choose the assets of its own system for this partition.",
        )
    return connection


def _tagged(
    context: dg.AssetExecutionContext, database: Database, connection: Connection, entity: Entity
) -> Queue | None:
    # context.run is as the run was when it began; the tag came later.
    run = context.instance.get_run_by_id(context.run.run_id)
    queue_id = run.tags.get(QUEUE_TAG) if run is not None else None
    if queue_id is None:
        return None
    try:
        queue = find_queue(database, queue_id)
    except UnknownQueueError:
        return None
    is_ours = (queue.connection, queue.entity) == (connection.name, entity.name)
    return queue if is_ours else None


def _latest(database: Database, connection: Connection, entity: Entity) -> Queue:
    try:
        return latest_queue(database, connection=connection.name, entity=entity.name)
    except UnknownQueueError:
        raise UnknownQueueError(
            f"{connection.name} has no sync of {entity.name} yet.",
            remedy=f"Materialize the pages first, or run the job sync_{entity.name}.",
        ) from None


def _tag(context: dg.AssetExecutionContext, queue: Queue) -> None:
    context.instance.add_run_tags(context.run.run_id, run_tags(context.run.run_id, queue))
