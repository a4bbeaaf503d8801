"""What taking a queue back would do, before anybody does it.

Belongs here: reading it, of our rows as they are now. Does not: doing it (reverting.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg import sql

from sync_pipeline.entities import Entity, entity_of
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue
from sync_pipeline.queue.reverting import instructions, require_revertible

_NO_FIELDS: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True)
class Field:
    """One field of a record.

    Attributes:
        left: what the queue left in it; None where nothing is expected.
        now: what it holds.
        becomes: what the revert would write; what it holds, where it has moved since.
    """

    left: Any
    now: Any
    becomes: Any


@dataclass(frozen=True)
class Record:
    """What would become of one record.

    Attributes:
        does: removed, updated, restored; disputed: fields have moved since, which are left alone
            (and the row, if it would go); left: the row is another's now; gone, exists: our row is.
        fields: those that would change, or have moved.
        moved: names of those that have moved since.
    """

    external_id: str
    does: str
    why: str
    fields: Mapping[str, Field]
    moved: tuple[str, ...]


@dataclass(frozen=True)
class RevertPreview:
    """What a revert would do now.

    Attributes:
        counts: records by what would become of them (see Record.does, and unchanged).
        moved: fields that have moved since, and in how many records.
        records: the first of them, those in dispute first.
    """

    queue_id: str
    connection: str
    entity: str
    counts: Mapping[str, int]
    moved: Mapping[str, int]
    records: tuple[Record, ...]

    @property
    def n_records(self) -> int:
        """Records that it is about."""
        return sum(self.counts.values())


def preview_revert(database: Database, reverted: Queue, *, most: int) -> RevertPreview:
    """Look at what a revert would do; nothing is written.

    Args:
        most: so many records are told one by one.

    Raises:
        RevertImpossibleError: as `reverting.revert`.
    """
    entity = entity_of(reverted.source_system, reverted.entity)
    with database.organization(reverted.org_id) as conn:
        found = require_revertible(conn, reverted)
        text, values = instructions(reverted, entity, found, by="", why="")
        conn.execute(statement("enqueue/as_sets"))
        row = conn.execute(
            sql.SQL(statement("revert/preview")).format(
                instructions=text.format(),
                target=sql.Identifier(entity.target),
                ours=_ours(entity),
            ),
            values | {"most": most},
        ).fetchone()
    assert row is not None  # noqa: S101  (an aggregate has a row)
    return RevertPreview(
        queue_id=str(reverted.id),
        connection=reverted.connection,
        entity=reverted.entity,
        counts=row["counts"],
        moved=row["moved"],
        records=tuple(_record(one) for one in row["records"]),
    )


def _record(row: Mapping[str, Any]) -> Record:
    ours, moved = row["ours"] or _NO_FIELDS, tuple(row["moved"])
    is_leaving = row["does"] == "removed"
    names = [*moved, *(name for name in row["values"] if name not in moved)]
    fields = {
        name: Field(
            left=row["expect"].get(name),
            now=ours.get(name),
            becomes=ours.get(name) if name in moved else row["values"].get(name),
        )
        for name in (ours if is_leaving else names)
    }
    return Record(row["external_id"], row["does"], row["why"], fields, moved)


def _ours(entity: Entity) -> sql.Composed:
    pairs = [
        sql.SQL("{}, {}").format(sql.Literal(column), sql.Identifier("t", column))
        for column in entity.columns
    ]
    return sql.SQL("jsonb_build_object({})").format(sql.SQL(", ").join(pairs))
