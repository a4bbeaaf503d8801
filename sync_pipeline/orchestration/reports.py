"""What came of one sync, for who waited for it.

Belongs here: reading a finished run and its queue. Does not: running it (launch.py), how a report
looks (cli/).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import dagster as dg

from sync_pipeline.orchestration.tags import QUEUE_TAG
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.queues import Queue, find_queue, queue_status
from sync_pipeline.stages.reconcile import Verdict

_UNEXPECTED: Final = "sync.unexpected"


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


def report_of(
    instance: dg.DagsterInstance,
    database: Database,
    opened: Queue,
    result: dg.JobExecutionResult,
    *,
    is_new: bool,
) -> SyncReport:
    """What the run did for its queue.

    Args:
        opened: the queue as it was before.
    """
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
