"""Why a finished run failed, for one of the queues that it worked.

Belongs here: the words and the stable code. Does not: what was done (reports.py), what the queue
keeps of a failure (queue/failures.py).
"""

from collections.abc import Sequence
from typing import Final

import dagster as dg

from sync_pipeline.queue.queues import Queue

Trouble = tuple[str, str]
"""What went wrong, for people, and its stable code."""

# Nothing is wrong with it: what comes before it in the same run failed.
WAITS_CODE: Final = "sync.waits_for_others"
_UNEXPECTED: Final = "sync.unexpected"
_NEVER_BEGAN: Final = "The run failed before its first step; see it in the Dagster UI."


def what_went_wrong(
    result: dg.JobExecutionResult, queue: Queue, *, is_through: bool
) -> Trouble | tuple[None, None]:
    """What went wrong first with the queue's own assets; or what it comes after.

    Args:
        is_through: every asset of the queue was made.
    """
    if result.success:
        return None, None
    failed = result.filter_events(lambda event: event.is_step_failure)
    own = [event for event in failed if is_of(_made_by(event), queue)]
    trouble = _of_checks(result, queue) or next(filter(None, map(_of_step, own)), None)
    if trouble is not None:
        return trouble
    if not failed:
        return _NEVER_BEGAN, _UNEXPECTED
    return (None, None) if is_through else (_waits_for(failed), WAITS_CODE)


def is_of(key: dg.AssetKey, queue: Queue) -> bool:
    """Whether an asset is one of the queue's entity. Pure."""
    return list(key.path[:-1]) == [queue.source_system, queue.entity]


def _of_checks(result: dg.JobExecutionResult, queue: Queue) -> Trouble | None:
    for one in result.get_asset_check_evaluations():
        if is_of(one.asset_key, queue) and one.blocking and not one.passed:
            return f"{one.check_name}: {one.description}", "check.failed"
    return None


def _of_step(event: dg.DagsterEvent) -> Trouble | None:
    failure = event.step_failure_data.user_failure_data
    if failure is not None:
        code = failure.metadata["code"].value if "code" in failure.metadata else None
        return failure.description or "", str(code or _UNEXPECTED)
    if (info := event.step_failure_data.error) is not None:
        return _said((info.cause or info).message), _UNEXPECTED
    return None


def _waits_for(failed: Sequence[dg.DagsterEvent]) -> str:
    entities = sorted({_made_by(event).path[-2] for event in failed})
    return f"It comes after {', '.join(entities)}, which failed: sensors go on with both."


def _made_by(event: dg.DagsterEvent) -> dg.AssetKey:
    """The asset of a step, by the step's name."""
    return dg.AssetKey((event.step_key or "").split("__"))


def _said(message: str) -> str:
    """The last line of an unexpected error, without its traceback."""
    return f"Unexpected error: {message.strip().splitlines()[-1]}"
