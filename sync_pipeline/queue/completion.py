"""Completing a leased batch: apply it whole, or find the line that cannot be applied.

Belongs here: the fenced statements that move a batch out of `processing`. Does not: claiming
(leases.py), workers and waits (stages/drain.py).

Functions take an open connection and never commit: the caller commits the state change together
with the rows it stands for.
"""

import secrets
import time
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from sync_pipeline.entities import Entity
from sync_pipeline.entities.references import LATE_COLUMNS
from sync_pipeline.errors import TransientError
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.leases import Lease
from sync_pipeline.queue.queues import Queue

_PREFIX_RANDOM_BITS = 44
_KEY_TAKEN = "duplicate.key_taken"
_MORE_FOR_KEYS = 2


class LeaseLostError(TransientError):
    """The batch was claimed again since: nothing was written, its new holder completes it."""

    code = "queue.lease_lost"


@dataclass(frozen=True)
class Outcome:
    """What one completed batch did, in lines."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: int = 0
    retried: int = 0
    deleted: int = 0

    @property
    def done(self) -> int:
        """Lines that ended well."""
        return self.created + self.updated + self.unchanged + self.deleted

    def __add__(self, other: "Outcome") -> "Outcome":
        """Both together."""
        return Outcome(
            self.created + other.created,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.failed + other.failed,
            self.retried + other.retried,
            self.deleted + other.deleted,
        )


def complete(
    conn: Connection[dict[str, Any]],
    lease: Lease,
    queue: Queue,
    entity: Entity,
    *,
    backoff_seconds: float,
) -> Outcome:
    """Apply every line of the lease and finish its batch, in one statement.

    Raises:
        LeaseLostError: the lease was taken over; nothing was written.
        psycopg.Error: the database refused; the caller rolls back and decides (`isolate`).
    """
    conn.execute(statement("queue/plan"))
    is_shown_only = queue.filters.preview and lease.operation == "change"
    operation = "preview_change" if is_shown_only else lease.operation
    row = conn.execute(
        entity.complete_statement(lease.queue_no, operation),
        {
            "queue_no": lease.queue_no,
            "batch_no": lease.batch_no,
            "token": lease.token,
            "first_line": lease.first_line,
            "last_line": lease.last_line,
            "org_id": queue.org_id,
            "connection_id": queue.connection_id,
            "entity": entity.name,
            "max_retries": queue.max_retries,
            "key_retries": retries_of(_KEY_TAKEN, queue.max_retries),
            "opened_at": queue.created_at,
            "lifetime_value_rule": queue.lifetime_value_rule,
            "policies": Jsonb(dict(entity.policies)),
            "late_columns": list(LATE_COLUMNS.get(entity.target, ())),
            "backoff_seconds": backoff_seconds,
            "id_prefix": time_ordered_prefix(
                time.time_ns() // 1_000_000, secrets.randbits(_PREFIX_RANDOM_BITS)
            ),
        },
        prepare=True,
    ).fetchone()
    if row is None:
        raise _lost(lease)
    return Outcome(
        created=row["n_created"],
        updated=row["n_updated"],
        unchanged=row["n_unchanged"],
        failed=row["n_failed"],
        retried=row["n_retried"],
        deleted=row["n_deleted"],
    )


def split(conn: Connection[dict[str, Any]], lease: Lease) -> bool:
    """Cut the batch in two; False when one line of it is pending, or the lease is lost."""
    conn.execute(statement("queue/hold"), {"queue_no": lease.queue_no})
    return conn.execute(statement("queue/split"), _key(lease)).fetchone() is not None


def give_up(
    conn: Connection[dict[str, Any]],
    lease: Lease,
    queue: Queue,
    *,
    code: str,
    message: str,
    max_retries: int | None = None,
    backoff_seconds: float = 0,
) -> Outcome:
    """What is pending in the batch cannot be applied: it tries again, or fails after its last try.

    A split comes first, so that it is one line.

    Args:
        code: stable, with the line; `duplicate.*` ends as a conflict DuplicateKey, every other one
            as RetryExhausted.
        message: the reason in words.
        max_retries: further tries; those of the queue and the code when None.
        backoff_seconds: until the next one.

    Raises:
        LeaseLostError: the lease was taken over; nothing was written.
    """
    row = conn.execute(
        statement("queue/give_up"),
        _key(lease)
        | {
            "org_id": queue.org_id,
            "connection_id": queue.connection_id,
            "entity": queue.entity,
            "code": code,
            "message": message,
            "conflict_type": "DuplicateKey" if code.startswith("duplicate.") else "RetryExhausted",
            "max_retries": retries_of(code, queue.max_retries)
            if max_retries is None
            else max_retries,
            "backoff_seconds": backoff_seconds,
        },
    ).fetchone()
    if row is None:
        raise _lost(lease)
    return Outcome(failed=row["n_failed"], retried=row["n_retried"])


def tries(conn: Connection[dict[str, Any]], lease: Lease) -> int:
    """Which try of the batch's lines this is, from 1, counted anew after an operator's retry."""
    if lease.batch_pass == 1:
        return 1
    row = conn.execute(
        statement("queue/tries"),
        {
            "queue_no": lease.queue_no,
            "first_line": lease.first_line,
            "last_line": lease.last_line,
        },
    ).fetchone()
    assert row is not None  # noqa: S101  (an aggregate has a row)
    return int(row["n_failures"]) + 1


def release(conn: Connection[dict[str, Any]], lease: Lease, *, backoff_seconds: float) -> None:
    """Hand the batch back; it can be claimed again after the wait. A lost lease is no matter."""
    conn.execute(statement("queue/release"), _key(lease) | {"backoff_seconds": backoff_seconds})


def awaits_reread(conn: Connection[dict[str, Any]], lease: Lease) -> bool:
    """Whether an operator wants a line tried again whose record the store must be asked for."""
    if lease.batch_pass == 1:
        return False
    values = {
        "queue_no": lease.queue_no,
        "first_line": lease.first_line,
        "last_line": lease.last_line,
        "most": 1,
    }
    return conn.execute(statement("queue/unread"), values).fetchone() is not None


def retries_of(code: str, max_retries: int) -> int:
    """Further tries of a line, by the code of its failure. Pure.

    Whoever has the key of a record may be leaving it in this very sync: two more tries than others,
    so that the usual 3 become 1 s, 2 s, 4 s, 8 s, 16 s. None where none are wanted.
    """
    is_key = code.startswith("duplicate.") and max_retries > 0
    return max_retries + (_MORE_FOR_KEYS if is_key else 0)


def time_ordered_prefix(epoch_ms: int, chance: int) -> str:
    """The first 28 characters of a version 7 UUID (RFC 9562); a line's number makes the rest.

    Args:
        epoch_ms: Unix time; 48 bits are kept.
        chance: 44 random bits, two of which give way to the variant, anew for every batch.
    """
    time_hex = f"{epoch_ms & (1 << 48) - 1:012x}"
    chance_hex = f"{chance & (1 << 44) - 1:011x}"
    variant = f"{0b1000 | int(chance_hex[3], 16) & 0b0011:x}"
    return (
        f"{time_hex[:8]}-{time_hex[8:]}-7{chance_hex[:3]}-"
        f"{variant}{chance_hex[4:7]}-{chance_hex[7:]}"
    )


def worker_name(process_id: int, thread_no: int) -> str:
    """A name that no other worker has, for `sync_batch.worker`."""
    return f"{process_id}-{thread_no}-{secrets.token_hex(3)}"


def _key(lease: Lease) -> dict[str, Any]:
    return {"queue_no": lease.queue_no, "batch_no": lease.batch_no, "token": lease.token}


def _lost(lease: Lease) -> LeaseLostError:
    return LeaseLostError(
        f"Batch {lease.batch_no} of queue {lease.queue_no} was taken over by another worker."
    )
