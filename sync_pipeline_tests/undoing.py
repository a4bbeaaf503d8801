"""Taking queues back in tests, and looking at what it left.

Belongs here: what tests of undoing share. Does not: records and queues (factories.py).
"""

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.queue.queues import find_queue
from sync_pipeline.queue.reverting import revert
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import queue_settings, row, rows


def take_back(database, queue, entity=CUSTOMERS, **changes):
    """Take a queue back to the end; the queue that did."""
    settings = queue_settings(batch_size=2)
    reverting = revert(
        database, find_queue(database, str(queue.id)), by="Mia", settings=settings, **changes
    )
    upsert(database, reverting.queue, entity, settings)
    return find_queue(database, str(reverting.queue.id))


def table(database, name="customer", order="id"):
    """Every row but when it was touched last."""
    found = rows(
        database, f"SELECT to_jsonb(t) - 'updated_at' AS row FROM {name} AS t ORDER BY {order}"
    )
    return [one["row"] for one in found]


def edit(database, assignment, customer_id):
    with database.organization("acme") as conn:
        conn.execute(
            f"UPDATE customer SET {assignment}, updated_at = now() WHERE id = ("
            " SELECT local_id FROM sync_record WHERE entity = 'customers' AND external_id = %s)",
            [str(customer_id)],
        )


def record(database, customer_id=1, entity="customers"):
    return row(
        database, "SELECT * FROM sync_record WHERE entity = %s AND external_id = %s", entity,
        str(customer_id),
    )  # fmt: skip


def conflicts(database):
    return rows(database, "SELECT * FROM sync_conflict WHERE state = 'open' ORDER BY external_id")
