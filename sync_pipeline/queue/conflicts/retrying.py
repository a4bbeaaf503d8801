"""Trying again what failed and is an open conflict: its line, on the queue where it failed.

Belongs here: from conflicts to the queues of their lines. Does not: what a retry does to a queue
(queue/actions.py), conflicts about fields (resolving.py).
"""

from dataclasses import dataclass, replace
from uuid import UUID

from sync_pipeline.errors import SyncError
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue import actions
from sync_pipeline.queue.conflicts.choosing import Chosen, composed
from sync_pipeline.queue.conflicts.deciding import Decision
from sync_pipeline.queue.conflicts.fitting import open_groups, require_fit
from sync_pipeline.queue.conflicts.reading import scopes


@dataclass(frozen=True)
class Retrying:
    """What became of a retry.

    Attributes:
        queue_ids: queues that are tried again; their failed lines all are.
        n_conflicts: conflicts that they hold.
        n_gone: conflicts whose line is on no queue any more: the next sync meets the record.
        refused: (queue, why) of those that cannot be retried now.
    """

    queue_ids: tuple[UUID, ...]
    n_conflicts: int
    n_gone: int
    refused: tuple[tuple[UUID, str], ...]


def retry_conflicts(
    database: Database, chosen: Chosen, *, by: str, reason: str | None = None
) -> Retrying:
    """Retry the queues on which the open conflicts among the chosen ones failed.

    Args:
        by, reason: kept with each queue.

    Raises:
        DecisionUnfitError: fields are in dispute, and nothing failed.
        UnknownConnectionError: no such connection.
    """
    require_fit(Decision("retry"), open_groups(database, chosen))
    retried: list[UUID] = []
    refused: list[tuple[UUID, str]] = []
    n_conflicts = n_gone = 0
    for queue_id, count in _queues(database, replace(chosen, state="open")):
        if queue_id is None:
            n_gone += count
            continue
        try:
            actions.retry(database, str(queue_id), by=by, reason=reason)
        except SyncError as error:
            refused.append((queue_id, str(error)))
        else:
            retried.append(queue_id)
            n_conflicts += count
    return Retrying(tuple(retried), n_conflicts, n_gone, tuple(refused))


def _queues(database: Database, chosen: Chosen) -> list[tuple[UUID | None, int]]:
    found: list[tuple[UUID | None, int]] = []
    for org_id, connection_id in scopes(database, chosen):
        with database.organization(org_id) as conn:
            rows = conn.execute(composed("queues"), chosen.values(connection_id)).fetchall()
        found += [(row["id"], row["n_conflicts"]) for row in rows]
    return found
