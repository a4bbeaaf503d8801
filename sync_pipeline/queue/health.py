"""Whether syncs are well: the database as a whole.

Belongs here: the form of a check, and the checks of the database as a whole. Does not: the verdicts
on queues (verdicts.py), Dagster (orchestration/health.py), stores and Redis (stages/probing.py),
printing (cli/).

A check fails when somebody must act now or nothing goes on; it warns when somebody should look.
Texts name connections, never addresses with a login, keys or records.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from psycopg import Connection as SqlConnection

from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.migrations import applied_ids, migration_files
from sync_pipeline.postgres.ranges import QUEUES_PER_RANGE
from sync_pipeline.postgres.statements import statement
from sync_pipeline.postgres.urls import connect
from sync_pipeline.postgres.views import are_current

_SLOW_SECONDS: Final = 1.0


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One line of the health table.

    Attributes:
        name: what was checked; stable, for monitors.
        seen: what was seen, without secrets.
        remedy: what to do; empty when nothing is to be done.
    """

    name: str
    status: Status
    seen: str
    remedy: str = ""


def worst(checks: Iterable[Check]) -> Status:
    """The verdict on the whole."""
    order = list(Status)
    return max((check.status for check in checks), key=order.index, default=Status.OK)


def database_check(database: Database) -> Check:
    """The version of a database that answers, and how fast it does.

    Raises:
        As `Database.owner`.
    """
    began = time.perf_counter()
    with database.owner() as conn:
        row = conn.execute("SELECT current_setting('server_version') AS version").fetchone()
    took_seconds = time.perf_counter() - began
    version = str(row["version"]).split()[0] if row else "?"
    seen = f"PostgreSQL {version}, answers in {took_seconds * 1000:.0f} ms"
    if took_seconds > _SLOW_SECONDS:
        return Check("database", Status.WARN, seen, "The server or the way to it is overloaded.")
    return Check("database", Status.OK, seen)


def migrations_check(database: Database, connect_timeout_seconds: int) -> Check:
    """Whether the schema is the one that this program was written for.

    Raises:
        As `urls.connect`.
    """
    with connect(database.url, connect_timeout_seconds) as connection:
        applied = applied_ids(connection)
        views_are_current = are_current(connection)
    ours = [file.stem for file in migration_files()]
    missing = [name for name in ours if name not in applied]
    if missing:
        seen = f"not applied: {', '.join(missing)}"
        return Check("migrations", Status.FAIL, seen, "Run: sync-pipeline db migrate")
    if not views_are_current:
        seen = "the views are of another release"
        return Check("migrations", Status.FAIL, seen, "Run: sync-pipeline db migrate")
    if newer := sorted(applied - set(ours)):
        seen = f"the database is newer: {', '.join(newer)}"
        return Check("migrations", Status.WARN, seen, "Upgrade this installation.")
    return Check("migrations", Status.OK, f"all {len(ours)} applied, views current")


def ranges_check(conn: SqlConnection[dict[str, Any]]) -> Check:
    """Whether the next queues have tables for their lines, activity and pages."""
    values = {"queues_per_range": QUEUES_PER_RANGE}
    row = conn.execute(statement("health/ranges"), values).fetchone() or {}
    if row.get("missing_now"):
        seen = f"no table {row['missing_now']}"
        return Check("ranges", Status.FAIL, seen, "Run: sync-pipeline db verify")
    if row.get("missing_next"):
        seen = f"not made yet: {row['missing_next']}"
        return Check("ranges", Status.WARN, seen, "The next sync makes them when it starts.")
    return Check("ranges", Status.OK, "there is room for the next queues")
