"""Run one sync as the real Dagster job, in this process, and say what came of it.

Belongs here: what the command line needs of Dagster. Does not: the stages, how a report looks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from sync_pipeline.orchestration.progress import OnProgress
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.filters import Filters
from sync_pipeline.stages.reconcile import Verdict


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


def launch_sync(  # noqa: PLR0913  (what the command line takes)
    instance: dg.DagsterInstance,
    database: Database,
    connection_name: str,
    entity: str,
    *,
    filters: Filters | None = None,
    idempotency_key: str | None = None,
    batch_size: int | None = None,
    on_progress: OnProgress | None = None,
) -> SyncReport:
    """Sync one entity of a connection through the job `sync_<entity>`, and wait for it.

    Args:
        on_progress: told after each page and batch, from worker threads.

    Raises:
        InputError: no such connection or entity, a filter that selects nothing, another sync is
            open. Nothing was started. What goes wrong later is in the report.
    """
    raise NotImplementedError
