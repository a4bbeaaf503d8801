"""Deriving an entity's records from our own tables, landed as if a store had answered them.

Belongs here: whether changes are enough, and landing. Does not: what is derived (sql/derivations/).

No store is called and no record passes through Python. All in one transaction: a stop leaves
nothing, and the next start does it again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import sql

from sync_pipeline.entities import Entity
from sync_pipeline.postgres.database import Database, DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue
from sync_pipeline.stages.coverage import Coverage, delta_name
from sync_pipeline.stages.deltas import known_records

_PAGE_RECORDS: Final = 1_000


@dataclass(frozen=True)
class Derived:
    """What was derived, and the newest change that it is made of."""

    coverage: Coverage
    newest_utc: datetime | None


def derive(database: Database, queue: Queue, entity: Entity, *, overlap_seconds: float) -> Derived:
    """Land what changed since the watermark, or everything when that does not account for all.

    Args:
        database: holds what is derived from.
        queue: whose pages it becomes; its filters choose by id or number.
        entity: with a derivation.
        overlap_seconds: further back than the watermark, for what was committed late.
    """
    known = known_records(entity, queue.lifetime_value_rule)
    values = {"queue_no": queue.queue_no, "connection_id": queue.connection_id, **known.values}
    with database.organization(queue.org_id) as conn:
        for name in (entity.listing.name, delta_name(entity.listing)):
            conn.execute(statement("extract/forget"), {**values, "listing": name})
        row = conn.execute(statement(known.watermark), values).fetchone()
        is_delta = row is not None and queue.filters.is_everything and not queue.is_full
        if row is not None and is_delta:
            since = row["watermark_utc"] - timedelta(seconds=overlap_seconds)
            name = delta_name(entity.listing)
            changed = _land(conn, queue, entity, name, since)
            total = _count(conn, queue, entity)
            told = conn.execute(statement(known.expected), {**values, "listing": name}).fetchone()
            if told is not None and told["n_expected"] == total:
                n_changed = changed["n_records"]
                coverage = Coverage(n_changed, n_changed, is_complete=True, store_total=total)
                return Derived(coverage, changed["newest_utc"])
            conn.execute(statement("extract/forget"), {**values, "listing": name})
        every = _land(conn, queue, entity, entity.listing.name, None)
    # A replay derives everything anew.
    is_all = queue.filters.is_everything or queue.filters.replay
    is_complete = True if is_all else None
    coverage = Coverage(every["n_records"], every["n_records"], is_complete=is_complete)
    return Derived(coverage, every["newest_utc"])


def _land(
    conn: DictConnection, queue: Queue, entity: Entity, listing: str, since: datetime | None
) -> dict[str, Any]:
    row = conn.execute(
        _composed("extract/derive", entity),
        {
            "queue_no": queue.queue_no,
            "org_id": queue.org_id,
            "connection_id": queue.connection_id,
            "listing": listing,
            "changed_after": since,
            "external_id": queue.filters.external_id,
            "most": queue.filters.limit,
            "page_records": _PAGE_RECORDS,
        },
    ).fetchone()
    assert row is not None  # noqa: S101  (an aggregate has a row)
    return row


def _count(conn: DictConnection, queue: Queue, entity: Entity) -> int:
    values = {"connection_id": queue.connection_id, "changed_after": None}
    row = conn.execute(_composed("extract/derivable", entity), values).fetchone()
    return int(row["n_records"]) if row else 0


def _composed(name: str, entity: Entity) -> sql.Composed:
    assert entity.derivation is not None  # noqa: S101  (who calls has looked)
    return sql.SQL(statement(name)).format(derivation=sql.SQL(statement(entity.derivation)))
