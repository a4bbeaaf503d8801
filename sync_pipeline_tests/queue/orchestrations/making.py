"""Makers of orchestrations and of queues in a state."""

from sync_pipeline.queue.orchestrations import items_of, start_orchestration
from sync_pipeline.settings import QueueSettings

SETTINGS = QueueSettings()


def start(database, org_id="acme", **changes):
    """The orchestration only."""
    return start_both(database, org_id, **changes)[0]


def start_both(database, org_id="acme", **changes):
    """As start_orchestration, with what every start needs."""
    given = {"settings": SETTINGS, "created_by": "ann"} | changes
    return start_orchestration(database, org_id, **given)


def queue_numbers(database, orchestration, connection="shop"):
    """Queue number by entity, of one connection."""
    return {
        item.entity: item.queue_no
        for item in items_of(database, orchestration)
        if item.connection == connection
    }


# One batch of two lines each; what a queue in this state looks like.
_BATCH = {
    "done": {"n_done": 2, "n_created": 2},
    "failed": {"n_failed": 2},
    "partial": {"n_done": 1, "n_created": 1, "n_failed": 1},
    "cancelled": {"n_cancelled": 2},
}


def put(database, queue_no, state):
    """Make a queue be in a state, without a sync."""
    with database.owner() as conn:
        if state == "draft":
            return
        if state == "processing":
            conn.execute(
                "UPDATE sync_queue SET process_count = 1, stage = 'apply' WHERE queue_no = %s",
                [queue_no],
            )
            return
        counts = dict.fromkeys(("n_done", "n_created", "n_failed", "n_cancelled"), 0)
        conn.execute(
            "INSERT INTO sync_batch (queue_no, batch_no, org_id, first_line, last_line, state,"
            " n_total, n_done, n_created, n_failed, n_cancelled)"
            " SELECT queue_no, 1, org_id, 1, 2, 'done', 2, %(n_done)s, %(n_created)s,"
            " %(n_failed)s, %(n_cancelled)s FROM sync_queue WHERE queue_no = %(queue_no)s",
            counts | _BATCH[state] | {"queue_no": queue_no},
        )
        conn.execute(
            "UPDATE sync_queue SET process_count = 1, stage = 'finished', finished_at = now(),"
            " cancelled_at = CASE WHEN %(state)s = 'cancelled' THEN now() END"
            " WHERE queue_no = %(queue_no)s",
            {"queue_no": queue_no, "state": state},
        )


def purge(database, queue_no):
    """Take a queue away, as retention does with a whole range of them."""
    from sync_pipeline.postgres.statements import statement  # noqa: PLC0415

    with database.owner() as conn:
        conn.execute(
            statement("retention/forget"),
            {"first_queue_no": queue_no, "beyond_queue_no": queue_no + 1},
        )
