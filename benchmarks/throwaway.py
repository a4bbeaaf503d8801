"""A database that is made for one benchmark and dropped after it, and what its server spends.

Belongs here: where benchmarks run, and the CPU time of the backends. Does not: rows (landing.py).

The server is that of DATABASE_URL, else an embedded one of its own under `.local/bench`. Its
settings are looked at and never changed.
"""

import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg
from psycopg import sql
from pydantic import SecretStr

from benchmarks.measure import CpuClock
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.embedded import ensure_embedded, leave_embedded
from sync_pipeline.postgres.migrations import migrate
from sync_pipeline.settings import DatabaseSettings

LOCAL_DIR = Path(__file__).parent.parent / ".local" / "bench"
_SHOWN_SETTINGS = (
    "server_version",
    "fsync",
    "synchronous_commit",
    "shared_buffers",
    "max_wal_size",
)
Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True)
class Server:
    """A running server whose login may make databases."""

    url: str

    def settings(self) -> dict[str, str]:
        """The server's settings that the figures depend on most."""
        with psycopg.connect(self.url) as connection:
            return {
                name: str(connection.execute(f"SHOW {name}").fetchone()[0])  # type: ignore[index]
                for name in _SHOWN_SETTINGS
            }


@dataclass(frozen=True)
class Bench:
    """One throw-away database.

    Attributes:
        database: as the pipeline sees it: pooled, as its roles, under row-level security.
        connection: as its owner, in autocommit, for everything that is compared with.
        cpu: CPU seconds of all its client backends.
    """

    url: str
    database: Database
    connection: Connection
    cpu: CpuClock

    def settle(self) -> None:
        """Begin every measurement alike: statistics fresh, nothing dirty left from the last."""
        with suppress(psycopg.errors.InsufficientPrivilege):
            self.connection.execute("CHECKPOINT")


@contextmanager
def open_server() -> Iterator[Server]:
    """The server of DATABASE_URL, else the embedded one of the benchmarks."""
    given = os.environ.get("DATABASE_URL")
    if given:
        yield Server(given)
        return
    try:
        yield Server(ensure_embedded(LOCAL_DIR))
    finally:
        leave_embedded(LOCAL_DIR)


@contextmanager
def open_bench(server: Server) -> Iterator[Bench]:
    """A migrated database; dropped at the end, whatever happened."""
    name = f"sync_bench_{int(time.time())}_{uuid.uuid4().hex[:12]}"
    url = re.sub(r"^(postgres(?:ql)?://[^/?]*)/?[^?]*", rf"\1/{name}", server.url)
    with psycopg.connect(server.url, autocommit=True) as admin:
        _drop_what_killed_runs_left(admin)
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            migrate(url)
            with (
                psycopg.connect(url, autocommit=True) as connection,
                Database.open(settings_for(url)) as database,
            ):
                yield Bench(url, database, connection, _cpu_clock(connection))
        finally:
            admin.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )


def _drop_what_killed_runs_left(admin: Connection) -> None:
    rows = admin.execute(
        "SELECT datname FROM pg_database"
        " WHERE substring(datname from '^sync_bench_([0-9]+)_')::bigint"
        "     < extract(epoch FROM now()) - 4 * 3600"
    ).fetchall()
    for (name,) in rows:
        admin.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(str(name)))
        )


def settings_for(url: str) -> DatabaseSettings:
    """Settings as if DATABASE_URL were this."""
    return DatabaseSettings.model_validate({"DATABASE_URL": SecretStr(url)})


def _cpu_clock(connection: Connection) -> CpuClock:
    """CPU seconds of the client backends of the connection's database, ended ones included."""
    last_seen: dict[int, float] = {}

    def cpu_seconds() -> float | None:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend'"
        ).fetchall()
        for (pid,) in rows:
            used = _used_by(int(str(pid)))
            if used is None:
                return None
            last_seen[int(str(pid))] = used
        return sum(last_seen.values())

    return cpu_seconds


def _used_by(pid: int) -> float | None:
    """CPU seconds of a backend of this machine; None when the server is elsewhere."""
    try:
        process = psutil.Process(pid)
        if "postgres" not in process.name():
            return None
        times = process.cpu_times()
    except psutil.Error:
        return None
    return float(times.user + times.system)
