"""The numbers and rows that reports and checks show of a queue, read from PostgreSQL.

Belongs here: asking. Does not: judging (checks.py), how it is shown (metadata.py, previews.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from sync_pipeline.orchestration.runs import Work
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import queue_status


@dataclass(frozen=True)
class Table:
    """A table as PostgreSQL describes it: its whole name, and (name, type, is required)."""

    name: str
    columns: tuple[tuple[str, str, bool], ...]


@dataclass(frozen=True)
class Change:
    """One record that a queue created, changed or could not apply.

    Attributes:
        activity_type: record_created, record_updated, record_deleted or record_failed.
        before, after: the fields that changed, by column; all of them when it was created, or of
            before when it was removed.
        message: why it failed.
    """

    activity_type: str
    external_id: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    message: str | None


@dataclass(frozen=True)
class Totals:
    """Rows of the organization's target table, live records of the connection, open conflicts."""

    n_rows: int
    n_records: int
    n_conflicts: int


def status_of(work: Work) -> dict[str, Any]:
    """Every number of the queue: a row of sync_queue_status."""
    with work.database.organization(work.queue.org_id) as conn:
        return queue_status(conn, work.queue.queue_no)


def line_states(work: Work) -> dict[str, int]:
    """Lines of the queue by state, counted one by one; states without lines are left out."""
    return {row["state"]: row["n_lines"] for row in _rows(work, "report/line_states")}


def last_changes(work: Work, most: int) -> list[Change]:
    """The last records that the queue changed, newest first."""
    return [
        Change(
            activity_type=row["activity_type"],
            external_id=row["external_id"],
            before=row["before"] or {},
            after=row["after"] or {},
            message=row["message"],
        )
        for row in _rows(work, "report/changes", most=most)
    ]


def totals(work: Work) -> Totals:
    """What our side holds now."""
    target = sql.Identifier(work.entity.target)
    (row,) = _rows(work, "report/totals", target=target)
    return Totals(**row)


def table(work: Work, name: str) -> Table:
    """The table of that name."""
    rows = _rows(work, "report/columns", table=name)
    return Table(
        name=".".join((rows[0]["database"], rows[0]["schema"], name)) if rows else name,
        columns=tuple((row["name"], row["type"], row["is_required"]) for row in rows),
    )


def _rows(
    work: Work,
    name: str,
    *,
    target: sql.Identifier | None = None,
    **values: Any,  # noqa: ANN401
) -> Sequence[dict[str, Any]]:
    text = sql.SQL(statement(name))
    queue = work.queue
    scope = {
        "queue_no": queue.queue_no,
        "org_id": queue.org_id,
        "connection_id": queue.connection_id,
        "entity": queue.entity,
    }
    with work.database.organization(queue.org_id) as conn:
        query = text.format(target=target) if target is not None else text
        return conn.execute(query, scope | values).fetchall()
