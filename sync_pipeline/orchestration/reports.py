"""What came of a sync, for who waited for it.

Belongs here: reading a finished run and its queue. Does not: why it failed (troubles.py), running
it (launch.py), how a report looks (cli/).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from sync_pipeline.orchestration.progress import STAGES
from sync_pipeline.orchestration.tags import QUEUE_TAG
from sync_pipeline.orchestration.troubles import is_of, what_went_wrong
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.queues import Queue, find_queue, queue_status
from sync_pipeline.stages.verdict import Verdict


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
        success: every stage ran; a `partial` sync is one, so look at `state` as well. Of a run over
            several queues, the stages of this one.
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
    return report_on(database, queue, result, is_new=is_new)


def report_on(
    database: Database, queue: Queue, result: dg.JobExecutionResult, *, is_new: bool
) -> SyncReport:
    """What a run did for one of its queues: the one it has, or one of several."""
    with database.organization(queue.org_id) as conn:
        status = queue_status(conn, queue.queue_no)
    stage_seconds = _stage_seconds(result, queue)
    is_through = result.success or len(stage_seconds) == len(STAGES)
    error, code = what_went_wrong(result, queue, is_through=is_through)
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
        stage_seconds=stage_seconds,
        verdict=_verdict(status["reconciliation"]),
        success=is_through and error is None,
        error=error,
        error_code=code,
        status=status,
    )


def _stage_seconds(result: dg.JobExecutionResult, queue: Queue) -> dict[str, float]:
    """The work of each stage, without what Dagster adds around it."""
    seconds = {}
    for event in result.get_asset_materialization_events():
        value = event.materialization.metadata["seconds"].value
        key = event.asset_key
        if key is not None and is_of(key, queue) and isinstance(value, float):
            seconds[key.path[-1]] = value
    return seconds


def _verdict(kept: Mapping[str, Any] | None) -> Verdict | None:
    if kept is None:
        return None
    ids = {name: tuple(kept[name]) for name in ("missing_ids", "extra_ids")}
    return Verdict(**(dict(kept) | ids))
