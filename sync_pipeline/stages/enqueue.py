"""Enqueue: make a line of every landed record whose content is new, in one transaction.

Belongs here: from pages to lines, batches and watermarks. Does not: reading (extract.py), applying
(upsert.py). All of it is sets: no record passes through Python.
"""

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from sync_pipeline.entities import Entity
from sync_pipeline.postgres.database import Database, DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue, record_activity
from sync_pipeline.sources.protocol import Listing
from sync_pipeline.stages.extract import delta_name, sweep_name

_ANALYZE_FROM_LINES = 5_000


@dataclass(frozen=True)
class Enqueued:
    """What became of the landed records.

    Attributes:
        scanned: different records that landed.
        lines: records to apply.
        unchanged: records whose content is what was last applied; they make no line.
        unreadable_orders: orders left out of the figures, because they cannot be read.
        lifetime_value_all_orders, lifetime_value_paid_net: sums of the two rules over all
            customers, in the store's currency.
    """

    scanned: int
    lines: int
    unchanged: int
    unreadable_orders: int = 0
    lifetime_value_all_orders: Decimal = Decimal(0)
    lifetime_value_paid_net: Decimal = Decimal(0)


def enqueue(database: Database, queue: Queue, entity: Entity) -> Enqueued:
    """Make the queue's lines and batches and move it on to apply.

    Done already, by this or another process: changes nothing and says what was made then.
    """
    with database.organization(queue.org_id) as conn:
        moved = conn.execute(statement("enqueue/advance"), {"queue_no": queue.queue_no}).fetchone()
        if moved is None:
            return _made_before(conn, queue)
        result = _make(conn, queue, entity)
    if result.lines >= _ANALYZE_FROM_LINES:
        # Without statistics the first batches are planned for an empty table.
        with database.owner() as conn:
            conn.execute("ANALYZE sync_line, sync_batch")
    return result


def _make(conn: DictConnection, queue: Queue, entity: Entity) -> Enqueued:
    note = conn.execute(statement("extract/note"), {"queue_no": queue.queue_no}).fetchone()
    assert note is not None  # noqa: S101  (the row was just updated)
    found = note["extract_note"]
    unreadable = 0
    if entity.figures_listing is not None:
        unreadable = _take_figures(
            conn,
            queue,
            entity.figures_listing,
            moves_watermark=note["is_complete"] is not False,
            is_swept=bool(found.get("figures", {}).get("is_swept")),
        )
    listing = entity.listing.name
    is_swept = bool(found["records"]["is_swept"])
    lines = conn.execute(
        sql.SQL(statement("enqueue/lines")).format(
            enrichment=sql.SQL(statement(entity.enrichment or "enqueue/no_enrichment"))
        ),
        {
            "queue_no": queue.queue_no,
            "org_id": queue.org_id,
            "connection_id": queue.connection_id,
            "entity": entity.name,
            "listing": listing,
            "sweep_listing": sweep_name(listing),
            "is_swept": is_swept,
            "salt": entity.hash_salt(queue.lifetime_value_rule),
        },
    ).rowcount
    conn.execute(
        statement("enqueue/batches"),
        {"queue_no": queue.queue_no, "org_id": queue.org_id, "batch_size": queue.batch_size},
    )
    scanned = int(found["records"]["scanned"])
    money = conn.execute(
        statement("enqueue/currencies"), {"connection_id": queue.connection_id}
    ).fetchall()
    result = Enqueued(
        scanned=scanned,
        lines=lines,
        unchanged=max(scanned - lines, 0),
        unreadable_orders=unreadable,
        lifetime_value_all_orders=sum((row["total"] for row in money), Decimal(0)),
        lifetime_value_paid_net=sum((row["paid_net"] for row in money), Decimal(0)),
    )
    _note(conn, queue, result, [row["currency"] for row in money])
    return result


def _take_figures(
    conn: DictConnection, queue: Queue, listing: Listing, *, moves_watermark: bool, is_swept: bool
) -> int:
    """Take over the landed orders, whole or changes; the number that could not be read."""
    is_whole = _has_landed(conn, queue, listing.name)
    name = listing.name if is_whole else delta_name(listing)
    taken = conn.execute(
        statement("enqueue/order_figures"),
        {
            "queue_no": queue.queue_no,
            "org_id": queue.org_id,
            "connection_id": queue.connection_id,
            "listing": name,
            "is_whole": is_whole and moves_watermark,
            "sweep_listing": sweep_name(listing.name),
            "is_swept": is_whole and is_swept,
        },
    ).fetchone()
    assert taken is not None  # noqa: S101  (an aggregate has a row)
    if taken["watermark_utc"] is not None and moves_watermark:
        conn.execute(
            statement("enqueue/watermark"),
            {
                "queue_no": queue.queue_no,
                "org_id": queue.org_id,
                "connection_id": queue.connection_id,
                "listing": listing.name,
                "watermark_utc": taken["watermark_utc"],
            },
        )
    if taken["n_unreadable"]:
        record_activity(
            conn,
            queue,
            "orders_unreadable",
            "warning",
            f"{taken['n_unreadable']} orders cannot be read and count in no figure: "
            f"{', '.join(taken['unreadable_ids'])}",
            {"ids": taken["unreadable_ids"]},
        )
    return int(taken["n_unreadable"])


def _has_landed(conn: DictConnection, queue: Queue, listing: str) -> bool:
    values = {"queue_no": queue.queue_no, "listing": listing}
    return conn.execute(statement("extract/landed"), values).fetchone() is not None


def _note(conn: DictConnection, queue: Queue, result: Enqueued, currencies: list[str]) -> None:
    amounts = {name: str(value) for name, value in asdict(result).items()}
    conn.execute(
        statement("enqueue/counted"),
        {
            "queue_no": queue.queue_no,
            "scanned_count": result.scanned,
            "unchanged_count": result.unchanged,
            "note": Jsonb({"enqueued": amounts}),
        },
    )
    record_activity(
        conn,
        queue,
        "enqueue_completed",
        "success",
        f"{result.lines} lines to apply, {result.unchanged} records unchanged",
        amounts,
    )
    if len(currencies) > 1:
        record_activity(
            conn,
            queue,
            "currencies_mixed",
            "warning",
            f"lifetime values add up {', '.join(currencies)} as if they were one currency",
            {"currencies": currencies},
        )


def _made_before(conn: DictConnection, queue: Queue) -> Enqueued:
    note = conn.execute(statement("extract/note"), {"queue_no": queue.queue_no}).fetchone()
    made: dict[str, Any] = (note or {}).get("extract_note", {}).get("enqueued", {})
    return Enqueued(
        scanned=int(made.get("scanned", 0)),
        lines=int(made.get("lines", 0)),
        unchanged=int(made.get("unchanged", 0)),
        unreadable_orders=int(made.get("unreadable_orders", 0)),
        lifetime_value_all_orders=Decimal(made.get("lifetime_value_all_orders", 0)),
        lifetime_value_paid_net=Decimal(made.get("lifetime_value_paid_net", 0)),
    )
