"""How long history is kept: ranges of queue numbers are dropped whole, and new ones begun.

Belongs here: dropping ranges and moving queue numbers on. Does not: which ranges are over
(expiry.py), making the tables of a range (sql/migrations/0003_partitions.sql), Dagster's own
history (orchestration/purge.py).

The one rule: nobody waits for retention. It asks for a lock for a fraction of a second, lets go and
asks again; what is in use stays until the next time.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import psycopg
from psycopg import sql

from sync_pipeline.errors import DatabaseUnusableError
from sync_pipeline.postgres.database import Database, DictConnection
from sync_pipeline.postgres.ranges import QUEUES_PER_RANGE, Ranged, table_of
from sync_pipeline.postgres.statements import statement
from sync_pipeline.postgres.urls import connect
from sync_pipeline.queue.expiry import Held, Purged, Range, decide
from sync_pipeline.queue.previews import cancel_abandoned
from sync_pipeline.settings import RetentionSettings

_LOCK_TIMEOUT_MS = 200
_ATTEMPTS = 10
_PAUSE_SECONDS = 0.3
_T = TypeVar("_T")
# Asked once a day, and a little early on some days.
_RANGE_AGE = timedelta(hours=20)
_TABLES: tuple[Ranged, ...] = ("sync_line", "sync_activity", "sync_page")
_TABLES_OF_PAGES: tuple[Ranged, ...] = ("sync_page",)


def purge(
    database: Database,
    settings: RetentionSettings,
    *,
    now_utc: datetime | None = None,
    is_dry_run: bool = False,
) -> Purged:
    """Drop what is past its time: whole ranges of finished queues, and landed pages sooner.

    Open conflicts stay, and a range whole while one of its queues is unfinished or young, or new
    queues get their numbers from it. Previews that nobody went on with are cancelled first.

    Args:
        is_dry_run: only say what would go.

    Raises:
        DatabaseUnusableError: the login does not own the tables.
        DatabaseUnavailableError: no connection, or it was lost. What was dropped is dropped whole.
    """
    now_utc = now_utc or datetime.now(UTC)
    _ = is_dry_run or cancel_abandoned(database)
    queues_before = now_utc - timedelta(days=settings.queues_days)
    pages_before = now_utc - timedelta(days=settings.pages_days)
    plan = decide(_ranges(database, queues_before), queues_before, pages_before)
    if is_dry_run:
        return sum(plan, Purged())
    total = Purged()
    for step in plan:
        total += _dropped(database, step, queues_before, pages_before)
    _tidy(database, queues_before)
    maintain(database, now_utc=now_utc)
    return total


def maintain(database: Database, *, now_utc: datetime | None = None) -> int:
    """Begin a new range when the current one is about a day old; once a day is enough.

    A range then holds about a day's queues, and is over a day after its first queue is. Gaps in
    queue numbers mean nothing.

    Returns:
        The range that the next queue is in.

    Raises:
        As `purge`.
    """
    before_utc = (now_utc or datetime.now(UTC)) - _RANGE_AGE
    range_no = _in_time(lambda: _moved_on(database, before_utc))
    if range_no is not None:
        return range_no
    with database.owner() as conn:
        return _current_range(conn)


def _moved_on(database: Database, before_utc: datetime) -> int:
    with _alone(database) as conn:
        current = _current_range(conn)
        conn.execute(statement("queue/make_ranges"), {"range_no": current + 1})
        rolled = conn.execute(
            statement("retention/roll"),
            {"queues_per_range": QUEUES_PER_RANGE, "before_utc": before_utc},
        ).fetchone()
    return int(rolled["range_no"]) if rolled else current


def _ranges(database: Database, before_utc: datetime) -> list[Range]:
    with database.owner() as conn:
        found = conn.execute(
            statement("retention/ranges"),
            {
                "queues_per_range": QUEUES_PER_RANGE,
                "before_utc": before_utc,
                "current_range": _current_range(conn),
            },
        ).fetchall()
    return [Range(**row) for row in found]


def _dropped(
    database: Database, step: Purged, queues_before: datetime, pages_before: datetime
) -> Purged:
    """Take one step, again while its tables are in use; what came of it."""
    if step.ranges:
        (range_no,) = step.ranges
        done = _in_time(lambda: _drop_range(database, step, range_no, queues_before))
    elif step.page_ranges:
        (range_no,) = step.page_ranges
        done = _in_time(lambda: _drop_pages(database, step, range_no, pages_before))
    else:
        return step
    return done or Purged(held=(*step.held, Held(range_no, None, "its tables are in use")))


def _drop_range(database: Database, step: Purged, range_no: int, queues_before: datetime) -> Purged:
    with _alone(database) as conn:
        if not _is_over(conn, range_no, queues_before):
            return Purged()
        gone = conn.execute(statement("retention/forget"), _span(range_no)).fetchone()
        assert gone is not None  # noqa: S101  (an aggregate has a row)
        _drop(conn, range_no, _TABLES)
    return replace(step, queues=gone["n_queues"], lines=gone["n_lines"])


def _drop_pages(database: Database, step: Purged, range_no: int, pages_before: datetime) -> Purged:
    with _alone(database) as conn:
        if not _is_over(conn, range_no, pages_before):
            return Purged(held=step.held)
        _drop(conn, range_no, _TABLES_OF_PAGES)
    return step


def _is_over(conn: DictConnection, range_no: int, before_utc: datetime) -> bool:
    values = {**_span(range_no), "before_utc": before_utc}
    row = conn.execute(statement("retention/hold"), values).fetchone()
    return bool(row and row["is_over"])


def _drop(conn: DictConnection, range_no: int, tables: tuple[Ranged, ...]) -> None:
    names = sql.SQL(", ").join(table_of(table, range_no) for table in tables)
    conn.execute(sql.SQL(statement("retention/drop")).format(tables=names))


def _tidy(database: Database, before_utc: datetime) -> None:
    """What is not in a range: activity about no queue, orchestrations, and room of deleted rows."""
    with _owner(database) as conn:
        conn.execute(statement("retention/allow"))
        conn.execute(statement("retention/general"), {"before_utc": before_utc})
        conn.execute(statement("retention/orchestrations"), {"before_utc": before_utc})
        conn.execute(statement("retention/keys"))
    with connect(database.url) as vacuuming:
        vacuuming.execute(statement("retention/vacuum"))


def _in_time(act: Callable[[], _T]) -> _T | None:
    """What the act returns, tried again while something is in use; None when that does not end."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return act()
        except psycopg.errors.LockNotAvailable:
            if attempt < _ATTEMPTS:
                time.sleep(_PAUSE_SECONDS)
    return None


@contextmanager
def _alone(database: Database) -> Iterator[DictConnection]:
    """A transaction of the owner, while nobody opens a queue and nobody else drops a range.

    Raises:
        As `purge`.
        psycopg.errors.LockNotAvailable: something is in use.
    """
    with _owner(database) as conn:
        conn.execute(statement("retention/alone"), {"lock_timeout_ms": _LOCK_TIMEOUT_MS})
        yield conn


@contextmanager
def _owner(database: Database) -> Iterator[DictConnection]:
    try:
        with database.owner() as conn:
            yield conn
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseUnusableError(
            f"The login may not drop history: {error.diag.message_primary}.",
            remedy="Purge with the login that migrates: it owns the tables.",
        ) from None


def _current_range(conn: DictConnection) -> int:
    values = {"queues_per_range": QUEUES_PER_RANGE}
    row = conn.execute(statement("retention/current"), values).fetchone()
    assert row is not None  # noqa: S101  (a sequence has a row)
    return int(row["range_no"])


def _span(range_no: int) -> dict[str, int]:
    return {
        "first_queue_no": range_no * QUEUES_PER_RANGE,
        "beyond_queue_no": (range_no + 1) * QUEUES_PER_RANGE,
    }
