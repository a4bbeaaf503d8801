"""Whether an operator stopped a queue, and who it was.

Belongs here: what workers ask before they go on, and the error that ends them. Does not: the
actions themselves (actions.py).
"""

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from psycopg import Connection

from sync_pipeline.errors import InputError, PermanentError
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue

_IN_WORDS = {"paused": "paused", "cancelled": "cancelled", "forced_done": "forced done"}


@dataclass(frozen=True)
class Stop:
    """What stopped a queue.

    Attributes:
        kind: `paused` can be resumed; the others are for good.
        by: who did it; None when it was not done by an action.
        reason: what they said about it.
    """

    kind: Literal["paused", "cancelled", "forced_done"]
    by: str | None
    reason: str | None

    @property
    def in_words(self) -> str:
        """E.g. "paused by ann: the shop moves"."""
        words = _IN_WORDS[self.kind]
        if self.by:
            words += f" by {self.by}"
        return f"{words}: {self.reason}" if self.reason else words


class QueueStoppedError(PermanentError):
    """An operator paused, cancelled or forced the sync done. No fault: what was done is kept.

    Attributes:
        stop: what was done, by whom and why.
    """

    code = "queue.stopped"

    def __init__(self, queue_id: UUID, stop: Stop) -> None:
        remedy = (
            f"It goes on with: sync-pipeline resume {queue_id}."
            if stop.kind == "paused"
            else "Start a new sync when it is wanted."
        )
        super().__init__(f"The sync {queue_id} was {stop.in_words}.", remedy=remedy)
        self.stop = stop


class QueuePausedError(InputError):
    """The sync that a person wants to start is open and paused: resuming it is theirs to say."""

    code = "queue.paused"


def stop_of(conn: Connection[dict[str, Any]], queue_no: int) -> Stop | None:
    """What stopped the queue; None: it may be worked, or it is finished."""
    row = conn.execute(statement("queue/stop"), {"queue_no": queue_no}).fetchone()
    return None if row is None else Stop(kind=row["word"], by=row["by"], reason=row["reason"])


def refuse_if_stopped(database: Database, queue: Queue) -> None:
    """Go on only where no operator stopped the queue.

    Raises:
        QueueStoppedError: one did.
    """
    with database.organization(queue.org_id) as conn:
        stop = stop_of(conn, queue.queue_no)
    if stop is not None:
        raise QueueStoppedError(queue.id, stop)


def refuse_if_paused(database: Database, queue: Queue) -> None:
    """Look before a person's start becomes a run, which could only end at once.

    Raises:
        QueuePausedError: somebody paused the queue.
    """
    with database.organization(queue.org_id) as conn:
        stop = stop_of(conn, queue.queue_no)
    if stop is not None and stop.kind == "paused":
        raise QueuePausedError(
            f"A sync of {queue.connection} {queue.entity} is open. It is {stop.in_words}.",
            remedy=f"Let it go on: sync-pipeline resume {queue.id} --wait.",
        )
