"""Run one sync as the real Dagster job, in this process, and say what came of it.

Belongs here: what the command line needs of Dagster. Does not: the stages, how a report looks.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import dagster as dg

from sync_pipeline.entities import entity_of
from sync_pipeline.orchestration.config import SyncConfig
from sync_pipeline.orchestration.execution import execute_here
from sync_pipeline.orchestration.jobs import job_name, run_config
from sync_pipeline.orchestration.partitions import ensure_partition
from sync_pipeline.orchestration.processes import close_dead_runs
from sync_pipeline.orchestration.progress import OnProgress, listening
from sync_pipeline.orchestration.resource import provided
from sync_pipeline.orchestration.runs import run_tags
from sync_pipeline.orchestration.tags import PARTITION_TAG, QUEUE_TAG
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.heartbeat import announce
from sync_pipeline.queue.queues import Queue, find_queue, open_queue, queue_status
from sync_pipeline.settings import QueueSettings
from sync_pipeline.sources.connections import find_connection
from sync_pipeline.stages.reconcile import Verdict

_UNEXPECTED: Final = "sync.unexpected"
_INTERRUPTS: Final = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")


@dataclass(frozen=True)
class SyncReport:
    """What one sync did.

    Attributes:
        queue_id, run_id: its queue, and the Dagster run that worked on it here.
        is_new: False: a queue that stood open, or that the idempotency key meant, was resumed.
        state: of the queue: done, partial, failed, cancelled, or processing when it was stopped.
        read: different records read from the store.
        lines: records with new content; created, updated and failed are parts of them.
        unchanged: records whose content was applied before.
        stage_seconds: by stage, in their order; stages that did not run are left out.
        verdict: whether both sides agree; None when the sync did not get that far.
        success: every stage ran; a `partial` sync is one, so look at `state` as well.
        error: what went wrong and what to do, for people; error_code is its stable code.
        status: every number of the queue: a row of sync_queue_status.
    """

    queue_id: str
    run_id: str
    is_new: bool
    state: str
    read: int
    lines: int
    created: int
    updated: int
    unchanged: int
    failed: int
    stage_seconds: Mapping[str, float]
    verdict: Verdict | None
    success: bool
    error: str | None
    error_code: str | None
    status: Mapping[str, Any]


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
            open. Nothing was started. What goes wrong later is in the report.
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
    result = _execute(instance, database, queue, config, on_progress)
    return _report(instance, database, queue, result, is_new=is_new)


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
    return _report(instance, database, queue, result, is_new=False)


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


def _report(
    instance: dg.DagsterInstance,
    database: Database,
    opened: Queue,
    result: dg.JobExecutionResult,
    *,
    is_new: bool,
) -> SyncReport:
    run = instance.get_run_by_id(result.run_id)
    queue = find_queue(database, run.tags[QUEUE_TAG]) if run is not None else opened
    with database.organization(queue.org_id) as conn:
        status = queue_status(conn, queue.queue_no)
    error, code = _error(result)
    return SyncReport(
        queue_id=str(queue.id),
        run_id=result.run_id,
        is_new=is_new,
        state=str(status["state"]),
        read=int(status["scanned_count"]),
        lines=int(status["total_count"]),
        created=int(status["created_count"]),
        updated=int(status["updated_count"]),
        unchanged=int(status["unchanged_count"]),
        failed=int(status["failed_count"]),
        stage_seconds=_stage_seconds(result),
        verdict=_verdict(status["reconciliation"]),
        success=result.success,
        error=error,
        error_code=code,
        status=status,
    )


def _stage_seconds(result: dg.JobExecutionResult) -> dict[str, float]:
    """The work of each stage, without what Dagster adds around it."""
    seconds = {}
    for event in result.get_asset_materialization_events():
        value = event.materialization.metadata["seconds"].value
        if event.asset_key is not None and isinstance(value, float):
            seconds[event.asset_key.path[-1]] = value
    return seconds


def _verdict(kept: Mapping[str, Any] | None) -> Verdict | None:
    if kept is None:
        return None
    ids = {name: tuple(kept[name]) for name in ("missing_ids", "extra_ids")}
    return Verdict(**(dict(kept) | ids))


def _error(result: dg.JobExecutionResult) -> tuple[str | None, str | None]:
    """What went wrong first, for people, and its stable code."""
    if result.success:
        return None, None
    for evaluation in result.get_asset_check_evaluations():
        if evaluation.blocking and not evaluation.passed:
            return f"{evaluation.check_name}: {evaluation.description}", "check.failed"
    for event in result.filter_events(lambda event: event.is_step_failure):
        failure = event.step_failure_data.user_failure_data
        if failure is not None:
            code = failure.metadata["code"].value if "code" in failure.metadata else None
            return failure.description, str(code or _UNEXPECTED)
        if (info := event.step_failure_data.error) is not None:
            return _said((info.cause or info).message), _UNEXPECTED
    return "The run failed before its first step; see it in the Dagster UI.", _UNEXPECTED


def _said(message: str) -> str:
    """The last line of an unexpected error, without its traceback."""
    return f"Unexpected error: {message.strip().splitlines()[-1]}"
