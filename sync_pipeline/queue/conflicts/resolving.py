"""Resolving conflicts: what a person decided becomes lines of a queue, or is noted at once.

Belongs here: one decision about chosen conflicts, per connection and entity. Does not: which
decisions there are (deciding.py), working the queues (stages/changes.py), what a line does
(sql/queue/change.sql).

Each connection and entity is one transaction: hold the conflicts, bring our side up to date,
compare the version that was shown, open the queue with its lines. A stop leaves whole queues or
none; the same command again finds them (`pending`). Deciding twice changes nothing.
"""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from sync_pipeline.entities import Entity, entity_of
from sync_pipeline.errors import InputError
from sync_pipeline.postgres.database import Database, DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.conflicts.choosing import Chosen, composed
from sync_pipeline.queue.conflicts.deciding import Decision
from sync_pipeline.queue.conflicts.fitting import open_groups, require_fit
from sync_pipeline.queue.conflicts.reading import refresh
from sync_pipeline.queue.conflicts.typed import require_columns, typed_values
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.opening import open_beside
from sync_pipeline.settings import QueueSettings
from sync_pipeline.sources.connections import Connection, find_connection


class ConflictMovedError(InputError):
    """The conflict is not as it was when it was shown; nothing was done."""

    code = "conflict.moved"


@dataclass(frozen=True)
class Resolving:
    """What became of a decision.

    Attributes:
        queue_ids: queues that apply it, new ones and those of the same conflicts from before.
        n_queued: conflicts that they are about, of this call.
        n_skipped: conflicts that are skipped now.
        n_left: conflicts that were chosen and are open as before: our row is gone, or the record
            is and fields were named.
    """

    queue_ids: tuple[UUID, ...] = ()
    n_queued: int = 0
    n_skipped: int = 0
    n_left: int = 0

    def __add__(self, other: "Resolving") -> "Resolving":
        """Both together."""
        return Resolving(
            (*self.queue_ids, *(one for one in other.queue_ids if one not in self.queue_ids)),
            self.n_queued + other.n_queued,
            self.n_skipped + other.n_skipped,
            self.n_left + other.n_left,
        )


@dataclass(frozen=True)
class _Order:
    """What was asked for."""

    chosen: Chosen
    decision: Decision
    by: str
    why: str
    why_of_undo: str
    version: int | None
    settings: QueueSettings


def resolve(
    database: Database,
    chosen: Chosen,
    decision: Decision,
    *,
    by: str,
    reason: str | None = None,
    version: int | None = None,
    settings: QueueSettings,
) -> Resolving:
    """Decide about the open conflicts among the chosen ones; a retry is `retrying.retry_conflicts`.

    Args:
        by: who, for the audit.
        reason: why, for the audit.
        version: of the one conflict that was shown; None: as it is now.

    Returns:
        The queues to be worked now (stages/changes.py), and what was done at once.

    Raises:
        ConflictMovedError: the conflict has another version by now.
        DecisionUnfitError: none of them can be decided about like that.
        ValueInvalidError, InputError: a field or a value that cannot be.
    """
    groups = open_groups(database, chosen)
    require_fit(decision, groups)
    if version is not None and sum(one.n_conflicts for one in groups) > 1:
        raise InputError("A version is that of one conflict.", remedy="Name one conflict.")
    order = _Order(
        replace(chosen, state="open"),
        decision,
        by,
        decision.in_words(reason),
        decision.in_words(reason, is_undo=True),
        version,
        settings,
    )
    total = Resolving()
    for connection_name, entity_name in sorted({(one.connection, one.entity) for one in groups}):
        connection = find_connection(database, connection_name)
        entity = entity_of(connection.system, entity_name)
        with database.organization(connection.org_id) as conn:
            total += _resolve_here(conn, connection, entity, order)
    return total


def _resolve_here(
    conn: DictConnection, connection: Connection, entity: Entity, order: _Order
) -> Resolving:
    """Decide about the conflicts of one connection and entity, in its transaction."""
    chosen = replace(order.chosen, connection=connection.name, entity=entity.name)
    values = chosen.values(connection.connection_id, is_undecided=True)
    conn.execute(composed("hold"), values)
    refresh(conn, connection, entity, chosen)
    if order.version is not None:
        _require_version(conn, values, order.version)
    pending = conn.execute(composed("pending"), values | {"is_undecided": False}).fetchall()
    done = Resolving(tuple(row["id"] for row in pending))
    if order.decision.verb == "skip":
        noted = values | {"by": order.by, "why": order.why}
        row = conn.execute(composed("skip"), noted).fetchone()
        done += Resolving(n_skipped=row["n_skipped"] if row else 0)
    require_columns(entity, order.decision.columns)
    try:
        with conn.transaction():
            return done + _queue_up(conn, connection, entity, order, values)
    except _NothingToApplyError as nothing:
        return done + Resolving(n_left=nothing.n_left)


class _NothingToApplyError(Exception):
    """No conflict has a line to make: the queue is not opened."""

    def __init__(self, n_left: int) -> None:
        self.n_left = n_left


def _queue_up(
    conn: DictConnection,
    connection: Connection,
    entity: Entity,
    order: _Order,
    values: dict[str, Any],
) -> Resolving:
    values = values | {"is_mismatch": True}
    n_held = sum(row["n_conflicts"] for row in conn.execute(composed("count"), values))
    if not n_held:
        raise _NothingToApplyError(0)
    typed = typed_values(conn, entity, order.decision.values)
    queue, _ = open_beside(
        conn,
        connection,
        entity.name,
        filters=Filters(resolves=True),
        settings=order.settings,
        created_by=order.by,
    )
    n_lines = conn.execute(
        composed("lines", entity.target),
        values
        | {
            "queue_no": queue.queue_no,
            "decision": order.decision.verb,
            "fields": list(order.decision.fields),
            "values": Jsonb(typed),
            "by": order.by,
            "why": order.why,
            "why_of_undo": order.why_of_undo,
        },
    ).rowcount
    if not n_lines:
        raise _NothingToApplyError(n_held)
    batches = {"queue_no": queue.queue_no, "org_id": queue.org_id, "batch_size": queue.batch_size}
    conn.execute(statement("enqueue/batches"), batches)
    return Resolving((queue.id,), n_queued=n_lines, n_left=n_held - n_lines)


def _require_version(conn: DictConnection, values: dict[str, Any], version: int) -> None:
    rows = conn.execute(composed("list"), values | {"most": 1, "before_no": None}).fetchall()
    for row in rows:
        if row["version"] != version:
            raise ConflictMovedError(
                f"The conflict {row['id']} has changed since: it has version {row['version']}, "
                f"and {version} was decided about. Nothing was done.",
                remedy=f"Look again: sync-pipeline conflicts show {row['id']}.",
            )
