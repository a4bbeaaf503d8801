"""Run a sync, or all of a connection, as the real Dagster job, in this process, and wait for it.

Belongs here: what the command line needs of Dagster. Does not: the stages, what
came of it (reports.py).
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

import dagster as dg

from sync_pipeline.entities import entity_of
from sync_pipeline.orchestration.config import SyncConfig
from sync_pipeline.orchestration.execution import execute_here
from sync_pipeline.orchestration.graph import applying, assets_of
from sync_pipeline.orchestration.jobs import SYNC_ALL, job_name, run_config
from sync_pipeline.orchestration.orchestrated import items_at, orchestration_tags
from sync_pipeline.orchestration.partitions import ensure_partition
from sync_pipeline.orchestration.processes import close_dead_runs, process_tag
from sync_pipeline.orchestration.progress import OnProgress, listening
from sync_pipeline.orchestration.reports import SyncReport, report_of, report_on
from sync_pipeline.orchestration.resource import provided
from sync_pipeline.orchestration.runs import run_tags
from sync_pipeline.orchestration.tags import PARTITION_TAG, PROCESS_TAG
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.heartbeat import announce
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.queue.orchestrations import Orchestration
from sync_pipeline.queue.previews import applying_key
from sync_pipeline.queue.queues import Queue, find_queue
from sync_pipeline.queue.stops import refuse_if_paused
from sync_pipeline.settings import QueueSettings
from sync_pipeline.sources.connections import find_connection

_INTERRUPTS: Final = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")


def launch_sync(  # noqa: PLR0913  (what a person may ask of a sync)
    instance: dg.DagsterInstance,
    database: Database,
    connection_name: str,
    entity: str,
    *,
    filters: Filters | None = None,
    idempotency_key: str | None = None,
    batch_size: int | None = None,
    is_full: bool = False,
    created_by: str = "sync-pipeline",
    on_progress: OnProgress | None = None,
) -> SyncReport:
    """Sync one entity of a connection through the job `sync_<entity>`, and wait for it.

    Args:
        is_full: read everything, not only what changed since the last sync.
        created_by: who asked for it; kept with the queue.
        on_progress: told after each page and batch, from worker threads.

    Raises:
        InputError: no such connection or entity, a filter that selects nothing, another sync is
            open, or this one is paused. Nothing was started. What goes wrong later is in the
            report.
        KeyboardInterrupt: Ctrl-C. The run has ended as failed; what was done is kept.
    """
    connection = find_connection(database, connection_name)
    entity_of(connection.system, entity)
    filters = filters or Filters()
    key = applying_key(database, filters, connection_name, entity, idempotency_key)
    config = SyncConfig(
        **filters.as_dict(),
        idempotency_key=key,
        batch_size=batch_size,
        full=is_full,
    )
    # Opened here, so that what cannot be is said before there is a run; the run joins it.
    queue, is_new = open_queue(
        database,
        connection,
        entity,
        settings=config.queue_settings(QueueSettings()),
        filters=config.filters(),
        idempotency_key=key,
        created_by=created_by,
        is_full=is_full,
    )
    refuse_if_paused(database, queue)
    result = _execute(instance, database, queue, config, on_progress)
    return report_of(instance, database, queue, result, is_new=is_new)


def resume_queue(
    instance: dg.DagsterInstance,
    database: Database,
    queue_id: str,
    *,
    on_progress: OnProgress | None = None,
) -> SyncReport:
    """Go on with a queue wherever it stands, in this process, and wait for its end.

    Raises:
        InputError, UnknownQueueError: no such queue.
        KeyboardInterrupt: as `launch_sync`.
    """
    queue = find_queue(database, queue_id)
    config = SyncConfig(queue_id=str(queue.id))
    result = _execute(instance, database, queue, config, on_progress)
    return report_of(instance, database, queue, result, is_new=False)


def launch_orchestration(
    instance: dg.DagsterInstance,
    database: Database,
    orchestration: Orchestration,
    connection_name: str,
    *,
    on_progress: OnProgress | None = None,
) -> list[SyncReport]:
    """Work what one connection has in an orchestration, in one run of `sync_all`, and wait for it.

    Args:
        on_progress: told after each page and batch, from worker threads; it names the entity.

    Returns:
        A report of each queue, in the order of the entities; what has none is left out, for its
        item says why. What failed or was not reached is left to sensors.

    Raises:
        KeyboardInterrupt: as `launch_sync`.
    """
    items = items_at(database, orchestration, connection_name)
    queues = [find_queue(database, item.queue_id) for item in items if item.queue_id is not None]
    if not queues:
        return []
    entities = [entity_of(item.system, item.entity) for item in items]
    run_id = str(uuid.uuid4())
    tags = orchestration_tags(orchestration, connection_name)
    with listening(on_progress):
        result = _execute_job(
            instance,
            database,
            queues,
            SYNC_ALL,
            run_id=run_id,
            tags={PARTITION_TAG: connection_name, PROCESS_TAG: process_tag(run_id), **tags},
            assets=assets_of(entities),
        )
    return [
        report_on(database, find_queue(database, str(queue.id)), result, is_new=_is_new(queue))
        for queue in queues
    ]


def _is_new(queue: Queue) -> bool:
    return queue.last_dagster_run_id is None


def _execute(
    instance: dg.DagsterInstance,
    database: Database,
    queue: Queue,
    config: SyncConfig,
    on_progress: OnProgress | None,
) -> dg.JobExecutionResult:
    """Execute the queue's job here."""
    entity, is_change = entity_of(queue.source_system, queue.entity), queue.filters.is_change
    run_id = str(uuid.uuid4())
    with listening(on_progress):
        return _execute_job(
            instance,
            database,
            [queue],
            job_name(entity.name),
            run_id=run_id,
            tags={PARTITION_TAG: queue.connection, **run_tags(run_id, queue)},
            config=None if is_change else run_config(entity, config.model_dump(exclude_none=True)),
            assets=applying(entity) if is_change else None,
        )


def _execute_job(
    instance: dg.DagsterInstance,
    database: Database,
    queues: Sequence[Queue],
    job: str,
    *,
    run_id: str,
    tags: Mapping[str, str],
    config: Mapping[str, Any] | None = None,
    assets: Sequence[dg.AssetKey] | None = None,
) -> dg.JobExecutionResult:
    """Execute a job here; sensors that look meanwhile see that its queues are worked on."""
    for queue in queues:
        announce(database, queue)
    close_dead_runs(instance)
    ensure_partition(instance, queues[0].connection)
    with provided(database):
        result = execute_here(
            instance,
            job,
            run_id=run_id,
            tags=tags,
            assets=assets,
            run_config={
                **(config or {}),
                # The log is in the UI; the terminal belongs to who called.
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
        )
    if _was_interrupted(result):
        raise KeyboardInterrupt
    return result


def _was_interrupted(result: dg.JobExecutionResult) -> bool:
    """Whether Ctrl-C ended the run: Dagster takes it for itself, and ends the run in its way."""
    steps = result.filter_events(lambda event: event.is_step_failure)
    errors = [event.step_failure_data.error for event in steps]
    # Before its first step, or between two, the run alone has failed.
    runs = result.filter_events(lambda event: event.is_run_failure)
    errors += [event.job_failure_data.error for event in runs]
    return any(error is not None and error.cls_name in _INTERRUPTS for error in errors)
