"""Verify: prove again, at any time, what the syncs of an entity left, from what is kept.

Belongs here: which reading is proven again, and what came of it. Does not: comparing (proof.py),
reading the store (extract.py), words (cli/verify.py).

Three comparisons: ids and content of the newest whole reading whose pages are kept, with what later
syncs read of some records, beside what was last applied; and our rows beside what was applied.
Nothing is written. All of it is one transaction, so it sees one moment.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sync_pipeline.entities import Entity
from sync_pipeline.postgres.database import Database, DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue
from sync_pipeline.sources.connections import Connection
from sync_pipeline.stages.coverage import Coverage
from sync_pipeline.stages.proof import (
    SET_ASIDE,
    Comparison,
    Difference,
    Reading,
    as_sets,
    compare,
    differences,
    drift,
)

_FIRST_ONES: Final = 20


@dataclass(frozen=True)
class Proof:
    """What a connection and entity looked like when it was verified.

    Attributes:
        reading_id, read_at: the queue whose pages were compared, and when it was opened; None: no
            whole reading is kept, so nothing is known of the store.
        source_total: what the store said it holds then.
        theirs_count, theirs_digest, ours_count, ours_digest: as in a certificate; None without a
            reading.
        counts: kind -> records: missing, extra, changed, lost, drift.
        reasons: reason -> records of those that differ for a known reason.
        set_aside: reason -> records that were not compared.
        first_ones: some differences of each kind, in the order of their ids.
        is_mapping_changed: the mapping is another one than that of the reading.
        agree: nothing differs. None: the store's side is not known, and nothing else differs.
    """

    connection: str
    entity: str
    reading_id: str | None
    read_at: datetime | None
    source_total: int | None
    theirs_count: int | None
    theirs_digest: str | None
    ours_count: int | None
    ours_digest: str | None
    counts: Mapping[str, int]
    reasons: Mapping[str, int]
    set_aside: Mapping[str, int]
    first_ones: tuple[Difference, ...]
    is_mapping_changed: bool

    @property
    def agree(self) -> bool | None:
        """Whether both sides are equal."""
        if any(self.counts.values()):
            return False
        return None if self.reading_id is None else True


OnDifference = Callable[[Difference], None]


def verify(
    database: Database,
    connection: Connection,
    entity: Entity,
    *,
    reading: Queue | None = None,
    on_difference: OnDifference | None = None,
    most: int = _FIRST_ONES,
) -> Proof:
    """Hold what is kept of both sides against each other.

    Args:
        database: where both sides are kept.
        connection: whose records.
        entity: which of them.
        reading: a queue that read the whole store for this, in place of the newest whole sync.
        on_difference: is told every difference, in no order; nothing is held in memory.
        most: how many differences of each kind the proof keeps.
    """
    told = _Told(most, on_difference)
    with database.organization(connection.org_id, isolation="repeatable read") as conn:
        as_sets(conn)
        row = _reading_row(conn, connection, entity, reading)
        compared = None
        if row is not None:
            chosen = _reading_of(row, connection, entity)
            compared = compare(conn, entity, chosen)
            if compared.differences:
                told.all_of(one for one in differences(conn, entity, chosen) if _counts(one))
        told.all_of(drift(conn, entity, connection.connection_id))
    return _proof(connection, entity, row, compared, told)


def is_known(database: Database, connection: Connection, entity: Entity) -> bool:
    """Whether anything of the entity was ever synced."""
    with database.organization(connection.org_id) as conn:
        row = conn.execute(
            statement("proof/is_known"),
            {"connection_id": connection.connection_id, "entity": entity.name},
        ).fetchone()
    return bool(row and row["is_known"])


def _counts(one: Difference) -> bool:
    """Whether it is told: of a row that is gone here the comparison of rows says so."""
    return one.reason not in SET_ASIDE and one.reason != "lost"


@dataclass
class _Told:
    """Differences, counted as they stream by; a drifted row comes as one field after the other."""

    most: int
    on_difference: OnDifference | None
    counts: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    first_ones: list[Difference] = field(default_factory=list)

    def all_of(self, found: Iterator[Difference]) -> None:
        before = None
        for one in found:
            is_new = (one.kind, one.external_id) != before
            before = (one.kind, one.external_id)
            if is_new:
                self.counts[one.kind] = self.counts.get(one.kind, 0) + 1
                if one.reason:
                    self.reasons[one.reason] = self.reasons.get(one.reason, 0) + 1
            if self.counts[one.kind] <= self.most:
                self.first_ones.append(one)
            if self.on_difference is not None:
                self.on_difference(one)


def _reading_row(
    conn: DictConnection, connection: Connection, entity: Entity, reading: Queue | None
) -> dict[str, Any] | None:
    return conn.execute(
        statement("proof/reading"),
        {
            "connection_id": connection.connection_id,
            "entity": entity.name,
            "listing": entity.listing.name,
            "reading_no": reading.queue_no if reading else None,
        },
    ).fetchone()


def _reading_of(row: Mapping[str, Any], connection: Connection, entity: Entity) -> Reading:
    return Reading(
        queue_no=row["queue_no"],
        queue_nos=(row["queue_no"], *row["later_nos"]),
        connection_id=connection.connection_id,
        found=Coverage(**row["extract_note"]["records"]),
        salt=_salt(row, entity),
        read_at=row["created_at"],
        is_whole=True,
    )


def _proof(
    connection: Connection,
    entity: Entity,
    row: Mapping[str, Any] | None,
    compared: Comparison | None,
    told: _Told,
) -> Proof:
    return Proof(
        connection=connection.name,
        entity=entity.name,
        reading_id=row["queue_id"] if row else None,
        read_at=row["created_at"] if row else None,
        source_total=row["source_total"] if row else None,
        theirs_count=compared.theirs.count if compared else None,
        theirs_digest=str(compared.theirs) if compared else None,
        ours_count=compared.ours.count if compared else None,
        ours_digest=str(compared.ours) if compared else None,
        counts=told.counts,
        reasons=told.reasons,
        set_aside=compared.set_aside if compared else {},
        first_ones=tuple(sorted(told.first_ones, key=_place)),
        is_mapping_changed=row is not None
        and _salt(row, entity) != entity.hash_salt(row["lifetime_value_rule"]),
    )


def _place(one: Difference) -> tuple[str, int, str]:
    """Ids that are numbers as numbers: 9 stands before 10. Pure."""
    return one.kind, len(one.external_id) if one.external_id.isdigit() else 0, one.external_id


def _salt(row: Mapping[str, Any], entity: Entity) -> str:
    """Of the mapping that the reading was hashed with; today's, where it was only read."""
    return str(row["extract_note"].get("salt") or entity.hash_salt(row["lifetime_value_rule"]))
