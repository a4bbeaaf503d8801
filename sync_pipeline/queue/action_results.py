"""What an operator's action came to, in numbers and in a sentence.

Belongs here: the answer that the command line, Dagster and HTTP show. Pure. Does not: doing it
(actions.py), whether it is allowed (decisions.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sync_pipeline.queue.decisions import ActionName

_COUNTS: Final = ("total", "draft", "processing", "done", "failed", "cancelled")


@dataclass(frozen=True)
class ActionResult:
    """What an action came to.

    Attributes:
        changed: False: it had been done before, or there was nothing to do; `message` says which.
        state: of the queue, after it.
        message: one sentence for people.
        retried_lines: failed lines that are tried again.
        superseded_lines: failed lines that were cancelled because a later sync applied the record.
        cancelled_lines: lines that the action cancelled, superseded ones included.
        total_count, …, cancelled_count, progress: of the queue, after it; progress in percent.
    """

    queue_id: str
    action: ActionName
    changed: bool
    state: str
    is_paused: bool
    message: str
    retried_lines: int
    superseded_lines: int
    cancelled_lines: int
    total_count: int
    draft_count: int
    processing_count: int
    done_count: int
    failed_count: int
    cancelled_count: int
    progress: float


def result_of(
    action: ActionName,
    after: Mapping[str, Any],
    moved: Mapping[str, int],
    message: str,
    *,
    changed: bool,
) -> ActionResult:
    """The answer.

    Args:
        after: the queue's row of sync_queue_status after the action.
        moved: retried_lines, superseded_lines, cancelled_lines; those that are left out are 0.
    """
    return ActionResult(
        queue_id=str(after["id"]),
        action=action,
        changed=changed,
        state=after["state"],
        is_paused=after["is_paused"],
        message=message,
        retried_lines=moved.get("retried_lines", 0),
        superseded_lines=moved.get("superseded_lines", 0),
        cancelled_lines=moved.get("cancelled_lines", 0),
        progress=float(after["progress"]),
        **{f"{name}_count": after[f"{name}_count"] for name in _COUNTS},
    )


def in_words(action: ActionName, before: Mapping[str, Any], moved: Mapping[str, int]) -> str:
    """What was done, in a sentence.

    Args:
        before: the queue's row of sync_queue_status before the action.
        moved: as in `result_of`.
    """
    cancelled = moved.get("cancelled_lines", 0)
    match action:
        case "pause":
            return "Paused: it stops after the batch in hand."
        case "resume":
            return "Resumed: it goes on where it stopped."
        case "cancel":
            return f"Cancelled: {cancelled} lines were not done."
        case "force-done":
            return f"Forced done: {cancelled} lines were left and are cancelled."
        case "retry":
            return f"Retried: {'; '.join(_retried(before, moved))}."


def _retried(before: Mapping[str, Any], moved: Mapping[str, int]) -> list[str]:
    parts = []
    if moved["retried_lines"]:
        parts.append(f"{moved['retried_lines']} failed lines are tried again")
    if moved["superseded_lines"]:
        parts.append(
            f"{moved['superseded_lines']} are cancelled, for a later sync applied their records"
        )
    parts = parts or ["nothing keeps it from being worked any more"]
    if before["is_paused"]:
        parts.append("it is paused still: resume it")
    return parts
