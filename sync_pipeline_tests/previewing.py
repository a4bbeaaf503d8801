"""Previews of records that need no store, and the sync that applies one."""

from collections.abc import Sequence
from typing import Any

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.entities.declaration import Entity
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.queues import Queue, find_queue
from sync_pipeline.sources.connections import Connection
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.extract import extract
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import (
    Record,
    end_extract,
    land_records,
    make_queue,
    queue_settings,
    quick_source_settings,
    rows,
)

# What is ours: of business, of identity, and what decides what is read next.
OURS = (
    "customer", "product", "sales_order", "sales_order_line", "inventory_level",
    "inventory_history", "payment", "sync_record", "sync_conflict", "sync_watermark",
    "sync_order_figure", "sync_archive", "sync_counter",
)  # fmt: skip


def fill_preview(
    database: Database,
    connection: Connection,
    records: Sequence[Record],
    orders: Sequence[Record] = (),
    *,
    entity: Entity = CUSTOMERS,
    **settings: Any,
) -> Queue:
    """A preview of these records and no others, as a store would list them; none is shown yet."""
    queue = make_queue(database, connection, Filters(preview=True), entity=entity, **settings)
    land_records(database, queue, entity.listing.name, records)
    if entity.figures_listing is not None:
        land_records(database, queue, entity.figures_listing.name, orders)
    end_extract(database, queue, scanned=len(records))
    enqueue(database, queue, entity)
    return queue


def preview_records(
    database: Database,
    connection: Connection,
    records: Sequence[Record],
    orders: Sequence[Record] = (),
    *,
    entity: Entity = CUSTOMERS,
    **settings: Any,
) -> Queue:
    """A finished preview of these records and no others."""
    queue = fill_preview(database, connection, records, orders, entity=entity, **settings)
    upsert(database, queue, entity, queue_settings(**settings))
    return find_queue(database, str(queue.id))


def apply_preview(
    database: Database,
    connection: Connection,
    preview: Queue,
    *,
    entity: Entity = CUSTOMERS,
    **settings: Any,
) -> Queue:
    """The finished sync that applies a preview."""
    filters = Filters(applies=str(preview.id))
    queue = make_queue(database, connection, filters, entity=entity, **settings)
    extract(database, queue, connection, entity, None, quick_source_settings())
    enqueue(database, queue, entity)
    upsert(database, queue, entity, queue_settings(**settings))
    return find_queue(database, str(queue.id))


def told(database: Database, queue: Queue, kind: str) -> dict[str, tuple[Any, ...]]:
    """What a queue's activity says of each record: result, before, after; kind: preview, record."""
    found = rows(
        database,
        "SELECT l.external_id, a.activity_type, a.before, a.after FROM sync_activity AS a"
        " JOIN sync_line AS l ON l.queue_no = a.queue_no AND l.line_no = a.line_no"
        " WHERE a.queue_no = %s AND starts_with(a.activity_type, %s)"
        " AND a.activity_type NOT LIKE '%%retried' ORDER BY a.activity_no",
        queue.queue_no,
        f"{kind}_",
        org_id=queue.org_id,
    )
    return {
        one["external_id"]: (
            one["activity_type"].removeprefix(f"{kind}_"), one["before"], one["after"],
        )
        for one in found
    }  # fmt: skip


def codes(database: Database, queue: Queue) -> dict[str, str]:
    """Why each refused record was refused."""
    found = rows(
        database,
        "SELECT external_id, error_code FROM sync_line WHERE queue_no = %s AND state = 'failed'",
        queue.queue_no,
        org_id=queue.org_id,
    )
    return {one["external_id"]: one["error_code"] for one in found}


def fingerprints(database: Database) -> dict[str, str]:
    """What stands in every table of ours, place by place: a row that was rewritten differs."""
    with database.owner() as conn:
        found = {}
        for name in OURS:
            row = conn.execute(
                f"SELECT md5(coalesce(string_agg(t.ctid::text || t.xmin::text || t::text, '|'"
                f" ORDER BY t.ctid), '')) AS digest FROM {name} AS t"
            ).fetchone()
            assert row is not None
            found[name] = str(row["digest"])
        return found
