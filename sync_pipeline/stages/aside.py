"""A preview's lines, where they depend on what a sync writes before it makes them.

Belongs here: doing what the sync does with figures and guests, keeping what lines come of it, and
taking it back. Does not: what is done (feeding.py), which records differ (sql/enqueue/).

One transaction writes and is rolled back, so what it saw is what the sync would see. The lines
leave it through another, in shares: nothing of a rolled back transaction can stay. A stop leaves
shares, which the next start completes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg import sql

from sync_pipeline.entities import Entity
from sync_pipeline.postgres.database import Database, DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue
from sync_pipeline.stages.counting import guests_landed, money_of
from sync_pipeline.stages.coverage import Coverage
from sync_pipeline.stages.feeding import figures_and_guests
from sync_pipeline.stages.hashing import hashed_records, hashed_values
from sync_pipeline.stages.holding import hold

_SHARE_LINES: Final = 500


@dataclass(frozen=True)
class Made:
    """What making lines brought besides them.

    Attributes:
        unreadable_ids: orders that count in no figure, for they cannot be read.
        guests: records without an account; None: it can still be asked.
        money: rows of `counting.money_of`; None: it can still be asked.
        preview_no: number of the preview that is applied, whose change lines are to follow.
    """

    unreadable_ids: tuple[str, ...] = ()
    guests: int | None = None
    money: Sequence[Mapping[str, Any]] | None = None
    preview_no: int | None = None


def make_aside(database: Database, queue: Queue, entity: Entity, note: Mapping[str, Any]) -> Made:
    """Make the lines of a preview as its sync would, and leave nothing else.

    Args:
        database: where the queue is.
        queue: a preview at enqueue; moved on meanwhile by another process: nothing is made.
        entity: of the queue, with figures.
        note: of the queue (`holding.note_of`).
    """
    with (
        database.organization(queue.org_id) as conn,
        conn.transaction(force_rollback=True),
    ):
        if not hold(conn, queue):
            return Made()
        taken = figures_and_guests(conn, queue, entity, note)
        found = Coverage(**note["extract_note"]["records"])
        values = hashed_values(
            entity,
            found,
            queue_no=queue.queue_no,
            connection_id=queue.connection_id,
            salt=entity.hash_salt(queue.lifetime_value_rule),
        ) | {"entity": entity.name}
        for name in ("enqueue/differing", "enqueue/retired"):
            query = sql.SQL(statement(name)).format(hashed=hashed_records(entity))
            _pass_on(database, queue, conn, query, values)
        return Made(
            taken.unreadable_ids,
            guests_landed(conn, queue, entity),
            money_of(conn, queue, entity),
        )


def _pass_on(
    database: Database,
    queue: Queue,
    conn: DictConnection,
    query: sql.Composed,
    values: Mapping[str, Any],
) -> None:
    """Keep what the query gives as lines, through transactions of their own: flat memory."""
    told = sql.SQL("SELECT line_no, external_id, content_hash, payload::text FROM (\n{}\n) AS one")
    with conn.cursor(name="aside") as cursor:
        cursor.execute(told.format(query), values)
        while share := cursor.fetchmany(_SHARE_LINES):
            columns = {name: [row[name] for row in share] for name in share[0]}
            with database.organization(queue.org_id, waits_for_disk=False) as keeping:
                keeping.execute(
                    statement("enqueue/keep_lines"),
                    columns | {"queue_no": queue.queue_no, "org_id": queue.org_id},
                )
