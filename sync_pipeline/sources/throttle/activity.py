"""What happens between us and a remote system, said in the activity of its open queues.

Belongs here: one row per open queue of a connection. Does not: a queue's own milestones
(queue/queues.py).
"""

from collections.abc import Mapping
from typing import Any, Literal

from psycopg import Connection as SqlConnection
from psycopg.types.json import Jsonb

from sync_pipeline.postgres.statements import statement

Status = Literal["success", "info", "warning", "error"]


def say(
    conn: SqlConnection[dict[str, Any]],
    connection_id: int,
    activity_type: str,
    status: Status,
    message: str,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Say it to every open queue of the connection, in the caller's transaction."""
    conn.execute(
        statement("throttle/say"),
        {
            "connection_id": connection_id,
            "activity_type": activity_type,
            "status": status,
            "message": message,
            "details": Jsonb(dict(details or {})),
        },
    )
