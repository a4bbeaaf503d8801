"""Jobs by which an operator steers a sync from the UI: retry, force done, pause, resume, cancel.

Belongs here: their launchpad and what the UI shows of the result. Does not: what they do
(queue/actions.py), starting work afterwards (queue_sensors.py).
"""

from collections.abc import Callable
from typing import Any, Final

import dagster as dg
from pydantic import Field

from sync_pipeline.errors import SyncError
from sync_pipeline.orchestration.resource import SyncResource
from sync_pipeline.queue import actions
from sync_pipeline.queue.action_results import ActionResult
from sync_pipeline.queue.lookup import queue_meant

# Operators wait for them: before any sync that stands in line.
_PRIORITY: Final = {"dagster/priority": "10", "sync/kind": "action"}


class ActionConfig(dg.Config):
    """Which sync, who, why."""

    queue_id: str = Field(
        description="The queue's id, or how it begins: it stands with every run of a sync "
        "(sync/queue_id) and in `sync-pipeline status`."
    )
    by: str = Field(description="Who wants it: kept with the sync. Dagster does not know you.")
    reason: str | None = Field(default=None, description="Why: kept with the sync.")


def action_jobs() -> list[dg.JobDefinition]:
    """The five jobs."""
    return [
        _action_job(
            "retry_failed",
            actions.retry,
            "Try a sync's failed lines again, after what was wrong is mended; a finished sync is "
            "opened again and worked by the sensors.",
        ),
        _action_job(
            "force_done",
            actions.force_done,
            "Cancel what is left of a sync, failed lines too, and call it done.",
        ),
        _action_job(
            "pause", actions.pause, "Stop a sync after the batch in hand, until it is resumed."
        ),
        _action_job("resume", actions.resume, "Let a paused sync go on where it stopped."),
        _action_job(
            "cancel", actions.cancel, "Cancel what is not done of a sync, for good; the rest stays."
        ),
    ]


def _action_job(
    name: str, action: Callable[..., ActionResult], description: str
) -> dg.JobDefinition:
    @dg.op(name=f"{name}_queue", description=description)
    def act(context: dg.OpExecutionContext, config: ActionConfig, sync: SyncResource) -> None:
        try:
            database = sync.database()
            queue = queue_meant(database, config.queue_id)
            result = action(database, str(queue.id), by=config.by, reason=config.reason)
        except SyncError as error:
            raise dg.Failure(
                description=str(error),
                metadata={"code": error.code, "remedy": error.remedy or "See the queue's status."},
                allow_retries=False,
            ) from error
        context.add_output_metadata(_shown(result))
        context.log.info(result.message)

    @dg.job(name=name, description=description, executor_def=dg.in_process_executor, tags=_PRIORITY)
    def job() -> None:
        act()

    return job


def _shown(result: ActionResult) -> dict[str, dg.MetadataValue[Any]]:
    """The result as the UI shows it. Pure."""
    counts = {
        name: dg.MetadataValue.int(getattr(result, name))
        for name in ActionResult.__dataclass_fields__
        if name.endswith(("_lines", "_count"))
    }
    return {
        "message": dg.MetadataValue.text(result.message),
        "changed": dg.MetadataValue.bool(result.changed),
        "queue_id": dg.MetadataValue.text(result.queue_id),
        "queue_state": dg.MetadataValue.text(result.state),
        "paused": dg.MetadataValue.bool(result.is_paused),
        **counts,
    }
