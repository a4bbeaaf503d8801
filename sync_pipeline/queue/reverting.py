"""Taking one queue back: from the audit of what it did to a queue of changes that undoes it.

Belongs here: whether a queue can be taken back, and opening the queue that does. Does not: showing
what would happen (revert_preview.py), what a line does (sql/queue/change.sql), working it.

The lines are made in the transaction that opens the queue, by one statement: a stop leaves nothing
or all of it, and what is left then goes on like any other queue.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import sql
from psycopg.types.json import Jsonb

from sync_pipeline.entities import Entity, entity_of
from sync_pipeline.entities.references import LATE_COLUMNS
from sync_pipeline.errors import InputError
from sync_pipeline.postgres.database import Database, DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.postgres.statistics import analyze_queue
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.opening import open_beside
from sync_pipeline.queue.queues import Queue, queue_status, record_activity, reload, select_queue
from sync_pipeline.settings import QueueSettings
from sync_pipeline.sources.connections import find_connection

_ANALYZE_FROM_LINES: Final = 5_000


class RevertImpossibleError(InputError):
    """There is nothing of the queue to take back, not yet or not any more; nothing was done."""

    code = "revert.impossible"


@dataclass(frozen=True)
class Revertible:
    """What there is of a queue to take back.

    Attributes:
        since: what it did after this; a revert from before, which is finished, took back the rest.
        above: over all of its lines' numbers.
        key: idempotency key of the revert; of the one that stands, when there is nothing more.
    """

    since: datetime
    above: int
    key: str


@dataclass(frozen=True)
class Reverting:
    """A queue that takes another one back.

    Attributes:
        is_new: False: it was taken back before, by this very queue.
        n_lines: records that it is about.
    """

    queue: Queue
    reverted: Queue
    is_new: bool
    n_lines: int


def revert(
    database: Database,
    reverted: Queue,
    *,
    by: str,
    reason: str | None = None,
    settings: QueueSettings,
) -> Reverting:
    """Open the queue that takes one back, or return the one that does already.

    Args:
        by: who wants it; reason: why. Both are kept with every change.
        settings: batch size and tries of the new queue.

    Raises:
        RevertImpossibleError: it is unfinished, changed nothing, or its audit is purged.
    """
    connection = find_connection(database, reverted.connection)
    entity = entity_of(reverted.source_system, reverted.entity)
    why = f"taking back queue {reverted.id}" + (f": {reason}" if reason else "")
    with database.organization(reverted.org_id) as conn:
        found = require_revertible(conn, reverted)
        queue, is_new = open_beside(
            conn,
            connection,
            reverted.entity,
            filters=Filters(reverts=str(reverted.id)),
            settings=settings,
            created_by=by,
            idempotency_key=found.key,
        )
        if is_new:
            _make_lines(conn, queue, entity, reverted, found, by=by, why=why)
            conn.execute(statement("revert/moot"), {"reverted_no": reverted.queue_no, "by": by})
            said = f"{by} takes it back, in queue {queue.id}" + (f": {reason}" if reason else "")
            record_activity(conn, reverted, "queue_reverted", "info", said)
        n_lines = int(queue_status(conn, queue.queue_no)["total_count"])
    if is_new and n_lines >= _ANALYZE_FROM_LINES:
        analyze_queue(database, queue.queue_no)
    return Reverting(reload(database, queue), reverted, is_new, n_lines)


def find_revert(database: Database, reverted: Queue) -> Queue | None:
    """The queue that takes one back already; None: there is none, or more to take back since."""
    with database.organization(reverted.org_id) as conn:
        return select_queue(
            conn,
            connection=reverted.connection,
            entity=reverted.entity,
            idempotency_key=_found(conn, reverted)[0].key,
        )


def require_revertible(conn: DictConnection, reverted: Queue) -> Revertible:
    """What there is of a queue to take back.

    Raises:
        RevertImpossibleError: as `revert`.
    """
    status = queue_status(conn, reverted.queue_no)
    if reverted.filters.preview:
        raise RevertImpossibleError(f"{reverted.id} is a preview: it changed nothing.")
    if status["stage"] != "finished":
        raise RevertImpossibleError(
            f"{reverted.id} is not finished: it stands at {status['stage']}.",
            remedy=f"Let it finish, or cancel it: sync-pipeline cancel {reverted.id}. What it "
            "did until then can be taken back.",
        )
    found, n_audited = _found(conn, reverted)
    n_changed = sum(int(status[f"{name}_count"]) for name in ("created", "updated", "deleted"))
    if n_audited < n_changed:
        raise RevertImpossibleError(
            f"What {reverted.id} did is purged: the audit holds {n_audited} of its "
            f"{n_changed} changes.",
            remedy="Bring the records back by hand, or from a backup of the database.",
        )
    if not n_audited:
        raise RevertImpossibleError(f"{reverted.id} changed nothing of ours.")
    return found


def instructions(
    reverted: Queue, entity: Entity, found: Revertible, *, by: str, why: str
) -> tuple[sql.SQL, dict[str, Any]]:
    """`revert/instructions.sql`, which gives (line_no, external_id, change), and its parameters."""
    values = {
        "reverted_no": reverted.queue_no,
        "since": found.since,
        "connection_id": reverted.connection_id,
        "entity": reverted.entity,
        "late_columns": list(LATE_COLUMNS.get(entity.target, ())),
        "is_sync": not reverted.filters.is_change,
        "by": by,
        "why": why,
    }
    return sql.SQL(statement("revert/instructions")), values


def _make_lines(
    conn: DictConnection,
    queue: Queue,
    entity: Entity,
    reverted: Queue,
    found: Revertible,
    *,
    by: str,
    why: str,
) -> None:
    """Make the lines and batches of a new queue."""
    text, values = instructions(reverted, entity, found, by=by, why=why)
    place = {"queue_no": queue.queue_no, "org_id": queue.org_id}
    conn.execute(statement("enqueue/as_sets"))
    made = conn.execute(
        sql.SQL(statement("revert/lines")).format(instructions=text.format()),
        values | place | {"above": found.above},
    ).rowcount
    conn.execute(statement("enqueue/batches"), place | {"batch_size": queue.batch_size})
    conn.execute(
        statement("enqueue/counted"),
        {
            "queue_no": queue.queue_no,
            "scanned_count": 0,
            "unchanged_count": 0,
            "note": Jsonb({"enqueued": {"lines": made}}),
        },
    )
    record_activity(
        conn, queue, "revert_made", "success", f"{made} records to take back, by {by}: {why}"
    )


def _found(conn: DictConnection, reverted: Queue) -> tuple[Revertible, int]:
    """What there is to take back, and how many records the audit names in all."""
    made = conn.execute(
        statement("revert/made"),
        {
            "connection_id": reverted.connection_id,
            "entity": reverted.entity,
            "queue_id": str(reverted.id),
        },
    ).fetchone()
    assert made is not None  # noqa: S101  (an aggregate has a row)
    audited = conn.execute(
        statement("revert/audit"), {"queue_no": reverted.queue_no, "since": made["since"]}
    ).fetchone()
    assert audited is not None  # noqa: S101  (an aggregate has a row)
    key = made["open_key"] or (None if audited["n_since"] else made["last_key"])
    if key is None:
        number = int(made["highest"]) + 1
        key = f"revert:{reverted.id}" + (f":{number}" if number > 1 else "")
    return Revertible(made["since"], audited["above"], key), int(audited["n_lines"])
