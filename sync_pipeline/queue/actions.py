"""What an operator can do to a queue: pause, resume, cancel, force-done, retry.

Belongs here: one function per action, the same for the command line, Dagster and HTTP. Does not:
which action is allowed when (decisions.py), starting work afterwards (orchestration/sensors).

Each is one transaction: hold the queue, wait for the batches in hand (they keep their result),
look, decide, act, write who did it and why. The same action again changes nothing. No worker has
to be told: claims look at the row, and a batch that was taken from a worker has a new token.
"""

from collections.abc import Mapping
from typing import Any, Final

from psycopg.errors import LockNotAvailable, UniqueViolation

from sync_pipeline.errors import InputError, TransientError
from sync_pipeline.postgres.database import Database, DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.action_results import ActionResult, in_words, result_of
from sync_pipeline.queue.decisions import ActionName, decide, situation_of
from sync_pipeline.queue.opening import QueueOpenError
from sync_pipeline.queue.queues import Queue, find_queue, finish_held, queue_status, record_activity

_LOCK_TIMEOUT_SECONDS = 15  # longer than a frozen process keeps its locks (postgres/database.py)
_ACTIVITIES: Final[Mapping[ActionName, str]] = {
    "pause": "queue_paused",
    "resume": "queue_resumed",
    "cancel": "queue_cancelled",
    "force-done": "queue_forced_done",
    "retry": "queue_retried",
}


class QueueStateError(InputError):
    """The queue's state forbids the action; nothing was done."""

    code = "queue.state_forbids"


class QueueBusyError(TransientError):
    """Somebody kept the queue or a batch of it for too long; nothing was done."""

    code = "queue.busy"


def pause(database: Database, queue_id: str, *, by: str, reason: str | None = None) -> ActionResult:
    """Stop after the batches and pages in hand; `resume` goes on there.

    Args:
        queue_id: its public id.
        by: who wants it, for the audit.
        reason: why, for the audit and for who sees the queue stand still.

    Raises:
        InputError, UnknownQueueError: no such queue.
        QueueStateError: it is finished or cancelled.
        QueueBusyError: a batch in hand, or the queue, was kept for longer than 15 s.
    """
    return _act(database, queue_id, "pause", by, reason)


def resume(
    database: Database, queue_id: str, *, by: str, reason: str | None = None
) -> ActionResult:
    """Let a paused queue go on, and one that waits for its next try go on at once.

    Args, Raises: as `pause`.
    """
    return _act(database, queue_id, "resume", by, reason)


def cancel(
    database: Database, queue_id: str, *, by: str, reason: str | None = None
) -> ActionResult:
    """Cancel every line that is not done and close the queue; what is done stays.

    Args: as `pause`.

    Raises:
        InputError, UnknownQueueError: no such queue.
        QueueStateError: it is finished.
        QueueBusyError: as `pause`.
    """
    return _act(database, queue_id, "cancel", by, reason)


def force_done(
    database: Database, queue_id: str, *, by: str, reason: str | None = None
) -> ActionResult:
    """Cancel what is left, failed lines too, and call the queue done; its conflicts are skipped.

    Args: as `pause`.

    Raises:
        InputError, UnknownQueueError: no such queue.
        QueueStateError: it is cancelled.
        QueueBusyError: as `pause`.
    """
    return _act(database, queue_id, "force-done", by, reason)


def retry(database: Database, queue_id: str, *, by: str, reason: str | None = None) -> ActionResult:
    """Give failed lines their tries back and take away what keeps the queue from being worked.

    A finished queue is open again. Lines whose record a later sync has applied are cancelled: their
    content is older. A paused queue stays paused. Starting the work is the sensors' business.

    Args: as `pause`.

    Raises:
        InputError, UnknownQueueError: no such queue.
        QueueStateError: it is cancelled.
        QueueOpenError: it is finished, and another sync of its connection and entity is open.
        QueueBusyError: as `pause`.
    """
    try:
        return _act(database, queue_id, "retry", by, reason)
    except UniqueViolation:
        # One was opened between our look and our write: the second look names it.
        return _act(database, queue_id, "retry", by, reason)


