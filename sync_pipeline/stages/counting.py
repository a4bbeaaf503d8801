"""What an enqueue counts besides lines: guests that landed, and money of the orders of its records.

Belongs here: those two questions. Does not: keeping the answers (enqueued.py).
"""

from typing import Any

from sync_pipeline.entities import Entity
from sync_pipeline.postgres.database import DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue


def money_of(conn: DictConnection, queue: Queue, entity: Entity) -> list[dict[str, Any]]:
    """Money of the orders that the records' figures were made of, by currency."""
    if entity.figures_listing is None:
        return []
    values = {
        "connection_id": queue.connection_id,
        "queue_no": queue.queue_no,
        "listing": entity.listing.name,
        "guests": entity.guests_name,
    }
    return conn.execute(statement("enqueue/currencies"), values).fetchall()


def guests_landed(conn: DictConnection, queue: Queue, entity: Entity) -> int:
    """Guests beside the accounts that were read."""
    values = {"queue_no": queue.queue_no, "listing": entity.guests_name}
    row = conn.execute(statement("enqueue/guests_landed"), values).fetchone()
    return int(row["n_records"]) if row else 0
