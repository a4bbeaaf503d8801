"""What a failed run leaves with its queue: why, when to try again, or what a person has to do.

Belongs here: judging a failure and writing it down. Does not: which runs are started
(attention.py), failures of single lines (completion.py).

A passing fault waits 10 s, 20 s, 40 s … up to 10 minutes, with jitter, as often as it takes; a
worker that was killed, 2 s to 20 s. What only a person can mend flags the queue; so does an error
nobody foresaw, when it came ten times in a row. Success of any stage clears what stands.
"""

import random
from dataclasses import dataclass
from typing import Any, Final

from sync_pipeline.errors import PermanentError, SyncError
from sync_pipeline.postgres.database import Database, DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.backoff import backoff_seconds
from sync_pipeline.queue.conflicts.keys import raise_auth_error
from sync_pipeline.queue.queues import Queue, record_activity
from sync_pipeline.redaction import without_secrets
from sync_pipeline.settings import QueueSettings

STOPPED_CODE: Final = "queue.stopped"
UNEXPECTED_CODE: Final = "sync.unexpected"
LOST_CODE: Final = "run.worker_lost"
# A killed worker says nothing against the store: what it worked on goes on soon, but no queue
# that kills its workers is started without a pause.
_WAITS_AFTER_LOSS_MS: Final = (2_000, 20_000)
_UNEXPECTED_IN_A_ROW: Final = 10


@dataclass(frozen=True)
class Failure:
    """Why a run ended.

    Attributes:
        code: stable; of the error, or `sync.unexpected`, or `run.worker_lost`.
        message: for people, with what to do.
        is_permanent: no attempt will succeed until a person acts.
    """

    code: str
    message: str
    is_permanent: bool

    @property
    def is_stop(self) -> bool:
        """An operator paused or cancelled the queue; nothing failed."""
        return self.code == STOPPED_CODE


@dataclass(frozen=True)
class Aftermath:
    """What follows from a failure: a wait before the next attempt, or a reason for a person."""

    retry_in_seconds: float | None
    reason: str | None


def failure_from(error: BaseException) -> Failure:
    """The failure that an exception stands for, without the secrets that it may name. Pure."""
    words = without_secrets(str(error))
    if isinstance(error, SyncError):
        return Failure(error.code, words, isinstance(error, PermanentError))
    said = words.strip().splitlines() or [""]
    return Failure(
        UNEXPECTED_CODE,
        f"Unexpected error: {type(error).__name__}: {said[0]}".rstrip(": "),
        is_permanent=False,
    )


def aftermath(
    failure: Failure, failures_before: int, settings: QueueSettings, chance: float
) -> Aftermath:
    """What follows from this failure after so many in a row. Pure.

    Args:
        chance: from [0, 1), the jitter of the wait.
    """
    if failure.is_permanent:
        return Aftermath(None, f"{failure.message} ({failure.code})")
    attempt = failures_before + 1
    if failure.code == UNEXPECTED_CODE and attempt >= _UNEXPECTED_IN_A_ROW:
        words = f"failed {attempt} times in a row, and nobody foresaw why. {failure.message}"
        return Aftermath(None, f"{words} ({failure.code})")
    base_ms, cap_ms = (
        _WAITS_AFTER_LOSS_MS
        if failure.code == LOST_CODE
        else (
            round(settings.failure_backoff_seconds * 1000),
            round(settings.failure_backoff_cap_seconds * 1000),
        )
    )
    wait = backoff_seconds(attempt, base_ms, cap_ms, chance)
    return Aftermath(wait, None)


def record_failure(
    database: Database,
    queue: Queue,
    failure: Failure,
    settings: QueueSettings,
    *,
    run_id: str | None,
) -> Aftermath:
    """Write down why the run failed and what follows; a stop by an operator leaves nothing.

    Raises:
        DatabaseUnavailableError: it could not be written.
    """
    if failure.is_stop:
        return Aftermath(None, None)
    with database.organization(queue.org_id) as conn:
        return _record(conn, queue, failure, settings, run_id)


def record_loss(
    database: Database, queue: Queue, failure: Failure, settings: QueueSettings, *, run_id: str
) -> Aftermath | None:
    """Write down that a run ended without a word of its own, such as by `kill -9`.

    Returns:
        What follows; None when the queue is finished, paused or taken up by another run by now:
        then only the activity says so.
    """
    with database.organization(queue.org_id) as conn:
        if _was_last_worked_in(conn, queue, run_id):
            conn.execute(statement("queue/give_lease_up"), {"queue_no": queue.queue_no})
            return _record(conn, queue, failure, settings, run_id)
        _note(conn, queue, failure, Aftermath(None, None), run_id)
        return None


def was_left_in_hand(database: Database, queue: Queue, *, run_id: str) -> bool:
    """Whether the run worked on the queue last and never gave its lease back, so died with it."""
    with database.organization(queue.org_id) as conn:
        row = _standing(conn, queue)
    return bool(row["last_dagster_run_id"] == run_id and row["is_leased"])


def record_success(database: Database, queue: Queue) -> None:
    """A stage went well: what failed before is over."""
    with database.organization(queue.org_id) as conn:
        conn.execute(statement("queue/clear_failure"), {"queue_no": queue.queue_no})


def forgive(database: Database, queue: Queue) -> None:
    """A person wants the open queue worked on, whatever failed before."""
    with database.organization(queue.org_id) as conn:
        conn.execute(statement("queue/forgive"), {"queue_no": queue.queue_no})


def _was_last_worked_in(conn: DictConnection, queue: Queue, run_id: str) -> bool:
    row = _standing(conn, queue)
    return (
        row["stage"] != "finished" and not row["is_paused"] and row["last_dagster_run_id"] == run_id
    )


def _record(
    conn: DictConnection,
    queue: Queue,
    failure: Failure,
    settings: QueueSettings,
    run_id: str | None,
) -> Aftermath:
    chance = random.random()  # noqa: S311  (jitter)
    after = aftermath(failure, _standing(conn, queue)["failure_count"], settings, chance)
    conn.execute(
        statement("queue/record_failure"),
        {
            "queue_no": queue.queue_no,
            "code": failure.code,
            "message": failure.message,
            "retry_in_seconds": after.retry_in_seconds,
            "reason": after.reason,
        },
    )
    raise_auth_error(conn, queue, failure.code, failure.message)
    _note(conn, queue, failure, after, run_id)
    return after


def _note(
    conn: DictConnection, queue: Queue, failure: Failure, after: Aftermath, run_id: str | None
) -> None:
    wait = after.retry_in_seconds
    again = "" if wait is None else f" Tried again in {wait:.0f} s."
    details: dict[str, Any] = {"code": failure.code, "run_id": run_id, "retry_in_seconds": wait}
    record_activity(
        conn,
        queue,
        "run_failed",
        "error" if after.reason else "warning",
        f"{failure.message}{again}",
        details,
    )


def _standing(conn: DictConnection, queue: Queue) -> dict[str, Any]:
    row = conn.execute(statement("queue/failure"), {"queue_no": queue.queue_no}).fetchone()
    assert row is not None  # noqa: S101  (the queue is at hand)
    return row