def _act(
    database: Database, queue_id: str, action: ActionName, by: str, reason: str | None
) -> ActionResult:
    queue = find_queue(database, queue_id)
    try:
        return _act_on(database, queue, action, by, reason)
    except LockNotAvailable:
        words = f"{action} waited {_LOCK_TIMEOUT_SECONDS} s for {queue.id}: a worker keeps it."
        raise QueueBusyError(words, remedy="Nothing was done. Try again in a minute.") from None


def _act_on(
    database: Database, queue: Queue, action: ActionName, by: str, reason: str | None
) -> ActionResult:
    with database.organization(queue.org_id) as conn:
        conn.execute("SELECT set_config('lock_timeout', %s, true)", [f"{_LOCK_TIMEOUT_SECONDS}s"])
        key = {"queue_no": queue.queue_no}
        conn.execute(statement("queue/hold"), key)
        if action in ("cancel", "force-done", "retry"):
            conn.execute(statement("actions/hold"), key)
        before = queue_status(conn, queue.queue_no)
        decision = decide(action, situation_of(before))
        if decision.verdict == "refuse":
            raise QueueStateError(
                f"{action} is not possible for {queue.id}: {decision.words}.",
                remedy=f"See how it stands: sync-pipeline status {queue.id}.",
            )
        if decision.verdict == "nothing":
            return result_of(action, before, {}, f"Nothing to do: {decision.words}.", changed=False)
        moved = _do(conn, queue, action, by, before)
        message = in_words(action, before, moved)
        record_activity(
            conn,
            queue,
            _ACTIVITIES[action],
            "info",
            f"{_ACTIVITIES[action].replace('_', ' ')} by {by}" + (f": {reason}" if reason else ""),
            {"by": by, "reason": reason, "effect": message} | moved,
        )
        if moved.get("superseded_lines") and not moved["retried_lines"]:
            # Nothing is left to be worked.
            finish_held(conn, queue)
        return result_of(action, queue_status(conn, queue.queue_no), moved, message, changed=True)


def _do(
    conn: DictConnection,
    queue: Queue,
    action: ActionName,
    by: str,
    before: Mapping[str, Any],
) -> dict[str, int]:
    """The effect of an action that is allowed, and how many lines it moved."""
    key = {"queue_no": queue.queue_no}
    if action in ("pause", "resume"):
        conn.execute(statement(f"actions/{action}"), key)
        return {}
    if action == "retry":
        return _retry(conn, queue, before)
    name = "force_done" if action == "force-done" else action
    conn.execute(statement(f"actions/{name}"), key | {"by": by})
    pending = before["draft_count"] + before["processing_count"]
    return {"cancelled_lines": pending + (before["failed_count"] if name != "cancel" else 0)}


def _retry(conn: DictConnection, queue: Queue, before: Mapping[str, Any]) -> dict[str, int]:
    key = {"queue_no": queue.queue_no}
    if before["stage"] == "finished":
        other = conn.execute(statement("actions/other_open"), key).fetchone()
        if other is not None:
            raise QueueOpenError(
                f"Another sync of {queue.connection} {queue.entity} is open: {other['id']}.",
                remedy="Let it finish, then retry again: it may not read what failed here.",
            )
    row = conn.execute(
        statement("actions/retry"),
        key
        | {
            "org_id": queue.org_id,
            "connection_id": queue.connection_id,
            "entity": queue.entity,
        },
    ).fetchone()
    assert row is not None  # noqa: S101  (the queue is held)
    return {
        "retried_lines": row["n_retried"],
        "superseded_lines": row["n_superseded"],
        "cancelled_lines": row["n_superseded"],
    }
