"""Stores that refuse their keys: one open conflict of the connection and entity.

Belongs here: opening and settling it. Does not: telling a refusal from other answers
(sources/woocommerce/classification.py), stopping the queue for a person (queue/failures.py).
"""

from typing import Final

from psycopg import Connection

from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue

# By code: sources are below, and each has its own classes.
AUTH_CODES: Final = frozenset(
    {"woocommerce.authentication_failed", "woocommerce.permission_denied"}
)


def raise_auth_error(
    conn: Connection[dict[str, object]], queue: Queue, code: str, message: str
) -> None:
    """Open an AuthError, or count the open one once more; other codes leave nothing."""
    if code in AUTH_CODES:
        conn.execute(
            statement("conflicts/raise_auth"),
            {
                "org_id": queue.org_id,
                "connection_id": queue.connection_id,
                "entity": queue.entity,
                "queue_no": queue.queue_no,
                "code": code,
                "message": message,
            },
        )


def settle_auth_error(conn: Connection[dict[str, object]], queue: Queue) -> None:
    """The store was read: an open AuthError of this connection and entity is over."""
    conn.execute(
        statement("conflicts/settle_auth"),
        {"connection_id": queue.connection_id, "entity": queue.entity},
    )
