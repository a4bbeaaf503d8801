"""The job by which an operator takes a sync back from the UI.

Belongs here: its launchpad and what the UI shows of the result. Does not: what it does
(queue/reverting.py), working the queue that it opens (queue_sensors.py).
"""

from typing import Any, Final

import dagster as dg
from pydantic import Field

from sync_pipeline.errors import SyncError
from sync_pipeline.orchestration.resource import SyncResource
from sync_pipeline.queue.lookup import queue_meant
from sync_pipeline.queue.revert_preview import RevertPreview, preview_revert
from sync_pipeline.queue.reverting import Reverting, revert

_PRIORITY: Final = {"dagster/priority": "10", "sync/kind": "action"}
_DESCRIPTION: Final = (
    "Take one sync back: rows it created go into the archive, fields it changed get what they held "
    "before; what was changed since stays, as a conflict. It opens a queue that the sensors work."
)


class RevertConfig(dg.Config):
    """Which sync, who, why; or only a look."""

    queue_id: str = Field(
        description="The queue's id, or how it begins: it stands with every run of a sync "
        "(sync/queue_id) and in `sync-pipeline status`. A revert's own queue can be taken back too."
    )
    by: str = Field(description="Who wants it: kept with every change. Dagster does not know you.")
    reason: str | None = Field(default=None, description="Why: kept with every change.")
    preview: bool = Field(
        default=False, description="Only count what it would do; nothing is written."
    )


@dg.op(name="revert_sync_queue", description=_DESCRIPTION)
def _revert(context: dg.OpExecutionContext, config: RevertConfig, sync: SyncResource) -> None:
    try:
        database = sync.database()
        queue = queue_meant(database, config.queue_id)
        shown = preview_revert(database, queue, most=0)
        found = _counts(shown)
        if not config.preview:
            found |= _opened(
                revert(
                    database,
                    queue,
                    by=config.by,
                    reason=config.reason,
                    settings=sync.queue_settings(),
                )
            )
    except SyncError as error:
        raise dg.Failure(
            description=str(error),
            metadata={"code": error.code, "remedy": error.remedy or "See the queue's status."},
            allow_retries=False,
        ) from error
    context.add_output_metadata(found)


@dg.job(
    name="revert_sync",
    description=_DESCRIPTION,
    executor_def=dg.in_process_executor,
    tags=_PRIORITY,
)
def revert_job() -> None:
    """Open the queue that takes a sync back."""
    _revert()


def _counts(shown: RevertPreview) -> dict[str, dg.MetadataValue[Any]]:
    """What the revert comes to, before it is done. Pure."""
    counts = {f"to_be_{name}": dg.MetadataValue.int(n) for name, n in shown.counts.items()}
    moved = {name: int(n) for name, n in shown.moved.items()}
    return {"reverts": dg.MetadataValue.text(shown.queue_id), **counts} | (
        {"changed_since": dg.MetadataValue.json(moved)} if moved else {}
    )


def _opened(reverting: Reverting) -> dict[str, dg.MetadataValue[Any]]:
    words = "opened; the sensors work it" if reverting.is_new else "it was taken back before"
    return {
        "queue_id": dg.MetadataValue.text(str(reverting.queue.id)),
        "records": dg.MetadataValue.int(reverting.n_lines),
        "message": dg.MetadataValue.text(words),
    }
