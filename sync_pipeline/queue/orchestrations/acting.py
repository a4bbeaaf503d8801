"""Pausing, resuming, cancelling and retrying an orchestration: each of its queues, one by one.

Belongs here: one function per action. Does not: what an action does to a queue (queue/actions.py),
words (results.py).

The same action again changes nothing. A queue that is over is left as it is; one that somebody
keeps is named, and the action can be taken again.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

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
from sync_pipeline.queue.orchestrations.results import (
    PAST,
    OrchestrationActionName,
    OrchestrationResult,
    message_of,
)

_ACTIONS: Final[Mapping[OrchestrationActionName, Callable[..., ActionResult]]] = {
    "pause": actions.pause,
    "resume": actions.resume,
    "cancel": actions.cancel,
    "retry": actions.retry,
}
# Otherwise what was held back by a queue could begin between two steps.
_LAST_FIRST: Final = ("pause", "cancel")


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

    A queue that somebody else asked for too goes on for them, and the orchestration has ended when
    it has: one that a sync of its own opened, or that is in another orchestration which was not
    cancelled. Whoever starts one entity and joins a queue of an orchestration is not known of.

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
    kept = _wanted_elsewhere(database, orchestration) if action == "cancel" else {}
    changed, problems = 0, []
    for item in items:
        if item.queue_no in kept:
            continue
        try:
            changed += _act_on(database, orchestration, item, action, by, reason)
        except (actions.QueueBusyError, QueueOpenError) as error:
            problems.append(f"{item.connection} {item.entity}: {error.message}")
    left = len(items) - changed - len(kept) - len(problems)
    told = [
        f"{one.connection} {one.entity} ({kept[one.queue_no]})"
        for one in items
        if one.queue_no in kept
    ]
    message = message_of(action, changed, left, told, problems)
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
        left_queues=left,
        kept=tuple(told),
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


def _wanted_elsewhere(database: Database, orchestration: Orchestration) -> dict[int | None, str]:
    """Who else asked for its open queues, by queue number; nobody: it is left out."""
    values = {"orchestration_no": orchestration.orchestration_no}
    with database.organization(orchestration.org_id) as conn:
        rows = conn.execute(statement("orchestrations/wanted_elsewhere"), values).fetchall()
    return {row["queue_no"]: _who(row) for row in rows}


def _who(row: Mapping[str, Any]) -> str:
    alone = ["a sync of its own"] if row["is_alone"] else []
    return ", ".join([*alone, *(f"orchestration {one}" for one in row["orchestration_ids"])])


def _record(
    database: Database,
    orchestration: Orchestration,
    action: OrchestrationActionName,
    by: str,
    reason: str | None,
    message: str,
) -> None:
    words = f"orchestration {PAST[action]} by {by}" + (f": {reason}" if reason else "")
    with database.organization(orchestration.org_id) as conn:
        record(
            conn, orchestration.org_id, orchestration.orchestration_no,
            f"orchestration_{PAST[action]}", "info", words,
            {"by": by, "reason": reason, "effect": message},
        )  # fmt: skip
