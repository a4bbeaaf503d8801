"""Both sides held against each other record by record, as sets in SQL: ids, content, and drift.

Belongs here: composing and running `sql/proof/`. Does not: what a sync certifies (certificate.py),
which reading is verified later (verification.py).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from psycopg import sql

from sync_pipeline.entities import Entity
from sync_pipeline.entities.references import LATE_COLUMNS
from sync_pipeline.postgres.database import DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.stages.coverage import Coverage
from sync_pipeline.stages.digests import Digest
from sync_pipeline.stages.hashing import hashed_records, hashed_values

Kind = Literal["missing", "extra", "changed", "lost", "drift"]

UNKNOWN: Final = "unknown"
# Not compared, for what was read is not the last word on them: a later sync applied or retired the
# record, an undo keeps it away, or the store has it where its listing does not show it.
SET_ASIDE: Final = frozenset({"later", "retired", "reverted", "skipped", "elsewhere"})


@dataclass(frozen=True)
class Reading:
    """What was read, and by which queue.

    Attributes:
        queue_no: whose pages are theirs.
        queue_nos: whose lines say more about some records: its own, and those of later queues.
        found: what its extract saw.
        salt: of the mapping that its content hashes stand for.
        read_at: when its queue was opened.
        is_whole: what is ours and was not read is extra.
    """

    queue_no: int
    queue_nos: tuple[int, ...]
    connection_id: int
    found: Coverage
    salt: str
    read_at: datetime
    is_whole: bool


@dataclass(frozen=True)
class Comparison:
    """What both sides hold of the records that were compared.

    Attributes:
        theirs, ours: digests; equal if and only if nothing is in `differences`.
        differences: kind -> reason -> records; the reason `unknown` where nobody knows one.
        set_aside: reason -> records that were not compared.
    """

    theirs: Digest
    ours: Digest
    differences: Mapping[str, Mapping[str, int]]
    set_aside: Mapping[str, int]


@dataclass(frozen=True)
class Drift:
    """Rows of ours that somebody changed, and that somebody deleted, by hand."""

    n_changed: int
    n_lost: int


@dataclass(frozen=True)
class Difference:
    """One record on which both sides differ; of a drifted row one field.

    Attributes:
        theirs, ours: content hashes; of a field what was applied and what the row has now, as JSON.
        reason: why it is no fault; None: nobody knows.
    """

    kind: Kind
    external_id: str
    field: str | None
    theirs: str | None
    ours: str | None
    reason: str | None


def compare(
    conn: DictConnection, entity: Entity, reading: Reading, excused: Mapping[str, str] | None = None
) -> Comparison:
    """Count and digest both sides.

    Args:
        excused: kind -> reason of those of that kind that have none.
    """
    query = sql.SQL(statement("proof/compare")).format(sides=_sides(entity))
    return counted(conn.execute(query, _values(entity, reading)).fetchall(), excused or {})


def counted(rows: list[dict[str, Any]], excused: Mapping[str, str]) -> Comparison:
    """The comparison of what compare.sql summed up by kind and reason. Pure."""
    theirs = ours = Digest()
    differences: dict[str, dict[str, int]] = {}
    set_aside: dict[str, int] = {}
    for row in rows:
        kind = row["kind"]
        reason: str = row["reason"] or excused.get(kind, UNKNOWN)
        n_records = max(row["n_theirs"], row["n_ours"])
        if reason in SET_ASIDE or reason == excused.get(kind):
            set_aside[reason] = set_aside.get(reason, 0) + n_records
            continue
        their = Digest.of_sums(row["n_theirs"], row["high_theirs"], row["low_theirs"])
        theirs += their
        if kind == "same":
            ours += their
            continue
        ours += Digest.of_sums(row["n_ours"], row["high_ours"], row["low_ours"])
        by_reason = differences.setdefault(kind, {})
        by_reason[reason] = by_reason.get(reason, 0) + n_records
    return Comparison(theirs, ours, differences, set_aside)


def differences(conn: DictConnection, entity: Entity, reading: Reading) -> Iterator[Difference]:
    """The records on which both sides differ, those set aside too; streamed, in no order."""
    query = sql.SQL(statement("proof/differences")).format(sides=_sides(entity))
    return _streamed(conn, query, _values(entity, reading))


def drift(conn: DictConnection, entity: Entity, connection_id: int) -> Iterator[Difference]:
    """Rows that were changed or deleted here by hand, a field each; streamed, in no order."""
    query = sql.SQL(statement("proof/drift")).format(drifted=_drifted(conn, entity))
    return _streamed(conn, query, {"connection_id": connection_id, "entity": entity.name})


def count_drift(conn: DictConnection, entity: Entity, connection_id: int) -> Drift:
    """How many rows were changed or deleted here by hand since they were applied."""
    query = sql.SQL(statement("proof/count_drift")).format(drifted=_drifted(conn, entity))
    row = conn.execute(query, {"connection_id": connection_id, "entity": entity.name}).fetchone()
    assert row is not None  # noqa: S101  (an aggregate has a row)
    return Drift(n_changed=row["n_drifted"], n_lost=row["n_lost"])


def as_sets(conn: DictConnection) -> None:
    """Have the transaction join and group sets by hash from now on: before anything else here."""
    conn.execute(statement("proof/as_sets"))


def _streamed(
    conn: DictConnection, query: sql.Composed, values: Mapping[str, Any]
) -> Iterator[Difference]:
    """Row by row as they come, held nowhere. A cursor would do without parallel workers."""
    with conn.cursor() as cursor:
        for row in cursor.stream(query, values):
            yield Difference(**row)


def _sides(entity: Entity) -> sql.Composed:
    return sql.SQL(statement("proof/sides")).format(hashed=hashed_records(entity))


def _values(entity: Entity, reading: Reading) -> dict[str, Any]:
    hashed = hashed_values(
        entity,
        reading.found,
        queue_no=reading.queue_no,
        connection_id=reading.connection_id,
        salt=reading.salt,
    )
    return hashed | {
        "entity": entity.name,
        "queue_nos": list(reading.queue_nos),
        "read_at": reading.read_at,
        "is_whole": reading.is_whole,
        "guest_prefix": entity.guests.id_prefix if entity.guests else None,
    }


def _drifted(conn: DictConnection, entity: Entity) -> sql.Composed:
    rows = conn.execute(statement("proof/columns"), {"table": entity.target}).fetchall()
    types = {row["name"]: row["type"] for row in rows}
    late = LATE_COLUMNS.get(entity.target, ())
    objects = [
        sql.SQL("{}, {}").format(
            sql.Literal(column),
            _unless_late(_of_base(column, types[column]), "differing", column)
            if column in late
            else sql.Identifier("differing", column),
        )
        for column in entity.columns
    ]
    now = [
        _unless_late(sql.Identifier("was", column), "t", column)
        if column in late
        else sql.Identifier("t", column)
        for column in entity.columns
    ]
    listed = sql.SQL(", ").join
    return sql.SQL(statement("proof/drifted")).format(
        target=sql.Identifier(entity.target),
        columns=listed(sql.Identifier("t", column) for column in entity.columns),
        types=listed(
            sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(types[column]))
            for column in entity.columns
        ),
        was_columns=listed(sql.Identifier("was", column) for column in entity.columns),
        now_columns=listed(now),
        ours=sql.SQL("jsonb_build_object({})").format(listed(objects)),
    )


def _of_base(column: str, column_type: str) -> sql.Composed:
    return sql.SQL("(differing.base ->> {})::{}").format(sql.Literal(column), sql.SQL(column_type))


def _unless_late(was: sql.Composable, table: str, column: str) -> sql.Composed:
    """A reference; as it was, where it was filled in since, or let go of with the row it named."""
    return sql.SQL("CASE WHEN {was} IS NOT NULL THEN coalesce({now}, {was}) END").format(
        was=was, now=sql.Identifier(table, column)
    )
