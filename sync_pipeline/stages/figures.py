"""Order figures: what the customers' figures need of every order, kept between syncs.

Belongs here: from landed orders to `sync_order_figure`, and the watermark that says how far they
are read. Does not: adding figures to customers (sql/enqueue/customer_figures.sql).
"""

from sync_pipeline.postgres.database import DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue
from sync_pipeline.sources.protocol import Listing
from sync_pipeline.stages.coverage import delta_name, sweep_name


def take_figures(
    conn: DictConnection, queue: Queue, listing: Listing, *, moves_watermark: bool, is_swept: bool
) -> list[str]:
    """Take over the landed orders, whole or changes, and move their watermark with them.

    Args:
        conn: the caller's transaction; it commits figures and watermark together.
        queue: whose pages hold the orders.
        listing: the orders as they are read whole; their changes landed under `delta_name`.
        moves_watermark: the read is proven, so orders that it did not see are gone.
        is_swept: ids were swept; what landed and was gone by then does not count.

    Returns:
        Ids of the orders that cannot be read; they count in no figure.
    """
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
                "salt": None,
                "total": None,
            },
        )
    return list(taken["unreadable_ids"])


def _has_landed(conn: DictConnection, queue: Queue, listing: str) -> bool:
    values = {"queue_no": queue.queue_no, "listing": listing}
    return conn.execute(statement("extract/landed"), values).fetchone() is not None
