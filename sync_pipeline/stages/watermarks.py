"""How far an entity's records are read, and for which mapping: kept with the lines it stands for.

Belongs here: what a finished enqueue keeps of its extract. Does not: figures' watermarks
(figures.py), what a watermark is good for (deltas.py).
"""

from collections.abc import Mapping
from typing import Any

from sync_pipeline.entities import Entity
from sync_pipeline.postgres.database import DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue


def move_watermark(
    conn: DictConnection, queue: Queue, entity: Entity, note: Mapping[str, Any]
) -> None:
    """Keep how far the records are read, in the transaction in which all their lines stand.

    Args:
        conn: that transaction.
        queue: whose lines they are.
        entity: of the queue.
        note: what its extract found.
    """
    values = {
        "queue_no": queue.queue_no,
        "org_id": queue.org_id,
        "connection_id": queue.connection_id,
        "listing": entity.watermark_name,
        "asked": entity.asked_salt,
        "rescan_offset": note["records"].get("rescan_offset"),
        "is_delta": note["records"].get("store_total") is not None,
        "highest_id": (note.get("watermark") or {}).get("highest_id"),
    }
    if (reached := note.get("watermark")) is not None:
        conn.execute(statement("enqueue/watermark"), values | reached)
        conn.execute(statement("enqueue/reading_state"), values)
    elif values["rescan_offset"] is not None:
        # Nothing had changed, so nothing has a date; the slice was read all the same.
        conn.execute(statement("enqueue/reading_state"), values)
    elif note.get("is_replayed_whole"):
        renewed = {"salt": entity.watermark_salt(queue.lifetime_value_rule)}
        conn.execute(statement("replay/renew_watermark"), values | renewed)
