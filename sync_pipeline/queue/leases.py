"""Lease protocol of the queue: claim the next batch, and know when one will be due.

Belongs here: who may work which batch until when. Does not: what is done with it (completion.py).
A lease is time-bound; its token grows with each claim, so a late worker is refused.
"""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection

from sync_pipeline.entities.composing import Operation
from sync_pipeline.postgres.statements import statement


@dataclass(frozen=True)
class Lease:
    """The right to work lines first_line … last_line of one queue until the lease runs out.

    Attributes:
        token: fencing token; an older one is refused by every statement that finishes a batch.
        attempt: claims of this batch so far, this one included.
        batch_pass: 1 the first time through, more when single lines try again.
        operation: which statement applies its lines.
    """

    queue_no: int
    batch_no: int
    token: int
    attempt: int
    batch_pass: int
    first_line: int
    last_line: int
    operation: Operation = "upsert"


def claim(
    conn: Connection[dict[str, object]],
    queue_no: int,
    *,
    worker: str,
    lease_seconds: float,
    now_utc: datetime | None = None,
) -> Lease | None:
    """Lease the next due batch, or one whose holder's lease ran out.

    The caller commits at once: a lease that is not committed protects nothing.
    """
    row = conn.execute(
        statement("queue/claim"),
        {
            "queue_no": queue_no,
            "worker": worker,
            "lease_seconds": lease_seconds,
            "now_utc": now_utc,
        },
    ).fetchone()
    if row is None:
        return None
    return Lease(**{_FIELD.get(name, name): value for name, value in row.items()})  # type: ignore[arg-type]


_FIELD = {"pass": "batch_pass"}


def seconds_until_due(conn: Connection[dict[str, object]], queue_no: int) -> float | None:
    """Seconds until some batch can be claimed; 0.0 now; None when no batch is open."""
    row = conn.execute(statement("queue/next_due"), {"queue_no": queue_no}).fetchone()
    seconds = row["seconds"] if row else None
    return None if seconds is None else float(seconds)  # type: ignore[arg-type]
