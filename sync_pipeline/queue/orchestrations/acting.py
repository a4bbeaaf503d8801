"""Pausing, resuming, cancelling and retrying an orchestration: each of its queues, one by one.

Belongs here: one function per action, and what it came to. Does not: what an action does to a queue
(queue/actions.py).

The same action again changes nothing. A queue that is over is left as it is; one that somebody
keeps is named, and the action can be taken again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sync_pipeline.errors import UnknownQueueError
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue import actions
from sync_pipeline.queue.action_results import ActionResult
from sync_pipeline.queue.opening import QueueOpenError
from sync_pipeline.queue.orchestrations.audit import in_words, record
from sync_pipeline.queue.orchestrations.records import (
    Item,
    Orchestration,
    find_orchestration,
    items_of,
    orchestration_status,
)

OrchestrationActionName = Literal["pause", "resume", "cancel", "retry"]

_PAST: Final[Mapping[OrchestrationActionName, str]] = {
    "pause": "paused",
    "resume": "resumed",
    "cancel": "cancelled",
    "retry": "retried",
}
_ACTIONS: Final[Mapping[OrchestrationActionName, Callable[..., ActionResult]]] = {
    "pause": actions.pause,
    "resume": actions.resume,
    "cancel": actions.cancel,
    "retry": actions.retry,
}
# Otherwise what was held back by a queue could begin between two steps.
_LAST_FIRST: Final = ("pause", "cancel")


@dataclass(frozen=True)
class OrchestrationResult:
    """What an action came to.

    Attributes:
        changed: False: it had been done before, or there was nothing to do.
        state: of the orchestration, after it.
        message: one sentence for people.
        changed_queues: how many the action changed.
        left_queues: how many needed nothing, or are over.
        problems: of each queue that could not be acted on, why.
        progress: percent, after it.
    """

    orchestration_id: str
    action: OrchestrationActionName
    changed: bool
    state: str
    is_paused: bool
    message: str
    changed_queues: int
    left_queues: int
    problems: tuple[str, ...]
    progress: float


def pause_orchestration(
    database: Database, orchestration_id: str, *, by: str, reason: str | None = None
) -> OrchestrationResult:
    """Stop every queue after the batch in hand; those that were not begun are not begun.

    Args:
        orchestration_id: its id, or how that begins.
        by: who wants it, for the audit.
        reason: why, for the audit and for who sees the queues stand still.

    Raises:
        InputError, UnknownOrchestrationError: no such orchestration.
    """
    return _act(database, orchestration_id, "pause", by, reason)


def resume_orchestration(
    database: Database, orchestration_id: str, *, by: str, reason: str | None = None
) -> OrchestrationResult:
    """Let every paused queue go on, and those that wait for their next try go on at once.

    Args, Raises: as `pause_orchestration`.
    """
    return _act(database, orchestration_id, "resume", by, reason)


def cancel_orchestration(
    database: Database, orchestration_id: str, *, by: str, reason: str | None = None
) -> OrchestrationResult:
    """Cancel what is not done of every open queue, for good; what is done stays.

    Args, Raises: as `pause_orchestration`.
    """
    return _act(database, orchestration_id, "cancel", by, reason)


def retry_orchestration(
    database: Database, orchestration_id: str, *, by: str, reason: str | None = None
) -> OrchestrationResult:
    """Try the failed lines of every queue again; of a paused orchestration once it is resumed.

    Args, Raises: as `pause_orchestration`.
    """
    return _act(database, orchestration_id, "retry", by, reason)


def _act(
    database: Database,
    orchestration_id: str,
    action: OrchestrationActionName,
    by: str,
    reason: str | None,
) -> OrchestrationResult:
    orchestration = find_orchestration(database, orchestration_id)
    items = [item for item in items_of(database, orchestration) if item.queue_id is not None]
    if action in _LAST_FIRST:
        items.reverse()
    is_marked = action == "cancel" and _mark_cancelled(database, orchestration)
    changed, problems = 0, []
    for item in items:
        try:
            changed += _act_on(database, orchestration, item, action, by, reason)
        except (actions.QueueBusyError, QueueOpenError) as error:
            problems.append(f"{item.connection} {item.entity}: {error.message}")
    message = _message(action, changed, len(items), problems)
    if changed or is_marked:
        _record(database, orchestration, action, by, reason, message)
    status = orchestration_status(database, orchestration)
    return OrchestrationResult(
        orchestration_id=orchestration.id,
        action=action,
        changed=bool(changed or is_marked),
        state=status["state"],
        is_paused=status["is_paused"],
        message=message or f"Nothing to do: it is {in_words(status)}.",
        changed_queues=changed,
        left_queues=len(items) - changed - len(problems),
        problems=tuple(problems),
        progress=float(status["progress"]),
    )


def _act_on(
    database: Database,
    orchestration: Orchestration,
    item: Item,
    action: OrchestrationActionName,
    by: str,
    reason: str | None,
) -> bool:
    """Whether the action changed the queue; one that is over is left.

    Raises:
        QueueBusyError, QueueOpenError: as queue/actions.py.
    """
    queue_id = str(item.queue_id)
    try:
        result = _ACTIONS[action](database, queue_id, by=by, reason=reason)
        if action == "retry" and result.changed and orchestration.is_paused:
            actions.pause(database, queue_id, by=by, reason="its orchestration is paused")
    except (actions.QueueStateError, UnknownQueueError):
        return False
    return result.changed


def _mark_cancelled(database: Database, orchestration: Orchestration) -> bool:
    values = {"orchestration_no": orchestration.orchestration_no}
    with database.organization(orchestration.org_id) as conn:
        return conn.execute(statement("orchestrations/cancel"), values).fetchone() is not None


def _message(
    action: OrchestrationActionName, changed: int, n_items: int, problems: Sequence[str]
) -> str:
    """What was done, in a sentence; empty when nothing was. Pure."""
    if not changed and not problems:
        return ""
    words = f"{_PAST[action].capitalize()}: {changed} queues"
    if left := n_items - changed - len(problems):
        words += f"; {left} needed nothing or are over"
    if problems:
        words += f"; {len(problems)} could not be {_PAST[action]}, try again: {'; '.join(problems)}"
    return f"{words.rstrip('.')}."


def _record(
    database: Database,
    orchestration: Orchestration,
    action: OrchestrationActionName,
    by: str,
    reason: str | None,
    message: str,
) -> None:
    words = f"orchestration {_PAST[action]} by {by}" + (f": {reason}" if reason else "")
    with database.organization(orchestration.org_id) as conn:
        record(
            conn, orchestration.org_id, orchestration.orchestration_no,
            f"orchestration_{_PAST[action]}", "info", words,
            {"by": by, "reason": reason, "effect": message},
        )  # fmt: skip
