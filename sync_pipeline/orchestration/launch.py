"""Run one sync as the real Dagster job, in this process, and wait for it.

Belongs here: what the command line needs of Dagster. Does not: the stages, what
came of it (reports.py).
"""

import uuid
from typing import Final

import dagster as dg

from sync_pipeline.entities import entity_of
from sync_pipeline.orchestration.config import SyncConfig
from sync_pipeline.orchestration.execution import execute_here
from sync_pipeline.orchestration.jobs import job_name, run_config
from sync_pipeline.orchestration.partitions import ensure_partition
from sync_pipeline.orchestration.processes import close_dead_runs
from sync_pipeline.orchestration.progress import OnProgress, listening
from sync_pipeline.orchestration.reports import SyncReport, report_of
from sync_pipeline.orchestration.resource import provided
from sync_pipeline.orchestration.runs import run_tags
from sync_pipeline.orchestration.tags import PARTITION_TAG
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.heartbeat import announce
from sync_pipeline.queue.opening import open_queue
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
    config = SyncConfig(
        **(filters or Filters()).as_dict(),
        idempotency_key=idempotency_key,
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
        idempotency_key=idempotency_key,
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


def _execute(
    instance: dg.DagsterInstance,
    database: Database,
    queue: Queue,
    config: SyncConfig,
    on_progress: OnProgress | None,
) -> dg.JobExecutionResult:
    """Execute the queue's job here; sensors that look meanwhile see that it is worked on."""
    announce(database, queue)
    close_dead_runs(instance)
    ensure_partition(instance, queue.connection)
    entity = entity_of(queue.source_system, queue.entity)
    run_id = str(uuid.uuid4())
    with provided(database), listening(on_progress):
        result = execute_here(
            instance,
            job_name(entity.name),
            run_id=run_id,
            tags={PARTITION_TAG: queue.connection, **run_tags(run_id, queue)},
            run_config={
                **run_config(entity, config.model_dump(exclude_none=True)),
                # The log is in the UI; the terminal belongs to who called.
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
        )
    if _was_interrupted(result):
        raise KeyboardInterrupt
    return result


def _was_interrupted(result: dg.JobExecutionResult) -> bool:
    """Whether Ctrl-C ended the run: Dagster takes it for itself, and ends the run in its way."""
    failures = result.filter_events(lambda event: event.is_step_failure)
    errors = [event.step_failure_data.error for event in failures]
    return any(error is not None and error.cls_name in _INTERRUPTS for error in errors)
