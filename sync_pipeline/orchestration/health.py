"""The health of the whole: every check, at the same time, within seconds.

Belongs here: what is asked in which order, and the bound on it. Does not: the verdicts on queues
(queue/verdicts.py), Dagster (daemons.py), stores and Redis (stages/probing.py), printing (cli/).

Nothing raises: what is wrong is a check that fails. Without a database little can be examined.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import psycopg

from sync_pipeline.errors import SyncError
from sync_pipeline.orchestration.daemons import dagster_checks
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.health import (
    Check,
    Status,
    database_check,
    migrations_check,
    ranges_check,
)
from sync_pipeline.queue.situations import situations
from sync_pipeline.queue.verdicts import queue_checks
from sync_pipeline.settings import DatabaseSettings, SourceSettings
from sync_pipeline.sources.connections import list_connections
from sync_pipeline.stages.probing import disk_check, redis_check, store_check

Task = Callable[[], Sequence[Check]]

# Each part of the examination; a dead database is told within the first.
PATIENCE_SECONDS: Final = 10.0
_CONNECT_SECONDS: Final = 4


def examine(
    settings: DatabaseSettings, source_settings: SourceSettings, *, with_stores: bool
) -> list[Check]:
    """Every check, in the order in which one makes the next moot; within seconds."""
    hasty = settings.model_copy(
        update={"connect_timeout_seconds": min(_CONNECT_SECONDS, settings.connect_timeout_seconds)}
    )
    opened: list[Database] = []
    outside: dict[str, Task] = {
        "redis": lambda: _redis(source_settings),
        "disk": lambda: _disk(settings),
    }
    checks = bounded({"database": lambda: _reach(hasty, opened)}, PATIENCE_SECONDS)
    if not opened:
        unseen = ["migrations", "queues", "dagster storage", *(["stores"] if with_stores else [])]
        return [*checks, *map(_unseen, unseen), *bounded(outside, PATIENCE_SECONDS)]
    with opened[0] as database:
        tasks: dict[str, Task] = {
            "migrations": lambda: [migrations_check(database, hasty.connect_timeout_seconds)],
            "queues": lambda: _queues(database),
            "dagster storage": lambda: dagster_checks(settings, database),
            **outside,
        }
        if with_stores:
            tasks["stores"] = lambda: bounded(
                _stores(database, source_settings), PATIENCE_SECONDS - 1
            )
        checks += bounded(tasks, PATIENCE_SECONDS)
    return checks


def bounded(tasks: Mapping[str, Task], seconds: float) -> list[Check]:
    """Run tasks at the same time, in their order; one that does not end in time fails."""
    answers: dict[str, Sequence[Check]] = {}

    def run(name: str, task: Task) -> None:
        answers[name] = _answer(name, task)

    # Daemon threads: one that hangs does not keep the process from ending.
    threads = [
        threading.Thread(target=run, args=(name, task), name=f"health-{name}", daemon=True)
        for name, task in tasks.items()
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = f"no answer within {seconds:g} s"
    return [
        check
        for name in tasks
        for check in answers.get(name, [Check(name, Status.FAIL, late, "It hangs: look there.")])
    ]


def _answer(name: str, task: Task) -> Sequence[Check]:
    try:
        return task()
    except SyncError as error:
        return [Check(name, Status.FAIL, error.message, error.remedy)]
    except psycopg.Error as error:
        words = error.diag.message_primary or type(error).__name__
        return [Check(name, Status.FAIL, f"the database refuses: {words}")]
    except Exception as error:  # noqa: BLE001  (a check that breaks is a finding; its text may hold a URL)
        return [Check(name, Status.FAIL, f"broke: {type(error).__name__}", "SYNC_DEBUG=1")]


def _reach(settings: DatabaseSettings, opened: list[Database]) -> list[Check]:
    # What is not applied has a check of its own.
    database = Database.open(settings, must_be_current=False)
    check = database_check(database)
    opened.append(database)
    return [check]


def _queues(database: Database) -> list[Check]:
    with database.control() as conn:
        return [*queue_checks(situations(conn)), ranges_check(conn)]


def _stores(database: Database, settings: SourceSettings) -> dict[str, Task]:
    """A probe for each active connection; a store whose circuit is open is left alone."""
    with database.control() as conn:
        left_alone = {one.connection for one in situations(conn) if one.is_circuit_open}
    return {
        f"store {connection.name}": lambda connection=connection: [  # type: ignore[misc]
            store_check(connection, settings)
        ]
        for connection in list_connections(database)
        if connection.name not in left_alone
    }


def _redis(settings: SourceSettings) -> list[Check]:
    return [redis_check(settings.redis_url)] if settings.redis_url is not None else []


def _disk(settings: DatabaseSettings) -> list[Check]:
    return [disk_check(settings.local_dir)] if settings.url is None else []


def _unseen(name: str) -> Check:
    return Check(name, Status.WARN, "not examined: the database cannot be used")
